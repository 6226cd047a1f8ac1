package provisioning

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// RetireHost ends a node's host, at once and without asking Kafka: volume and address stay.
//
// It is the host of the node's last launch. Its id may not be on record (a crash came in between), or the record may still
// name the host before, so it is looked for by the launch's token.
type RetireHost struct {
	Nodes    nodeRecords
	Platform interface {
		// FindHost gives the host that a token has started, or a NotFound error when it never did.
		FindHost(ctx context.Context, token cluster.Token) (cluster.Host, error)
		// RetireHost begins to end a host. A host that is gone is success.
		RetireHost(ctx context.Context, id string) error
	}
}

// Run may be called again.
func (s RetireHost) Run(ctx context.Context, in NodeInput) (Empty, error) {
	n, err := s.Nodes.Node(ctx, in.ClusterID, in.NodeID)
	if err != nil {
		return Empty{}, err
	}
	id, err := s.hostOf(ctx, n)
	if err != nil || id == "" {
		return Empty{}, err
	}
	if err := s.Platform.RetireHost(ctx, id); err != nil {
		return Empty{}, fmt.Errorf("retire host %s of %s: %w", id, n, err)
	}
	if n.Host == nil || n.Host.ID != id {
		_, err = s.Nodes.ChangeNode(ctx, n.ClusterID, n.ID, func(n *cluster.Node) error {
			n.Host = &cluster.Host{ID: id}
			return nil
		})
	}
	slog.InfoContext(ctx, "retired host", "cluster", n.ClusterID, "node", n.ID, "host", id)
	return Empty{}, err
}

// hostOf gives the id of a node's host; empty when it has none.
func (s RetireHost) hostOf(ctx context.Context, n cluster.Node) (string, error) {
	if n.Launches > 0 {
		host, err := s.Platform.FindHost(ctx, cluster.Token{ClusterID: n.ClusterID, NodeID: n.ID, Attempt: n.Launches})
		if err == nil {
			return host.ID, nil
		}
		if !fault.Is(err, fault.NotFound) {
			return "", fmt.Errorf("find the host of %s: %w", n, err)
		}
	}
	if n.Host != nil {
		return n.Host.ID, nil
	}
	return "", nil
}
