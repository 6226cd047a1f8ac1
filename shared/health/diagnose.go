package health

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
)

// diagnosis is what is the matter with a node, for how long that is borne, and what would help.
type diagnosis struct {
	condition cluster.Condition
	reason    string
	since     time.Time // when it began, or was first found
	until     time.Time // how long it is borne
	remedy    cluster.Remedy
	advice    string
	volumeGiB int // for Grow
	proven    bool
	// ownFault conditions are explained by the host itself: they are no sign of an outage, however many nodes have them.
	ownFault bool
	// serves says that Kafka works all the same.
	serves bool
	// urgent says that people are waited for, and not for long.
	urgent bool
	// fell says that the others have given the node up.
	fell bool
	// changes is when time alone makes another diagnosis of it; zero for never.
	changes time.Time
	track   cluster.Track
}

// diagnose asks one question after the other; the first that is answered ends it. What proves most is asked first.
func (s sight) diagnose() diagnosis {
	for _, ask := range []func(sight) (diagnosis, bool){
		sight.isUnserved,
		sight.isHostDead,
		sight.isHostLost,
		sight.isHostImpaired,
		sight.isSilent,
		sight.isRefused,
		sight.isDiskFull,
		sight.isHeld,
		sight.isKafkaSilent,
		sight.isDown,
		sight.isFenced,
		sight.isOutOfSync,
		sight.isFlapping,
		sight.isDiskSlow,
		sight.isCrashing,
	} {
		if d, ok := ask(s); ok {
			return s.noted(d)
		}
	}
	return s.noted(s.isWell())
}

// noted adds to a diagnosis what the next looks have to know of this one. While something may still go by, a host that falls
// silent changes it too.
func (s sight) noted(d diagnosis) diagnosis {
	d.track = s.track
	if d.fell && s.before.Condition == cluster.Well && !s.track.Ran.IsZero() {
		d.track.Falls = s.lately(append(d.track.Falls, s.now))
	}
	if d.condition != cluster.Well && s.now.Before(d.until) && s.isHeard(s.Observed) {
		quiet := s.Beat.At.Add(s.patience(*s.Beat) + time.Second)
		if d.changes.IsZero() || quiet.Before(d.changes) {
			d.changes = quiet
		}
	}
	return d
}

// found is a condition that was first found now, or that goes on.
func (s sight) found(condition cluster.Condition, format string, args ...any) diagnosis {
	d := diagnosis{condition: condition, reason: fmt.Sprintf(format, args...), since: s.now}
	if s.goesOn(condition) {
		d.since = s.before.Since
	}
	d.until = d.since
	if d.since.Before(s.watched) {
		d.until = s.watched // what went on meanwhile, nobody saw
	}
	return d
}

// families are conditions of which one becomes the other, and back, while the trouble goes on: a Kafka that does not come up is on
// its way with each attempt, and one that answers now and then is silent in between.
var families = [][]cluster.Condition{{cluster.Starting, cluster.KafkaDown}, {cluster.KafkaSilent, cluster.OutOfSync}}

// goesOn tells whether a condition was found before, or another one of its family.
func (s sight) goesOn(condition cluster.Condition) bool {
	return s.before.Condition == condition || slices.ContainsFunc(families, func(family []cluster.Condition) bool {
		return slices.Contains(family, condition) && slices.Contains(family, s.before.Condition)
	})
}

// from says when it began, where the host knows that: it may have been so before anybody looked.
func (d diagnosis) from(at time.Time) diagnosis {
	if at.Before(d.since) {
		d.since = at
	}
	d.until = at
	return d
}

// borne adds the time that it is borne.
func (d diagnosis) borne(tolerated time.Duration) diagnosis {
	d.until = d.until.Add(tolerated)
	return d
}

func (d diagnosis) fallen() diagnosis {
	d.fell = true
	return d
}

func (d diagnosis) remedied(by cluster.Remedy) diagnosis {
	d.remedy = by
	return d
}

func (d diagnosis) advised(format string, args ...any) diagnosis {
	d.advice = fmt.Sprintf(format, args...)
	return d
}

// isUnserved: a node that has no host yet is on its way.
func (s sight) isUnserved() (diagnosis, bool) {
	if s.Node.Host != nil {
		return diagnosis{}, false
	}
	return s.found(cluster.Starting, "no host serves %s yet", s.Node), true
}

