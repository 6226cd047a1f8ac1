package provisioning

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/progress"
)

// PlanTeardown lists what a cluster that is deleted still has.
type PlanTeardown struct {
	Nodes    nodeList
	Progress progress.Reporter
}

// Run gives the nodes that are recorded, however far their creation got.
func (s PlanTeardown) Run(ctx context.Context, in PlanClusterInput) (NodesOutput, error) {
	nodes, err := s.Nodes.Nodes(ctx, in.ClusterID)
	if err != nil {
		return NodesOutput{}, fmt.Errorf("load nodes: %w", err)
	}
	err = s.Progress.Report(ctx, in.ClusterID, in.OperationID, cluster.StepRemoveNodes, 0,
		fmt.Sprintf("hosts, volumes and addresses of %d nodes", len(nodes)))
	return NodesOutput{nodeIDs(nodes)}, err
}
