package asl

import (
	"fmt"
	"time"
)

// enter puts a frame at the start of a state.
func (x *execution) enter(f *frame, name string, input any) {
	f.State, f.Input, f.Entered = name, input, x.engine.config.Clock.Now()
	f.Attempts, f.Retries, f.Failure, f.Limit = nil, 0, nil, 0
	x.record(Event{Type: string(f.state().kind) + "StateEntered", State: name, Input: encode(input)})
	x.begin(f)
}

// leave ends a state: the variables are set, and the frame goes to the next one or is done.
func (x *execution) leave(f *frame, next string, output any, assigned map[string]any) error {
	e := Event{Type: string(f.state().kind) + "StateExited", State: f.State, Output: encode(output)}
	if len(e.Output) > dataLimit {
		return dataLimitExceeded(f.State)
	}
	if assigned != nil {
		e.Assigned = encode(assigned)
		f.assign(assigned)
	}
	x.record(e)
	if next != "" {
		x.enter(f, next, output)
		return nil
	}
	if f.parent == nil {
		x.end(Succeeded, output, nil)
		return nil
	}
	f.Phase, f.Output, f.Input, f.Variables = done, output, nil, nil
	x.childDone(f.parent)
	return nil
}

// failed takes a failure to the first that handles it: a retry, a catch, the Parallel or Map around, the end.
func (x *execution) failed(f *frame, err *failure) {
	x.abandon(f)
	s := f.state()
	x.record(Event{Type: string(s.kind) + "StateFailed", State: s.name, Error: err.Name, Cause: err.Cause})
	if x.retry(f, err) || x.catch(f, err) {
		return
	}
	if f.parent != nil {
		f.Phase = gone
		x.failed(f.parent, err)
		return
	}
	x.end(Failed, nil, err)
}

// abandon gives a frame's children up, with all they wait for.
func (x *execution) abandon(f *frame) {
	for _, child := range f.Children {
		x.abandon(child)
		x.stop(child)
		child.Phase = gone
	}
	f.Children = nil
}

// stop makes every answer to what the frame waits for come too late. The one who was asked is told once that is
// journalled.
func (x *execution) stop(f *frame) {
	if f.timer != nil {
		f.timer()
	}
	if f.giveUp != nil {
		x.givenUp = append(x.givenUp, f.giveUp)
	}
	f.timer, f.giveUp = nil, nil
	f.Ticket, f.Until, f.Span, f.Silent, f.Work = 0, time.Time{}, 0, false, nil
}

// end closes the execution.
func (x *execution) end(status Status, output any, err *failure) {
	x.abandon(x.root)
	x.stop(x.root)
	if x.unwatch != nil {
		x.unwatch()
	}
	x.root, x.ready, x.armed = nil, nil, nil
	x.info.Status, x.info.Stopped = status, x.engine.config.Clock.Now()
	e := Event{Type: "Execution" + eventNames[status]}
	if err != nil {
		x.info.Error, x.info.Cause = err.Name, err.Cause
		e.Error, e.Cause = err.Name, err.Cause
	} else {
		x.info.Output = encode(output)
		e.Output = x.info.Output
	}
	x.record(e)
}

var eventNames = map[Status]string{
	Succeeded: "Succeeded", Failed: "Failed", TimedOut: "TimedOut", Aborted: "Aborted",
}

func dataLimitExceeded(what string) *failure {
	return &failure{Name: errDataLimit, Cause: fmt.Sprintf(
		"The state/task '%s' returned a result with a size exceeding the maximum number of bytes service limit.", what)}
}
