package provisioning

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/progress"
)

// WriteNodeSpecs tells every host what to run: Kafka's properties and the certificate that answers the host's request.
type WriteNodeSpecs struct {
	nodeSpecs

	Progress progress.Reporter
}

// Run writes a spec of a new generation for each attempt at the operation: whatever an agent gave up on in the attempt
// before, it tries again at once. A spec of this attempt that is there already is left alone.
func (s WriteNodeSpecs) Run(ctx context.Context, in CheckClusterInput) (Empty, error) {
	c, err := s.Records.Cluster(ctx, in.ClusterID)
	if err != nil {
		return Empty{}, fmt.Errorf("load cluster: %w", err)
	}
	nodes, err := s.Records.Nodes(ctx, in.ClusterID)
	if err != nil {
		return Empty{}, fmt.Errorf("load nodes: %w", err)
	}
	if err := s.Progress.Report(ctx, in.ClusterID, in.OperationID, cluster.StepCertify, 0, "certificates and properties"); err != nil {
		return Empty{}, err
	}
	common, err := s.common(ctx, c, nodes)
	if err != nil {
		return Empty{}, err
	}
	op, err := s.Records.Operation(ctx, in.ClusterID, in.OperationID)
	if err != nil {
		return Empty{}, fmt.Errorf("load operation: %w", err)
	}
	for _, n := range slices.Backward(nodes) { // controllers first: brokers can't do without them
		n, err := s.Records.ChangeNode(ctx, c.ID, n.ID, func(n *cluster.Node) error {
			n.SpecGeneration = max(n.SpecGeneration, firstGeneration(op.Attempt))
			return nil
		})
		if err != nil {
			return Empty{}, err
		}
		spec, err := s.spec(ctx, n, common)
		if err != nil {
			return Empty{}, fmt.Errorf("spec of %s: %w", n, err)
		}
		if err := s.Records.PutSpec(ctx, n.Host.ID, spec); err != nil {
			return Empty{}, fmt.Errorf("write spec of %s: %w", n, err)
		}
	}
	if err := s.Progress.Report(ctx, in.ClusterID, in.OperationID, cluster.StepCertify, 100, ""); err != nil {
		return Empty{}, err
	}
	slog.InfoContext(ctx, "wrote node specs", "cluster", c.ID, "nodes", len(nodes), "release", common.shape.Release)
	return Empty{}, nil
}

// firstGeneration numbers the specs of an attempt. Each attempt has two: the one that starts the node, and the one that
// SealVolumes writes once it has run.
func firstGeneration(attempt int) int64 { return 2*int64(attempt) - 1 }
