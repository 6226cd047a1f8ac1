package serverproperties

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Allowed says in words what a value of the property has to be, such as "an integer from 10000 to 30000".
func (k Key) Allowed() string {
	switch k.Kind {
	case Boolean:
		return "true or false"
	case Integer:
		return k.integers()
	case Double:
		return fmt.Sprintf("a number from %d to %d", k.Min, k.Max)
	case Choice:
		return "one of " + strings.Join(k.Values, ", ")
	case List:
		return "a comma-separated list of " + strings.Join(k.Values, ", ")
	case Listeners:
		return listenersFormat
	default:
		return ""
	}
}

func (k Key) integers() string {
	text := fmt.Sprintf("an integer from %d to %d", k.Min, k.Max)
	if k.Max == math.MaxInt64 {
		text = fmt.Sprintf("an integer of at least %d", k.Min)
	}
	if k.NotZero {
		text += ", but not 0"
	}
	return text
}

// normalize gives a trimmed value as Kafka would write it, or the complaint about it.
func (k Key) normalize(value string) (normal, complaint string) {
	if k.Kind == Listeners {
		return checkListeners(value)
	}
	normal, ok := k.parse(value)
	if !ok {
		return "", fmt.Sprintf("Invalid value '%s' for key '%s'. It has to be %s.", value, k.Name, k.Allowed())
	}
	return normal, ""
}

func (k Key) parse(value string) (normal string, ok bool) {
	switch k.Kind {
	case Boolean: // Kafka takes any case, and Ansible sends True and False
		normal = strings.ToLower(value)
		return normal, normal == "true" || normal == "false"
	case Integer:
		n, err := strconv.ParseInt(value, 10, 64)
		inRange := k.Min <= n && n <= k.Max && (n != 0 || !k.NotZero)
		return strconv.FormatInt(n, 10), err == nil && inRange
	case Double:
		f, err := strconv.ParseFloat(value, 64)
		inRange := float64(k.Min) <= f && f <= float64(k.Max) // not-a-number is in no range
		return strconv.FormatFloat(f, 'f', -1, 64), err == nil && inRange
	case Choice:
		return value, slices.Contains(k.Values, value)
	case List:
		return k.parseList(value)
	default:
		return "", false
	}
}

// parseList takes each of Values once at most, and at least one of them.
func (k Key) parseList(value string) (normal string, ok bool) {
	var parts []string
	for part := range strings.SplitSeq(value, ",") {
		part = strings.TrimSpace(part)
		if !slices.Contains(k.Values, part) || slices.Contains(parts, part) {
			return "", false
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ","), true
}
