package records

import (
	"context"
	"fmt"
	"slices"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

const unfinishedOperations = "unfinished-operations"

// unfinished points to an operation that has not ended, so that the sweep finds them without reading every cluster.
type unfinished struct {
	ClusterID   string `json:"clusterId"`
	OperationID string `json:"operationId"`
}

func operationsOf(clusterID string) string   { return "operations#" + clusterID }
func operationKey(clusterID, id string) Key  { return Key{operationsOf(clusterID), id} }
func unfinishedKey(op cluster.Operation) Key { return Key{unfinishedOperations, op.ID} }

// Operation gives one operation of a cluster, or a NotFound error.
func (r Records) Operation(ctx context.Context, clusterID, id string) (cluster.Operation, error) {
	op, _, err := get[cluster.Operation](ctx, r.Table, operationKey(clusterID, id))
	if err != nil {
		return op, fmt.Errorf("operation %s: %w", id, err)
	}
	return op, nil
}

// Operations gives up to limit operations of a cluster whose ids sort after the one given, oldest first.
func (r Records) Operations(ctx context.Context, clusterID, after string, limit int) ([]cluster.Operation, error) {
	return page[cluster.Operation](ctx, r.Table, operationsOf(clusterID), "", after, limit)
}

// UnfinishedOperations gives every operation that has not ended, oldest first.
func (r Records) UnfinishedOperations(ctx context.Context) ([]cluster.Operation, error) {
	pointers, err := all[unfinished](ctx, r.Table, unfinishedOperations)
	if err != nil {
		return nil, err
	}
	ops := make([]cluster.Operation, 0, len(pointers))
	for _, p := range pointers {
		op, err := r.Operation(ctx, p.ClusterID, p.OperationID)
		if fault.Is(err, fault.NotFound) {
			continue // deleted with its cluster since the pointers were read
		}
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// ChangeOperation edits a cluster and one of its operations in one write, so that nobody ever sees one without the other:
// a cluster is ACTIVE, with its new version, in the same instant in which its operation is complete.
// Either record may be left as it is. An error of change ends it with nothing written.
func (r Records) ChangeOperation(
	ctx context.Context, clusterID, id string, change func(*cluster.Cluster, *cluster.Operation) error,
) (cluster.Cluster, cluster.Operation, error) {
	var c cluster.Cluster
	var op cluster.Operation
	err := r.retryContended(ctx, "operation "+id, func() error {
		var cRevision, opRevision int64
		var err error
		if c, cRevision, err = r.cluster(ctx, clusterID); err != nil {
			return err
		}
		if op, opRevision, err = get[cluster.Operation](ctx, r.Table, operationKey(clusterID, id)); err != nil {
			return fmt.Errorf("operation %s: %w", id, err)
		}
		if err := change(&c, &op); err != nil {
			return final{err}
		}
		return r.writeOperation(ctx, c, cRevision, op, opRevision)
	})
	return c, op, unwrapFinal(err)
}

// StartOperation records a new operation of an existing cluster, which admit has let in (and has marked as held by it).
func (r Records) StartOperation(
	ctx context.Context, clusterID string, op cluster.Operation, admit func(*cluster.Cluster) error,
) (cluster.Cluster, error) {
	var c cluster.Cluster
	err := r.retryContended(ctx, "cluster "+clusterID, func() error {
		var revision int64
		var err error
		if c, revision, err = r.cluster(ctx, clusterID); err != nil {
			return err
		}
		if err := admit(&c); err != nil {
			return final{err}
		}
		return r.writeOperation(ctx, c, revision, op, 0)
	})
	return c, unwrapFinal(err)
}

func (r Records) writeOperation(
	ctx context.Context, c cluster.Cluster, cRevision int64, op cluster.Operation, opRevision int64, beside ...Write,
) error {
	condition := IfAbsent()
	if opRevision > 0 {
		condition = IfRevision(opRevision)
	}
	writes, err := collect(
		with(put(clusterKey(c.Name), c, IfRevision(cRevision))),
		with(put(operationKey(op.ClusterID, op.ID), op, condition)),
	)
	if err != nil {
		return err
	}
	pointer := Write{Key: unfinishedKey(op), Delete: true}
	if !op.Ended() {
		if pointer, err = put(unfinishedKey(op), unfinished{op.ClusterID, op.ID}, Always()); err != nil {
			return err
		}
	}
	return r.Table.Write(ctx, slices.Concat(writes, []Write{pointer}, beside)...)
}

// ForgetCluster removes a cluster with everything recorded of it: what belongs to it first, the cluster and its name last
// and at once, so that a crash in between leaves a cluster that can be forgotten again. An operation that is at work on its topics
// goes with it.
//
// It is a Conflict once another operation than the one at the beginning holds the cluster: a call that was given up, and goes on
// all the same, takes nothing from the operation that was begun in its place.
func (r Records) ForgetCluster(ctx context.Context, id string) error {
	c, _, err := r.cluster(ctx, id)
	if err != nil {
		return err
	}
	holder := holderOf(c)
	for _, partition := range []string{nodesOf(id), declarationsOf(id)} {
		if err := removeAll(ctx, r.Table, partition); err != nil {
			return err
		}
	}
	operations, err := all[cluster.Operation](ctx, r.Table, operationsOf(id))
	if err != nil {
		return err
	}
	var unended []string
	for _, op := range operations {
		// The holder goes with the cluster: the sweep must find it for as long as the cluster exists. So does one at work on topics,
		// which may end at any time.
		if !op.Ended() {
			unended = append(unended, op.ID)
			continue
		}
		if err := r.Table.Write(ctx, Write{Key: operationKey(id, op.ID), Delete: true}); err != nil {
			return fmt.Errorf("remove operation %s: %w", op.ID, err)
		}
	}
	err = r.retryContended(ctx, "cluster "+id, func() error {
		now, revision, err := r.cluster(ctx, id)
		if err != nil {
			return err
		}
		if holderOf(now) != holder {
			return final{fault.New(fault.Conflict, "another operation holds cluster %s by now", id)}
		}
		last := []Write{
			{Key: clusterKey(c.Name), If: IfRevision(revision), Delete: true},
			{Key: clusterNameKey(id), Delete: true},
			{Key: kafkaAccessKey(id), Delete: true},
			{Key: healthKey(id), Delete: true},
			{Key: topicDriftKey(id), Delete: true},
			{Key: storageScalingKey(id), Delete: true},
		}
		for _, id := range withHolders(unended, now) {
			last = append(last,
				Write{Key: Key{unfinishedOperations, id}, Delete: true},
				Write{Key: operationKey(c.ID, id), Delete: true})
		}
		return r.Table.Write(ctx, last...)
	})
	if err != nil {
		return fmt.Errorf("remove cluster %s: %w", id, unwrapFinal(err))
	}
	return nil
}

// withHolders adds the operations that hold a cluster, its topics and its volumes to ids, each of which is there once.
func withHolders(ids []string, c cluster.Cluster) []string {
	ids = slices.Clone(ids)
	for _, holder := range []*cluster.ActiveOperation{c.Active, c.Applying, c.Growing} {
		if holder != nil && !slices.Contains(ids, holder.ID) {
			ids = append(ids, holder.ID)
		}
	}
	return ids
}

// holderOf is the id of the operation that holds a cluster; empty when none does.
func holderOf(c cluster.Cluster) string {
	if c.Active == nil {
		return ""
	}
	return c.Active.ID
}