// isHostDead: the platform says that the host has ended. Nothing else proves that.
func (s sight) isHostDead() (diagnosis, bool) {
	if s.Host == nil {
		return diagnosis{}, false
	}
	switch s.Host.State {
	case cluster.HostTerminated, cluster.HostShuttingDown:
		d := s.proven("host %s is %s", s.Node.Host.ID, s.Host.State)
		d.until = d.since
		return d, true
	case cluster.HostStopped:
		return s.proven("host %s is %s", s.Node.Host.ID, s.Host.State).borne(s.t.HostStopped), true
	default:
		return diagnosis{}, false
	}
}

// proven is the diagnosis of a host that has certainly ended.
func (s sight) proven(format string, args ...any) diagnosis {
	d := s.found(cluster.HostDead, format, args...).remedied(cluster.Replace)
	d.proven = true
	return d
}

// isHostLost: the platform has forgotten the host, as it does an hour after its end, and nothing is heard of it. An answer
// that lacks every host of the cluster tells of the one who gave it.
func (s sight) isHostLost() (diagnosis, bool) {
	since, silent := s.silence()
	if s.Host != nil || !silent {
		return diagnosis{}, false
	}
	answered := slices.ContainsFunc(s.Nodes, func(o Observed) bool { return o.Host != nil })
	if !answered && !s.others().fenced() {
		d := s.found(cluster.Unknown, "the platform knows none of the cluster's hosts, and nothing was heard of host %s since %s",
			s.Node.Host.ID, clock(since))
		if !s.now.Before(d.until.Add(s.t.Unknown)) {
			d = d.advised("See whether the platform's account and region are the right ones, and whether the hosts are there.")
		} else {
			d.changes = d.until.Add(s.t.Unknown)
		}
		return d, true
	}
	return s.proven("the platform does not know host %s any more, and nothing was heard of it since %s",
		s.Node.Host.ID, clock(since)).borne(s.t.HostMissing), true
}

// isHostImpaired: the platform's checks of the host fail, and it does not do its work either.
func (s sight) isHostImpaired() (diagnosis, bool) {
	if s.Host == nil || !s.Host.Impaired {
		return diagnosis{}, false
	}
	since, silent := s.silence()
	others := s.others()
	var also string
	switch {
	case others.fenced():
		also = s.against(others)
	case silent:
		also = "nothing was heard of it since " + clock(since)
	default:
		return diagnosis{}, false
	}
	d := s.found(cluster.HostImpaired, "the platform's checks of host %s fail, and %s", s.Node.Host.ID, also)
	return d.borne(s.t.HostImpaired).remedied(cluster.Replace), true
}

// isSilent: nothing is heard of the host. That counts only together with somebody who says that the node is gone.
func (s sight) isSilent() (diagnosis, bool) {
	if s.isHeard(s.Observed) {
		return diagnosis{}, false
	}
	since, silent := s.silence()
	if !silent {
		return s.isNotHeardYet(since), true
	}
	others := s.others()
	if others.fenced() {
		d := s.found(cluster.Unreachable, "nothing was heard of host %s since %s, and %s",
			s.Node.Host.ID, clock(since), s.against(others))
		return d.borne(s.t.Unreachable).remedied(cluster.Replace).fallen(), true
	}
	d := s.found(cluster.Unknown, "nothing was heard of host %s since %s, and %s", s.Node.Host.ID, clock(since), s.inFavour(others))
	if told := d.until.Add(s.t.Unknown); s.now.Before(told) {
		d.changes = told
	} else {
		d = d.advised("Look at host %s. If it is lost, end it: a host that has ended is replaced.", s.Node.Host.ID)
	}
	return d, true
}

// isNotHeardYet: the host's next word may be on its way still, or nobody could hear the last.
func (s sight) isNotHeardYet(since time.Time) diagnosis {
	silent := since.Add(s.t.Silence)
	if s.Beat != nil && s.Beat.State == nodespec.Running && s.now.Sub(s.Beat.At) <= s.t.Silence {
		d := s.found(cluster.Well, "")
		d.changes = silent
		return d
	}
	condition, reason := cluster.Unknown, "nothing was heard of host %s since %s"
	if s.Beat == nil && s.Host != nil && s.Host.State == cluster.HostPending {
		condition, reason = cluster.Starting, "host %s is on its way since %s"
	}
	d := s.found(condition, reason, s.Node.Host.ID, clock(since))
	d.changes = silent
	return d
}

