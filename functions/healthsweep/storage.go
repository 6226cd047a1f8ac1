package healthsweep

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/shared/autoscale"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/health"
)

// storageDue tells whether somebody should look at the storage of clusters that grows by itself, because a broker is as full as its
// rule lets it become. Events tell of that at once; this is for when one is lost, and costs next to nothing, because the heartbeats
// are read for the sake of health anyway. The rules are read only where a volume is as full as any rule could mind.
func (s SweepHealth) storageDue(ctx context.Context, looks []health.Look) (bool, error) {
	fullest := map[string]float64{} // percent, by the cluster's id
	for _, l := range looks {
		if used := fullestBroker(l); used >= autoscale.LeastTargetPercent {
			fullest[l.Cluster.ID] = used
		}
	}
	if len(fullest) == 0 {
		return false, nil
	}
	all, err := s.Records.AllStorageScaling(ctx)
	if err != nil {
		return false, fmt.Errorf("list the rules by which storage grows: %w", err)
	}
	for _, scaling := range all {
		used, full := fullest[scaling.ClusterID]
		if rule, ok := scaling.Effective(); full && ok && autoscale.Due(rule, used) {
			return true, nil
		}
	}
	return false, nil
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
