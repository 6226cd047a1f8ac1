package asl

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Describe gives an execution as it is journalled, or ErrExecutionDoesNotExist.
func (e *Engine) Describe(arn string) (Execution, error) {
	x, err := e.find(arn)
	if err != nil {
		return Execution{}, err
	}
	return x.description(), nil
}

func (x *execution) description() Execution {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.published
}

func (e *Engine) find(arn string) (*execution, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if x := e.executions[arn]; x != nil {
		return x, nil
	}
	return nil, fmt.Errorf("%w: %s", ErrExecutionDoesNotExist, arn)
}

// List gives all executions that are kept, the latest first.
func (e *Engine) List() []Execution {
	var out []Execution
	for _, x := range e.all() {
		out = append(out, x.description())
	}
	slices.SortFunc(out, func(a, b Execution) int {
		if c := b.Started.Compare(a.Started); c != 0 {
			return c
		}
		return strings.Compare(a.ARN, b.ARN)
	})
	return out
}

func (e *Engine) all() []*execution {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]*execution, 0, len(e.executions))
	for _, x := range e.executions {
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b *execution) int { return strings.Compare(a.info.ARN, b.info.ARN) })
	return out
}

// History gives what happened in an execution so far, as it is journalled.
func (e *Engine) History(arn string) ([]Event, error) {
	texts, err := e.config.Journal.Events(arn)
	if err != nil {
		return nil, fmt.Errorf("read the history of %s: %w", arn, err)
	}
	events := make([]Event, len(texts))
	for i, text := range texts {
		if err := json.Unmarshal(text, &events[i]); err != nil {
			return nil, fmt.Errorf("read the history of %s: %w", arn, err)
		}
	}
	return events, nil
}
