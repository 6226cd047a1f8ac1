package healthsweep

import (
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/emf"
	"github.com/millrace/millrace/shared/health"
	"github.com/millrace/millrace/shared/nodespec"
)

// Metrics go to CloudWatch through the function's own log, a line for each sweep over all clusters.
// They are of the whole deployment: each costs $0.30 a month, and `millrace health` tells which node it is.
const (
	namespace  = "Millrace/Health"
	dimension  = "Deployment"
	silent     = "SilentHosts"
	impaired   = "ImpairedHosts"
	offline    = "OfflinePartitions"
	lagging    = "UnderReplicatedPartitions"
	nearlyFull = "NearlyFullDisks"
	full       = "FullDisks"
	ending     = "EndingCertificates"
	open       = "OpenBreakers"
	leftAlone  = "NodesLeftAlone"
)

var names = []string{silent, impaired, offline, lagging, nearlyFull, full, ending, open, leftAlone}

// writeMetrics tells how many of what there are. Where there is no cluster it tells nothing, which costs nothing.
func (s SweepHealth) writeMetrics(seen seen, verdicts []health.Verdict) error {
	if s.Metrics == nil || len(seen.Looks) == 0 {
		return nil
	}
	counts := map[string]int{}
	for i, l := range seen.Looks {
		s.count(counts, l, seen)
		h := verdicts[i].Health
		if h.Breaker != "" {
			counts[open]++
		}
		for _, f := range h.Findings {
			if f.Condition == cluster.DiskFull {
				counts[full]++
			}
			if f.LeftAlone() {
				counts[leftAlone]++
			}
		}
	}
	line := emf.NewLine(namespace, map[string]string{dimension: s.Deployment})
	for _, name := range names {
		line.Add(name, "Count", counts[name], dimension)
	}
	return line.Write(s.Metrics, seen.Now)
}

// count adds what hosts and brokers of a cluster say. Every broker knows of the partitions that have no leader, and each of
// those that it leads.
func (s SweepHealth) count(counts map[string]int, l health.Look, seen seen) {
	most := 0
	for _, o := range l.Nodes {
		if o.Host != nil && o.Host.Impaired {
			counts[impaired]++
		}
		if o.Node.Host == nil {
			continue
		}
		if o.Beat == nil || seen.Now.Sub(o.Beat.At) > s.Tolerance.Silence {
			counts[silent]++
			continue
		}
		if o.Beat.DiskNearlyFull() {
			counts[nearlyFull]++
		}
		if o.Beat.CertificateNearItsEnd() {
			counts[ending]++
		}
		if r := o.Beat.Replication; r != nil && o.Beat.State == nodespec.Running {
			counts[lagging] += r.UnderReplicated
			most = max(most, r.Offline)
		}
	}
	counts[offline] += most
}
