package asl

import (
	"log/slog"
	"strings"
	"time"
)

// commit journals the turn and then lets its effects happen. When the journal can't take it now, the execution stays busy
// and goes on by itself once it could, so that a full disk delays an execution and does not strand it; commit is false
// then.
func (x *execution) commit() bool {
	x.tell(x.events, false)
	w := x.write()
	err := x.engine.config.Journal.Save(w)
	if err == nil {
		x.happen()
		return true
	}
	if x.unwatch != nil {
		x.unwatch()
	}
	x.engine.persevere(x.info.ARN, err, func() error { return x.engine.config.Journal.Save(w) }, func() {
		x.watch() // the limit of the whole execution stood still meanwhile
		x.happen()
		x.takeTurns()
	})
	return false
}

// write is the position, with the events that led to it.
func (x *execution) write() Write {
	w := Write{ARN: x.info.ARN, First: x.recorded + 1}
	for _, e := range x.events {
		w.Events = append(w.Events, encode(e))
	}
	x.recorded += len(x.events)
	if !x.deadline.IsZero() {
		x.left = x.deadline.Sub(x.engine.config.Clock.Now())
	}
	w.Position = encode(position{
		Execution: x.info, Events: x.recorded, Tickets: x.tickets, Root: x.root, Left: x.left,
	})
	return w
}

// happen lets the effects of a journalled turn happen.
func (x *execution) happen() {
	events, armed, givenUp := x.events, x.armed, x.givenUp
	x.events, x.armed, x.givenUp = nil, nil, nil
	x.mu.Lock()
	x.published = x.info
	x.mu.Unlock()
	x.tell(events, true)
	for _, giveUp := range givenUp {
		giveUp()
	}
	for _, f := range armed {
		x.arm(f)
	}
	if x.ended() {
		x.engine.finished(x)
	}
}

// tell shows the transitions among the events to the one who asked for them.
func (x *execution) tell(events []Event, journaled bool) {
	if x.engine.config.OnTransition == nil {
		return
	}
	for _, e := range events {
		t := Transition{Execution: x.info.ARN, Machine: x.info.Machine, State: e.State, Number: e.ID, Journaled: journaled}
		switch {
		case strings.HasSuffix(e.Type, "StateEntered"):
			t.Phase = entered
		case strings.HasSuffix(e.Type, "StateExited"):
			t.Phase = exited
		default:
			continue
		}
		x.engine.config.OnTransition(t)
	}
}

// The pauses before a write is tried again.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
)

// persevere tries again what failed because of the journal, at first soon and then ever more rarely, until it succeeds or
// the engine is closed. then goes on from there. Nobody waits around meanwhile, so that Close has nothing to wait for.
func (e *Engine) persevere(arn string, why error, try func() error, then func()) {
	clock := e.config.Clock
	slog.Warn("execution waits: the journal can't be written", "execution", arn, "error", why)
	since := clock.Now()
	var after func(pause time.Duration)
	after = func(pause time.Duration) {
		clock.AfterFunc(pause, func() {
			e.background(func() {
				if try() != nil {
					after(min(2*pause, longestPause))
					return
				}
				slog.Info("execution goes on: the journal can be written again", "execution", arn, "waited", clock.Now().Sub(since))
				then()
			})
		})
	}
	after(firstPause)
}
