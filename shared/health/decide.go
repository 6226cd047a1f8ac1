package health

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/shared/cluster"
)

// decide says of each sick node what is against doing what helps now, and picks the node whose turn it is.
func (c *caseOf) decide(o outage) Verdict {
	v := Verdict{Health: cluster.Health{
		ClusterID: c.Cluster.ID, LookedAt: c.now, WatchedSince: c.watched,
		Breaker: c.breaker(o), Everywhere: o.everywhere != "",
	}}
	var due []found
	for i := range c.nodes {
		f := &c.nodes[i]
		if f.Sick() {
			v.lookAgain(c.hold(f, v.Health.Breaker), c.now)
		}
		v.lookAgain(f.changes, c.now)
		if f.Remedy != cluster.NoRemedy && f.Waits == "" {
			due = append(due, *f)
		}
	}
	slices.SortStableFunc(due, func(a, b found) int { return cmp.Compare(urgency(a), urgency(b)) })
	for i, f := range due {
		if i == 0 {
			v.Heal = c.heal(f)
			continue
		}
		at := slices.IndexFunc(c.nodes, func(n found) bool { return n.NodeID == f.NodeID })
		c.nodes[at].Waits = fmt.Sprintf("%s is healed first", due[0].Node)
	}
	for _, f := range c.nodes {
		v.Health.Findings = append(v.Health.Findings, f.Finding)
	}
	return v
}

func (v *Verdict) lookAgain(at, now time.Time) {
	if at.After(now) && (v.LookAgain.IsZero() || at.Before(v.LookAgain)) {
		v.LookAgain = at
	}
}

// urgency orders what is due: the dead first, because nothing more can be lost by healing them, and controllers before
// brokers, which can't join without them; then what is quickly done.
func urgency(f found) int {
	switch {
	case f.proven && f.Role == cluster.Controller:
		return 0
	case f.proven:
		return 1
	case f.Remedy == cluster.Grow:
		return 2
	case f.Remedy == cluster.Restart:
		return 3
	default:
		return 4
	}
}

func (c *caseOf) heal(f found) *cluster.Heal {
	return &cluster.Heal{
		NodeID: f.NodeID, Role: f.Role, Remedy: f.Remedy, Condition: f.Condition, Reason: f.Reason, Since: f.Since,
		Host: f.Host, Launch: f.Node.Launches, Proven: f.proven, VolumeGiB: f.volumeGiB,
	}
}

// soon is when to look again after whoever has to end before.
const soon = 10 * time.Second

// hold asks what keeps a remedy from being applied now, and says it in Waits. The time is when that ends by itself, zero
// where it does not, or where nothing keeps it.
func (c *caseOf) hold(f *found, breaker string) (until time.Time) {
	window, maintained := c.Cluster.Healing.MaintenanceOf(f.NodeID, c.now)
	switch {
	case !f.Overdue(c.now):
		f.Waits, until = "it may go by: borne until "+clock(f.ToleratedUntil), f.ToleratedUntil
	case f.Remedy == cluster.NoRemedy:
	case maintained:
		f.Waits, until = "maintenance until "+clock(window.Until), window.Until
		if window.Reason != "" {
			f.Waits += ": " + window.Reason
		}
	case c.quorumIsLost() && f.needsQuorum():
		f.Waits = "no broker can start without a quorum, so the controllers are healed first"
	case breaker != "" && f.Remedy == cluster.Replace && !f.proven:
		f.Waits = "the circuit breaker is open: " + breaker
	case c.isHealing(f.NodeID):
		f.Waits = "operation " + c.healing.ID + " is healing it"
	case c.Cluster.Active != nil:
		until = c.now.Add(soon)
		f.Waits = fmt.Sprintf("operation %s (%s) is at work on the cluster", c.Cluster.Active.ID, c.Cluster.Active.Type)
	default:
		if until = c.pauseOf(*f); c.now.Before(until) {
			f.Waits = "its last heal failed; tried again at " + clock(until)
		}
	}
	return until
}
