package provisioning

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
)

// SealVolumes ends the time in which volumes may be formatted: the nodes have run, so an empty volume is a lost one from
// now on. A broker that started on one would be taken for a replica that is merely behind, and could be elected with
// nothing in its log.
type SealVolumes struct {
	Records interface {
		Nodes(ctx context.Context, clusterID string) ([]cluster.Node, error)
		ChangeNode(ctx context.Context, clusterID string, id int32, change func(*cluster.Node) error) (cluster.Node, error)
		Spec(ctx context.Context, hostID string) (nodespec.Spec, error)
		PutSpec(ctx context.Context, hostID string, spec nodespec.Spec) error
	}
}

// Run may be called again. Kafka is not restarted: the spec says nothing else that is new.
func (s SealVolumes) Run(ctx context.Context, in CheckClusterInput) (Empty, error) {
	nodes, err := s.Records.Nodes(ctx, in.ClusterID)
	if err != nil {
		return Empty{}, fmt.Errorf("load nodes: %w", err)
	}
	for _, n := range nodes {
		if err := s.seal(ctx, n); err != nil {
			return Empty{}, fmt.Errorf("seal the volume of %s: %w", n, err)
		}
	}
	slog.InfoContext(ctx, "sealed volumes", "cluster", in.ClusterID, "nodes", len(nodes))
	return Empty{}, nil
}

func (s SealVolumes) seal(ctx context.Context, n cluster.Node) error {
	spec, err := s.Records.Spec(ctx, n.Host.ID)
	if err != nil {
		return err
	}
	if n.Formatted && !spec.Volume.New {
		return nil
	}
	spec.Generation++
	spec.Volume.New = false
	_, err = s.Records.ChangeNode(ctx, n.ClusterID, n.ID, func(n *cluster.Node) error {
		n.Formatted = true
		n.SpecGeneration = spec.Generation
		return nil
	})
	if err != nil {
		return err
	}
	return s.Records.PutSpec(ctx, n.Host.ID, spec)
}
