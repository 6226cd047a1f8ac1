package asl

import "fmt"

func (x *execution) beginParallel(f *frame) error {
	input, err := x.effectiveInput(f)
	if err != nil {
		return err
	}
	f.Phase = branching
	for _, branch := range f.state().branches {
		f.Children = append(f.Children, &frame{Phase: queued, Input: input, parent: f, sequence: branch})
	}
	x.startChildren(f)
	return nil
}

func (x *execution) beginMap(f *frame) error {
	s := f.state()
	input, err := s.inputPath.value(x.scope(f, f.Input))
	if err != nil {
		return err
	}
	in := x.scope(f, input)
	if f.Limit, err = mapLimit(s, in); err != nil {
		return err
	}
	items, err := mapItems(s, in)
	if err != nil {
		return err
	}
	f.Phase = branching
	for i, v := range items {
		child := &frame{Phase: queued, Input: v, Item: &item{Index: i, Value: v}, parent: f, sequence: s.processor}
		if s.parameters != nil {
			in.context = func() any { return x.contextObject(f, child.Item) }
			if child.Input, err = s.parameters.value(in); err != nil {
				return err
			}
		}
		f.Children = append(f.Children, child)
	}
	if len(items) == 0 {
		x.makeReady(f, ready)
	}
	x.startChildren(f)
	return nil
}

// mapLimit is the number of iterations at a time; 0: all.
func mapLimit(s *state, in scope) (int, error) {
	if s.maxConcurrencyPath == nil {
		return s.maxConcurrency, nil
	}
	v, err := s.maxConcurrencyPath.value(in)
	if err != nil {
		return 0, err
	}
	n, ok := integer(v)
	if !ok || n < 0 {
		return 0, fmt.Errorf("the MaxConcurrencyPath field refers to value %q which is not a valid integer: %s",
			encode(v), s.maxConcurrencyPath)
	}
	return int(n), nil
}

func mapItems(s *state, in scope) ([]any, error) {
	v := in.input
	if s.itemsPath != nil {
		var err error
		if v, err = s.itemsPath.value(in); err != nil {
			return nil, err
		}
	}
	items, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("the items of %s are not an array: %s", s.name, encode(v))
	}
	return items, nil
}

// startChildren lets as many queued children begin as may run at a time, in order.
func (x *execution) startChildren(f *frame) {
	active := 0
	for _, child := range f.Children {
		if child.Phase != queued && child.Phase != done {
			active++
		}
	}
	for _, child := range f.Children {
		if f.Limit > 0 && active >= f.Limit {
			return
		}
		if child.Phase == queued {
			active++
			x.enter(child, child.sequence.startAt, child.Input)
		}
	}
}

// childDone goes on with the frame around a child that has come to its end.
func (x *execution) childDone(f *frame) {
	x.startChildren(f)
	for _, child := range f.Children {
		if child.Phase != done {
			return
		}
	}
	x.makeReady(f, ready)
}

// outputs are those of the children, in their order.
func (f *frame) outputs() any {
	out := make([]any, len(f.Children))
	for i, child := range f.Children {
		out[i] = child.Output
	}
	return out
}
