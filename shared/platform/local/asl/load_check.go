package asl

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,79}$`)

// check looks at a definition as a whole, after each of its states was found well formed:
//
//  1. every transition leads to a state of the same sequence, and every state can be reached;
//  2. no two states have the same name, not even in different sequences;
//  3. no sequence sets a variable that a sequence around it sets: an inner state could not say which one it means.
func (m *Machine) check(f *fields) {
	names := map[string]bool{}
	m.sequence.check(f, names, nil)
}

func (q *sequence) check(f *fields, names map[string]bool, outer map[string]bool) {
	q.checkTransitions(f)
	assigned := q.assigned()
	for _, variable := range slices.Sorted(maps.Keys(assigned)) {
		if outer[variable] {
			f.refuse("state "+assigned[variable], fmt.Sprintf("Assign: the variable %q is set around it too", variable))
		}
	}
	visible := maps.Clone(outer)
	if visible == nil {
		visible = map[string]bool{}
	}
	for variable := range assigned {
		visible[variable] = true
	}
	for _, name := range slices.Sorted(maps.Keys(q.states)) {
		if names[name] {
			f.refuse("state "+name, "another state has the same name")
		}
		names[name] = true
		for _, inner := range q.states[name].sequences() {
			inner.check(f, names, visible)
		}
	}
}

// sequences are the ones inside a Parallel or Map.
func (s *state) sequences() []*sequence {
	if s.processor != nil {
		return []*sequence{s.processor}
	}
	return s.branches
}

// checkTransitions follows the transitions from the start.
func (q *sequence) checkTransitions(f *fields) {
	if q.states[q.startAt] == nil {
		f.refuse("StartAt", fmt.Sprintf("there is no state %q", q.startAt))
		return
	}
	reached := map[string]bool{q.startAt: true}
	for todo := []string{q.startAt}; len(todo) > 0; todo = todo[1:] {
		for _, edge := range q.states[todo[0]].edges() {
			if q.states[edge.to] == nil {
				f.refuse("state "+todo[0], fmt.Sprintf("%s: there is no state %q here", edge.field, edge.to))
			} else if !reached[edge.to] {
				reached[edge.to] = true
				todo = append(todo, edge.to)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(q.states)) {
		if !reached[name] {
			f.refuse("state "+name, "no transition leads here")
		}
	}
}

type edge struct{ field, to string }

func (s *state) edges() []edge {
	var out []edge
	if s.next != "" {
		field := "Next"
		if s.kind == kindChoice {
			field = "Default"
		}
		out = append(out, edge{field, s.next})
	}
	for _, c := range s.choices {
		out = append(out, edge{"Choices", c.next})
	}
	for _, c := range s.catch {
		out = append(out, edge{"Catch", c.next})
	}
	return out
}

// assigned gives the variables that the states of this sequence set, each with a state that does.
func (q *sequence) assigned() map[string]string {
	out := map[string]string{}
	for _, s := range q.states {
		templates := []*template{s.assign}
		for _, c := range s.choices {
			templates = append(templates, c.assign)
		}
		for _, c := range s.catch {
			templates = append(templates, c.assign)
		}
		for _, t := range templates {
			if t == nil {
				continue
			}
			for variable := range t.fields {
				out[variable] = min(s.name, orElse(out[variable], s.name))
			}
		}
	}
	return out
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
