package provisioning

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// RemoveVolume deletes a node's log volume, with the data on it. Only the deletion of a cluster comes here, after the
// node's host has ended.
type RemoveVolume struct {
	Clusters clusterRecords
	Nodes    nodeRecords
	Platform interface {
		// DeleteVolume deletes the volume that a token has made. One that is gone, or never was, is success; one that
		// is still attached is a Conflict.
		DeleteVolume(ctx context.Context, token cluster.Token) error
	}
}

// Run looks once more before it deletes data: it returns Unsafe unless the cluster is being deleted.
func (s RemoveVolume) Run(ctx context.Context, in NodeInput) (Empty, error) {
	n, err := s.Nodes.Node(ctx, in.ClusterID, in.NodeID)
	if err != nil {
		return Empty{}, err
	}
	c, err := s.Clusters.Cluster(ctx, in.ClusterID)
	if err != nil {
		return Empty{}, fmt.Errorf("load cluster: %w", err)
	}
	if c.State() != cluster.Deleting {
		return Empty{}, fault.New(fault.Unsafe, "cluster %s is %s: the volume of %s stays", c.Name, c.State(), n)
	}
	if err := s.Platform.DeleteVolume(ctx, cluster.Token{ClusterID: n.ClusterID, NodeID: n.ID}); err != nil {
		return Empty{}, fmt.Errorf("delete the volume of %s: %w", n, err)
	}
	slog.InfoContext(ctx, "deleted volume", "cluster", n.ClusterID, "node", n.ID)
	return Empty{}, nil
}