// isRefused: the agent keeps the node from running. It says so again and again; one that was told to end says so once.
func (s sight) isRefused() (diagnosis, bool) {
	if s.Beat.State != nodespec.Stopped {
		return diagnosis{}, false
	}
	d := s.found(cluster.KafkaRefused, "%s", s.saying("the agent refuses to run Kafka")).borne(s.t.KafkaRefused)
	d.ownFault = true
	return d.advised("The agent keeps Kafka from running because that would put data at risk. See that the host's volume is the "+
		"one of %s and whole; nothing is done about it by itself.", s.Node), true
}

// noSpace is how an operating system, and so Kafka's log, says that a disk is full.
const noSpace = "no space left on device"

// isDiskFull: the log volume has no room, whether Kafka has noticed or not.
func (s sight) isDiskFull() (diagnosis, bool) {
	ended := s.Beat.State != nodespec.Running && strings.Contains(strings.ToLower(s.Beat.Reason), noSpace)
	if !s.Beat.DiskFull() && !ended {
		return diagnosis{}, false
	}
	reason := "the log volume is full"
	if s.Node.Volume != nil {
		reason = fmt.Sprintf("the log volume of %d GiB is full", s.Node.Volume.SizeGiB)
	}
	if s.Beat.State != nodespec.Running {
		reason += ", and Kafka does not run"
	}
	d := s.found(cluster.DiskFull, "%s", reason)
	d.ownFault, d.serves = true, s.Beat.State == nodespec.Running && !s.Beat.Held()
	return s.grow(d), true
}

// isHeld: somebody has stopped the process by a signal.
func (s sight) isHeld() (diagnosis, bool) {
	if !s.Beat.Held() {
		return diagnosis{}, false
	}
	p := s.Beat.Process
	d := s.found(cluster.KafkaHeld, "a signal keeps the Kafka process %d from running since %s", p.PID, clock(*p.HeldSince))
	return d.from(earliest(*p.HeldSince, s.now)).borne(s.t.KafkaHeld).remedied(cluster.Restart), true
}

// isKafkaSilent: the process runs and does not answer. One that the others still count on is busy, and is given longer.
func (s sight) isKafkaSilent() (diagnosis, bool) {
	if s.Beat.SilentSince == nil || s.Beat.Process == nil {
		return diagnosis{}, false
	}
	at := earliest(*s.Beat.SilentSince, s.now)
	others := s.others()
	d := s.found(cluster.KafkaSilent, "Kafka runs and has not answered since %s", clock(at)).from(at).remedied(cluster.Restart)
	if others.fenced() {
		d.reason += ", and " + s.against(others)
		return d.borne(s.t.KafkaSilent).fallen(), true
	}
	if others.listed() {
		d.reason += ", while " + s.inFavour(others)
	}
	if s.isAlone() {
		return d.borne(s.t.KafkaAlone), true
	}
	return d.borne(s.t.KafkaBusy), true
}

// isDown: Kafka is not a member of its cluster.
func (s sight) isDown() (diagnosis, bool) {
	if s.Beat.State == nodespec.Running {
		return diagnosis{}, false
	}
	beat := s.Beat
	alive := beat.State == nodespec.Starting && beat.Process != nil && beat.FailedStarts == 0
	switch {
	case alive && isOneStart(beat.Process.StartedAt, s.track.Ran) && s.Node.Role == cluster.Broker:
		d := s.found(cluster.OutOfSync, "%s", s.saying("Kafka is not a member of its cluster any more"))
		return d.borne(s.t.Fenced).remedied(cluster.Restart).fallen(), true
	case alive && isOneStart(beat.Process.StartedAt, s.track.Ran):
		return s.isWithoutQuorum(), true
	case alive:
		return s.startsFor(s.t.LongStart), true
	case beat.FailedStarts >= s.t.FailedStarts:
		d := s.found(cluster.KafkaDown, "%s", s.saying("Kafka does not start"))
		d.until = d.since
		return d.remedied(cluster.Replace), true
	case beat.State == nodespec.Failing || beat.FailedStarts > 0:
		d := s.found(cluster.KafkaDown, "%s", s.saying("Kafka does not start"))
		return d.borne(s.t.KafkaDown).remedied(cluster.Replace), true
	default:
		return s.startsFor(s.t.KafkaDown), true
	}
}

