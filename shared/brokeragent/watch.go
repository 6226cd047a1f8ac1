package brokeragent

import (
	"context"
	"slices"
	"syscall"
	"time"

	"github.com/millrace/millrace/shared/nodespec"
)

const (
	// hasty is how long a starting Kafka is asked at the fast pace; after that it waits for something that takes longer.
	hasty    = 30 * time.Second
	slowPoll = time.Second
	// settling is how long a broker is asked at the fast pace after the brokers it lists have changed: more may follow, and
	// whoever creates a cluster waits until each broker lists all.
	settling  = 10 * time.Second
	doubtPoll = 500 * time.Millisecond
	// doubts is how many answers in a row have to be missing before a running node is reported as not working: one may be
	// lost to a pause of the whole machine.
	doubts = 3
)

// watch asks Kafka until it ends (crashError) or ctx does (nil), and reports what it answers.
func (n *node) watch(ctx context.Context, kafka probe) error {
	w := watched{since: time.Now()}
	n.report.update(func(b *nodespec.Heartbeat) {
		if w.running = b.State == nodespec.Running; !w.running { // else the spec before wanted the same process
			b.State, b.Reason = nodespec.Starting, "waiting for Kafka to answer"
		}
	})
	questions, cancel := contextUntil(ctx, n.process.done())
	defer cancel()
	for {
		asked := time.Now()
		m := kafka.ask(questions)
		if questions.Err() == nil {
			n.observe(&w, m, asked)
			n.survey(questions, &w, kafka)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-n.process.done():
			return n.crash()
		case <-time.After(w.pace()):
			if w.running {
				boundOutput(n.home.output())
			}
		}
	}
}

// watched is what is known of the Kafka process being watched.
type watched struct {
	since   time.Time // when watching began
	running bool      // it is a member of its cluster, as far as is known
	misses  int       // answers in a row that did not say so
	silent  time.Time // when the first question in a row was asked that got no answer; zero when the last one got one
	brokers []int32   // that it listed last
	changed time.Time // when those last changed; zero when they never did

	nextSurvey  time.Time // when it is asked next what it knows of others; zero for at once
	surveyFails bool      // it did not say so the last time
}

func (w watched) pace() time.Duration {
	switch {
	case w.running && w.misses == 0 && time.Since(w.changed) < settling:
		return fastPoll
	case w.running && w.misses == 0:
		return peacePoll
	case w.running:
		return doubtPoll
	case time.Since(w.since) < hasty:
		return fastPoll
	default:
		return slowPoll
	}
}

func (n *node) observe(w *watched, m membership, asked time.Time) {
	switch {
	case !m.silent:
		w.silent = time.Time{}
	case w.silent.IsZero():
		w.silent = asked
	}
	if m.member && !n.hasStarted() {
		m = membership{brokers: m.brokers, why: "Kafka answers, and does not listen everywhere yet"}
	}
	if m.member {
		w.running, w.misses = true, 0
		if n.joined.IsZero() {
			n.remember()
		}
		if !slices.Equal(w.brokers, m.brokers) {
			w.brokers, w.changed = m.brokers, time.Now()
		}
		n.report.update(func(b *nodespec.Heartbeat) {
			b.State, b.Reason, b.Brokers, b.FailedStarts = nodespec.Running, "", m.brokers, 0
			b.SilentSince = nil
		})
		return
	}
	w.misses++
	if w.running && w.misses < doubts {
		return
	}
	w.running = false
	n.report.update(func(b *nodespec.Heartbeat) {
		b.State, b.Reason, b.Brokers, b.SilentSince = nodespec.Starting, m.why, m.brokers, nil
		if since := w.silent; !since.IsZero() && !n.joined.IsZero() {
			b.SilentSince = &since
		}
		// What it once knew of others is no evidence against them any more.
		b.Replication, b.Quorum = nil, nil
	})
}

// hasStarted tells whether Kafka has opened all its listeners. It opens one after the other, and is a member of its
// cluster through the first before it fails at a port that somebody else has.
func (n *node) hasStarted() bool {
	if !n.started && n.saysStarted != nil {
		n.started = n.saysStarted(n.written)
		return n.started
	}
	return true
}

// killedBySomebody is how a process ends by SIGKILL: no Kafka does that to itself.
var killedBySomebody = "signal: " + syscall.SIGKILL.String()

// crash explains the end of a Kafka that nobody stopped.
func (n *node) crash() error {
	exit, joined, noRoom := n.process.exit(), n.joined, n.report.meter.hasEnded(n.process)
	n.setProcess(nil)
	crash := crashError{reason: explain(exit, n.written), everRan: !joined.IsZero()}
	if noRoom {
		if found := n.report.meter.look(true); found != nil {
			crash.reason = found.noRoom()
		}
		crash.noRoom = true
		return crash
	}
	if crash.everRan {
		crash.served = time.Since(joined)
		crash.killed = exit == killedBySomebody
	}
	return crash
}
