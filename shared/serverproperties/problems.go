package serverproperties

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/millrace/millrace/shared/fault"
)

// problem is one entry of MSK's answer to a bad text. Its JSON is what users and their tools read.
type problem struct {
	Name          string   `json:"name"`
	Value         string   `json:"value"`
	ErrorMessages []string `json:"errorMessages"`
}

// maxProblems is how many are told at once: twice as many as there are keys. A text with more is no configuration at all,
// and the answer has to stay small enough to be sent.
const maxProblems = 100

func refusal(problems []problem) error {
	problems = problems[:min(len(problems), maxProblems)]
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // a message for people, not for a page
	if err := enc.Encode(problems); err != nil {
		return err
	}
	return fault.InvalidParameter(Parameter, "%s", strings.TrimSuffix(b.String(), "\n"))
}
