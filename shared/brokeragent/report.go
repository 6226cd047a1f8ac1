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
	meter   *diskMeter

	mu      sync.Mutex
	beat    nodespec.Heartbeat
	changed chan struct{}
}

func newReporter(mailbox nodespec.Mailbox, log *slog.Logger, peace time.Duration, first nodespec.Heartbeat) *reporter {
	r := &reporter{mailbox: mailbox, log: log, peace: peace, meter: newDiskMeter(), beat: first, changed: make(chan struct{}, 1)}
	r.meter.crossed = r.wake
	return r
}

// wake lets a heartbeat be sent at once.
func (r *reporter) wake() {
	select {
	case r.changed <- struct{}{}:
	default: // one more heartbeat is due already, and it will tell this too
	}
}

// update changes what the next heartbeats say. What a heartbeat points to is replaced as a whole, never changed.
func (r *reporter) update(change func(*nodespec.Heartbeat)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.beat
	old.Brokers = slices.Clone(old.Brokers)
	change(&r.beat)
	if reflect.DeepEqual(worthABeat(old), worthABeat(r.beat)) {
		return
	}
	if old.State != r.beat.State || old.Reason != r.beat.Reason {
		r.log.Info("state of the node", "state", r.beat.State, "generation", r.beat.Generation, "reason", r.beat.Reason,
			"failedStarts", r.beat.FailedStarts, "restarts", r.beat.Restarts)
	}
	r.wake()
}

// worthABeat is a heartbeat without what can wait for the next one.
func worthABeat(b nodespec.Heartbeat) nodespec.Heartbeat {
	if b.Replication != nil {
		replication := *b.Replication
		replication.Leads = 0
		b.Replication = &replication
	}
	return b
}

// say reports a state and the reason for it.
func (r *reporter) say(state nodespec.State, reason string) {
	r.update(func(b *nodespec.Heartbeat) { b.State, b.Reason = state, reason })
}

// watchHeld reports, until a process ends, since when somebody has held it.
func (r *reporter) watchHeld(p process) {
	for {
		since := time.Now()
		held := p.held()
		r.update(func(b *nodespec.Heartbeat) {
			if b.Process == nil || b.Process.PID != p.pid() || held == (b.Process.HeldSince != nil) {
				return
			}
			process := *b.Process
			if process.HeldSince = nil; held {
				process.HeldSince = &since
			}
			b.Process = &process
			r.log.Warn("Kafka was held by a signal, or let go", "pid", p.pid(), "held", held)
		})
		select {
		case <-p.done():
			return
		case <-time.After(heldPoll):
		}
	}
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
	disk := r.meter.disk()
	r.mu.Lock()
	defer r.mu.Unlock()
	now, beat := time.Now(), r.beat
	beat.At, beat.Disk = now.UTC(), disk
	beat.SilentSince = before(now, beat.SilentSince)
	if beat.Held() {
		process := *beat.Process
		process.HeldSince = before(now, process.HeldSince)
		beat.Process = &process
	}
	return beat
}

// before tells a time by how long ago it was, so that it stays true beside now when somebody sets the clock in between.
func before(now time.Time, since *time.Time) *time.Time {
	if since == nil {
		return nil
	}
	at := now.Add(-now.Sub(*since)).UTC()
	return &at
}
