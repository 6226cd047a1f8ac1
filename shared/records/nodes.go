package records

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/shared/cluster"
)

func nodesOf(clusterID string) string { return "nodes#" + clusterID }

func nodeKey(clusterID string, id int32) Key {
	return Key{nodesOf(clusterID), fmt.Sprintf("%010d", id)} // padded, so that brokers sort before controllers
}

// AddNodes records nodes that are planned. Nodes that are recorded already stay as they are.
func (r Records) AddNodes(ctx context.Context, nodes []cluster.Node) error {
	for _, n := range nodes {
		w, err := put(nodeKey(n.ClusterID, n.ID), n, IfAbsent())
		if err != nil {
			return err
		}
		if err := ignoreConflict(r.Table.Write(ctx, w)); err != nil {
			return fmt.Errorf("record %s: %w", n, err)
		}
	}
	return nil
}

// Node gives one node of a cluster, or a NotFound error.
func (r Records) Node(ctx context.Context, clusterID string, id int32) (cluster.Node, error) {
	n, _, err := get[cluster.Node](ctx, r.Table, nodeKey(clusterID, id))
	if err != nil {
		return n, fmt.Errorf("node %d of cluster %s: %w", id, clusterID, err)
	}
	return n, nil
}

// Nodes gives every node of a cluster: brokers first, by id.
func (r Records) Nodes(ctx context.Context, clusterID string) ([]cluster.Node, error) {
	return all[cluster.Node](ctx, r.Table, nodesOf(clusterID))
}

// ChangeNode reads a node, lets change edit it, and writes it back unless someone else wrote it in between; then it
// starts over. An error of change ends it with nothing written.
func (r Records) ChangeNode(
	ctx context.Context, clusterID string, id int32, change func(*cluster.Node) error,
) (cluster.Node, error) {
	var n cluster.Node
	err := r.retryContended(ctx, fmt.Sprintf("node %d of cluster %s", id, clusterID), func() error {
		var revision int64
		var err error
		if n, revision, err = get[cluster.Node](ctx, r.Table, nodeKey(clusterID, id)); err != nil {
			return fmt.Errorf("node %d of cluster %s: %w", id, clusterID, err)
		}
		if err := change(&n); err != nil {
			return final{err}
		}
		w, err := put(nodeKey(clusterID, id), n, IfRevision(revision))
		if err != nil {
			return err
		}
		return r.Table.Write(ctx, w)
	})
	return n, unwrapFinal(err)
}
