package health

import (
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
)

// sight is a node as it is seen now, with what the last look at it gave.
type sight struct {
	*caseOf
	Observed
	before cluster.Finding
	track  cluster.Track
}

// isHeard tells whether the host's last word came while it could be heard, and is young enough to count.
func (c *caseOf) isHeard(o Observed) bool {
	if o.Beat == nil || o.Beat.At.Before(c.heard) {
		return false
	}
	return c.now.Sub(o.Beat.At) <= c.patience(*o.Beat)
}

// patience is how old a host's word may be: hosts speak more often while their node does not run.
func (c *caseOf) patience(beat nodespec.Heartbeat) time.Duration {
	if beat.State == nodespec.Running {
		return c.t.Silence
	}
	return c.t.Quiet
}

// silence is since when nothing was heard of the host, as far as somebody listened; silent tells whether that is too long.
func (s sight) silence() (since time.Time, silent bool) {
	since = latest(s.heard, s.watched)
	if s.Beat != nil {
		since = latest(since, s.Beat.At)
	}
	return since, s.now.Sub(since) > s.t.Silence
}

// testimony is what the others say of a node.
type testimony struct {
	alive, gone []string // who lists it as alive, and who does not
}

// fenced tells whether the others have given the node up: somebody says so, and no more say otherwise. One that is cut off
// from the quorum goes on to say what was true once.
func (t testimony) fenced() bool { return len(t.gone) > 0 && len(t.gone) >= len(t.alive) }

// listed tells whether the others count on the node.
func (t testimony) listed() bool { return len(t.alive) > len(t.gone) }

// against says who has given the node up.
func (s sight) against(t testimony) string {
	if s.Node.Role == cluster.Controller {
		return fmt.Sprintf("%s does not see %s follow", words(t.gone), s.Node)
	}
	return fmt.Sprintf("%s %s not list %s as alive", words(t.gone), plural(t.gone, "does", "do"), s.Node)
}

// inFavour says who counts on the node.
func (s sight) inFavour(t testimony) string {
	switch {
	case !t.listed():
		return "nobody says anything against it"
	case s.Node.Role == cluster.Controller:
		return fmt.Sprintf("%s sees %s follow", words(t.alive), s.Node)
	default:
		return fmt.Sprintf("%s %s %s as alive", words(t.alive), plural(t.alive, "lists", "list"), s.Node)
	}
}

// others ask the members of the cluster that are heard: of a broker each of them knows whether it is alive, of a controller
// the active one does.
func (s sight) others() (t testimony) {
	if s.Node.Role == cluster.Controller {
		return s.quorumOf()
	}
	for _, o := range s.Nodes {
		if o.Node.ID == s.Node.ID || !s.isHeard(o) || o.Beat.State != nodespec.Running || len(o.Beat.Brokers) == 0 {
			continue
		}
		if slices.Contains(o.Beat.Brokers, s.Node.ID) {
			t.alive = append(t.alive, o.Node.String())
		} else {
			t.gone = append(t.gone, o.Node.String())
		}
	}
	return t
}

// isAlone tells whether the cluster has no other node that does the same: nobody could say anything of it then.
func (s sight) isAlone() bool {
	return !slices.ContainsFunc(s.Nodes, func(o Observed) bool { return o.Node.ID != s.Node.ID && o.Node.Role == s.Node.Role })
}

// quorumOf is what the active controller says; the last word counts where two believe that they are it.
func (s sight) quorumOf() (t testimony) {
	var last time.Time
	for _, o := range s.Nodes {
		if o.Node.ID == s.Node.ID || !s.isHeard(o) || o.Beat.Quorum == nil || o.Beat.At.Before(last) {
			continue
		}
		last, t = o.Beat.At, testimony{}
		switch {
		case slices.Contains(o.Beat.Quorum.CaughtUp, s.Node.ID):
			t.alive = []string{o.Node.String()}
		case slices.Contains(o.Beat.Quorum.Behind, s.Node.ID):
			t.gone = []string{o.Node.String()}
		}
	}
	return t
}

// outOfSync counts the partitions of which the leaders miss the node's replica.
func (c *caseOf) outOfSync(node int32) (partitions int) {
	for _, o := range c.Nodes {
		if o.Node.ID != node && c.isHeard(o) && o.Beat.State == nodespec.Running && o.Beat.Replication != nil {
			partitions += o.Beat.Replication.OutOfSync[node]
		}
	}
	return partitions
}

// atMost bounds what is noted down of a Kafka that starts, or is given up, again and again.
const atMost = 12

// trackOf notes down what the next looks have to know.
func (c *caseOf) trackOf(o Observed, before cluster.Finding) cluster.Track {
	track := before.Track
	track.Starts, track.Falls = c.lately(track.Starts), c.lately(track.Falls)
	if c.isHeard(o) && o.Beat.Process != nil {
		started := o.Beat.Process.StartedAt
		if !slices.ContainsFunc(track.Starts, func(at time.Time) bool { return isOneStart(at, started) }) {
			track.Starts = c.lately(append(track.Starts, started))
		}
		if o.Beat.State == nodespec.Running && !isOneStart(started, track.Ran) {
			track.Ran, track.Falls = started, nil
		}
	}
	switch behind := c.outOfSync(o.Node.ID); {
	case behind == 0:
		track.Behind, track.BehindSince = 0, time.Time{}
	case track.Behind == 0 || behind < track.Behind:
		track.Behind, track.BehindSince = behind, c.now
	}
	return track
}

// isOneStart tells whether two moments are the start of one process: an agent knows when it started Kafka, the next one only what
// the machine tells of it, which is off by up to a second and moves with the clock. No Kafka is a member and is started again within that.
func isOneStart(a, b time.Time) bool { return a.Sub(b).Abs() < 1500*time.Millisecond }

// lately gives the moments that are not long ago, in a list of its own; nil when there are none.
func (c *caseOf) lately(moments []time.Time) (recent []time.Time) {
	for _, at := range moments {
		if c.now.Sub(at) <= c.t.Lately {
			recent = append(recent, at)
		}
	}
	return recent[max(0, len(recent)-atMost):]
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
