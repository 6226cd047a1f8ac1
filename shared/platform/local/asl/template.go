package asl

import (
	"fmt"
	"strings"
)

// template is a payload template: JSON in which the value of each field whose name ends in ".$" is an expression.
type template struct {
	constant any                  // when nothing below is an expression
	fields   map[string]*template // of an object
	items    []*template          // of an array
	computed expression           // of a field that ended in ".$"
}

// parseTemplate reads a template; the error names the field.
func parseTemplate(v any) (*template, error) {
	switch v := v.(type) {
	case map[string]any:
		return parseTemplateObject(v)
	case []any:
		t := &template{items: make([]*template, len(v))}
		for i := range v {
			item, err := parseTemplate(v[i])
			if err != nil {
				return nil, err
			}
			t.items[i] = item
		}
		return t, nil
	}
	return &template{constant: v}, nil
}

func parseTemplateObject(object map[string]any) (*template, error) {
	t := &template{fields: make(map[string]*template, len(object))}
	for key, v := range object {
		name, computed := strings.CutSuffix(key, ".$")
		if !computed {
			field, err := parseTemplate(v)
			if err != nil {
				return nil, err
			}
			t.fields[name] = field
			continue
		}
		text, isText := v.(string)
		if !isText {
			return nil, fmt.Errorf("field %q has to be a path or an intrinsic function, in quotes", key)
		}
		if _, twice := object[name]; twice {
			return nil, fmt.Errorf("fields %q and %q exclude each other", name, key)
		}
		e, err := parseExpression(text)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", key, err)
		}
		t.fields[name] = &template{computed: e}
	}
	return t, nil
}

// value fills the template in.
func (t *template) value(in scope) (any, error) {
	switch {
	case t.computed != nil:
		return t.computed.value(in)
	case t.fields != nil:
		object := make(map[string]any, len(t.fields))
		for name, field := range t.fields {
			v, err := field.value(in)
			if err != nil {
				return nil, err
			}
			object[name] = v
		}
		return object, nil
	case t.items != nil:
		items := make([]any, len(t.items))
		for i, item := range t.items {
			v, err := item.value(in)
			if err != nil {
				return nil, err
			}
			items[i] = v
		}
		return items, nil
	}
	return t.constant, nil
}
