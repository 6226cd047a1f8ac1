package provisioning

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/progress"
	"github.com/millrace/millrace/shared/serve"
	"github.com/millrace/millrace/shared/watch"
)

// CheckHostReported asks whether the agent of a node's host has said hello, with the signing request that its certificate will
// answer.
type CheckHostReported struct {
	Nodes    nodeRecords
	Beats    beats
	Platform hostStates
	Progress progress.Reporter
	Now      func() time.Time
}

// Run waits for the host up to serve.LongPoll. A host that is gone, or that does not report before the operation's deadline,
// ends the operation.
func (s CheckHostReported) Run(ctx context.Context, in CheckNodeInput) (CheckOutput, error) {
	n, err := s.Nodes.Node(ctx, in.ClusterID, in.NodeID)
	if err != nil {
		return CheckOutput{}, err
	}
	changed, stop := watch.Either(s.Beats.WatchBeats, s.Platform.WatchHosts)
	defer stop()
	out := CheckOutput{Reason: fmt.Sprintf("%s: its host has not reported yet", n)}
	err = serve.Until(ctx, changed, func(ctx context.Context) (bool, error) {
		if out.Done, err = hasReported(ctx, s.Beats, n); err != nil || out.Done {
			return out.Done, err
		}
		host, err := s.Platform.Host(ctx, n.Host.ID)
		if err != nil {
			return false, fmt.Errorf("look at host %s: %w", n.Host.ID, err)
		}
		if host.State == cluster.HostTerminated {
			return false, fault.New(fault.Internal, "host %s of %s ended before it reported", host.ID, n)
		}
		return false, nil
	})
	if err != nil || out.Done {
		return out, err
	}
	if err := s.Progress.Report(ctx, in.ClusterID, in.OperationID, cluster.StepLaunch, 0, out.Reason); err != nil {
		return out, err
	}
	return out, s.Progress.CheckDeadline(ctx, in.ClusterID, in.OperationID, s.Now(), out.Reason)
}

// hasReported tells whether a node's host has made its request for a certificate.
func hasReported(ctx context.Context, beats beats, n cluster.Node) (bool, error) {
	beat, ok, err := beats.Beat(ctx, n.Host.ID)
	if err != nil {
		return false, fmt.Errorf("heartbeat of %s: %w", n, err)
	}
	return ok && beat.SigningRequest != "", nil
}
