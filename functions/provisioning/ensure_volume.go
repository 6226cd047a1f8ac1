package provisioning

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/millrace/millrace/shared/cluster"
)

// EnsureVolume gives a node its log volume, which outlives every host.
type EnsureVolume struct {
	Nodes    nodeRecords
	Clusters clusterRecords
	Platform interface {
		// EnsureVolume makes a volume, or gives the one that the token has made before.
		EnsureVolume(ctx context.Context, request cluster.VolumeRequest) (cluster.Volume, error)
	}
}

// Run does nothing for a node that has a volume.
func (s EnsureVolume) Run(ctx context.Context, in NodeInput) (Empty, error) {
	n, err := s.Nodes.Node(ctx, in.ClusterID, in.NodeID)
	if err != nil || n.Volume != nil {
		return Empty{}, err
	}
	c, err := s.Clusters.Cluster(ctx, in.ClusterID)
	if err != nil {
		return Empty{}, fmt.Errorf("load cluster: %w", err)
	}
	shape := volumeShape(c, n)
	volume, err := s.Platform.EnsureVolume(ctx, cluster.VolumeRequest{
		Token:       cluster.Token{ClusterID: c.ID, NodeID: n.ID},
		ClusterName: c.Name,
		Role:        n.Role,
		Rack:        n.Rack,
		SizeGiB:     shape.SizeGiB, ThroughputMiB: shape.ThroughputMiB,
	})
	if err != nil {
		return Empty{}, fmt.Errorf("volume for %s: %w", n, err)
	}
	_, err = s.Nodes.ChangeNode(ctx, c.ID, n.ID, func(n *cluster.Node) error {
		n.Volume = &volume
		return nil
	})
	slog.InfoContext(ctx, "volume ready", "cluster", c.ID, "node", n.ID, "volume", volume.ID)
	return Empty{}, err
}

// controllerVolumeGiB holds a metadata log, whatever the size of the brokers' volumes.
const controllerVolumeGiB = 10

func volumeShape(c cluster.Cluster, n cluster.Node) cluster.VolumeShape {
	if n.Role == cluster.Controller {
		return cluster.VolumeShape{SizeGiB: controllerVolumeGiB}
	}
	return cluster.VolumeShape{SizeGiB: c.Spec.VolumeGiB, ThroughputMiB: c.Spec.ThroughputMiB}
}
