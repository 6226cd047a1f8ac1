package provisioning

import (
	"context"
	"fmt"
)

// AttachVolume gives a node's log volume to the node's host.
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
	return Empty{}, nil
}
