package storageautoscaling

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace/millrace/shared/autoscale"
	"github.com/millrace/millrace/shared/cluster"
)

// mergeAll begins to merge the volumes of every cluster of which something can be done about further ones, whether its storage grows by
// itself or not. What goes wrong with one cluster keeps no other from it; the errors are joined.
func (s ScaleStorage) mergeAll(ctx context.Context) (started []string, problems error) {
	clusters, err := s.Records.AllClusters(ctx)
	if err != nil {
		return nil, fmt.Errorf("list clusters: %w", err)
	}
	for _, c := range clusters {
		id, err := s.merge(ctx, c)
		if err != nil {
			problems = errors.Join(problems, fmt.Errorf("merge the volumes of cluster %s: %w", c.ID, err))
			continue
		}
		if id != "" {
			started = append(started, id)
		}
	}
	return started, problems
}

// merge looks at one cluster; the id is that of the operation that was begun, empty when none was.
func (s ScaleStorage) merge(ctx context.Context, c cluster.Cluster) (string, error) {
	nodes, err := s.Records.Nodes(ctx, c.ID)
	if err != nil {
		return "", err
	}
	now := s.Now()
	var joined []autoscale.Joined
	for _, n := range nodes {
		if n.Volume == nil || len(n.Volume.Further) == 0 {
			continue
		}
		j := autoscale.Joined{Node: n}
		if n.Host != nil {
			beat, ok, err := s.Records.LastBeat(ctx, n.Host.ID)
			if err != nil {
				return "", fmt.Errorf("heartbeat of %s: %w", n, err)
			}
			if ok {
				j.Disk = autoscale.Fresh(beat, now)
			}
		}
		joined = append(joined, j)
	}
	change, due := autoscale.Merge(c, joined, now)
	if !due {
		return "", nil
	}
	return s.begin(ctx, c, nil, change, "further volumes are to be merged into the first, or hold nothing any more")
}
