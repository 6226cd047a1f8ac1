package provisioning

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
)

// secondLooks are looks at the node that a healing operation is about, right before something is done to it. Between the
// judgement and the deed a control plane may have been away for hours.
type secondLooks struct {
	Operations operationRecords
	Beats      lastBeats
	Now        func() time.Time
}

type operationRecords interface {
	Operation(ctx context.Context, clusterID, id string) (cluster.Operation, error)
}

// heal gives a healing operation, whose Heal is there.
func heal(ctx context.Context, operations operationRecords, clusterID, operationID string) (cluster.Operation, error) {
	op, err := operations.Operation(ctx, clusterID, operationID)
	if err != nil {
		return op, fmt.Errorf("load operation: %w", err)
	}
	if op.Heal == nil {
		return op, fault.New(fault.Invalid, "operation %s heals nothing", op.ID)
	}
	return op, nil
}

// A judgement is good for freshJudgement: long enough for a machine's way from one state to the next and its retries.
const freshJudgement = time.Minute

// SecondLook is what a look right before the deed gave. Both are false when the judgement still holds.
type SecondLook struct {
	// Recovered says that the node works again: nothing has to be done any more.
	Recovered bool `json:"recovered"`
	// Stale says that the judgement is too old to act on: it has to be asked for again.
	Stale bool `json:"stale"`
}

// secondLook tells whether a judgement still holds.
func (s secondLooks) secondLook(ctx context.Context, h cluster.Heal, judgedAt time.Time) (SecondLook, error) {
	beat, ok, err := s.Beats.LastBeat(ctx, h.Host)
	if err != nil {
		return SecondLook{}, fmt.Errorf("heartbeat of %s: %w", h, err)
	}
	now := s.Now()
	return SecondLook{
		Recovered: ok && now.Sub(beat.At) < nodespec.FreshFor && hasRecovered(h, beat),
		Stale:     now.Sub(judgedAt) > freshJudgement,
	}, nil
}

// hasRecovered tells whether what a host says of itself contradicts the reason for which its node is healed. Whether a broker
// is in sync others know better.
func hasRecovered(h cluster.Heal, beat nodespec.Heartbeat) bool {
	return h.Condition != cluster.OutOfSync && beat.Works()
}
