package asl

import (
	"context"
	"sync"
	"time"
)

// execution is one run of a machine. Whatever happens to it comes as a message; whoever brings a message to an idle
// execution takes the turns, so that turns never overlap and no goroutine waits around.
type execution struct {
	engine *Engine
	ctx    context.Context // of its invocations: ends with the execution or the engine
	cancel func()
	saved  chan struct{} // closed once its start is journalled, or has failed to be
	// refused is why it has failed to be, for those who have seen saved closed.
	refused error

	mu        sync.Mutex
	inbox     []message
	busy      bool      // somebody takes turns; also until it is started or resumed, and while a write is tried again
	published Execution // as journalled

	// The rest belongs to whoever takes the turns.
	machine  *Machine
	info     Execution
	input    any // of the execution
	root     *frame
	tickets  uint64
	ready    []*frame      // to be stepped
	armed    []*frame      // that started to wait in this turn
	givenUp  []func()      // tell what was asked for that nobody waits for it any more, since this turn
	recorded int           // events of earlier turns
	events   []Event       // of this turn
	left     time.Duration // that the whole execution might take at its last position, if its machine sets a limit
	deadline time.Time     // when that is over; zero until it is watched
	unwatch  func()        // stops the timer of that
}

// message is something that happened.
type message struct {
	kind   messageKind
	ticket uint64 // moment, result: of the frame that waits
	value  any    // result
	err    *failure
}

type messageKind int

const (
	moment  messageKind = iota // the time that was waited for has come
	result                     // a task has an answer
	expired                    // the whole execution took too long
	stopped                    // somebody stopped it
)

// post delivers a message, and takes the turns that follow from it unless somebody else does already.
func (x *execution) post(m message) {
	x.mu.Lock()
	x.inbox = append(x.inbox, m)
	if x.busy {
		x.mu.Unlock()
		return
	}
	x.busy = true
	x.mu.Unlock()
	x.takeTurns()
}

func (x *execution) takeTurns() {
	for x.takeTurn() {
	}
}

// takeTurn applies what has happened and goes on from there until everything waits for something outside: states
// without effects (Pass, Choice) need no write of their own, because going through them again after a crash changes
// nothing. It is false once there is nothing to do, or when the journal has to be waited for.
func (x *execution) takeTurn() bool {
	x.mu.Lock()
	inbox := x.inbox
	x.inbox = nil
	if (len(inbox) == 0 && len(x.ready) == 0) || x.engine.closed.Load() {
		x.busy = false
		x.mu.Unlock()
		return false
	}
	x.mu.Unlock()

	for _, m := range inbox {
		x.receive(m)
	}
	for steps := 0; len(x.ready) > 0 && steps < turnSteps; steps++ {
		x.stepAll()
	}
	if len(x.events) == 0 && len(x.armed) == 0 {
		return true // late answers only
	}
	if x.recorded+len(x.events) >= historyLimit && !x.ended() {
		x.end(Failed, nil, fail(errRuntime, "The execution reached the maximum number of history events (%d).", historyLimit))
	}
	return x.commit()
}

// turnSteps bounds the states without effects that one turn goes through, so that a loop of them is journalled too.
const turnSteps = 100

// stepAll moves every frame that is ready by one state, in order, as Step Functions interleaves branches.
func (x *execution) stepAll() {
	frames := x.ready
	x.ready = nil
	for _, f := range frames {
		if !x.ended() {
			x.step(f)
		}
	}
}

func (x *execution) ended() bool { return x.info.Status != Running }

// record adds an event to this turn.
func (x *execution) record(e Event) {
	e.ID = x.recorded + len(x.events) + 1
	e.Time = x.engine.config.Clock.Now()
	x.events = append(x.events, e)
}

// receive applies one message.
func (x *execution) receive(m message) {
	if x.ended() {
		return
	}
	switch m.kind {
	case expired:
		if !x.engine.config.Clock.Now().Before(x.deadline) { // it may have been put off since the timer fired
			x.end(TimedOut, nil, &failure{Name: errTimeout})
		}
	case stopped:
		x.end(Aborted, nil, m.err)
	case moment, result:
		x.root.each(func(f *frame) {
			if f.Ticket == m.ticket {
				x.answered(f, m)
			}
		})
	}
}

// answered goes on with a frame that waited.
func (x *execution) answered(f *frame, m message) {
	was, silent := f.Phase, f.Silent
	x.stop(f)
	var err error
	switch {
	case was == backoff:
		x.begin(f)
	case was == waiting:
		err = x.passOn(f, f.state().next, f.state().assign)
	case m.kind == result && m.err != nil:
		err = m.err
	case m.kind == result:
		err = x.succeed(f, m.value)
	case silent:
		err = &failure{Name: errHeartbeatTimeout}
	default:
		err = &failure{Name: errTimeout}
	}
	if err != nil {
		x.failed(f, asFailure(err))
	}
}

// step moves a frame that is ready.
func (x *execution) step(f *frame) {
	var err error
	switch f.Phase {
	case ready:
		err = x.run(f)
	case failed:
		err = f.Failure
	}
	if err != nil {
		x.failed(f, asFailure(err))
	}
}

// wait hands a frame a ticket for something that the effects of this turn ask for.
func (x *execution) wait(f *frame, p phase) {
	x.tickets++
	f.Phase, f.Ticket = p, x.tickets
	x.armed = append(x.armed, f)
}

// arm lets a wait happen: the timer runs, the task is asked for.
func (x *execution) arm(f *frame) {
	ticket := f.Ticket
	timer := func(d time.Duration) {
		f.timer = x.after(d, message{kind: moment, ticket: ticket})
	}
	switch {
	case ticket == 0: // given up later in the same turn
	case f.Phase == waiting:
		timer(f.Until.Sub(x.engine.config.Clock.Now()))
	case f.Phase == backoff:
		timer(f.Span)
	case f.Phase == running:
		if f.Span > 0 {
			timer(f.Span)
		}
		f.giveUp = x.ask(*f.Work, func(v any, err *failure) {
			x.post(message{kind: result, ticket: ticket, value: v, err: err})
		})
	}
}

// after posts a message once d has passed, unless it is stopped before.
func (x *execution) after(d time.Duration, m message) (stop func()) {
	return x.engine.config.Clock.AfterFunc(d, func() {
		x.engine.background(func() { x.post(m) })
	})
}

// resume goes on from a position read from the journal. Time in which nobody was at work does not count: a task that
// was in flight and the pause before a retry begin anew, and the whole execution has the time that was left. Only a Wait
// ends when it was meant to.
func (x *execution) resume() {
	x.root.each(func(f *frame) {
		switch f.Phase {
		case ready, failed:
			x.ready = append(x.ready, f)
		case waiting, backoff, running:
			x.arm(f)
		}
	})
	x.watch()
	x.takeTurns()
}

// watch lets the whole execution take as much longer as it had left at its last position.
func (x *execution) watch() {
	if x.machine.timeout > 0 && !x.ended() {
		x.deadline = x.engine.config.Clock.Now().Add(x.left)
		x.unwatch = x.after(x.left, message{kind: expired})
	}
}
