package records

import (
	"context"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// healTurn counts the heals that were begun, in all clusters.
var healTurn = Key{"heal-turn", only}

// HealTurn numbers the heal that was begun last; 0 before the first.
func (r Records) HealTurn(ctx context.Context) (turn int64, err error) {
	item, err := r.Table.Get(ctx, healTurn)
	if fault.Is(err, fault.NotFound) {
		return 0, nil
	}
	return item.Revision, err
}

// StartHeal records a healing operation of a cluster as StartOperation does, when it is the next one after a turn: whoever
// has decided on a look at all clusters decides anew when another heal was begun in between, which is a Conflict. It gives
// the turn that this heal has.
func (r Records) StartHeal(
	ctx context.Context, turn int64, clusterID string, op cluster.Operation, admit func(*cluster.Cluster) error,
) (int64, error) {
	err := r.retryContended(ctx, "cluster "+clusterID, func() error {
		c, revision, err := r.cluster(ctx, clusterID)
		if err != nil {
			return err
		}
		if err := admit(&c); err != nil {
			return final{err}
		}
		condition := IfAbsent()
		if turn > 0 {
			condition = IfRevision(turn)
		}
		next, err := put(healTurn, unfinished{op.ClusterID, op.ID}, condition)
		if err != nil {
			return err
		}
		err = r.writeOperation(ctx, c, revision, op, 0, next)
		if !fault.Is(err, fault.Conflict) {
			return err
		}
		if now, unread := r.HealTurn(ctx); unread == nil && now != turn {
			return final{fault.New(fault.Conflict, "another heal was begun since: %w", err)}
		}
		return err
	})
	return turn + 1, unwrapFinal(err)
}

// HealsSince gives the healing operations of a cluster that were recorded at a time or later, oldest first.
func (r Records) HealsSince(ctx context.Context, clusterID string, since time.Time) ([]cluster.Operation, error) {
	return r.operationsSince(ctx, clusterID, since, func(op cluster.Operation) bool { return op.Heal != nil })
}

// operationsSince gives those operations of a cluster that were recorded at a time or later, oldest first.
func (r Records) operationsSince(
	ctx context.Context, clusterID string, since time.Time, wanted func(cluster.Operation) bool,
) ([]cluster.Operation, error) {
	var found []cluster.Operation
	after := cluster.BeforeOperations(since)
	for {
		ops, err := r.Operations(ctx, clusterID, after, pageSize)
		if err != nil {
			return nil, err
		}
		for _, op := range ops {
			if wanted(op) && !op.CreatedAt.Before(since) {
				found = append(found, op)
			}
			after = op.ID
		}
		if len(ops) < pageSize {
			return found, nil
		}
	}
}
