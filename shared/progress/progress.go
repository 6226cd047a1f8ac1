// Package progress tells operators how far an operation is, and gives up what has taken longer than the operation may.
package progress

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// Reporter writes into the records of operations.
type Reporter struct {
	Records interface {
		Operation(ctx context.Context, clusterID, id string) (cluster.Operation, error)
		ChangeOperation(ctx context.Context, clusterID, id string,
			change func(*cluster.Cluster, *cluster.Operation) error) (cluster.Cluster, cluster.Operation, error)
	}
}

// Report writes how far a step of the operation is and what it waits for, when that is news.
func (r Reporter) Report(ctx context.Context, clusterID, operationID, step string, percent int, detail string) error {
	op, err := r.Records.Operation(ctx, clusterID, operationID)
	if err != nil {
		return fmt.Errorf("report progress: %w", err)
	}
	for _, s := range op.Steps {
		if s.Name == step && s.Percent == percent && s.Detail == detail && s.Status == cluster.StepInProgress {
			return nil
		}
	}
	_, _, err = r.Records.ChangeOperation(ctx, clusterID, operationID, func(_ *cluster.Cluster, op *cluster.Operation) error {
		if !op.Ended() { // a call that took too long must not bring a step of an ended operation back to life
			op.Advance(step, percent, detail)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("report progress: %w", err)
	}
	return nil
}

// CheckDeadline returns an error once the operation's time is over, naming what it waited for last.
func (r Reporter) CheckDeadline(ctx context.Context, clusterID, operationID string, now time.Time, waiting string) error {
	op, err := r.Records.Operation(ctx, clusterID, operationID)
	if err != nil {
		return fmt.Errorf("look at the operation's deadline: %w", err)
	}
	if now.After(op.Deadline) {
		return fault.New(fault.Internal, "gave up after %s; last waited for: %s", op.Type.Budget(), waiting)
	}
	return nil
}
