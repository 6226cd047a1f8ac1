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

// CheckNodesJoined asks whether every node runs what its spec says, every broker knows every other, and clients can look the
// brokers up: whoever asks for a name too early may be told for minutes that there is none.
type CheckNodesJoined struct {
	Nodes nodeList
	Beats beats
	Hosts livingHosts
	Names interface {
		// NameKnown tells whether everybody who may use an address can look up its name.
		NameKnown(ctx context.Context, address cluster.Address) (bool, error)
	}
	Progress progress.Reporter
	Now      func() time.Time
}

// Run waits for the nodes up to serve.LongPoll. A node that can't start, and nodes that do not come before the operation's
// deadline, end the operation with the reason that their agents give; so does a host that ends, which says nothing any more.
func (s CheckNodesJoined) Run(ctx context.Context, in CheckClusterInput) (CheckOutput, error) {
	nodes, err := s.Nodes.Nodes(ctx, in.ClusterID)
	if err != nil {
		return CheckOutput{}, fmt.Errorf("load nodes: %w", err)
	}
	changed, stop := watch.Either(s.Beats.WatchBeats, s.Hosts.WatchHosts)
	defer stop()
	var verdict health.Joined
	err = serve.Until(ctx, changed, func(ctx context.Context) (bool, error) {
		seen, err := s.look(ctx, nodes)
		if err != nil {
			return false, err
		}
		verdict = health.JudgeJoin(seen)
		if verdict.Failed != "" {
			return false, fault.New(fault.Internal, "%s", verdict.Failed)
		}
		if verdict.Done {
			if verdict.Waiting, err = s.unknownName(ctx, nodes); err != nil {
				return false, err
			}
			verdict.Done = verdict.Waiting == ""
		}
		if !verdict.Done {
			if err := s.lost(ctx, nodes); err != nil {
				return false, err
			}
		}
		return verdict.Done, s.Progress.Report(ctx, in.ClusterID, in.OperationID,
			cluster.StepStartKafka, percent(verdict.Ready, verdict.Total), verdict.Waiting)
	})
	out := CheckOutput{Done: verdict.Done, Reason: verdict.Waiting}
	switch {
	case err != nil:
		return out, err
	case !out.Done:
		return out, s.Progress.CheckDeadline(ctx, in.ClusterID, in.OperationID, s.Now(), out.Reason)
	}
	slog.InfoContext(ctx, "all nodes joined", "cluster", in.ClusterID, "nodes", verdict.Total)
	return out, nil
}

// lost returns an error when a host has ended.
func (s CheckNodesJoined) lost(ctx context.Context, nodes []cluster.Node) error {
	lost, err := lostHosts(ctx, s.Hosts, nodes)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if lost[n.ID] {
			return fault.New(fault.Internal, "host %s of %s has ended; `millrace clusters resume` launches another", n.Host.ID, n)
		}
	}
	return nil
}

// unknownName says which broker's name clients can't look up yet; empty when they can look up all. Nodes need no names.
func (s CheckNodesJoined) unknownName(ctx context.Context, nodes []cluster.Node) (string, error) {
	for _, n := range nodes {
		if n.Role != cluster.Broker {
			continue
		}
		known, err := s.Names.NameKnown(ctx, *n.Address)
		if err != nil {
			return "", fmt.Errorf("look at the name of %s: %w", n, err)
		}
		if !known {
			return fmt.Sprintf("%s: its name %s is not known everywhere yet", n, n.Address.Name), nil
		}
	}
	return "", nil
}

// look gathers what the agents say of their nodes.
func (s CheckNodesJoined) look(ctx context.Context, nodes []cluster.Node) ([]health.Seen, error) {
	seen := make([]health.Seen, len(nodes))
	for i, n := range nodes {
		beat, ok, err := s.Beats.Beat(ctx, n.Host.ID)
		if err != nil {
			return nil, fmt.Errorf("heartbeat of %s: %w", n, err)
		}
		seen[i] = seenOf(n, beat, ok)
	}
	return seen, nil
}

// seenOf is what an agent says of its node. A heartbeat about an older spec says nothing about this one.
func seenOf(n cluster.Node, beat nodespec.Heartbeat, heard bool) health.Seen {
	if !heard {
		return health.Seen{Node: n}
	}
	current := beat.Generation == n.SpecGeneration
	return health.Seen{
		Node:         n,
		Known:        true,
		Running:      current && beat.State == nodespec.Running,
		Failing:      current && beat.State == nodespec.Failing,
		FailedStarts: beat.FailedStarts,
		Stopped:      current && beat.State == nodespec.Stopped,
		Reason:       beat.Reason,
		Brokers:      beat.Brokers,
	}
}
