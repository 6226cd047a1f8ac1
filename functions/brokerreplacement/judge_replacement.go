package brokerreplacement

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/rollout"
	"github.com/millrace/millrace/shared/serve"
)

// JudgeReplacement asks whether a sick node can be done without right now: whether stopping it would take any partition below
// its min.insync.replicas, or the quorum below its majority. The node itself is not asked.
type JudgeReplacement struct{ ward }

// JudgeReplacementOutput is the answer. Safe says that the node may be stopped, Recovered that nothing has to be done any more,
// because it works again; neither that it has to be asked again.
type JudgeReplacementOutput struct {
	Safe      bool   `json:"safe"`
	Recovered bool   `json:"recovered"`
	Reason    string `json:"reason,omitempty"`
	// JudgedAt is when it was.
	JudgedAt time.Time `json:"judgedAt"`
}

// Run waits up to serve.LongPoll for a yes. A no that lasts until the operation's deadline ends it, and so does one while another
// node has lost its host: that one is healed first, and perhaps it is what this one waits for. Maintenance that a person has begun
// meanwhile ends it, too: nothing was done yet. A host that is proven dead, by now, is no question: nothing is asked of Kafka then,
// which may have no broker left to answer.
func (s JudgeReplacement) Run(ctx context.Context, in Input) (JudgeReplacementOutput, error) {
	p, err := s.load(ctx, in)
	if err != nil {
		return JudgeReplacementOutput{}, err
	}
	changed, stop := s.signals()
	defer stop()
	var out JudgeReplacementOutput
	err = serve.Until(ctx, changed, func(ctx context.Context) (bool, error) {
		if out, err = s.judge(ctx, p); err != nil {
			return false, err
		}
		out.JudgedAt = s.Now()
		done := out.Safe || out.Recovered
		if !done {
			if err := s.makeRoom(ctx, p, out.Reason); err != nil {
				return false, err
			}
		}
		return done, s.Progress.Report(ctx, in.ClusterID, in.OperationID, cluster.StepJudge, 0, out.Reason)
	})
	switch {
	case err != nil:
		return out, err
	case !out.Safe && !out.Recovered:
		return out, s.Progress.CheckDeadline(ctx, in.ClusterID, in.OperationID, s.Now(), fmt.Sprintf("%s: %s", p.node, out.Reason))
	}
	slog.InfoContext(ctx, "judged replacement", "cluster", p.cluster.ID, "node", p.node.ID, "remedy", p.heal.Remedy,
		"safe", out.Safe, "recovered", out.Recovered, "reason", out.Reason)
	return out, nil
}

// makeRoom returns an error when a node that has lost its host has to be healed first.
func (s JudgeReplacement) makeRoom(ctx context.Context, p patient, waiting string) error {
	_, other, err := s.lost(ctx, p)
	if err != nil || other == nil {
		return err
	}
	return fault.New(fault.Unsafe, "%s: %s; %s %d has lost its host, and is healed first", p.node, waiting, other.Role, other.NodeID)
}

// judge is a ladder: the first rung that knows the answer gives it.
func (s JudgeReplacement) judge(ctx context.Context, p patient) (JudgeReplacementOutput, error) {
	if p.node.Launches != p.heal.Launch || p.node.Host.ID != p.heal.Host {
		return JudgeReplacementOutput{Safe: true, Reason: fmt.Sprintf("%s has left host %s behind", p.node, p.heal.Host)}, nil
	}
	if window, ok := p.cluster.Healing.MaintenanceOf(p.node.ID, s.Now()); ok && !p.operation.HasBegun(cluster.StepFence) {
		return JudgeReplacementOutput{}, fault.New(fault.Unsafe, "%s is in maintenance until %s", p.node, window.Until.UTC().Format(time.RFC3339))
	}
	if p.heal.Proven {
		return JudgeReplacementOutput{Safe: true, Reason: p.heal.Reason}, nil
	}
	own, _, err := s.lost(ctx, p)
	if err != nil {
		return JudgeReplacementOutput{}, err
	}
	if own != nil && p.heal.Remedy == cluster.Replace {
		return JudgeReplacementOutput{Safe: true, Reason: own.Reason}, nil
	}
	beat, heard, err := s.Records.Beat(ctx, p.heal.Host)
	if err != nil {
		return JudgeReplacementOutput{}, fmt.Errorf("heartbeat of %s: %w", p.node, err)
	}
	saysSo := heard && beat.At.After(p.operation.CreatedAt) && s.Now().Sub(beat.At) < nodespec.FreshFor // by itself, since it was found sick
	if saysSo && beat.Works() && p.heal.Condition != cluster.OutOfSync {
		return JudgeReplacementOutput{Recovered: true, Reason: fmt.Sprintf("%s works again", p.node)}, nil
	}
	var verdict rollout.Verdict
	if p.node.Role == cluster.Controller {
		verdict, err = s.judgeController(ctx, p)
	} else {
		var recovered bool
		if verdict, recovered, err = s.judgeBroker(ctx, p); recovered {
			return JudgeReplacementOutput{Recovered: true, Reason: fmt.Sprintf("%s is in sync again", p.node)}, nil
		}
	}
	switch {
	case fault.Is(err, fault.Unavailable) && p.heal.Remedy == cluster.Restart && saysSo && !beat.Works():
		// Nobody serves clients, this broker neither by its own account: starting it again can only help. It must not be
		// replaced as easily: perhaps it is us who reach nobody.
		return JudgeReplacementOutput{Safe: true, Reason: "no broker answers, so nothing is lost by a restart"}, nil
	case fault.Is(err, fault.Unavailable):
		return JudgeReplacementOutput{Reason: err.Error()}, nil
	case err != nil:
		return JudgeReplacementOutput{}, err
	}
	return JudgeReplacementOutput{Safe: verdict.Safe, Reason: verdict.Reason}, nil
}

// judgeBroker asks the other brokers. One that is alone has nobody who could take over, and nobody to lose.
func (s JudgeReplacement) judgeBroker(ctx context.Context, p patient) (v rollout.Verdict, recovered bool, err error) {
	if p.brokers() == 1 {
		return rollout.Verdict{Safe: true}, false, nil
	}
	partitions, err := s.partitions(ctx, p, p.node.ID)
	if err != nil {
		return rollout.Verdict{}, false, err
	}
	// What has no leader serves nobody, with the broker or without.
	served := slices.DeleteFunc(partitions, func(p cluster.Partition) bool { return p.Leader < 0 })
	if p.heal.Condition == cluster.OutOfSync && len(missing(p.node.ID, served)) == 0 {
		return rollout.Verdict{}, true, nil
	}
	return rollout.CanStop(p.node.ID, served), false, nil
}

// judgeController asks the active controller, by what its host says.
func (s JudgeReplacement) judgeController(ctx context.Context, p patient) (rollout.Verdict, error) {
	if p.controllers() == 1 {
		return rollout.Verdict{Safe: true}, nil
	}
	q, ok, err := s.quorum(ctx, p, p.node.ID, s.Now().Add(-nodespec.FreshFor))
	if err != nil {
		return rollout.Verdict{}, err
	}
	if !ok {
		return rollout.Verdict{}, fault.New(fault.Unavailable, "no other controller leads the quorum")
	}
	if !slices.Contains(q.CaughtUp, p.node.ID) {
		return rollout.Verdict{Safe: true}, nil // the quorum does without it already
	}
	return rollout.CanStopController(p.node.ID, q.CaughtUp, q.Behind), nil
}

func (p patient) brokers() int { return len(p.nodes) - p.controllers() }
