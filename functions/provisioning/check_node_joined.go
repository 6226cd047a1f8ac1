package provisioning

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/health"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/progress"
	"github.com/millrace/millrace/shared/serve"
	"github.com/millrace/millrace/shared/watch"
)

// CheckNodeJoined asks whether a node that is being healed runs what its spec says, and whether its host lives.
type CheckNodeJoined struct {
	Nodes      nodeList
	Operations operationRecords
	Beats      beats
	Hosts      livingHosts
	Judged     interface {
		// Health is what the last look at a cluster gave, or a NotFound error.
		Health(ctx context.Context, clusterID string) (cluster.Health, error)
	}
	Progress progress.Reporter
	Now      func() time.Time
}

// CheckNodeJoinedInput names the node and the operation that heals it. Since is when Kafka was told to start again, where that
// is all that is done.
type CheckNodeJoinedInput struct {
	ClusterID   string    `json:"clusterId"`
	OperationID string    `json:"operationId"`
	NodeID      int32     `json:"nodeId"`
	Since       time.Time `json:"since,omitzero"`
}

// CheckNodeJoinedOutput is the answer. MoreUrgent says that another node has lost its host, or that the quorum is lost without
// which no broker starts, and that this one will come back without anybody's help: it must not be waited for.
type CheckNodeJoinedOutput struct {
	Done       bool   `json:"done"`
	MoreUrgent bool   `json:"moreUrgent"`
	Reason     string `json:"reason,omitempty"`
}

// restartHelps is how long a node may take that was merely started again. One that takes longer needs something else.
const restartHelps = 3 * time.Minute

// Run waits for the node up to serve.LongPoll. A node that can't start, whose host has ended, or that does not come in time
// ends the operation.
func (s CheckNodeJoined) Run(ctx context.Context, in CheckNodeJoinedInput) (CheckNodeJoinedOutput, error) {
	op, err := heal(ctx, s.Operations, in.ClusterID, in.OperationID)
	if err != nil {
		return CheckNodeJoinedOutput{}, err
	}
	nodes, err := s.Nodes.Nodes(ctx, in.ClusterID)
	if err != nil {
		return CheckNodeJoinedOutput{}, fmt.Errorf("load nodes: %w", err)
	}
	n, ok := cluster.ServedNode(nodes, in.NodeID)
	if !ok {
		return CheckNodeJoinedOutput{}, fault.New(fault.NotFound, "node %d of cluster %s has no host", in.NodeID, in.ClusterID)
	}
	var verdict health.Joined
	var beat nodespec.Heartbeat
	changed, stop := watch.Either(s.Beats.WatchBeats, s.Hosts.WatchHosts)
	defer stop()
	err = serve.Until(ctx, changed, func(ctx context.Context) (bool, error) {
		var heard bool
		if beat, heard, err = s.Beats.Beat(ctx, n.Host.ID); err != nil {
			return false, fmt.Errorf("heartbeat of %s: %w", n, err)
		}
		verdict = health.JudgeJoin([]health.Seen{seenOf(n, beat, heard)})
		if verdict.Failed != "" {
			return false, fault.New(fault.Internal, "%s", verdict.Failed)
		}
		if verdict.Done {
			return true, nil
		}
		lost, err := lostHosts(ctx, s.Hosts, []cluster.Node{n})
		if err != nil {
			return false, err
		}
		if lost[n.ID] {
			return false, hasEnded(n)
		}
		return false, s.Progress.Report(ctx, in.ClusterID, in.OperationID, starting(op), 0, verdict.Waiting)
	})
	out := CheckNodeJoinedOutput{Done: verdict.Done, Reason: verdict.Waiting}
	if err != nil {
		return out, err
	}
	lost, err := lostHosts(ctx, s.Hosts, nodes)
	switch {
	case err != nil:
		return out, err
	case lost[n.ID]:
		return out, hasEnded(n)
	case len(lost) > 0 && (out.Done || beat.Generation == n.SpecGeneration):
		out.MoreUrgent = true
		slog.InfoContext(ctx, "another node is more urgent", "cluster", in.ClusterID, "node", n.ID, "lost", len(lost))
		return out, nil
	case out.Done:
		return out, nil
	case n.Role == cluster.Broker && beat.Generation == n.SpecGeneration:
		if out.MoreUrgent, err = s.quorumIsLost(ctx, in.ClusterID); err != nil || out.MoreUrgent {
			return out, err
		}
	}
	return out, s.giveUp(ctx, in, beat, out.Reason)
}

// starting is the step of an operation in which the node's Kafka starts. Once it has run, whatever happens to it is a part of
// its catching up.
func starting(op cluster.Operation) string {
	switch {
	case op.HasBegun(cluster.StepCatchUp):
		return cluster.StepCatchUp
	case op.Heal.Remedy == cluster.Restart:
		return cluster.StepRestartKafka
	default:
		return cluster.StepStartKafka
	}
}

func hasEnded(n cluster.Node) error {
	return fault.New(fault.Internal, "host %s of %s has ended", n.Host.ID, n)
}

// quorumIsLost tells whether the node waits for a quorum that has to be healed before.
func (s CheckNodeJoined) quorumIsLost(ctx context.Context, clusterID string) (bool, error) {
	judged, err := s.Judged.Health(ctx, clusterID)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("health of cluster %s: %w", clusterID, err)
	}
	return judged.QuorumIsLost(s.Now()), nil
}

// giveUp returns an error when it has taken too long. A Kafka that was merely started again and has been starting ever since
// may have a long log to look through: that is no reason to start it once more.
func (s CheckNodeJoined) giveUp(ctx context.Context, in CheckNodeJoinedInput, beat nodespec.Heartbeat, waiting string) error {
	recovering := beat.State == nodespec.Starting && beat.FailedStarts == 0 && s.Now().Sub(beat.At) < nodespec.FreshFor
	if !in.Since.IsZero() && s.Now().Sub(in.Since) > restartHelps && !recovering {
		return fault.New(fault.Internal, "gave up %s after the restart; last waited for: %s", restartHelps, waiting)
	}
	return s.Progress.CheckDeadline(ctx, in.ClusterID, in.OperationID, s.Now(), waiting)
}
