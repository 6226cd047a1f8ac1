package health

import (
	"strings"
	"time"
)

// clock tells a moment to people, in words that stay the same from look to look.
func clock(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05 UTC") }

// span tells a length of time in the words of people: 30 min.
func span(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return strings.TrimSuffix(d.String(), "0m0s")
	case d%time.Minute == 0:
		return strings.TrimSuffix(d.String(), "m0s") + " min"
	default:
		return d.String()
	}
}

// words joins names as a sentence does: a, b and c.
func words(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

func plural(of []string, one, many string) string {
	if len(of) == 1 {
		return one
	}
	return many
}
