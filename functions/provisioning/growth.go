package provisioning

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// growth is a node's volume with what an operation wants of it: one that heals a node that has run out of room, or one that is
// about the volumes of many.
type growth struct {
	node   cluster.Node
	want   cluster.VolumeShape
	change *cluster.VolumeChange // nil where the operation heals
	merges bool                  // the operation is about further volumes, and gives nobody more room
}

// byFurther tells whether the further volumes that are there, or on record, do for what is wanted.
func (g growth) byFurther() bool {
	v := g.node.Volume
	together := cluster.VolumeShape{SizeGiB: v.TogetherGiB(), ThroughputMiB: v.ThroughputMiB}
	return !g.merges && len(v.Further) > 0 && together.Meets(g.want)
}

// isMet tells whether nothing has to be done any more. A merge asks for the first volume also when there are no further ones left: it
// waits for what is on record afterwards, and that may be more than there is.
func (g growth) isMet() bool {
	v := g.node.Volume
	if g.merges {
		return len(v.Further) > 0 && v.FirstGiB >= g.want.SizeGiB
	}
	return v.Shape().Meets(g.want)
}

// growthOf loads what a node's volume is and is to be.
func growthOf(ctx context.Context, operations operationRecords, nodes nodeRecords, in CheckNodeInput) (growth, error) {
	op, err := operations.Operation(ctx, in.ClusterID, in.OperationID)
	if err != nil {
		return growth{}, fmt.Errorf("load operation: %w", err)
	}
	n, err := nodes.Node(ctx, in.ClusterID, in.NodeID)
	if err != nil {
		return growth{}, err
	}
	if n.Volume == nil {
		return growth{}, fault.New(fault.NotFound, "%s has no volume", n)
	}
	if op.Heal != nil {
		return growth{node: n, want: cluster.VolumeShape{SizeGiB: op.Heal.VolumeGiB}}, nil
	}
	if op.Storage != nil {
		if change, ok := op.Storage.Of(n.ID); ok {
			g := growth{node: n, want: change.Wanted(), change: &change, merges: op.Storage.Merges}
			if g.merges {
				g.want.SizeGiB = max(g.want.SizeGiB, n.Volume.TogetherGiB())
			}
			return g, nil
		}
	}
	return growth{}, fault.New(fault.Invalid, "operation %s is not about the volume of %s", op.ID, n)
}

// volumeRecords are where operations say how far the volumes are that they change.
type volumeRecords interface {
	operationRecords
	ChangeOperation(ctx context.Context, clusterID, id string,
		change func(*cluster.Cluster, *cluster.Operation) error) (cluster.Cluster, cluster.Operation, error)
}

// note records how far the volume of a node is, and with it all of the operation.
func note(ctx context.Context, operations volumeRecords, in CheckNodeInput, edit func(*cluster.VolumeChange)) error {
	_, _, err := operations.ChangeOperation(ctx, in.ClusterID, in.OperationID, func(_ *cluster.Cluster, op *cluster.Operation) error {
		if op.Ended() || op.Storage == nil { // a call that took too long changes nothing of what is over
			return nil
		}
		op.Storage.ChangeOf(in.NodeID, edit)
		op.Advance(cluster.StepGrowVolumes, 100*op.Storage.Grown()/len(op.Storage.Volumes), op.Storage.Progress())
		return nil
	})
	if err != nil {
		return fmt.Errorf("note how far the volume of node %d is: %w", in.NodeID, err)
	}
	return nil
}
