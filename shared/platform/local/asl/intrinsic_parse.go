package asl

import (
	"fmt"
	"strings"
)

// call is an intrinsic function with its arguments: States.Format('broker {}', $.id).
type call struct {
	text      string
	function  intrinsic
	arguments []expression
}

// literal is a constant argument of a call.
type literal struct {
	text     string
	constant any
}

func (l literal) value(scope) (any, error) { return l.constant, nil }
func (l literal) String() string           { return l.text }

func (c *call) String() string { return c.text }

// value evaluates the arguments and calls the function; what the function refuses is a States.IntrinsicFailure.
func (c *call) value(in scope) (any, error) {
	arguments := make([]any, len(c.arguments))
	for i, a := range c.arguments {
		v, err := a.value(in)
		if err != nil {
			return nil, err
		}
		arguments[i] = v
	}
	v, err := c.function.run(in, arguments)
	if err != nil {
		return nil, fail(errIntrinsic, "The function '%s' had the following error: %v", c.text, err)
	}
	return v, nil
}

// parseIntrinsic reads a call and checks the function's name and the number of its arguments.
func parseIntrinsic(text string) (*call, error) {
	open := strings.IndexByte(text, '(')
	if open < 0 || !strings.HasSuffix(text, ")") {
		return nil, fmt.Errorf("%q is not a call of an intrinsic function", text)
	}
	name := text[:open]
	function, known := intrinsics[name]
	if !known {
		return nil, fmt.Errorf("%q is not an intrinsic function", name)
	}
	parts, err := splitArguments(text[open+1 : len(text)-1])
	if err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	if len(parts) < function.least || (function.most >= 0 && len(parts) > function.most) {
		return nil, fmt.Errorf("%q: %s does not take %d arguments", text, name, len(parts))
	}
	c := &call{text: text, function: function}
	for _, part := range parts {
		argument, err := parseArgument(part)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		c.arguments = append(c.arguments, argument)
	}
	return c, nil
}

// splitArguments cuts at the commas that are outside of quotes, brackets and nested calls.
func splitArguments(text string) ([]string, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var parts []string
	depth, start, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			i++
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '(' || c == '[':
			depth++
		case c == ')' || c == ']':
			depth--
		case c == ',' && depth == 0:
			parts, start = append(parts, text[start:i]), i+1
		}
	}
	if depth != 0 || quoted {
		return nil, fmt.Errorf("a quote or a bracket is not closed")
	}
	return append(parts, text[start:]), nil
}

func parseArgument(text string) (expression, error) {
	text = strings.TrimSpace(text)
	if len(text) >= 2 && text[0] == '\'' && text[len(text)-1] == '\'' {
		return literal{text, unescape(text[1 : len(text)-1])}, nil
	}
	if strings.HasPrefix(text, "$") || strings.HasPrefix(text, "States.") {
		return parseExpression(text)
	}
	v, err := decode([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("%q is not an argument: strings stand in single quotes", text)
	}
	return literal{text, v}, nil
}

// unescape resolves \' and \\. The braces of States.Format keep their backslash: only there is it known whether { opens
// a placeholder.
func unescape(text string) string {
	return strings.NewReplacer(`\'`, `'`, `\\`, `\`).Replace(text)
}
