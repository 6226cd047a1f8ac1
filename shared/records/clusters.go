package records

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

const (
	clusters     = "clusters"      // sorted by name: the list is in order, a prefix filter is a query
	clusterNames = "cluster-names" // by cluster id
)

type clusterName struct {
	Name string `json:"name"`
}

func clusterKey(name string) Key   { return Key{clusters, name} }
func clusterNameKey(id string) Key { return Key{clusterNames, id} }

// ErrNameTaken is the Conflict of a create whose name another cluster or configuration has.
var ErrNameTaken = errors.New("a resource with this name already exists")

// CreateCluster records a new cluster together with the operation that creates it, or nothing at all.
// It returns a Conflict that wraps ErrNameTaken when the name is taken, and a NotFound error when the cluster's
// configuration has gone.
func (r Records) CreateCluster(ctx context.Context, c cluster.Cluster, op cluster.Operation) error {
	writes, err := collect(
		with(put(clusterKey(c.Name), c, IfAbsent())),
		with(put(clusterNameKey(c.ID), clusterName{c.Name}, IfAbsent())),
		with(put(operationKey(c.ID, op.ID), op, IfAbsent())),
		with(put(unfinishedKey(op), unfinished{op.ClusterID, op.ID}, Always())),
	)
	if err != nil {
		return err
	}
	err = r.retryContended(ctx, "the configuration of cluster "+c.Name, func() error {
		transaction := writes
		if ref := c.Spec.Configuration; ref != nil {
			attached, err := r.attach(ctx, *ref)
			if err != nil {
				return err
			}
			transaction = append(slices.Clone(writes), attached)
		}
		err := r.Table.Write(ctx, transaction...)
		if !fault.Is(err, fault.Conflict) {
			return err
		}
		// Either the name is taken, for good, or the configuration was written to in between.
		if _, absent := r.Table.Get(ctx, clusterKey(c.Name)); absent == nil {
			return final{fault.New(fault.Conflict, "cluster %s: %w", c.Name, ErrNameTaken)}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("record cluster %s: %w", c.Name, unwrapFinal(err))
	}
	return nil
}

// Cluster gives a cluster by its id, or a NotFound error.
func (r Records) Cluster(ctx context.Context, id string) (cluster.Cluster, error) {
	c, _, err := r.cluster(ctx, id)
	return c, err
}

func (r Records) cluster(ctx context.Context, id string) (cluster.Cluster, int64, error) {
	name, _, err := get[clusterName](ctx, r.Table, clusterNameKey(id))
	if err != nil {
		return cluster.Cluster{}, 0, fmt.Errorf("cluster %s: %w", id, err)
	}
	c, revision, err := get[cluster.Cluster](ctx, r.Table, clusterKey(name.Name))
	if err != nil {
		return cluster.Cluster{}, 0, fmt.Errorf("cluster %s: %w", id, err)
	}
	if c.ID != id {
		return cluster.Cluster{}, 0, fault.New(fault.NotFound, "cluster %s does not exist", id)
	}
	return c, revision, nil
}

// Clusters gives up to limit clusters whose name begins with prefix and sorts after the name given, by name.
func (r Records) Clusters(ctx context.Context, prefix, after string, limit int) ([]cluster.Cluster, error) {
	return page[cluster.Cluster](ctx, r.Table, clusters, prefix, after, limit)
}

// AllClusters gives every cluster, by name.
func (r Records) AllClusters(ctx context.Context) ([]cluster.Cluster, error) {
	return all[cluster.Cluster](ctx, r.Table, clusters)
}

// ChangeCluster reads a cluster, lets change edit it, and writes it back unless someone else wrote it in between; then it
// starts over. An error of change ends it with nothing written.
func (r Records) ChangeCluster(ctx context.Context, id string, change func(*cluster.Cluster) error) (cluster.Cluster, error) {
	var c cluster.Cluster
	err := r.retryContended(ctx, "cluster "+id, func() error {
		var revision int64
		var err error
		if c, revision, err = r.cluster(ctx, id); err != nil {
			return err
		}
		if err := change(&c); err != nil {
			return final{err}
		}
		w, err := put(clusterKey(c.Name), c, IfRevision(revision))
		if err != nil {
			return err
		}
		return r.Table.Write(ctx, w)
	})
	return c, unwrapFinal(err)
}

// final keeps an error of a change function from being taken for a contended write.
type final struct{ err error }

func (f final) Error() string { return f.err.Error() }

func unwrapFinal(err error) error {
	var f final
	if errors.As(err, &f) {
		return f.err
	}
	return err
}

// with and collect gather the writes of one transaction.
func with(w Write, err error) func() (Write, error) { return func() (Write, error) { return w, err } }

func collect(makers ...func() (Write, error)) ([]Write, error) {
	writes := make([]Write, 0, len(makers))
	for _, makeWrite := range makers {
		w, err := makeWrite()
		if err != nil {
			return nil, err
		}
		writes = append(writes, w)
	}
	return writes, nil
}
