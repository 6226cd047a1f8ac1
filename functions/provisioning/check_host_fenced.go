package provisioning

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/progress"
)

// CheckHostFenced asks whether the host that a healing operation has found sick has ended for certain. Until then it may still
// write: nobody else may have its volume.
type CheckHostFenced struct {
	Operations operationRecords
	Platform   interface {
		hostStates
		// RetireHost begins to end a host, or does so with more force when it has been asked before.
		RetireHost(ctx context.Context, id string) error
	}
	Progress progress.Reporter
	Now      func() time.Time
}

// Run waits for the end up to serve.LongPoll. A host that has not ended by then is asked once more to; one that lives on
// past the operation's deadline ends the operation.
func (s CheckHostFenced) Run(ctx context.Context, in CheckNodeInput) (CheckOutput, error) {
	op, err := heal(ctx, s.Operations, in.ClusterID, in.OperationID)
	if err != nil {
		return CheckOutput{}, err
	}
	out, err := awaitEnd(ctx, s.Platform, op.Heal.Host)
	switch {
	case err != nil:
		return out, err
	case out.Done:
		return out, s.Progress.Report(ctx, in.ClusterID, in.OperationID, cluster.StepLaunch, 0, "a new host")
	}
	if err := s.Platform.RetireHost(ctx, op.Heal.Host); err != nil {
		return CheckOutput{}, fmt.Errorf("end host %s of %s again: %w", op.Heal.Host, op.Heal, err)
	}
	return out, s.Progress.CheckDeadline(ctx, in.ClusterID, in.OperationID, s.Now(), fmt.Sprintf("%s: %s", op.Heal, out.Reason))
}
