package health

import (
	"slices"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
)

// Deployment is everything that is known at a moment. Clusters are judged together, because what is sick in many places at
// once may be an outage of ours.
type Deployment struct {
	Now time.Time
	// ListeningSince is since when hosts could be heard at all; zero where that does not depend on whoever looks. Silence
	// before it is ours, not theirs.
	ListeningSince time.Time
	Looks          []Look
	// Elsewhere is what was recorded of the clusters that are not looked at now.
	Elsewhere []cluster.Health
	// Healing are the healing operations that are under way, of every cluster.
	Healing []cluster.Operation
}

// Look is what is known of one cluster.
type Look struct {
	Cluster cluster.Cluster
	Nodes   []Observed
	// Autoscaling is the rule by which the volumes of brokers grow by themselves; nil when they do not.
	Autoscaling *cluster.StorageAutoscaling
	// Growths are the operations on volumes of the last day, oldest first, ended or not. They are only asked about where a volume is
	// nearly full that is to grow by itself.
	Growths []cluster.Operation
	// Before is what the last look gave; its zero value when there was none.
	Before cluster.Health
	// Heals are the cluster's healing operations of the last day, oldest first, ended or not. They are only asked about
	// where a node is sick.
	Heals []cluster.Operation
}

// Remembered is how long a heal counts.
const Remembered = 24 * time.Hour

// Observed is a node with what its platform and its host say.
type Observed struct {
	Node cluster.Node
	// Host is nil when the platform knows of none with the id of the node's.
	Host *cluster.Host
	// Beat is the last heartbeat of the node's host; nil when there was none.
	Beat *nodespec.Heartbeat
}

// Verdict is the judgement over a cluster.
type Verdict struct {
	Health cluster.Health
	// Heal is what is to be done now; nil for nothing. At most one node of a cluster is healed at a time.
	Heal *cluster.Heal
	// LookAgain is when time alone will change the verdict; zero when it will not.
	LookAgain time.Time
}

// Ours tells whether a cluster is looked after: one that is being made or deleted, or that could not be, is not.
func Ours(c cluster.Cluster) bool { return c.Serves() }

// Judge judges every cluster that is looked at, in their order.
//
//  1. Each node: what is the matter with it, for how long is that borne, and what helps?
//  2. All of them: are few enough sick that it is no outage of ours?
//  3. Each sick node: is anything against doing what helps now?
//  4. Each cluster: which of its nodes comes first? While many clusters are sick, which of all?
func Judge(d Deployment, t Tolerance) []Verdict {
	d = d.withoutFuture(t)
	cases := make([]caseOf, len(d.Looks))
	for i, l := range d.Looks {
		cases[i] = examine(l, d, t)
	}
	outage := outageOf(cases, d, t)
	verdicts := make([]Verdict, len(cases))
	for i := range cases {
		verdicts[i] = cases[i].decide(outage)
	}
	outage.oneByOne(verdicts, d.Now)
	return verdicts
}

// withoutFuture drops what is dated so far ahead that the clock must have been set back since: until it is that late again,
// nothing would be heard, and nothing would have lasted for long.
func (d Deployment) withoutFuture(t Tolerance) Deployment {
	latest := d.Now.Round(0).Add(t.Outage) // by the clock on the wall: that is the one that is set
	if d.ListeningSince.Round(0).After(latest) {
		d.ListeningSince = time.Time{}
	}
	d.Looks = slices.Clone(d.Looks)
	for i := range d.Looks {
		if l := &d.Looks[i]; l.Before.LookedAt.After(latest) {
			l.Before = cluster.Health{}
		}
	}
	return d
}

// caseOf is a cluster under judgement.
type caseOf struct {
	Look
	now     time.Time
	t       Tolerance
	watched time.Time // since when looks have followed each other closely
	heard   time.Time // since when hosts could be heard
	healing *cluster.Operation
	nodes   []found // in their order
}

// found is a node with its diagnosis, and the finding as far as it has got.
type found struct {
	Node cluster.Node
	diagnosis
	cluster.Finding
}

// examine finds out what is the matter with each node, and what helps.
func examine(l Look, d Deployment, t Tolerance) caseOf {
	c := caseOf{Look: l, now: d.Now, t: t, watched: latest(watchedSince(l.Before, d.Now, t), d.ListeningSince), heard: d.ListeningSince}
	if l.Cluster.Active != nil {
		i := slices.IndexFunc(d.Healing, func(op cluster.Operation) bool { return op.ID == l.Cluster.Active.ID })
		if i >= 0 {
			c.healing = &d.Healing[i]
		}
	}
	for _, o := range l.Nodes {
		before := c.last(o)
		s := sight{caseOf: &c, Observed: o, before: before, track: c.trackOf(o, before)}
		c.nodes = append(c.nodes, found{Node: o.Node, diagnosis: s.diagnose()})
	}
	for i := range c.nodes {
		f := &c.nodes[i]
		if f.Finding = c.finding(*f); f.Sick() {
			c.treat(f)
		}
	}
	return c
}

// watchedSince is since when looks have followed each other closely: a gap begins it anew.
func watchedSince(before cluster.Health, now time.Time, t Tolerance) time.Time {
	if before.LookedAt.IsZero() || before.WatchedSince.IsZero() || now.Sub(before.LookedAt) > t.Outage {
		return now
	}
	return before.WatchedSince
}

// last is what the last look at a node gave; nothing when that was another host, or there was none.
func (c *caseOf) last(o Observed) cluster.Finding {
	f, ok := c.Before.Of(o.Node.ID)
	if !ok || o.Node.Host == nil || f.Host != o.Node.Host.ID {
		return cluster.Finding{}
	}
	return f
}

// finding is the diagnosis with its times.
func (c *caseOf) finding(f found) cluster.Finding {
	finding := cluster.Finding{
		NodeID: f.Node.ID, Role: f.Node.Role,
		Condition: f.condition, Reason: f.reason, Since: f.since, Advice: f.advice, Track: f.track,
		Serves: f.serves, Urgent: f.urgent,
	}
	if f.Node.Host != nil {
		finding.Host = f.Node.Host.ID
	}
	if finding.Sick() {
		finding.ToleratedUntil = f.until
	}
	return finding
}
