package asl

import (
	"math"
	"time"
)

// retry lets the first retrier that takes the failure try the state again, later.
func (x *execution) retry(f *frame, err *failure) bool {
	s := f.state()
	for i, r := range s.retry {
		if !err.matches(r.names) {
			continue
		}
		if f.Attempts == nil {
			f.Attempts = make([]int, len(s.retry))
		}
		if f.Attempts[i] >= r.maxAttempts {
			return false
		}
		f.Span = x.delay(r, f.Attempts[i])
		f.Attempts[i]++
		f.Retries++
		x.wait(f, backoff)
		return true
	}
	return false
}

// delay is the time before the next attempt, after so many.
func (x *execution) delay(r *retrier, attempts int) time.Duration {
	seconds := r.interval.Seconds() * math.Pow(r.backoff, float64(attempts))
	d := time.Duration(min(seconds, maxSeconds) * float64(time.Second))
	if r.maxDelay > 0 {
		d = min(d, r.maxDelay)
	}
	if r.jitter {
		d = time.Duration(x.engine.rand.Int64N(int64(d) + 1))
	}
	return d
}

// catch hands a failure to the state that the first fitting Catch names.
func (x *execution) catch(f *frame, err *failure) bool {
	for _, c := range f.state().catch {
		if !err.matches(c.names) {
			continue
		}
		assigned, problem := x.assigned(f, c.assign, err.output())
		if problem == nil {
			var output any
			if output, problem = c.resultPath.place(f.Input, err.output()); problem == nil {
				problem = x.leave(f, c.next, output, assigned)
			}
		}
		if problem != nil {
			*err = *asFailure(problem) // it takes the place of what was caught
			return false
		}
		return true
	}
	return false
}
