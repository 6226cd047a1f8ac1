package asl

import (
	"log/slog"
	"slices"
)

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
	e.background(e.prune)
}

// prune deletes the oldest ended executions beyond what is kept.
func (e *Engine) prune() {
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
		return
	}
	if err := e.config.Journal.Delete(drop...); err != nil {
		slog.Warn("executions that ended long ago stay in the journal until the next start", "error", err)
	}
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
