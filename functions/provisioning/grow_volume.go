package provisioning

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/progress"
)

// GrowVolume makes a node's log volume as large as the operation that heals it says, while Kafka goes on using it.
type GrowVolume struct {
	Nodes      nodeRecords
	Operations operationRecords
	Platform   interface {
		// GrowVolume begins to make a volume larger. One that is as large already, or on its way there, stays so; one that
		// can't be changed at the moment is a Conflict.
		GrowVolume(ctx context.Context, volumeID string, sizeGiB int) error
	}
	Progress progress.Reporter
}

// Run may be called again.
func (s GrowVolume) Run(ctx context.Context, in CheckNodeInput) (Empty, error) {
	op, err := heal(ctx, s.Operations, in.ClusterID, in.OperationID)
	if err != nil {
		return Empty{}, err
	}
	n, err := s.Nodes.Node(ctx, in.ClusterID, in.NodeID)
	if err != nil {
		return Empty{}, err
	}
	size := op.Heal.VolumeGiB
	if n.Volume.SizeGiB >= size {
		return Empty{}, nil
	}
	err = s.Progress.Report(ctx, in.ClusterID, in.OperationID, cluster.StepGrowVolume, 0,
		fmt.Sprintf("from %d to %d GiB", n.Volume.SizeGiB, size))
	if err != nil {
		return Empty{}, err
	}
	if err := s.Platform.GrowVolume(ctx, n.Volume.ID, size); err != nil {
		return Empty{}, fmt.Errorf("grow volume %s of %s to %d GiB: %w", n.Volume.ID, n, size, err)
	}
	slog.InfoContext(ctx, "volume grows", "cluster", n.ClusterID, "node", n.ID, "volume", n.Volume.ID, "gib", size)
	return Empty{}, nil
}
