package healthsweep

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/shared/autoscale"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/health"
	"github.com/millrace/millrace/shared/nodespec"
)

// addRulesOfGrowth adds the rules by which volumes grow by themselves to looks. They are read only where a volume is as full as any
// rule could mind: what is read each minute at rest is on the bill. So are growths, where one of such volumes is nearly full.
func (s SweepHealth) addRulesOfGrowth(ctx context.Context, looks []health.Look) error {
	full := false
	for _, l := range looks {
		full = full || fullestBroker(l) >= cluster.LeastTargetPercent
	}
	if !full {
		return nil
	}
	all, err := s.Records.AllStorageScaling(ctx)
	if err != nil {
		return fmt.Errorf("list the rules by which storage grows: %w", err)
	}
	for _, scaling := range all {
		rule, ok := scaling.Effective()
		for i := range looks {
			l := &looks[i]
			if !ok || l.Cluster.ID != scaling.ClusterID {
				continue
			}
			l.Autoscaling = &rule
			if fullestBroker(*l) < nodespec.NearlyFullPercent {
				continue
			}
			if l.Growths, err = s.Records.GrowthsSince(ctx, l.Cluster.ID, s.Now().UTC().Add(-health.Remembered)); err != nil {
				return fmt.Errorf("read the growths of cluster %s: %w", l.Cluster.Name, err)
			}
		}
	}
	return nil
}

// storageDue tells whether somebody should look at storage: a broker is as full as the rule lets it become by which its cluster's
// volumes grow by themselves, or has less than another, or something can be done about further volumes. Events tell of the first at
// once; this is for when one is lost. Of the others nothing else tells.
func storageDue(looks []health.Look, now time.Time) bool {
	for _, l := range looks {
		if l.Autoscaling != nil && (autoscale.Due(*l.Autoscaling, fullestBroker(l)) || differ(l)) {
			return true
		}
		var joined []autoscale.Joined
		for _, o := range l.Nodes {
			j := autoscale.Joined{Node: o.Node}
			if o.Beat != nil {
				j.Disk = autoscale.Fresh(*o.Beat, now)
			}
			joined = append(joined, j)
		}
		if _, due := autoscale.Merge(l.Cluster, joined, now); due {
			return true
		}
	}
	return false
}

// differ tells whether one broker has a larger volume than another.
func differ(l health.Look) bool {
	sizes := map[int]bool{}
	for _, o := range l.Nodes {
		if o.Node.Role == cluster.Broker && o.Node.Volume != nil {
			sizes[o.Node.Volume.SizeGiB] = true
		}
	}
	return len(sizes) > 1
}

// fullestBroker is how full the fullest volume of a broker is, in percent, by what its host said last, however long ago: nothing goes
// away from the volume of one that is down.
func fullestBroker(l health.Look) (percent float64) {
	for _, o := range l.Nodes {
		if o.Node.Role == cluster.Broker && o.Beat != nil && o.Beat.Disk != nil {
			percent = max(percent, o.Beat.Disk.UsedPercent())
		}
	}
	return percent
}
