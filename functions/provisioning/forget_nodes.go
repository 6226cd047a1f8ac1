package provisioning

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/progress"
)

// ForgetNodes removes what the platform and the mailbox still keep of a cluster's nodes: specs, heartbeats and secrets.
type ForgetNodes struct {
	Nodes   nodeList
	Mailbox interface {
		ForgetHost(ctx context.Context, hostID string) error
	}
	Platform interface {
		// ForgetHost drops whatever the platform still keeps of a host that has ended.
		ForgetHost(ctx context.Context, id string) error
	}
	Secrets interface {
		// DeleteSecrets removes every secret whose name begins with the prefix.
		DeleteSecrets(ctx context.Context, prefix string) error
	}
	Progress progress.Reporter
}

// Run may be called again.
func (s ForgetNodes) Run(ctx context.Context, in CheckClusterInput) (Empty, error) {
	if err := s.Progress.Report(ctx, in.ClusterID, in.OperationID, cluster.StepFinalize, 0, "records and secrets"); err != nil {
		return Empty{}, err
	}
	nodes, err := s.Nodes.Nodes(ctx, in.ClusterID)
	if err != nil {
		return Empty{}, fmt.Errorf("load nodes: %w", err)
	}
	for _, n := range nodes {
		if n.Host == nil {
			continue
		}
		if err := s.Mailbox.ForgetHost(ctx, n.Host.ID); err != nil {
			return Empty{}, fmt.Errorf("forget the mailbox of host %s: %w", n.Host.ID, err)
		}
		if err := s.Platform.ForgetHost(ctx, n.Host.ID); err != nil {
			return Empty{}, fmt.Errorf("forget host %s: %w", n.Host.ID, err)
		}
	}
	if err := s.Secrets.DeleteSecrets(ctx, in.ClusterID+"/"); err != nil {
		return Empty{}, fmt.Errorf("delete the secrets of %s: %w", in.ClusterID, err)
	}
	return Empty{}, nil
}
