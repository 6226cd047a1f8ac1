// Package operations begins and ends operations, and finds those that nobody works on.
package operations

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// BeginOperation claims a cluster, its topics or its volumes, for an operation, in the name of the execution that carries it out.
//
// A claim names its holder, so that one whose execution has ended never blocks the next. It is taken over here.
type BeginOperation struct {
	Records interface {
		Operation(ctx context.Context, clusterID, id string) (cluster.Operation, error)
		ChangeOperation(ctx context.Context, clusterID, id string,
			change func(*cluster.Cluster, *cluster.Operation) error) (cluster.Cluster, cluster.Operation, error)
	}
	Executions interface {
		// Execution tells of an execution by its id; known is false when there is no trace of it.
		Execution(ctx context.Context, id string) (e cluster.Execution, known bool, err error)
	}
	Now func() time.Time
}

// BeginOperationInput names the operation and the execution that wants to carry it out.
type BeginOperationInput struct {
	ClusterID   string `json:"clusterId"`
	OperationID string `json:"operationId"`
	Execution   string `json:"execution"`
}

// BeginOperationOutput is empty: a begun operation is recorded as such.
type BeginOperationOutput struct{}

// Run returns Conflict when another execution is at work on the operation, another operation holds the cluster, or the
// operation is over.
func (s BeginOperation) Run(ctx context.Context, in BeginOperationInput) (BeginOperationOutput, error) {
	op, err := s.Records.Operation(ctx, in.ClusterID, in.OperationID)
	if err != nil {
		return BeginOperationOutput{}, fmt.Errorf("load operation: %w", err)
	}
	if op.Execution != "" && op.Execution != in.Execution {
		holder, known, err := s.Executions.Execution(ctx, op.Execution)
		if err != nil {
			return BeginOperationOutput{}, fmt.Errorf("look at execution %s: %w", op.Execution, err)
		}
		if known && holder.Running {
			return BeginOperationOutput{}, fault.New(fault.Conflict, "execution %s is at work on operation %s", op.Execution, op.ID)
		}
	}
	previous := op.Execution
	_, op, err = s.Records.ChangeOperation(ctx, in.ClusterID, in.OperationID, func(c *cluster.Cluster, op *cluster.Operation) error {
		switch {
		case op.Ended():
			return fault.New(fault.Conflict, "operation %s is over", op.ID)
		case !op.Holds(*c):
			return fault.New(fault.Conflict, "another operation holds %s", held(*c, *op))
		case op.Execution == in.Execution:
			return nil // begun already, by this execution
		case op.Execution != previous:
			return fault.New(fault.Conflict, "execution %s took operation %s in between", op.Execution, op.ID)
		}
		op.State = cluster.InProgress
		op.Execution = in.Execution
		op.AttendedAt = s.Now()
		op.Deadline = op.AttendedAt.Add(op.Type.Budget())
		op.Steps = op.Plan()
		return nil
	})
	if err != nil {
		return BeginOperationOutput{}, fmt.Errorf("begin operation: %w", err)
	}
	slog.InfoContext(ctx, "began operation", "cluster", in.ClusterID, "operation", op.ID, "type", op.Type, "attempt", op.Attempt)
	return BeginOperationOutput{}, nil
}

// held says in words what an operation needs.
func held(c cluster.Cluster, op cluster.Operation) string {
	switch {
	case op.Type.HoldsCluster():
		return "cluster " + c.Name
	case op.Type == cluster.ApplyTopics:
		return "the topics of cluster " + c.Name
	default:
		return "the volumes of cluster " + c.Name
	}
}
