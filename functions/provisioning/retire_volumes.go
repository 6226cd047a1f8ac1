package provisioning

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/millrace/millrace/shared/autoscale"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/serve"
	"github.com/millrace/millrace/shared/watch"
)

// RetireVolumes deletes those further volumes of a node on which nothing is any more.
//
// Only the node's own host knows, and only of one that it has let go of cleanly: nothing is detached by force, and what is attached
// anywhere is not deleted. A growth of volumes does not wait for any of this.
type RetireVolumes struct {
	Nodes      nodeRecords
	Operations operationRecords
	Beats      lastBeats
	Platform   interface {
		// DetachVolume takes a volume from a host. One that the host does not have is success; it is Unavailable until the host has
		// let go.
		DetachVolume(ctx context.Context, volumeID, hostID string) error
		// DeleteVolume deletes the volume that a token has made. One that is gone, or never was, is success; one that
		// is still attached is a Conflict.
		DeleteVolume(ctx context.Context, token cluster.Token) error
	}
	Now func() time.Time
}

// Run may be called again. What can't be deleted yet is left to the next merge. So is the rest once a host has taken its time over one:
// all of them together may take longer than anybody waits for this. What was tried longest ago comes first, so each has its turn.
func (s RetireVolumes) Run(ctx context.Context, in CheckNodeInput) (Empty, error) {
	g, err := growthOf(ctx, s.Operations, s.Nodes, in)
	if err != nil || !g.merges || len(g.node.Volume.Further) == 0 {
		return Empty{}, err
	}
	disk, err := s.disk(ctx, g.node)
	if err != nil {
		return Empty{}, err
	}
	began := time.Now()
	byTurn := func(a, b cluster.FurtherVolume) int { return a.LeftAt.Compare(b.LeftAt) }
	for _, f := range slices.SortedStableFunc(slices.Values(g.node.Volume.Further), byTurn) {
		if time.Since(began) >= serve.LongPoll {
			break
		}
		marked, err := s.mark(ctx, g.node, f, disk)
		if err != nil {
			return Empty{}, err
		}
		if !marked {
			continue
		}
		if err := s.retire(ctx, g.node, f); err != nil {
			return Empty{}, fmt.Errorf("retire further volume %s of %s: %w", f.Token(g.node), g.node, err)
		}
	}
	return Empty{}, nil
}

// disk is what the node's host says of the volume now; nil when it says nothing.
func (s RetireVolumes) disk(ctx context.Context, n cluster.Node) (*nodespec.Disk, error) {
	beat, ok, err := lastBeat(ctx, s.Beats, n)
	if err != nil || !ok {
		return nil, err
	}
	return autoscale.Fresh(beat, s.Now()), nil
}

// mark notes that a further volume is about to be taken away, if it may be: no host is given it from then on, and nobody makes it.
func (s RetireVolumes) mark(ctx context.Context, n cluster.Node, f cluster.FurtherVolume, disk *nodespec.Disk) (marked bool, err error) {
	now := s.Now()
	if !autoscale.HasLeft(f, disk) && !autoscale.IsAbandoned(f, now) {
		return false, nil
	}
	_, err = s.Nodes.ChangeNode(ctx, n.ClusterID, n.ID, func(n *cluster.Node) error {
		marked = false
		n.Volume.EditFurther(f.Number, func(is *cluster.FurtherVolume) {
			if is.ID != f.ID || f.ID == "" && !autoscale.IsAbandoned(*is, now) {
				return // somebody makes it after all
			}
			is.LeftAt, marked = now, true
		})
		return nil
	})
	return marked, err
}

func (s RetireVolumes) retire(ctx context.Context, n cluster.Node, f cluster.FurtherVolume) error {
	if f.ID != "" && n.Host != nil {
		free, err := s.detached(ctx, f.ID, n.Host.ID)
		if err != nil || !free {
			return err
		}
	}
	err := s.Platform.DeleteVolume(ctx, f.Token(n))
	if fault.Is(err, fault.Conflict) {
		slog.WarnContext(ctx, "further volume is attached still", "cluster", n.ClusterID, "node", n.ID, "volume", f.ID, "reason", err)
		return nil
	}
	if err != nil {
		return err
	}
	_, err = s.Nodes.ChangeNode(ctx, n.ClusterID, n.ID, func(n *cluster.Node) error {
		n.Volume.Forget(f.Number)
		return nil
	})
	if err == nil {
		slog.InfoContext(ctx, "deleted further volume", "cluster", n.ClusterID, "node", n.ID, "volume", f.ID)
	}
	return err
}

// detached takes a volume from a host, and waits until that has let go.
func (s RetireVolumes) detached(ctx context.Context, id, hostID string) (free bool, err error) {
	looks, stop := watch.Every(time.Second)
	defer stop()
	var last error
	err = serve.Until(ctx, looks, func(ctx context.Context) (bool, error) {
		last = s.Platform.DetachVolume(ctx, id, hostID)
		if fault.Is(last, fault.Unavailable) {
			return false, nil
		}
		return last == nil, last
	})
	if err == nil && last != nil {
		slog.WarnContext(ctx, "host does not let go of a further volume", "host", hostID, "volume", id, "reason", last)
	}
	return last == nil, err
}
