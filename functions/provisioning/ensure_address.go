package provisioning

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/millrace/millrace/shared/brokerconfig"
	"github.com/millrace/millrace/shared/cluster"
)

// NodeInput names a node, for the steps that work on one.
type NodeInput struct {
	ClusterID string `json:"clusterId"`
	NodeID    int32  `json:"nodeId"`
}

// Empty is the output of steps that have nothing to tell but that they are done.
type Empty struct{}

// EnsureAddress gives a node its address, which it keeps for life.
type EnsureAddress struct {
	Nodes    nodeRecords
	Clusters clusterRecords
	Platform interface {
		// EnsureAddress makes an address, or gives the one that the token has made before.
		EnsureAddress(ctx context.Context, request cluster.AddressRequest) (cluster.Address, error)
	}
}

type clusterRecords interface {
	Cluster(ctx context.Context, id string) (cluster.Cluster, error)
}

type nodeRecords interface {
	Node(ctx context.Context, clusterID string, id int32) (cluster.Node, error)
	ChangeNode(ctx context.Context, clusterID string, id int32, change func(*cluster.Node) error) (cluster.Node, error)
}

// Run does nothing for a node that has an address.
func (s EnsureAddress) Run(ctx context.Context, in NodeInput) (Empty, error) {
	n, err := s.Nodes.Node(ctx, in.ClusterID, in.NodeID)
	if err != nil || n.Address != nil {
		return Empty{}, err
	}
	c, err := s.Clusters.Cluster(ctx, in.ClusterID)
	if err != nil {
		return Empty{}, fmt.Errorf("load cluster: %w", err)
	}
	ports, err := brokerconfig.Cluster{ClientBroker: c.Spec.ClientBroker, InCluster: c.Spec.InCluster}.Ports(n.Role)
	if err != nil {
		return Empty{}, err
	}
	address, err := s.Platform.EnsureAddress(ctx, cluster.AddressRequest{
		Token:          cluster.Token{ClusterID: c.ID, NodeID: n.ID},
		ClusterName:    c.Name,
		Role:           n.Role,
		Subnet:         n.Subnet,
		SecurityGroups: c.Spec.SecurityGroups,
		Ports:          ports,
	})
	if err != nil {
		return Empty{}, fmt.Errorf("address for %s: %w", n, err)
	}
	_, err = s.Nodes.ChangeNode(ctx, c.ID, n.ID, func(n *cluster.Node) error {
		n.Address = &address
		return nil
	})
	slog.InfoContext(ctx, "address ready", "cluster", c.ID, "node", n.ID, "address", address.IP)
	return Empty{}, err
}
