package asl

import (
	"fmt"
	"time"
)

// begin starts the state that a frame has entered, or tries it again. What can be done at once is left to the next step
// (ready): so branches take turns, and a state that leads back to itself does not recurse.
func (x *execution) begin(f *frame) {
	var err error
	switch f.state().kind {
	case kindPass, kindChoice, kindSucceed, kindFail:
		x.makeReady(f, ready)
	case kindWait:
		err = x.beginWait(f)
	case kindTask:
		err = x.beginTask(f)
	case kindParallel:
		err = x.beginParallel(f)
	case kindMap:
		err = x.beginMap(f)
	}
	if err != nil {
		x.abandon(f)
		f.Failure = asFailure(err)
		x.makeReady(f, failed)
	}
}

func (x *execution) makeReady(f *frame, p phase) {
	f.Phase = p
	x.ready = append(x.ready, f)
}

// run does what a ready state does.
func (x *execution) run(f *frame) error {
	s := f.state()
	switch s.kind {
	case kindPass:
		return x.runPass(f)
	case kindChoice:
		return x.runChoice(f)
	case kindSucceed:
		return x.passOn(f, "", nil)
	case kindFail:
		return x.runFail(f)
	default: // a Parallel or Map whose children are done
		return x.succeed(f, f.outputs())
	}
}

// effectiveInput is the input after InputPath and Parameters.
func (x *execution) effectiveInput(f *frame) (any, error) {
	s := f.state()
	input, err := s.inputPath.value(x.scope(f, f.Input))
	if err != nil || s.parameters == nil {
		return input, err
	}
	return s.parameters.value(x.scope(f, input))
}

// succeed ends a state that has a result: Assign and ResultSelector read the result, ResultPath places it in the raw
// input, OutputPath picks from that. All of them see the variables as they were before.
func (x *execution) succeed(f *frame, result any) error {
	s := f.state()
	assigned, err := x.assigned(f, s.assign, result)
	if err != nil {
		return err
	}
	if s.resultSelector != nil {
		if result, err = s.resultSelector.value(x.scope(f, result)); err != nil {
			return err
		}
	}
	output, err := s.resultPath.place(f.Input, result)
	if err != nil {
		return err
	}
	if output, err = s.outputPath.value(x.scope(f, output)); err != nil {
		return err
	}
	f.Children = nil
	return x.leave(f, s.next, output, assigned)
}

// passOn ends a state that has no result of its own.
func (x *execution) passOn(f *frame, next string, assign *template) error {
	input, err := f.state().inputPath.value(x.scope(f, f.Input))
	if err != nil {
		return err
	}
	assigned, err := x.assigned(f, assign, input)
	if err != nil {
		return err
	}
	output, err := f.state().outputPath.value(x.scope(f, input))
	if err != nil {
		return err
	}
	return x.leave(f, next, output, assigned)
}

func (x *execution) assigned(f *frame, assign *template, from any) (map[string]any, error) {
	if assign == nil {
		return nil, nil
	}
	v, err := assign.value(x.scope(f, from))
	if err != nil {
		return nil, err
	}
	return v.(map[string]any), nil
}

func (x *execution) runPass(f *frame) error {
	result, err := x.effectiveInput(f)
	if err != nil {
		return err
	}
	if s := f.state(); s.hasResult {
		result = s.result
	}
	return x.succeed(f, result)
}

func (x *execution) runChoice(f *frame) error {
	s := f.state()
	input, err := s.inputPath.value(x.scope(f, f.Input))
	if err != nil {
		return err
	}
	for _, c := range s.choices {
		chosen, err := c.when(x.scope(f, input))
		if err != nil {
			return err
		}
		if chosen {
			return x.passOn(f, c.next, c.assign)
		}
	}
	if s.next == "" {
		return fail(errNoChoice, "No rule of %s matched and it has no Default", s.name)
	}
	return x.passOn(f, s.next, s.assign)
}

func (x *execution) runFail(f *frame) error {
	s := f.state()
	name, err := x.failText(f, s.errorName)
	if err != nil {
		return err
	}
	cause, err := x.failText(f, s.cause)
	if err != nil {
		return err
	}
	return &failure{Name: name, Cause: cause}
}

func (x *execution) failText(f *frame, e expression) (string, error) {
	if e == nil {
		return "", nil
	}
	v, err := e.value(x.scope(f, f.Input))
	if err != nil {
		return "", err
	}
	text, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("%s gives %s, which is not a string", e, encode(v))
	}
	return text, nil
}

func (x *execution) beginWait(f *frame) error {
	input, err := f.state().inputPath.value(x.scope(f, f.Input))
	if err != nil {
		return err
	}
	until, err := x.waitUntil(f, x.scope(f, input))
	if err != nil {
		return err
	}
	f.Until = until
	x.wait(f, waiting)
	return nil
}

func (x *execution) waitUntil(f *frame, in scope) (time.Time, error) {
	w := f.state().wait
	switch {
	case w.seconds != nil:
		return f.Entered.Add(*w.seconds), nil
	case w.timestamp != nil:
		return *w.timestamp, nil
	case w.timestampPath != nil:
		v, err := w.timestampPath.value(in)
		if err != nil {
			return time.Time{}, err
		}
		at, ok := timestamp(v)
		if !ok {
			return time.Time{}, fmt.Errorf("the TimestampPath parameter does not reference a valid ISO-8601 extended "+
				"offset date-time format string: %s == %s", w.timestampPath, encode(v))
		}
		return at, nil
	}
	d, err := secondsAt(w.secondsPath, in, 0)
	return f.Entered.Add(d), err
}

// secondsAt reads a whole number of seconds.
func secondsAt(p *path, in scope, least int64) (time.Duration, error) {
	v, err := p.value(in)
	if err != nil {
		return 0, err
	}
	n, ok := integer(v)
	if !ok || n < least || n > maxSeconds {
		return 0, fmt.Errorf("%s == %s is not a number of seconds from %d to %d", p, encode(v), least, maxSeconds)
	}
	return time.Duration(n) * time.Second, nil
}
