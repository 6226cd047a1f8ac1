package asl

import (
	"errors"
	"log/slog"
	"slices"
)

// OnEnd asks to be told of every end of an execution, at least once, even if the process dies in between: hooks are to
// be registered before Resume. They run in the background, one execution's after another.
func (e *Engine) OnEnd(hook func(Execution)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hooks = append(e.hooks, hook)
}

// finished tells the end of an execution to those who wait for it.
func (e *Engine) finished(x *execution) {
	e.mu.Lock()
	e.ended = append(e.ended, x.info.ARN)
	waiters := e.waiters[x.info.ARN]
	delete(e.waiters, x.info.ARN)
	e.mu.Unlock()
	x.cancel()
	for _, w := range waiters {
		w(x.info)
	}
	e.background(func() { e.announce(x) })
}

// announce runs the hooks, journals that it did, and forgets executions that ended long ago.
func (e *Engine) announce(x *execution) {
	e.mu.Lock()
	hooks := slices.Clone(e.hooks)
	e.mu.Unlock()
	for _, hook := range hooks {
		hook(x.info)
	}
	var err error
	if x.announced = len(hooks) > 0; x.announced {
		err = x.save(nil)
	}
	err = errors.Join(err, e.prune())
	if err != nil {
		slog.Error("journal the end of an execution", "execution", x.info.ARN, "error", err)
	}
}

// prune deletes the oldest ended executions beyond what is kept.
func (e *Engine) prune() error {
	oldest := e.config.Clock.Now().Add(-e.config.KeepFor)
	e.mu.Lock()
	n := max(0, len(e.ended)-e.config.KeepCount)
	for n < len(e.ended) && e.executions[e.ended[n]].info.Stopped.Before(oldest) {
		n++
	}
	drop := slices.Clone(e.ended[:n])
	e.ended = e.ended[n:]
	for _, arn := range drop {
		delete(e.executions, arn)
	}
	e.mu.Unlock()
	if n == 0 {
		return nil
	}
	return e.config.Journal.Delete(drop...)
}

// whenEnded calls f with the execution's end, at once when it has ended.
func (e *Engine) whenEnded(arn string, f func(Execution)) {
	e.mu.Lock()
	x := e.executions[arn]
	if d := x.description(); d.Status != Running {
		e.mu.Unlock()
		f(d)
		return
	}
	e.waiters[arn] = append(e.waiters[arn], f)
	e.mu.Unlock()
}
