package topicfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// jsonError is what is wrong with a document as JSON.
type jsonError struct {
	line int
	error
}

// parseJSON makes the nodes of a document in JSON, so that all that is said of a document in YAML is said of it as well. What is not
// valid JSON is only taken for JSON where it must be; most JSON is YAML, but not all of it.
func parseJSON(text []byte, must bool) (root *yaml.Node, isJSON bool, err error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if !must && (!json.Valid(text) || !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{"))) {
		return nil, false, nil
	}
	p := jsonParser{text: text, decoder: json.NewDecoder(bytes.NewReader(text))}
	p.decoder.UseNumber()
	root, err = p.value()
	if err == nil {
		if _, more := p.decoder.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows the end of the document")
		}
	}
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("it ends too early")
		}
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, true, &jsonError{p.lineAt(syntax.Offset), err}
		}
		return nil, true, &jsonError{p.lineAt(p.decoder.InputOffset()), err}
	}
	return root, true, nil
}

type jsonParser struct {
	text    []byte
	decoder *json.Decoder
}

func (p jsonParser) lineAt(offset int64) int {
	return 1 + bytes.Count(p.text[:min(offset, int64(len(p.text)))], []byte("\n"))
}

// value reads the next value, of any depth.
func (p jsonParser) value() (*yaml.Node, error) {
	token, err := p.decoder.Token()
	if err != nil {
		return nil, err
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: p.lineAt(p.decoder.InputOffset())}
	switch v := token.(type) {
	case string:
		n.Tag, n.Value = "!!str", v
	case json.Number:
		n.Value = v.String() // YAML's own rules say which kind of number
	case bool:
		n.Tag, n.Value = "!!bool", fmt.Sprint(v)
	case json.Delim:
		n.Kind = yaml.SequenceNode
		if v == '{' {
			n.Kind = yaml.MappingNode
		}
		for p.decoder.More() {
			element, err := p.value() // of an object: names and values in turn, as nodes have them
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, element)
		}
		_, err = p.decoder.Token() // the end of it
	default:
		n.Tag, n.Value = "!!null", "null"
	}
	return n, err
}
