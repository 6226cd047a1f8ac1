package records

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// storageScaling has an item for each cluster of which it was said how its volumes grow by themselves, so that whoever makes them grow
// reads no other cluster.
const storageScaling = "storage-scaling"

func storageScalingKey(clusterID string) Key { return Key{storageScaling, clusterID} }

// StorageScaling gives what was said of how a cluster's volumes grow by themselves. Where nothing was, that is empty.
func (r Records) StorageScaling(ctx context.Context, clusterID string) (cluster.StorageScaling, error) {
	s, _, err := r.storageScaling(ctx, clusterID)
	return s, err
}

func (r Records) storageScaling(ctx context.Context, clusterID string) (cluster.StorageScaling, int64, error) {
	s, revision, err := get[cluster.StorageScaling](ctx, r.Table, storageScalingKey(clusterID))
	if fault.Is(err, fault.NotFound) {
		return cluster.StorageScaling{ClusterID: clusterID}, 0, nil
	}
	if err != nil {
		return s, 0, fmt.Errorf("storage scaling of cluster %s: %w", clusterID, err)
	}
	return s, revision, nil
}

// StorageAutoscaling gives the rule by which a cluster's volumes grow by themselves; ok is false when they do not.
func (r Records) StorageAutoscaling(ctx context.Context, clusterID string) (rule cluster.StorageAutoscaling, ok bool, err error) {
	s, err := r.StorageScaling(ctx, clusterID)
	if err != nil {
		return rule, false, err
	}
	rule, ok = s.Effective()
	return rule, ok, nil
}

// AllStorageScaling gives what was said of every cluster of which something was.
func (r Records) AllStorageScaling(ctx context.Context) ([]cluster.StorageScaling, error) {
	return all[cluster.StorageScaling](ctx, r.Table, storageScaling)
}

// ChangeStorageScaling lets change edit what is said of how a cluster's volumes grow by themselves, and writes it back unless someone
// else wrote it in between; then it starts over. An error of change ends it with nothing written. It is NotFound once the cluster is
// gone: nothing is kept of a cluster that is not there.
func (r Records) ChangeStorageScaling(
	ctx context.Context, clusterID string, change func(*cluster.StorageScaling) error,
) (cluster.StorageScaling, error) {
	var s cluster.StorageScaling
	err := r.retryContended(ctx, "storage scaling of cluster "+clusterID, func() error {
		if _, _, err := r.cluster(ctx, clusterID); err != nil {
			return err
		}
		var revision int64
		var err error
		if s, revision, err = r.storageScaling(ctx, clusterID); err != nil {
			return err
		}
		if err := change(&s); err != nil {
			return final{err}
		}
		w := Write{Key: storageScalingKey(clusterID), If: IfRevision(revision), Delete: true}
		switch {
		case s.Empty() && revision == 0:
			return nil
		case s.Empty():
		case revision == 0:
			w, err = put(w.Key, s, IfAbsent())
		default:
			w, err = put(w.Key, s, IfRevision(revision))
		}
		if err != nil {
			return err
		}
		return r.Table.Write(ctx, w)
	})
	if err != nil {
		return s, unwrapFinal(err)
	}
	// Whoever forgets the cluster removes this with its name: what was written later is removed here.
	if _, err := r.Table.Get(ctx, clusterNameKey(clusterID)); err != nil {
		if !fault.Is(err, fault.NotFound) {
			return s, err
		}
		if err := r.Table.Write(ctx, Write{Key: storageScalingKey(clusterID), Delete: true}); err != nil {
			return s, err
		}
		return s, fault.New(fault.NotFound, "cluster %s is gone", clusterID)
	}
	return s, nil
}

// GrowthsSince gives the operations on a cluster's volumes that were recorded at a time or later, oldest first.
func (r Records) GrowthsSince(ctx context.Context, clusterID string, since time.Time) ([]cluster.Operation, error) {
	return r.operationsSince(ctx, clusterID, since, func(op cluster.Operation) bool { return op.Storage != nil })
}
