package provisioning

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/progress"
	"github.com/millrace/millrace/shared/serve"
)

// CheckHostsReported asks whether the agent of every host has said hello, with the signing request that its certificate
// will answer.
type CheckHostsReported struct {
	Nodes    nodeList
	Beats    beats
	Progress progress.Reporter
	Now      func() time.Time
}

type nodeList interface {
	Nodes(ctx context.Context, clusterID string) ([]cluster.Node, error)
}

type beats interface {
	Beat(ctx context.Context, hostID string) (beat nodespec.Heartbeat, ok bool, err error)
	WatchBeats() (changed <-chan struct{}, stop func())
}

// CheckClusterInput names a cluster and the operation whose deadline counts.
type CheckClusterInput struct {
	ClusterID   string `json:"clusterId"`
	OperationID string `json:"operationId"`
}

// Run waits for the hosts up to serve.LongPoll. Hosts that do not report before the operation's deadline end it.
func (s CheckHostsReported) Run(ctx context.Context, in CheckClusterInput) (CheckOutput, error) {
	nodes, err := s.Nodes.Nodes(ctx, in.ClusterID)
	if err != nil {
		return CheckOutput{}, fmt.Errorf("load nodes: %w", err)
	}
	changed, stop := s.Beats.WatchBeats()
	defer stop()
	var out CheckOutput
	err = serve.Until(ctx, changed, func(ctx context.Context) (bool, error) {
		reported := 0
		out.Reason = ""
		for _, n := range nodes {
			there, err := hasReported(ctx, s.Beats, n)
			switch {
			case err != nil:
				return false, err
			case there:
				reported++
			case out.Reason == "":
				out.Reason = fmt.Sprintf("%s: its host has not reported yet", n)
			}
		}
		out.Done = reported == len(nodes)
		return out.Done, s.Progress.Report(ctx, in.ClusterID, in.OperationID,
			cluster.StepProvision, percent(reported, len(nodes)), out.Reason)
	})
	if err != nil || out.Done {
		return out, err
	}
	return out, s.Progress.CheckDeadline(ctx, in.ClusterID, in.OperationID, s.Now(), out.Reason)
}

func percent(part, whole int) int {
	if whole == 0 {
		return 100
	}
	return 100 * part / whole
}
