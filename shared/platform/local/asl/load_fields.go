package asl

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// fields reads the fields of one JSON object. Whatever nobody asked for by the time of done is refused: so each reader
// above is also the list of what is allowed there.
type fields struct {
	where string // for messages: the machine, the state, the entry
	raw   map[string]any
	asked map[string]bool
	errs  *[]error // shared by all fields of a definition
}

func newFields(where string, raw map[string]any) *fields {
	return &fields{where: where, raw: raw, asked: map[string]bool{"Comment": true}, errs: new([]error)}
}

// at gives the fields of an object inside this one.
func (f *fields) at(where string, raw map[string]any) *fields {
	inner := newFields(f.where+": "+where, raw)
	inner.errs = f.errs
	return inner
}

func (f *fields) refuse(field, why string) {
	if field != "" {
		why = field + ": " + why
	}
	*f.errs = append(*f.errs, fmt.Errorf("%s: %s", f.where, why))
}

// done refuses every field that nobody asked for.
func (f *fields) done() {
	for _, name := range slices.Sorted(maps.Keys(f.raw)) {
		if !f.asked[name] {
			f.refuse(name, "is not supported here")
		}
	}
}

func (f *fields) has(name string) bool {
	_, ok := f.raw[name]
	return ok
}

func (f *fields) value(name string) any {
	f.asked[name] = true
	return f.raw[name]
}

func (f *fields) text(name string) string {
	v := f.value(name)
	text, ok := v.(string)
	if !ok && f.has(name) {
		f.refuse(name, "has to be a string")
	}
	return text
}

func (f *fields) required(name string) string {
	text := f.text(name)
	if text == "" {
		f.refuse(name, "is missing")
	}
	return text
}

func (f *fields) boolean(name string) bool {
	v, ok := f.value(name).(bool)
	if !ok && f.has(name) {
		f.refuse(name, "has to be true or false")
	}
	return v
}

func (f *fields) texts(name string) []string {
	list, _ := f.value(name).([]any)
	var out []string
	for _, item := range list {
		text, ok := item.(string)
		if !ok {
			f.refuse(name, "has to be a list of strings")
		}
		out = append(out, text)
	}
	return out
}

// maxSeconds is the longest time AWS takes anywhere: about three years.
const maxSeconds = 99_999_999

// seconds reads a whole number of seconds; a missing field is 0.
func (f *fields) seconds(name string, least int64) time.Duration {
	v := f.value(name)
	if !f.has(name) {
		return 0
	}
	n, ok := v.(int64)
	if !ok || n < least || n > maxSeconds {
		f.refuse(name, fmt.Sprintf("has to be a whole number from %d to %d", least, maxSeconds))
		return 0
	}
	return time.Duration(n) * time.Second
}

func (f *fields) count(name string) int {
	n, ok := f.value(name).(int64)
	if !ok || n < 0 || n > maxSeconds {
		f.refuse(name, "has to be a whole number of at least 0")
	}
	return int(n)
}

func (f *fields) object(name string) *fields {
	raw, ok := f.value(name).(map[string]any)
	if !ok {
		f.refuse(name, "has to be an object")
	}
	return f.at(name, raw)
}

func (f *fields) objects(name string) []*fields {
	v := f.value(name)
	list, ok := v.([]any)
	if !ok && f.has(name) {
		f.refuse(name, "has to be a list")
	}
	var out []*fields
	for i, item := range list {
		raw, ok := item.(map[string]any)
		if !ok {
			f.refuse(name, "has to be a list of objects")
		}
		out = append(out, f.at(fmt.Sprintf("%s[%d]", name, i), raw))
	}
	return out
}

// path reads a path; nil when the field is missing.
func (f *fields) path(name string) *path {
	if !f.has(name) {
		f.asked[name] = true
		return nil
	}
	p, err := parsePath(f.text(name))
	if err != nil {
		f.refuse(name, err.Error())
	}
	return p
}

func (f *fields) template(name string) *template {
	v := f.value(name)
	if !f.has(name) {
		return nil
	}
	if _, isObject := v.(map[string]any); !isObject {
		f.refuse(name, "has to be an object")
		return nil
	}
	t, err := parseTemplate(v)
	if err != nil {
		f.refuse(name, err.Error())
	}
	return t
}

// assign reads the variables that a state sets.
func (f *fields) assign() *template {
	t := f.template("Assign")
	if t == nil {
		return nil
	}
	for name := range t.fields {
		if !variableName.MatchString(name) {
			f.refuse("Assign", fmt.Sprintf("%q can't be the name of a variable", name))
		}
	}
	return t
}

// dataPath reads InputPath or OutputPath, which may be null.
func (f *fields) dataPath(name string) dataPath {
	if f.has(name) && f.value(name) == nil {
		return dataPath{nothing: true}
	}
	return dataPath{path: f.path(name)}
}

// resultPath reads ResultPath, which may be null and has to lead to one place in the input.
func (f *fields) resultPath() resultPath {
	if f.has("ResultPath") && f.value("ResultPath") == nil {
		return resultPath{discard: true}
	}
	p := f.path("ResultPath")
	if p == nil {
		return resultPath{}
	}
	steps, err := referenceSteps(p)
	if err != nil {
		f.refuse("ResultPath", err.Error())
	}
	return resultPath{steps: steps}
}
