package asl

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Load reads and checks a definition. It is strict: a field that a state does not have, or that this engine does not
// run, a transition to nowhere, a state nothing leads to, a malformed path are errors that name the state and the field.
// All of them are reported together.
func Load(name string, definition []byte) (*Machine, error) {
	v, err := decode(definition)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s: a definition is an object", name)
	}
	f := newFields(name, object)
	m := &Machine{Name: name, definition: definition}
	if version := f.text("Version"); version != "" && version != "1.0" {
		f.refuse("Version", "has to be 1.0")
	}
	m.timeout = f.seconds("TimeoutSeconds", 1)
	m.sequence = f.sequence()
	f.done()
	if len(*f.errs) == 0 {
		m.check(f)
	}
	if err := errors.Join(*f.errs...); err != nil {
		return nil, err
	}
	return m, nil
}

// sequence reads StartAt and States.
func (f *fields) sequence() *sequence {
	f.language()
	q := &sequence{startAt: f.required("StartAt"), states: map[string]*state{}}
	states, ok := f.value("States").(map[string]any)
	if !ok || len(states) == 0 {
		f.refuse("States", "has to be an object with at least one state")
		return q
	}
	for _, name := range slices.Sorted(maps.Keys(states)) {
		object, ok := states[name].(map[string]any)
		if !ok {
			f.refuse("States", fmt.Sprintf("has %q, which is not an object", name))
			continue
		}
		q.states[name] = f.at("state "+name, object).state(name)
	}
	return q
}

// language refuses JSONata by name.
func (f *fields) language() {
	if language := f.text("QueryLanguage"); language != "" && language != "JSONPath" {
		f.refuse("QueryLanguage", language+" is not supported: use JSONPath")
	}
}

// state reads one state: what all have in common, then what its type has.
func (f *fields) state(name string) *state {
	f.language()
	if len(name) > 80 {
		f.refuse("", "the name is longer than 80 characters")
	}
	s := &state{name: name, kind: kind(f.required("Type"))}
	switch s.kind {
	case kindPass:
		s.result, s.hasResult = f.value("Result"), f.has("Result")
		s.parameters = f.template("Parameters")
		s.resultPath = f.resultPath()
	case kindTask:
		s.task = f.task()
		s.parameters = f.template("Parameters")
		f.execution(s)
		f.taskParameters(s)
	case kindChoice:
		s.next = f.text("Default")
		s.choices = f.choices()
	case kindWait:
		s.wait = f.wait()
	case kindSucceed:
	case kindFail:
		s.errorName = f.textOrPath("Error", "ErrorPath")
		s.cause = f.textOrPath("Cause", "CausePath")
	case kindParallel:
		s.parameters = f.template("Parameters")
		f.execution(s)
		s.branches = f.branches()
	case kindMap:
		f.execution(s)
		f.mapState(s)
	default:
		f.refuse("Type", fmt.Sprintf("%q is not a type of state", s.kind))
		return s
	}
	if s.kind != kindFail {
		s.inputPath, s.outputPath = f.dataPath("InputPath"), f.dataPath("OutputPath")
	}
	if s.kind != kindFail && s.kind != kindSucceed {
		s.assign = f.assign()
	}
	if s.kind != kindFail && s.kind != kindSucceed && s.kind != kindChoice {
		f.transition(s)
	}
	f.done()
	return s
}

// transition reads Next or End, exactly one of which has to be there.
func (f *fields) transition(s *state) {
	s.next = f.text("Next")
	if end := f.boolean("End"); end == (s.next != "") {
		f.refuse("Next", "either Next or End: true is needed, and not both")
	}
}
