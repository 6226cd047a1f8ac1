package asl

import (
	"errors"
	"maps"
	"slices"
	"strings"
)

// format puts its arguments in the places of {} in the first one. \{ and \} are braces.
func format(args []any) (any, error) {
	text, ok := args[0].(string)
	if !ok {
		return nil, errors.New("the first argument has to be a string")
	}
	var out strings.Builder
	rest := args[1:]
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && strings.IndexByte(`{}`, text[i+1]) >= 0:
			i++
			out.WriteByte(text[i])
		case strings.HasPrefix(text[i:], "{}"):
			if len(rest) == 0 {
				return nil, errors.New("there are more {} than arguments")
			}
			i++
			out.WriteString(formatted(rest[0]))
			rest = rest[1:]
		default:
			out.WriteByte(text[i])
		}
	}
	if len(rest) > 0 {
		return nil, errors.New("there are more arguments than {}")
	}
	return out.String(), nil
}

// formatted is a value as States.Format writes it: strings bare, objects as {name=value, …}.
func formatted(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = formatted(v[i])
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		parts := make([]string, 0, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, name+"="+formatted(v[name]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return string(encode(v))
}
