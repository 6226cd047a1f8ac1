package provisioning

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/serve"
	"github.com/millrace/millrace/shared/watch"
)

// RemoveVolume deletes a node's log volume, with the data on it and all that is joined to it. Only the deletion of a cluster comes
// here, after the node's host has ended.
type RemoveVolume struct {
	Clusters clusterRecords
	Nodes    nodeRecords
	Platform interface {
		// DeleteVolume deletes the volume that a token has made. One that is gone, or never was, is success; one that
		// is still attached is a Conflict.
		DeleteVolume(ctx context.Context, token cluster.Token) error
	}
	Now func() time.Time
}

// madeWithin is how long a call may take that makes a further volume, and a little more.
const madeWithin = 90 * time.Second

// Run looks once more before it deletes data: it returns Unsafe unless the cluster is being deleted.
func (s RemoveVolume) Run(ctx context.Context, in NodeInput) (Empty, error) {
	c, err := s.Clusters.Cluster(ctx, in.ClusterID)
	if err != nil {
		return Empty{}, fmt.Errorf("load cluster: %w", err)
	}
	if c.State() != cluster.Deleting {
		return Empty{}, fault.New(fault.Unsafe, "cluster %s is %s: the volume of node %d stays", c.Name, c.State(), in.NodeID)
	}
	n, err := s.settled(ctx, in)
	if err != nil {
		return Empty{}, err
	}
	tokens := []cluster.Token{{ClusterID: n.ClusterID, NodeID: n.ID}}
	if n.Volume != nil {
		for _, f := range n.Volume.Further {
			tokens = append(tokens, f.Token(n))
		}
	}
	for _, token := range tokens {
		if err := s.Platform.DeleteVolume(ctx, token); err != nil {
			return Empty{}, fmt.Errorf("delete volume %s of %s: %w", token, n, err)
		}
	}
	slog.InfoContext(ctx, "deleted volume", "cluster", n.ClusterID, "node", n.ID)
	return Empty{}, nil
}

// settled gives the node once nobody can be about to make a further volume of it: a growth may be under way that had asked for one
// before it knew that the cluster is deleted. Whoever makes one has put it on record before, and notes its id after.
func (s RemoveVolume) settled(ctx context.Context, in NodeInput) (n cluster.Node, err error) {
	looks, stop := watch.Every(time.Second)
	defer stop()
	makes := false
	err = serve.Until(ctx, looks, func(ctx context.Context) (_ bool, err error) {
		n, err = s.Nodes.Node(ctx, in.ClusterID, in.NodeID)
		makes = err == nil && s.makes(n)
		return !makes, err
	})
	if makes {
		err = fault.New(fault.Unavailable, "a further volume of %s may be about to be made", n)
	}
	return n, err
}

func (s RemoveVolume) makes(n cluster.Node) bool {
	if n.Volume == nil {
		return false
	}
	for _, f := range n.Volume.Further {
		if f.ID == "" && s.Now().Sub(f.AddedAt) < madeWithin {
			return true
		}
	}
	return false
}
