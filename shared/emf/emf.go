// Package emf writes metrics as lines of a log that CloudWatch reads them from (embedded metric format): that takes no call
// that could fail or be throttled, and no permission.
package emf

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"
)

// Line is a line with metrics of one moment.
type Line struct {
	namespace  string
	values     map[string]any
	directives []*directive
}

// directive tells CloudWatch which members of a line are metrics.
type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []metric
}

type metric struct{ Name, Unit string }

// NewLine begins a line. Dimensions are all that its metrics have, with their values.
func NewLine(namespace string, dimensions map[string]string) *Line {
	l := &Line{namespace: namespace, values: map[string]any{}}
	for name, value := range dimensions {
		l.values[name] = value
	}
	return l
}

// Add adds a metric of some of the line's dimensions, in one of CloudWatch's units.
func (l *Line) Add(name, unit string, value any, dimensions ...string) {
	l.values[name] = value
	d := l.of(dimensions)
	d.Metrics = append(d.Metrics, metric{name, unit})
}

// of gives the directive for metrics of these dimensions.
func (l *Line) of(dimensions []string) *directive {
	for _, d := range l.directives {
		if slices.Equal(d.Dimensions[0], dimensions) {
			return d
		}
	}
	d := &directive{Namespace: l.namespace, Dimensions: [][]string{dimensions}}
	l.directives = append(l.directives, d)
	return d
}

// Write writes the line, unless it has no metric.
func (l *Line) Write(to io.Writer, at time.Time) error {
	if len(l.directives) == 0 {
		return nil
	}
	l.values["_aws"] = map[string]any{"Timestamp": at.UnixMilli(), "CloudWatchMetrics": l.directives}
	text, err := json.Marshal(l.values)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	if _, err := to.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	return nil
}
