package serve

import (
	"context"
	"time"
)

// LongPoll is how long a checking step waits inside the function before it answers "not yet", so that a machine loops
// seldom and yet goes on at once.
const LongPoll = 20 * time.Second

// Until calls check until it is done or LongPoll has passed, whenever changed signals. A check that is not done in time is
// not an error: the step answers with what the last check found.
func Until(ctx context.Context, changed <-chan struct{}, check func(context.Context) (done bool, err error)) error {
	until := time.Now().Add(LongPoll)
	deadline := time.NewTimer(LongPoll)
	defer deadline.Stop()
	for {
		done, err := check(ctx)
		if done || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-deadline.C:
		case <-ctx.Done():
		}
		// A check takes its time, and several of them may have come meanwhile: which one counts is not left to chance.
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case !time.Now().Before(until):
			return nil
		}
	}
}
