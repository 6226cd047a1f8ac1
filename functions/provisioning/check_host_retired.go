package provisioning

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/progress"
	"github.com/millrace/millrace/shared/serve"
)

// CheckHostRetired asks whether a node's host has ended for certain, so that its volume and its address are free.
type CheckHostRetired struct {
	Nodes    nodeRecords
	Platform interface {
		hostStates
		// RetireHost begins to end a host, or does so with more force when it has been asked before.
		RetireHost(ctx context.Context, id string) error
	}
	Progress progress.Reporter
	Now      func() time.Time
}

// Run waits for the end up to serve.LongPoll. A host that has not ended by then is asked once more to; one that lives on
// past the operation's deadline ends the operation.
func (s CheckHostRetired) Run(ctx context.Context, in CheckNodeInput) (CheckOutput, error) {
	n, err := s.Nodes.Node(ctx, in.ClusterID, in.NodeID)
	if err != nil {
		return CheckOutput{}, err
	}
	if n.Host == nil {
		return CheckOutput{Done: true}, nil
	}
	out, err := awaitEnd(ctx, s.Platform, n.Host.ID)
	if err != nil || out.Done {
		return out, err
	}
	if err := s.Platform.RetireHost(ctx, n.Host.ID); err != nil {
		return CheckOutput{}, fmt.Errorf("retire host %s of %s again: %w", n.Host.ID, n, err)
	}
	return out, s.Progress.CheckDeadline(ctx, in.ClusterID, in.OperationID, s.Now(), fmt.Sprintf("%s: %s", n, out.Reason))
}

// awaitEnd waits up to serve.LongPoll for the end of a host.
func awaitEnd(ctx context.Context, platform hostStates, hostID string) (out CheckOutput, err error) {
	changed, stop := platform.WatchHosts()
	defer stop()
	err = serve.Until(ctx, changed, func(ctx context.Context) (bool, error) {
		host, err := platform.Host(ctx, hostID)
		if err != nil {
			return false, fmt.Errorf("look at host %s: %w", hostID, err)
		}
		out = CheckOutput{Done: host.State == cluster.HostTerminated, Reason: fmt.Sprintf("host %s is %s", hostID, host.State)}
		return out.Done, nil
	})
	return out, err
}
