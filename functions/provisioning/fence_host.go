package provisioning

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/progress"
)

// FenceHost ends the host that a healing operation has found sick, at once and without asking Kafka: volume and address stay.
//
// It is that host and never another one. However late the operation comes to it, or how often: a host that was launched
// after the judgement is nobody's to end here.
type FenceHost struct {
	secondLooks

	Nodes    nodeRecords
	Platform interface {
		// Host tells how far a host is; an unknown host is terminated.
		Host(ctx context.Context, id string) (cluster.Host, error)
		// RetireHost begins to end a host. A host that is gone is success.
		RetireHost(ctx context.Context, id string) error
	}
	Progress progress.Reporter
}

// FenceHostInput names the node, the operation that heals it, and when it was judged that the node can be done without.
type FenceHostInput struct {
	ClusterID   string    `json:"clusterId"`
	OperationID string    `json:"operationId"`
	NodeID      int32     `json:"nodeId"`
	JudgedAt    time.Time `json:"judgedAt"`
}

// Run may be called again. A host that works again by now is left alone, unless its end has begun.
func (s FenceHost) Run(ctx context.Context, in FenceHostInput) (SecondLook, error) {
	op, err := heal(ctx, s.Operations, in.ClusterID, in.OperationID)
	if err != nil {
		return SecondLook{}, err
	}
	n, err := s.Nodes.Node(ctx, in.ClusterID, in.NodeID)
	if err != nil {
		return SecondLook{}, err
	}
	if n.Launches != op.Heal.Launch || n.Host == nil || n.Host.ID != op.Heal.Host {
		return SecondLook{}, nil // the node has left that host behind
	}
	if !op.HasBegun(cluster.StepFence) {
		look, err := s.lookAgain(ctx, *op.Heal, in.JudgedAt)
		if err != nil || look.Recovered || look.Stale {
			return look, err
		}
		// From here on there is no way back: what the host still says of itself while it ends must not count.
		err = s.Progress.Report(ctx, in.ClusterID, in.OperationID, cluster.StepFence, 0, fmt.Sprintf("host %s is being ended", n.Host.ID))
		if err != nil {
			return SecondLook{}, err
		}
	}
	if err := s.Platform.RetireHost(ctx, n.Host.ID); err != nil {
		return SecondLook{}, fmt.Errorf("end host %s of %s: %w", n.Host.ID, n, err)
	}
	slog.InfoContext(ctx, "fenced host", "cluster", n.ClusterID, "node", n.ID, "host", n.Host.ID, "reason", op.Heal.Reason)
	return SecondLook{}, nil
}

// lookAgain asks the platform first: a host that ends, or has, never comes back, and what one that is powered off said last does
// not count. One that was found powered off and has been switched on since is dead no more: nobody has been asked whether it can
// be done without.
func (s FenceHost) lookAgain(ctx context.Context, h cluster.Heal, judgedAt time.Time) (SecondLook, error) {
	host, err := s.Platform.Host(ctx, h.Host)
	if err != nil {
		return SecondLook{}, fmt.Errorf("look at host %s: %w", h.Host, err)
	}
	if host.State == cluster.HostTerminated || host.State == cluster.HostShuttingDown {
		return SecondLook{}, nil
	}
	if h.Proven && host.State != cluster.HostStopped {
		return SecondLook{Recovered: true}, nil
	}
	look, err := s.secondLook(ctx, h, judgedAt)
	look.Recovered = look.Recovered && host.State != cluster.HostStopped
	return look, err
}
