package provisioning

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// LaunchHost starts a host for a node, at the node's address.
//
// The attempt is recorded before the call that it numbers: the platform answers a token that was used with the host of
// that first time, dead or alive, so a new attempt is made only when the last one's host is known to be gone. What is kept
// of that one (its spec, its heartbeat) goes before: afterwards nothing leads to it any more.
type LaunchHost struct {
	Nodes    nodeRecords
	Clusters clusterRecords
	Platform interface {
		// LaunchHost starts a host, or gives the one that the token has started before, in whatever state it is. One that
		// ended so long ago that the platform has forgotten it is terminated and has no id.
		LaunchHost(ctx context.Context, request cluster.HostRequest) (cluster.Host, error)
		// ForgetHost drops whatever the platform still keeps of a host that has ended.
		ForgetHost(ctx context.Context, id string) error
	}
	Mailbox interface {
		ForgetHost(ctx context.Context, hostID string) error
	}
}

// Run gives a node that has a living host nothing more.
func (s LaunchHost) Run(ctx context.Context, in NodeInput) (Empty, error) {
	n, err := s.Nodes.Node(ctx, in.ClusterID, in.NodeID)
	if err != nil {
		return Empty{}, err
	}
	c, err := s.Clusters.Cluster(ctx, in.ClusterID)
	if err != nil {
		return Empty{}, fmt.Errorf("load cluster: %w", err)
	}
	if n.Launches == 0 {
		if n, err = s.nextAttempt(ctx, n); err != nil {
			return Empty{}, err
		}
	}
	host, err := s.launch(ctx, c, n)
	if err != nil {
		return Empty{}, err
	}
	if host.State == cluster.HostTerminated {
		gone := host.ID
		if gone == "" && n.Host != nil {
			gone = n.Host.ID // a platform that has forgotten the host knows no id either, and the node's record may
		}
		if gone != "" {
			if err := s.forget(ctx, gone); err != nil {
				return Empty{}, err
			}
		}
		if n, err = s.nextAttempt(ctx, n); err != nil {
			return Empty{}, err
		}
		if host, err = s.launch(ctx, c, n); err != nil {
			return Empty{}, err
		}
	}
	if host.ID == "" {
		return Empty{}, fault.New(fault.Unavailable, "launch %d of %s has ended already, and nobody knows its host", n.Launches, n)
	}
	if n.Host != nil && n.Host.ID == host.ID {
		return Empty{}, nil
	}
	_, err = s.Nodes.ChangeNode(ctx, c.ID, n.ID, func(n *cluster.Node) error {
		n.Host = &cluster.Host{ID: host.ID}
		return nil
	})
	slog.InfoContext(ctx, "launched host", "cluster", c.ID, "node", n.ID, "host", host.ID, "attempt", n.Launches)
	return Empty{}, err
}

func (s LaunchHost) forget(ctx context.Context, hostID string) error {
	if err := s.Mailbox.ForgetHost(ctx, hostID); err != nil {
		return fmt.Errorf("forget the mailbox of host %s: %w", hostID, err)
	}
	if err := s.Platform.ForgetHost(ctx, hostID); err != nil {
		return fmt.Errorf("forget host %s: %w", hostID, err)
	}
	return nil
}

func (s LaunchHost) nextAttempt(ctx context.Context, n cluster.Node) (cluster.Node, error) {
	attempt := n.Launches + 1
	return s.Nodes.ChangeNode(ctx, n.ClusterID, n.ID, func(n *cluster.Node) error {
		n.Launches = attempt
		return nil
	})
}

func (s LaunchHost) launch(ctx context.Context, c cluster.Cluster, n cluster.Node) (cluster.Host, error) {
	host, err := s.Platform.LaunchHost(ctx, cluster.HostRequest{
		Token:        cluster.Token{ClusterID: c.ID, NodeID: n.ID, Attempt: n.Launches},
		ClusterName:  c.Name,
		Role:         n.Role,
		Subnet:       n.Subnet,
		InstanceType: c.Spec.InstanceType,
		AddressID:    n.Address.ID,
	})
	if err != nil {
		return host, fmt.Errorf("host for %s: %w", n, err)
	}
	return host, nil
}
