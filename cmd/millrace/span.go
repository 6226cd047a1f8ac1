package main

import (
	"errors"
	"regexp"
	"strings"
	"time"
)

// span is a flag that says how long something lasts, as people write it: 2h, 1h30m, 90 minutes, 1d.
type span time.Duration

var (
	wholeSpan   = regexp.MustCompile(`^\s*([0-9]+(\.[0-9]+)?\s*[a-z]+\s*)+$`)
	partsOfSpan = regexp.MustCompile(`([0-9.]+)\s*([a-z]+)`)
	unitsOfSpan = map[string]string{
		"s": "s", "sec": "s", "second": "s", "m": "m", "min": "m", "minute": "m", "h": "h", "hr": "h", "hour": "h", "d": "d", "day": "d",
	}
)

// Set reads a span; it is never negative.
func (s *span) Set(text string) error {
	wrong := errors.New("write it like 45m, 2h, 1h30m or 1d")
	text = strings.ToLower(text)
	if !wholeSpan.MatchString(text) {
		return wrong
	}
	var sum time.Duration
	for _, part := range partsOfSpan.FindAllStringSubmatch(text, -1) {
		unit, known := unitsOfSpan[part[2]]
		if !known {
			if unit, known = unitsOfSpan[strings.TrimSuffix(part[2], "s")]; !known {
				return wrong
			}
		}
		days := time.Duration(1)
		if unit == "d" {
			unit, days = "h", 24
		}
		d, err := time.ParseDuration(part[1] + unit)
		if err != nil || d > maxSpan/days || sum+d*days > maxSpan {
			return errors.New("that is longer than anything lasts here")
		}
		sum += d * days
	}
	*s = span(sum)
	return nil
}

// maxSpan is far above what anything may last, and far below where times overflow.
const maxSpan = 10 * 365 * 24 * time.Hour

func (s *span) String() string { return spoken(time.Duration(*s)) }

func (s *span) Type() string { return "time" }

// spoken writes a time as a person would: 2h, 1h30m, 12.3s.
func spoken(d time.Duration) string {
	if d < time.Minute {
		return d.Round(100 * time.Millisecond).String()
	}
	text := d.Round(time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
