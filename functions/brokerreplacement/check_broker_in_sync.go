package brokerreplacement

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/reach"
	"github.com/millrace/millrace/shared/serve"
)

// CheckBrokerInSync asks whether a node has caught up: a broker with the leader of every partition of its own that has one, a
// controller with the active one.
type CheckBrokerInSync struct{ ward }

// CheckBrokerInSyncOutput is the answer: done, or not yet with the reason. MoreUrgent says that another node has lost its host:
// this one goes on catching up without anybody who waits for it. NoAccess says that brokers could not even be asked, until access
// to Kafka is renewed: a host that is proven dead is replaced without.
type CheckBrokerInSyncOutput struct {
	Done       bool   `json:"done"`
	MoreUrgent bool   `json:"moreUrgent"`
	NoAccess   bool   `json:"noAccess"`
	Reason     string `json:"reason,omitempty"`
}

// Run waits for the node up to serve.LongPoll. A node whose host has ended, or that does not catch up before the operation's
// deadline, ends the operation.
func (s CheckBrokerInSync) Run(ctx context.Context, in Input) (CheckBrokerInSyncOutput, error) {
	p, err := s.load(ctx, in)
	if err != nil {
		return CheckBrokerInSyncOutput{}, err
	}
	changed, stop := s.signals()
	defer stop()
	var seen catchUp
	var out CheckBrokerInSyncOutput
	err = serve.Until(ctx, changed, func(ctx context.Context) (bool, error) {
		if seen, err = s.look(ctx, p); err != nil {
			return false, err
		}
		out = CheckBrokerInSyncOutput{Done: seen.waiting == "", NoAccess: seen.noAccess, Reason: seen.waiting}
		if !out.Done {
			if out.MoreUrgent, err = s.moreUrgent(ctx, p); err != nil {
				return false, err
			}
		}
		return out.Done || out.MoreUrgent, s.Progress.Report(ctx, in.ClusterID, in.OperationID, cluster.StepCatchUp, seen.percent, out.Reason)
	})
	switch {
	case err != nil:
		return out, err
	case !out.Done && !out.MoreUrgent:
		return out, s.Progress.CheckDeadline(ctx, in.ClusterID, in.OperationID, s.Now(), out.Reason)
	}
	slog.InfoContext(ctx, "judged whether the node has caught up",
		"cluster", p.cluster.ID, "node", p.node.ID, "done", out.Done, "moreUrgent", out.MoreUrgent, "reason", out.Reason)
	return out, nil
}

// catchUp is how far a node is.
type catchUp struct {
	percent  int
	waiting  string // empty when it has caught up
	noAccess bool
}

func (s CheckBrokerInSync) look(ctx context.Context, p patient) (catchUp, error) {
	lookCloser := s.lookAtPartitions
	if p.node.Role == cluster.Controller {
		lookCloser = s.lookAtQuorum
	}
	seen, err := lookCloser(ctx, p)
	if errors.Is(err, reach.ErrNone) {
		return catchUp{waiting: err.Error(), noAccess: true}, nil
	}
	if fault.Is(err, fault.Unavailable) {
		return catchUp{waiting: err.Error()}, nil
	}
	return seen, err
}

func (s CheckBrokerInSync) lookAtPartitions(ctx context.Context, p patient) (catchUp, error) {
	partitions, err := s.partitions(ctx, p, 0)
	if err != nil {
		return catchUp{}, err
	}
	own := 0
	for _, partition := range partitions {
		if partition.Leader >= 0 && slices.Contains(partition.Replicas, p.node.ID) {
			own++
		}
	}
	behind := missing(p.node.ID, partitions)
	if len(behind) == 0 {
		return catchUp{percent: 100}, nil
	}
	return catchUp{
		percent: 100 * (own - len(behind)) / own,
		waiting: fmt.Sprintf("%s is not in sync yet in %d of its %d partitions, %s the first of them", p.node, len(behind), own, behind[0]),
	}, nil
}

// missing are the partitions that have a leader, and a replica on a broker that is not in sync with it.
func missing(broker int32, partitions []cluster.Partition) []cluster.Partition {
	var behind []cluster.Partition
	for _, p := range partitions {
		if p.Leader >= 0 && slices.Contains(p.Replicas, broker) && !slices.Contains(p.InSync, broker) {
			behind = append(behind, p)
		}
	}
	return behind
}

// lookAtQuorum hears the node itself and, where there are others, the active controller: only what was said after the node has
// started is about this life of it.
func (s CheckBrokerInSync) lookAtQuorum(ctx context.Context, p patient) (catchUp, error) {
	beat, heard, err := s.Records.Beat(ctx, p.node.Host.ID)
	if err != nil {
		return catchUp{}, fmt.Errorf("heartbeat of %s: %w", p.node, err)
	}
	if !heard || beat.Generation != p.node.SpecGeneration || beat.State != nodespec.Running || beat.Process == nil {
		return catchUp{waiting: fmt.Sprintf("%s does not run yet", p.node)}, nil
	}
	if p.controllers() == 1 {
		return catchUp{percent: 100}, nil
	}
	q, ok, err := s.quorum(ctx, p, 0, later(beat.Process.StartedAt, s.Now().Add(-nodespec.FreshFor)))
	switch {
	case err != nil:
		return catchUp{}, err
	case !ok:
		return catchUp{waiting: "no controller leads the quorum yet"}, nil
	case !slices.Contains(q.CaughtUp, p.node.ID):
		return catchUp{waiting: fmt.Sprintf("%s has not caught up with the quorum yet", p.node)}, nil
	}
	return catchUp{percent: 100}, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// moreUrgent tells whether another node has lost its host, as the health that is recorded says. When it is this one, whoever
// waits for it waits in vain.
func (s CheckBrokerInSync) moreUrgent(ctx context.Context, p patient) (bool, error) {
	own, other, err := s.lost(ctx, p)
	if err != nil {
		return false, err
	}
	if own != nil {
		return false, fault.New(fault.Internal, "host %s of %s has ended: %s", own.Host, p.node, own.Reason)
	}
	return other != nil, nil
}
