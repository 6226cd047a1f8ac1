package provisioning

import (
	"context"
	"fmt"
	"slices"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// AttachVolume gives a node's log volume to the node's host, with all that is joined to it.
type AttachVolume struct {
	Nodes    nodeRecords
	Platform interface {
		// AttachVolume attaches a volume to a running host. A volume that is attached there already stays so; one that
		// is attached elsewhere is a Conflict.
		AttachVolume(ctx context.Context, volumeID, hostID string) error
	}
}

// Run may be called again.
func (s AttachVolume) Run(ctx context.Context, in NodeInput) (Empty, error) {
	n, err := s.Nodes.Node(ctx, in.ClusterID, in.NodeID)
	if err != nil {
		return Empty{}, err
	}
	if err := s.Platform.AttachVolume(ctx, n.Volume.ID, n.Host.ID); err != nil {
		return Empty{}, fmt.Errorf("attach volume %s of %s: %w", n.Volume.ID, n, err)
	}
	for _, id := range joined(n) {
		err := s.Platform.AttachVolume(ctx, id, n.Host.ID)
		if fault.Is(err, fault.NotFound) { // it may have been emptied and deleted since the record was read
			now, lookErr := s.Nodes.Node(ctx, in.ClusterID, in.NodeID)
			if lookErr == nil && !slices.Contains(joined(now), id) {
				continue
			}
		}
		if err != nil {
			return Empty{}, fmt.Errorf("attach further volume %s of %s: %w", id, n, err)
		}
	}
	return Empty{}, nil
}

// joined are the further volumes that a node's data may be on.
func joined(n cluster.Node) (ids []string) {
	for _, f := range n.Volume.Further {
		if f.ID != "" && f.LeftAt.IsZero() {
			ids = append(ids, f.ID)
		}
	}
	return ids
}
