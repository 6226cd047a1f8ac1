package health

import (
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
	// Before is what the last look gave; its zero value when there was none.
	Before cluster.Health
	// Heals are the cluster's healing operations of the last day, oldest first, ended or not. They are only asked about
	// where a node is sick.
	Heals []cluster.Operation
}

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

// Judge judges every cluster that is looked at, in their order.
func Judge(d Deployment, t Tolerance) []Verdict {
	verdicts := make([]Verdict, len(d.Looks))
	for i, l := range d.Looks {
		verdicts[i] = Verdict{Health: cluster.Health{ClusterID: l.Cluster.ID, LookedAt: d.Now, WatchedSince: d.Now}}
		for _, o := range l.Nodes {
			f := cluster.Finding{NodeID: o.Node.ID, Role: o.Node.Role, Condition: cluster.Well, Since: d.Now}
			if o.Node.Host != nil {
				f.Host = o.Node.Host.ID
			}
			if o.Host != nil && (o.Host.State == cluster.HostTerminated || o.Host.State == cluster.HostShuttingDown) {
				f.Condition, f.Remedy, f.Reason = cluster.HostDead, cluster.Replace, "host "+f.Host+" is "+string(o.Host.State)
			}
			verdicts[i].Health.Findings = append(verdicts[i].Health.Findings, f)
			if f.Remedy != cluster.NoRemedy && l.Cluster.Active == nil && verdicts[i].Heal == nil {
				verdicts[i].Heal = &cluster.Heal{
					NodeID: f.NodeID, Role: f.Role, Remedy: f.Remedy, Condition: f.Condition, Reason: f.Reason, Since: f.Since,
					Host: f.Host, Launch: o.Node.Launches, Proven: true,
				}
			}
		}
	}
	return verdicts
}

// Ours tells whether a cluster is looked after: one that is being made or deleted, or that could not be, is not.
func Ours(c cluster.Cluster) bool {
	if c.Active != nil && (c.Active.Type == cluster.CreateCluster || c.Active.Type == cluster.DeleteCluster) {
		return false
	}
	return c.Ready && c.Failure == nil
}
