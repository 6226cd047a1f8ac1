package brokeragent

import (
	"context"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/millrace/millrace/shared/nodespec"
)

const (
	trouble          = 5 * time.Second // between heartbeats of a node that is not running
	beatPatience     = 5 * time.Second // for one heartbeat to arrive
	farewellPatience = time.Second     // for the last one: ending must not wait for a control plane that is gone
)

// reporter sends heartbeats: at once when something changed, and regularly in between.
type reporter struct {
	mailbox nodespec.Mailbox
	log     *slog.Logger
	peace   time.Duration // between heartbeats of a running node

	mu      sync.Mutex
	beat    nodespec.Heartbeat
	volume  string // the directory whose disk is reported, once known
	changed chan struct{}
}

func newReporter(mailbox nodespec.Mailbox, log *slog.Logger, peace time.Duration, first nodespec.Heartbeat) *reporter {
	return &reporter{mailbox: mailbox, log: log, peace: peace, beat: first, changed: make(chan struct{}, 1)}
}

// update changes what the next heartbeats say.
func (r *reporter) update(change func(*nodespec.Heartbeat)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.beat
	before.Brokers = slices.Clone(before.Brokers)
	change(&r.beat)
	if reflect.DeepEqual(before, r.beat) {
		return
	}
	if before.State != r.beat.State || before.Reason != r.beat.Reason {
		r.log.Info("state of the node", "state", r.beat.State, "generation", r.beat.Generation, "reason", r.beat.Reason,
			"failedStarts", r.beat.FailedStarts, "restarts", r.beat.Restarts)
	}
	select {
	case r.changed <- struct{}{}:
	default: // one more heartbeat is due already, and it will tell this too
	}
}

// say reports a state and the reason for it.
func (r *reporter) say(state nodespec.State, reason string) {
	r.update(func(b *nodespec.Heartbeat) { b.State, b.Reason = state, reason })
}

// watchDisk makes heartbeats tell how full the disk of a directory is.
func (r *reporter) watchDisk(dir string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.volume = dir
}

// disk tells how full the disk of the volume is at the moment; nil while there is none.
func (r *reporter) disk() *nodespec.Disk {
	r.mu.Lock()
	defer r.mu.Unlock()
	return diskOf(r.volume)
}

// run sends heartbeats until ctx ends.
func (r *reporter) run(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		beat := r.current()
		err := r.send(ctx, beat, beatPatience)
		next := trouble
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if failures == 0 {
				r.log.Warn("heartbeat did not arrive; trying again until it does", "error", err)
			}
			next = doubling(linkPause, longestLinkPause, failures)
			failures++
		default:
			failures = 0
			if beat.State == nodespec.Running {
				next = r.peace
			}
		}
		select {
		case <-ctx.Done():
		case <-r.changed:
		case <-time.After(next):
		}
	}
}

// farewell sends the last heartbeat.
func (r *reporter) farewell() {
	if err := r.send(context.Background(), r.current(), farewellPatience); err != nil {
		r.log.Warn("the last heartbeat did not arrive", "error", err)
	}
}

func (r *reporter) send(ctx context.Context, beat nodespec.Heartbeat, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return r.mailbox.Beat(ctx, beat)
}

func (r *reporter) current() nodespec.Heartbeat {
	r.mu.Lock()
	defer r.mu.Unlock()
	beat := r.beat
	beat.At = time.Now().UTC()
	beat.Disk = diskOf(r.volume)
	return beat
}
