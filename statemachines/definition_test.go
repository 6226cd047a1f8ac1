package statemachines_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/shared/platform/local/asl"
	"github.com/millrace/millrace/statemachines"
)

// definition is as much of a state machine's file as the tests read themselves.
type definition struct {
	Comment        string
	TimeoutSeconds int
	StartAt        string
	States         map[string]state
}

type state struct {
	Comment        string
	Type           string
	TimeoutSeconds int
	Parameters     struct {
		FunctionName string
		Payload      map[string]any
	}
	Assign        map[string]any
	Retry         []retrier
	Catch         []catcher
	Next, Default string
	SecondsPath   string
	Choices       []struct{ Next string }
	Branches      []definition
	ItemProcessor *definition
}

type retrier struct {
	ErrorEquals    []string
	JitterStrategy string
	MaxAttempts    int
}

type catcher struct {
	ErrorEquals []string
	Assign      map[string]any
	Next        string
}

func read(t *testing.T, machine string) definition {
	t.Helper()
	text, err := statemachines.Definition(machine)
	if err != nil {
		t.Fatal(err)
	}
	var d definition
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatalf("%s: %v", machine, err)
	}
	return d
}

// load loads every machine as a control plane does.
func load(t *testing.T) map[string]*asl.Machine {
	t.Helper()
	machines := map[string]*asl.Machine{}
	for _, name := range statemachines.Names() {
		text, err := statemachines.Definition(name)
		if err != nil {
			t.Fatal(err)
		}
		if text, err = asl.Substitute(text, statemachines.FunctionsOf(name)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if machines[name], err = asl.Load(name, text); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return machines
}

// inner are the definitions inside a state: the branches of a Parallel, the processor of a Map.
func (s state) inner() []definition {
	if s.ItemProcessor != nil {
		return append(slices.Clone(s.Branches), *s.ItemProcessor)
	}
	return s.Branches
}

// task is a Task with where it stands.
type task struct {
	state
	name string
	top  string // the state of the machine itself that holds it: its own name, or that of a Map or Parallel
}

// step is the step that the task asks for.
func (t task) step() string {
	step, _ := t.Parameters.Payload["step"].(string)
	return step
}

// function is the placeholder behind the task: Provisioning for ${Provisioning}.
func (t task) function() string {
	return strings.TrimSuffix(strings.TrimPrefix(t.Parameters.FunctionName, "${"), "}")
}

// tasks are all Tasks of a machine, however deep, in alphabetical order within each level.
func (d definition) tasks() []task {
	var found []task
	var walk func(d definition, top string)
	walk = func(d definition, top string) {
		for _, name := range slices.Sorted(maps.Keys(d.States)) {
			s, holder := d.States[name], top
			if holder == "" {
				holder = name
			}
			if s.Type == "Task" {
				found = append(found, task{state: s, name: name, top: holder})
			}
			for _, inner := range s.inner() {
				walk(inner, holder)
			}
		}
	}
	walk(d, "")
	return found
}

// next are all states that may follow a state.
func (s state) next() []string {
	var names []string
	for _, name := range []string{s.Next, s.Default} {
		if name != "" {
			names = append(names, name)
		}
	}
	for _, c := range s.Choices {
		names = append(names, c.Next)
	}
	for _, c := range s.Catch {
		names = append(names, c.Next)
	}
	return names
}

// reachable are the states that a state of the machine itself may lead to.
func (d definition) reachable(from string) map[string]bool {
	seen := map[string]bool{}
	var walk func(name string)
	walk = func(name string) {
		for _, next := range d.States[name].next() {
			if !seen[next] {
				seen[next] = true
				walk(next)
			}
		}
	}
	walk(from)
	return seen
}
