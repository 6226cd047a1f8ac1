package records

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/millrace/millrace/shared/fault"
)

const (
	// contended is how often a change is tried when others write the same record: some eight seconds in all, in which
	// hundreds of writers have their turn.
	contended = 40
	// The pause after a lost race is random, so that those who met do not meet again, and grows, so that many make room
	// for one another.
	firstPause   = 2 * time.Millisecond
	longestPause = 500 * time.Millisecond
)

// retryContended runs a read-change-write until it does not meet a Conflict with another writer. One that never wins is
// Unavailable: the caller asked for nothing wrong, and the same call succeeds when fewer write.
func (r Records) retryContended(ctx context.Context, record string, change func() error) error {
	jitter := r.Jitter
	if jitter == nil {
		jitter = func(_ context.Context, upTo time.Duration) time.Duration { return rand.N(upTo) }
	}
	upTo := firstPause
	for range contended {
		err := change()
		if !fault.Is(err, fault.Conflict) {
			return err
		}
		select {
		case <-time.After(jitter(ctx, upTo)):
		case <-ctx.Done():
			return fault.New(fault.Unavailable, "%s is changed by many at once: %w", record, ctx.Err())
		}
		upTo = min(2*upTo, longestPause)
	}
	return fault.New(fault.Unavailable, "%s is changed by many at once; try again", record)
}