// isWithoutQuorum: a controller that answers and has no leader can't help itself; those that are missing have to come back.
func (s sight) isWithoutQuorum() diagnosis {
	d := s.found(cluster.Starting, "%s", s.saying("the controller is not a member of its quorum any more"))
	if told := d.until.Add(s.t.Unknown); s.now.Before(told) {
		d.changes = told
		return d
	}
	return d.advised("See to the other controllers of the cluster: a quorum needs more than half of them.")
}

// startsFor: a Kafka may take some time to start, and is down after it.
func (s sight) startsFor(long time.Duration) diagnosis {
	d := s.found(cluster.Starting, "%s", s.saying("Kafka is starting"))
	if end := d.until.Add(long); s.now.Before(end) {
		d.changes = end
		return d
	}
	down := s.found(cluster.KafkaDown, "%s", s.saying("Kafka does not come up"))
	return down.borne(long).remedied(cluster.Replace)
}

// saying is what the agent says, after what that means.
func (s sight) saying(meaning string) string {
	if s.Beat.Reason == "" {
		return meaning
	}
	return meaning + ": " + s.Beat.Reason
}

// isFenced: the node believes that it does its work, and the others have given it up.
func (s sight) isFenced() (diagnosis, bool) {
	others := s.others()
	if !others.fenced() {
		return diagnosis{}, false
	}
	d := s.found(cluster.OutOfSync, "Kafka answers, and %s", s.against(others))
	tolerated := s.t.Fenced
	if s.Node.Role == cluster.Controller {
		tolerated = s.t.OutOfSync // one that was away has to catch up
	}
	return d.borne(tolerated).remedied(cluster.Restart).fallen(), true
}

// isOutOfSync: leaders miss the broker's replicas, and it does not get better.
func (s sight) isOutOfSync() (diagnosis, bool) {
	if s.track.Behind == 0 {
		return diagnosis{}, false
	}
	d := s.found(cluster.OutOfSync, "leaders miss replicas of %s in sync, and they have not become fewer since %s",
		s.Node, clock(s.track.BehindSince))
	d.until = latest(s.track.BehindSince, s.watched)
	if p := s.Beat.Process; p != nil {
		d.until = latest(d.until, earliest(p.StartedAt, s.now)) // what it missed before, it has yet to catch up on
	}
	return d.borne(s.t.OutOfSync).remedied(cluster.Restart), true
}

// isFlapping: the others give the node up and take it back, again and again, and each time the partitions that it leads move.
// While it works nothing is restarted. It goes on to count as out of sync, though, so that it is when it is given up the next
// time.
func (s sight) isFlapping() (diagnosis, bool) {
	if len(s.track.Falls) < s.t.Falls {
		return diagnosis{}, false
	}
	d := s.found(cluster.OutOfSync, "the others have given %s up again and again within %s", s.Node, span(s.t.Lately))
	d.until = d.since
	d.changes = s.track.Falls[0].Add(s.t.Lately)
	return d.advised("Each time the partitions that %s leads move. See in its log why it does not speak to the controllers: pauses of the "+
		"garbage collector, or a network that loses packets.", s.Node), true
}

// isDiskSlow: writes to the volume take longer than replication bears.
func (s sight) isDiskSlow() (diagnosis, bool) {
	if !s.Beat.DiskSlow() {
		return diagnosis{}, false
	}
	d := s.found(cluster.DiskSlow, "writes to the log volume take longer than %d ms", nodespec.SlowMillis).borne(s.t.DiskSlow)
	d.serves = true // what does not was found before
	return d.advised("See whether the volume is at the limit of its throughput, and whether the platform tells of trouble with it. "+
		"A new host for %s would have the same volume.", s.Node), true
}

// isCrashing: Kafka comes up each time, and ends again and again. It does its work meanwhile, and nothing that is done from
// outside would change it; people may.
func (s sight) isCrashing() (diagnosis, bool) {
	if len(s.track.Starts) < s.t.Starts {
		return diagnosis{}, false
	}
	d := s.found(cluster.Well, "Kafka runs, and has ended again and again within %s", span(s.t.Lately))
	d.changes = s.track.Starts[0].Add(s.t.Lately)
	return d.advised("See in Kafka's log why it ends."), true
}
