package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/millrace/millrace/shared/mskapi"
	"github.com/millrace/millrace/shared/topicplan"
)

// topicNameIsValid checks a topic's name by Kafka's rule, before Kafka is asked.
func topicNameIsValid(name string) error {
	if wrong := topicplan.NameFault(name); wrong != "" {
		return mskapi.BadRequest("topicName", "%s.", wrong)
	}
	return nil
}

func isPositive(parameter string, n int) error {
	if n < 1 {
		return mskapi.BadRequest(parameter, "The member %s has to be at least 1, not %d.", parameter, n)
	}
	return nil
}

// readTopicConfigs reads what is set on a topic as MSK has it sent: base64 of a JSON object whose values are strings.
func readTopicConfigs(text string) (map[string]string, error) {
	body, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, badConfigs("that is no base64")
	}
	configs, wrong := readStrings(body)
	if wrong != "" {
		return nil, badConfigs(wrong)
	}
	return configs, nil
}

// badConfigs says what is wrong, and shows what it should look like.
func badConfigs(wrong string) error {
	const example = `{"retention.ms":"604800000"}`
	return mskapi.BadRequest("configs", "The member configs has to be base64 of a JSON object of strings, such as %s for %s: %s.",
		base64.StdEncoding.EncodeToString([]byte(example)), example, wrong)
}

// readStrings reads a JSON object of strings, or says what is wrong with it. It takes no member twice, of which json.Unmarshal would
// drop one.
func readStrings(body []byte) (values map[string]string, wrong string) {
	const noObject = "that is no JSON object"
	d := json.NewDecoder(bytes.NewReader(body))
	if first, err := d.Token(); err != nil || first != json.Delim('{') || !utf8.Valid(body) {
		return nil, noObject
	}
	values = map[string]string{}
	for d.More() {
		key, err := d.Token()
		name, isName := key.(string)
		if err != nil || !isName {
			return nil, noObject
		}
		value, err := d.Token()
		text, isText := value.(string)
		switch _, twice := values[name]; {
		case err != nil:
			return nil, noObject
		case !isText:
			return nil, fmt.Sprintf("the value of %s is no string", name)
		case twice:
			return nil, fmt.Sprintf("%s is set twice", name)
		}
		values[name] = text
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return nil, noObject
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, noObject
	}
	return values, ""
}

// writeTopicConfigs is the way back; properties come by name.
func writeTopicConfigs(configs map[string]string) (string, error) {
	if configs == nil {
		configs = map[string]string{}
	}
	body, err := json.Marshal(configs)
	return base64.StdEncoding.EncodeToString(body), err
}
