package harness

import (
	"fmt"
	"strings"
)

// matchesPattern tells whether an event fits a pattern of EventBridge, which the filters of Lambda's event sources are too:
// every member of the pattern has to be there, with one of the values listed, one that begins with a prefix, or any.
// A pattern with anything else is an error.
func matchesPattern(pattern, event any) (bool, error) {
	switch p := pattern.(type) {
	case map[string]any:
		e, is := event.(map[string]any)
		if !is {
			return false, nil
		}
		for name, inner := range p {
			if fits, err := matchesPattern(inner, e[name]); !fits || err != nil {
				return false, err
			}
		}
		return true, nil
	case []any:
		if values, is := event.([]any); is { // of which one fits
			for _, value := range values {
				if fits, err := matchesPattern(pattern, value); fits || err != nil {
					return fits, err
				}
			}
			return false, nil
		}
		for _, choice := range p {
			fits, err := matchesChoice(choice, event)
			if fits || err != nil {
				return fits, err
			}
		}
		return false, nil
	default:
		return false, fmt.Errorf("%v is no pattern", pattern)
	}
}

func matchesChoice(choice, value any) (bool, error) {
	test, is := choice.(map[string]any)
	if !is {
		return choice == value, nil
	}
	if test["exists"] == true && len(test) == 1 {
		return value != nil, nil
	}
	prefix, is := test["prefix"].(string)
	if !is || len(test) != 1 {
		return false, fmt.Errorf("the comparison %v is not understood", test)
	}
	text, is := value.(string)
	return is && strings.HasPrefix(text, prefix), nil
}
