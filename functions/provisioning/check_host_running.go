package provisioning

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/progress"
	"github.com/millrace/millrace/shared/serve"
)

// CheckHostRunning asks whether a node's host runs, so that its volume can be attached.
type CheckHostRunning struct {
	Nodes    nodeRecords
	Platform hostStates
	Progress progress.Reporter
	Now      func() time.Time
}

type hostStates interface {
	// Host tells how far a host is; an unknown host is terminated.
	Host(ctx context.Context, id string) (cluster.Host, error)
	// WatchHosts signals when a host may have changed its state.
	WatchHosts() (changed <-chan struct{}, stop func())
}

// CheckNodeInput names a node and the operation whose deadline counts.
type CheckNodeInput struct {
	ClusterID   string `json:"clusterId"`
	OperationID string `json:"operationId"`
	NodeID      int32  `json:"nodeId"`
}

// CheckOutput is the answer of every checking step: done, or not yet with the reason.
type CheckOutput struct {
	Done   bool   `json:"done"`
	Reason string `json:"reason,omitempty"`
}

// Run waits for the host up to serve.LongPoll. A host that is gone, or that does not come before the operation's deadline,
// is an error that ends the operation.
func (s CheckHostRunning) Run(ctx context.Context, in CheckNodeInput) (CheckOutput, error) {
	n, err := s.Nodes.Node(ctx, in.ClusterID, in.NodeID)
	if err != nil {
		return CheckOutput{}, err
	}
	changed, stop := s.Platform.WatchHosts()
	defer stop()
	var out CheckOutput
	err = serve.Until(ctx, changed, func(ctx context.Context) (bool, error) {
		host, err := s.Platform.Host(ctx, n.Host.ID)
		if err != nil {
			return false, fmt.Errorf("look at host %s: %w", n.Host.ID, err)
		}
		if host.State == cluster.HostTerminated {
			return false, fault.New(fault.Internal, "host %s of %s ended while it started", host.ID, n)
		}
		out = CheckOutput{Done: host.State == cluster.HostRunning, Reason: fmt.Sprintf("host %s is %s", host.ID, host.State)}
		return out.Done, nil
	})
	if err != nil || out.Done {
		return out, err
	}
	return out, s.Progress.CheckDeadline(ctx, in.ClusterID, in.OperationID, s.Now(), fmt.Sprintf("%s: %s", n, out.Reason))
}
