package provisioning

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// JudgeGrowth asks whether every volume that an operation is about has become what it was to be.
type JudgeGrowth struct {
	Operations operationRecords
}

// JudgeGrowthInput names the operation.
type JudgeGrowthInput struct {
	ClusterID   string `json:"clusterId"`
	OperationID string `json:"operationId"`
}

// JudgeGrowthOutput is the verdict.
type JudgeGrowthOutput struct {
	// Changed says whether any volume is other than it was, or may be.
	Changed bool `json:"changed"`
	// Failure is null when all went well.
	Failure *GrowthFailure `json:"failure"`
}

// GrowthFailure is what the operation fails with, in the members of what a state machine catches.
type GrowthFailure struct {
	Error string `json:"Error"`
	Cause string `json:"Cause"`
}

// Run changes nothing.
func (s JudgeGrowth) Run(ctx context.Context, in JudgeGrowthInput) (JudgeGrowthOutput, error) {
	op, err := s.Operations.Operation(ctx, in.ClusterID, in.OperationID)
	if err != nil {
		return JudgeGrowthOutput{}, fmt.Errorf("load operation: %w", err)
	}
	if op.Storage == nil {
		return JudgeGrowthOutput{}, fault.New(fault.Invalid, "operation %s is about no volumes", op.ID)
	}
	out := JudgeGrowthOutput{Changed: op.Storage.Altered(), Failure: growthFailure(*op.Storage)}
	if out.Failure != nil {
		slog.WarnContext(ctx, "volumes did not grow", "cluster", in.ClusterID, "operation", in.OperationID, "reason", out.Failure.Cause)
	}
	return out, nil
}

// growthFailure says what is the matter with a change of volumes; nil when nothing is. Nobody misses a merge that the platform does not
// take yet: it is tried again.
func growthFailure(change cluster.StorageChange) *GrowthFailure {
	switch refusals := change.Refusals(); {
	case change.AllGrown(), change.Merges:
		return nil
	case refusals == "":
		return &GrowthFailure{string(fault.Internal), change.Progress() + ", and nobody says why the others do not"}
	case change.Altered():
		return &GrowthFailure{string(fault.Conflict), change.Progress() + "; " + refusals}
	default:
		return &GrowthFailure{string(fault.Conflict), "no volume was changed; " + refusals}
	}
}
