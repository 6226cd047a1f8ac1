package records

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
)

// health has an item for each cluster that was looked at.
const health = "health"

func healthKey(clusterID string) Key { return Key{health, clusterID} }

var errOvertaken = errors.New("a later look is recorded already")

// aLook takes less than this; a look that is recorded as so much later was dated by a clock that has been set back since.
const aLook = 3 * time.Minute

// PutHealth records what a look at a cluster gave, unless a later look is recorded already.
func (r Records) PutHealth(ctx context.Context, h cluster.Health) error {
	err := r.retryContended(ctx, "health of cluster "+h.ClusterID, func() error {
		condition := IfAbsent()
		old, revision, err := get[cluster.Health](ctx, r.Table, healthKey(h.ClusterID))
		switch {
		case err == nil && old.LookedAt.After(h.LookedAt) && old.LookedAt.Sub(h.LookedAt) < aLook:
			return final{errOvertaken}
		case err == nil:
			condition = IfRevision(revision)
		case !fault.Is(err, fault.NotFound):
			return err
		}
		w, err := put(healthKey(h.ClusterID), h, condition)
		if err != nil {
			return err
		}
		return r.Table.Write(ctx, w)
	})
	if err = unwrapFinal(err); errors.Is(err, errOvertaken) {
		return nil
	}
	return err
}

// Health gives what the last look at a cluster gave, or a NotFound error while nobody has looked.
func (r Records) Health(ctx context.Context, clusterID string) (cluster.Health, error) {
	h, _, err := get[cluster.Health](ctx, r.Table, healthKey(clusterID))
	if err != nil {
		return h, fmt.Errorf("health of cluster %s: %w", clusterID, err)
	}
	return h, nil
}

// AllHealth gives what the last look at each cluster gave.
func (r Records) AllHealth(ctx context.Context) ([]cluster.Health, error) {
	return all[cluster.Health](ctx, r.Table, health)
}

// ForgetHealth removes what is recorded of a cluster's health.
func (r Records) ForgetHealth(ctx context.Context, clusterID string) error {
	return r.Table.Write(ctx, Write{Key: healthKey(clusterID), Delete: true})
}

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

// LastBeat gives the last heartbeat of a host, without its signing request; ok is false when it has not sent one.
func (r Records) LastBeat(ctx context.Context, hostID string) (beat nodespec.Heartbeat, ok bool, err error) {
	beat, _, err = get[nodespec.Heartbeat](ctx, r.Table, r.beatKey(hostID, LastBeat))
	if fault.Is(err, fault.NotFound) {
		return nodespec.Heartbeat{}, false, nil
	}
	return beat, err == nil, err
}

// HealsSince gives the healing operations of a cluster that were recorded at a time or later, oldest first.
func (r Records) HealsSince(ctx context.Context, clusterID string, since time.Time) ([]cluster.Operation, error) {
	var heals []cluster.Operation
	after := cluster.BeforeOperations(since)
	for {
		ops, err := r.Operations(ctx, clusterID, after, pageSize)
		if err != nil {
			return nil, err
		}
		for _, op := range ops {
			if op.Heal != nil && !op.CreatedAt.Before(since) {
				heals = append(heals, op)
			}
			after = op.ID
		}
		if len(ops) < pageSize {
			return heals, nil
		}
	}
}
