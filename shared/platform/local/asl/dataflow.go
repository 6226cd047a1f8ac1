package asl

import (
	"fmt"
	"maps"

	"github.com/ohler55/ojg/jp"
)

// dataPath is an InputPath or OutputPath: the whole of what it is applied to unless it says otherwise.
type dataPath struct {
	path    *path // nil: $
	nothing bool  // null: an empty object
}

func (p dataPath) value(in scope) (any, error) {
	switch {
	case p.nothing:
		return map[string]any{}, nil
	case p.path == nil:
		return in.input, nil
	}
	v, found, err := p.path.find(in)
	if err == nil && !found {
		err = fail(errRuntime, "Invalid path '%s' : No results for path: %s", p.path, p.path)
	}
	return v, err
}

// resultPath is the place in the raw input that a result goes to; the zero value replaces the input.
type resultPath struct {
	discard bool  // null: the output is the input
	steps   []any // field names and indexes
}

// referenceSteps reads a path that can only lead to one place in the input.
func referenceSteps(p *path) ([]any, error) {
	if !p.definite || p.root != "$" {
		return nil, fmt.Errorf("%q does not name one place in the input", p)
	}
	var steps []any
	for _, step := range p.steps[1:] {
		switch step := step.(type) {
		case jp.Child:
			steps = append(steps, string(step))
		case jp.Nth:
			steps = append(steps, int(step))
		}
	}
	return steps, nil
}

func (p resultPath) place(input, result any) (any, error) {
	if p.discard {
		return input, nil
	}
	return placed(input, p.steps, result)
}

// placed copies what it changes, because values are shared. Missing objects on the way are made.
func placed(v any, steps []any, result any) (any, error) {
	if len(steps) == 0 {
		return result, nil
	}
	switch step := steps[0].(type) {
	case string:
		object, isObject := v.(map[string]any)
		if !isObject && v != nil {
			return nil, fail(errResultPath, "ResultPath leads to field %q of something that is not an object: %s", step, encode(v))
		}
		inner, err := placed(object[step], steps[1:], result)
		if err != nil {
			return nil, err
		}
		if object = maps.Clone(object); object == nil {
			object = map[string]any{}
		}
		object[step] = inner
		return object, nil
	default:
		list, isList := v.([]any)
		i := step.(int)
		if !isList || i < 0 || i >= len(list) {
			return nil, fail(errResultPath, "ResultPath leads to item %d, which is not there: %s", i, encode(v))
		}
		inner, err := placed(list[i], steps[1:], result)
		if err != nil {
			return nil, err
		}
		list = append([]any{}, list...)
		list[i] = inner
		return list, nil
	}
}
