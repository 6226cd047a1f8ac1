package records

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
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
