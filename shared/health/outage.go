package health

import (
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/shared/cluster"
)

// outage is what is sick in too many places.
type outage struct {
	// everywhere says why all clusters' breakers are open; empty when they are not.
	everywhere string
	// healing tells whether a node of any cluster is being healed.
	healing bool
}

// outageOf counts the clusters that have sick nodes. Too many at once may be an outage of ours, and while it was one, it goes
// on until at most one of them is left.
func outageOf(cases []caseOf, d Deployment, t Tolerance) outage {
	sick, open := 0, false
	for i := range cases {
		if len(cases[i].sick()) > 0 {
			sick++
		}
		open = open || cases[i].Before.Everywhere
	}
	for _, h := range d.Elsewhere {
		if d.Now.Sub(h.LookedAt) > t.Outage {
			continue // nobody looks after it any more
		}
		if slices.ContainsFunc(h.Findings, func(f cluster.Finding) bool { return f.Overdue(d.Now) && f.Advice == "" }) {
			sick++
		}
		open = open || h.Everywhere
	}
	o := outage{healing: len(d.Healing) > 0}
	if sick >= t.SickClusters || open && sick > 1 {
		o.everywhere = fmt.Sprintf("nodes of %d clusters are sick at once, which may be an outage of the platform or of the control plane", sick)
	}
	return o
}

// sick are the nodes that are sick for longer than is borne, as far as that may have a common cause. A node that is being
// healed is one until it is well, and so is, once the breaker is open, every one that is not seen well: silence is no news.
// What a person works on, what a host itself explains, what is left to people anyway, and brokers that wait for controllers
// do not count.
func (c *caseOf) sick() (names []string) {
	lost := c.quorumIsLost()
	for _, f := range c.nodes {
		if _, maintained := c.Cluster.Healing.MaintenanceOf(f.NodeID, c.now); maintained || f.ownFault || lost && f.needsQuorum() {
			continue
		}
		left := f.Sick() && f.Advice != ""
		unwell := f.Condition != cluster.Well && (c.isHealing(f.NodeID) || c.Before.Breaker != "" && !left)
		if f.Overdue(c.now) && !left || unwell {
			names = append(names, f.Node.String())
		}
	}
	return names
}

// quorumIsLost is [cluster.Health.QuorumIsLost] of what is found now.
func (c *caseOf) quorumIsLost() bool {
	var h cluster.Health
	for _, f := range c.nodes {
		h.Findings = append(h.Findings, f.Finding)
	}
	return h.QuorumIsLost(c.now)
}

// needsQuorum tells whether a broker's condition is what any has who finds no quorum: it says nothing about the broker.
func (f found) needsQuorum() bool {
	if f.Role != cluster.Broker {
		return false
	}
	switch f.Condition {
	case cluster.Starting, cluster.Unknown, cluster.KafkaDown, cluster.KafkaSilent, cluster.OutOfSync:
		return true
	default:
		return false
	}
}

func (c *caseOf) isHealing(node int32) bool {
	return c.healing != nil && c.healing.Heal != nil && c.healing.Heal.NodeID == node
}

// breaker says why only the proven dead of a cluster are replaced; empty when everybody is. A person may have said that it
// does not count.
func (c *caseOf) breaker(o outage) string {
	if c.now.Before(c.Cluster.Healing.AllowedUntil) {
		return ""
	}
	if names := c.sick(); len(names) >= c.t.SickNodes {
		return words(names) + " are sick at once, which may be an outage of the platform or of the control plane"
	}
	return o.everywhere
}

// oneByOne lets at most one heal of a deployment go on while many clusters are sick, and none while another is under way:
// what is wrong with our verdict shows at the first one. A cluster that a person has allowed to be healed is not held up.
func (o outage) oneByOne(verdicts []Verdict, now time.Time) {
	if o.everywhere == "" {
		return
	}
	taken := o.healing
	for i := range verdicts {
		v := &verdicts[i]
		if v.Heal == nil || v.Health.Breaker == "" {
			continue
		}
		if !taken {
			taken = true
			continue
		}
		for j := range v.Health.Findings {
			if f := &v.Health.Findings[j]; f.NodeID == v.Heal.NodeID {
				f.Waits = "nodes of many clusters are sick, and are healed one by one; another one's turn comes first"
			}
		}
		v.Heal = nil
		v.lookAgain(now.Add(soon), now)
	}
}
