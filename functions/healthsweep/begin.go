package healthsweep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/health"
)

var (
	errOvertaken = errors.New("another heal was begun since this look")
	errChanged   = errors.New("the cluster is not what it was when it was looked at")
)

// begin records a healing operation and starts its machine; the id is empty when the cluster has changed since the look.
//
// The record claims the cluster, so of many sweeps one begins a heal. When it ends between the two, or the start fails, the
// sweep of operations starts the machine.
func (s SweepHealth) begin(ctx context.Context, turn *int64, looked cluster.Cluster, heal cluster.Heal) (string, error) {
	id, err := s.NewID()
	if err != nil {
		return "", err
	}
	now := s.Now().UTC()
	op := cluster.Operation{
		ID: id, ClusterID: looked.ID, ARN: looked.OperationARN(id), Type: cluster.HealBroker, State: cluster.Pending,
		CreatedAt: now.Truncate(time.Millisecond), Attempt: 1, Heal: &heal,
	}
	next, err := s.Records.StartHeal(ctx, *turn, looked.ID, op, func(c *cluster.Cluster) error {
		if _, maintained := c.Healing.MaintenanceOf(heal.NodeID, now); maintained {
			return errChanged // a person began to work on it, and was told that nobody else will
		}
		if c.Active != nil || !health.Ours(*c) || c.Version != looked.Version {
			return errChanged
		}
		op.Claim(c)
		return nil
	})
	switch {
	case errors.Is(err, errChanged), fault.Is(err, fault.NotFound):
		return "", nil
	case fault.Is(err, fault.Conflict):
		return "", errOvertaken
	case err != nil:
		return "", fmt.Errorf("record a heal of %s of cluster %s: %w", heal, looked.Name, err)
	}
	*turn = next
	log := slog.With("cluster", looked.ID, "operation", id, "node", heal.NodeID)
	log.InfoContext(ctx, "healing", "remedy", heal.Remedy, "host", heal.Host, "reason", heal.Reason)
	if err := s.Workflows.Start(ctx, op.Machine(), op.ExecutionName(), op.Input()); err != nil {
		log.WarnContext(ctx, "left the start of an operation to the sweep", "error", err)
	}
	return id, nil
}
