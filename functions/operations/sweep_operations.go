package operations

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// SweepOperations goes over the operations that have not ended and makes sure that somebody works on each: a crash between
// the record of an operation and the start of its execution strands nothing, and an execution that was aborted, timed out
// or broke without a Catch leaves no cluster behind that waits for ever.
type SweepOperations struct {
	Records interface {
		UnfinishedOperations(ctx context.Context) ([]cluster.Operation, error)
		Operation(ctx context.Context, clusterID, id string) (cluster.Operation, error)
		ChangeOperation(ctx context.Context, clusterID, id string,
			change func(*cluster.Cluster, *cluster.Operation) error) (cluster.Cluster, cluster.Operation, error)
	}
	Workflows interface {
		// Start starts an execution, once for each name.
		Start(ctx context.Context, machine, name string, input any) error
		// Execution tells of an execution by its id; known is false when there is no trace of it.
		Execution(ctx context.Context, id string) (e cluster.Execution, known bool, err error)
		// ExecutionNamed tells of an execution; known is false when there is none of that name.
		ExecutionNamed(ctx context.Context, machine, name string) (e cluster.Execution, known bool, err error)
	}
	End EndOperation
	Now func() time.Time
}

// SweepOperationsInput is empty: the sweep looks at everything.
type SweepOperationsInput struct{}

// SweepOperationsOutput counts what had to be done.
type SweepOperationsOutput struct {
	Started int `json:"started"`
	Ended   int `json:"ended"`
}

// Run looks at every operation even when one of them gives an error; the errors are joined.
func (s SweepOperations) Run(ctx context.Context, _ SweepOperationsInput) (SweepOperationsOutput, error) {
	ops, err := s.Records.UnfinishedOperations(ctx)
	if err != nil {
		return SweepOperationsOutput{}, fmt.Errorf("list unfinished operations: %w", err)
	}
	var out SweepOperationsOutput
	var errs []error
	for _, op := range ops {
		if err := s.sweep(ctx, op, &out); err != nil {
			errs = append(errs, fmt.Errorf("operation %s: %w", op.ID, err))
		}
	}
	return out, errors.Join(errs...)
}

func (s SweepOperations) sweep(ctx context.Context, op cluster.Operation, out *SweepOperationsOutput) error {
	execution, known, err := s.execution(ctx, op)
	switch {
	case err != nil:
		return err
	case !known:
		slog.InfoContext(ctx, "starting a stranded operation", "cluster", op.ClusterID, "operation", op.ID, "type", op.Type)
		out.Started++
		return s.Workflows.Start(ctx, op.Machine(), op.ExecutionName(), op.Input())
	case execution.Running:
		return s.attend(ctx, op)
	}
	// It may have ended its operation, and then itself, since the operation was read.
	now, err := s.Records.Operation(ctx, op.ClusterID, op.ID)
	switch {
	case fault.Is(err, fault.NotFound):
		return nil // a cluster that was deleted
	case err != nil:
		return err
	case now.Ended(), now.Attempt != op.Attempt, now.Execution != op.Execution:
		return nil // somebody works on it again
	}
	cause := Cause{Error: "ExecutionEnded", Cause: "the execution ended without ending its operation"}
	if execution.Failure != nil {
		cause = Cause{Error: execution.Failure.Code, Cause: execution.Failure.Message}
	}
	slog.WarnContext(ctx, "ending an abandoned operation", "cluster", op.ClusterID, "operation", op.ID, "cause", cause.Cause)
	out.Ended++
	holder := op.Execution
	if holder == "" {
		holder = execution.ID
	}
	_, err = s.End.Run(ctx, EndOperationInput{ClusterID: op.ClusterID, OperationID: op.ID, Execution: holder, Failure: &cause})
	return err
}

// attend notes that an operation is being worked on, when that is news.
func (s SweepOperations) attend(ctx context.Context, op cluster.Operation) error {
	if !op.Attend(s.Now()) {
		return nil
	}
	_, _, err := s.Records.ChangeOperation(ctx, op.ClusterID, op.ID, func(_ *cluster.Cluster, op *cluster.Operation) error {
		if !op.Ended() {
			op.Attend(s.Now())
		}
		return nil
	})
	if fault.Is(err, fault.NotFound) {
		return nil // a cluster that was deleted meanwhile
	}
	return err
}

// execution finds the one that works on an operation: the one that has claimed it or, where that has left no trace, the
// one of the attempt's name.
func (s SweepOperations) execution(ctx context.Context, op cluster.Operation) (e cluster.Execution, known bool, err error) {
	if op.Execution != "" {
		if e, known, err = s.Workflows.Execution(ctx, op.Execution); known || err != nil {
			return e, known, err
		}
	}
	return s.Workflows.ExecutionNamed(ctx, op.Machine(), op.ExecutionName())
}
