package topicadmin

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/serve"
)

// PlanTopicChanges asks what has to be done so that a cluster's topics are as declared, and whether all of it can be: topics may have
// changed since somebody was shown a plan.
type PlanTopicChanges struct{ application }

// PlanTopicChangesOutput says that all is planned, or what is waited for.
type PlanTopicChangesOutput struct {
	Done   bool   `json:"done"`
	Reason string `json:"reason,omitempty"`
}

// Run waits for somebody to ask up to serve.LongPoll. It is Invalid when anything can't be done: then nothing is.
func (s PlanTopicChanges) Run(ctx context.Context, in ApplicationInput) (PlanTopicChangesOutput, error) {
	w, _, err := s.load(ctx, in)
	if err != nil {
		return PlanTopicChangesOutput{}, err
	}
	signals, stop := again()
	defer stop()
	var out PlanTopicChangesOutput
	err = serve.Until(ctx, signals, func(ctx context.Context) (bool, error) {
		plan, err := s.ask(ctx, in, w)
		switch {
		case fault.Is(err, fault.Unavailable):
			out.Reason = err.Error()
			return false, s.Progress.Report(ctx, in.ClusterID, in.OperationID, cluster.StepPlanTopics, 0, out.Reason)
		case err != nil:
			return false, err
		}
		out = PlanTopicChangesOutput{Done: true}
		return true, s.note(ctx, in, plan)
	})
	if err == nil && !out.Done {
		err = s.Progress.CheckDeadline(ctx, in.ClusterID, in.OperationID, s.Now(), out.Reason)
	}
	return out, err
}

func (s PlanTopicChanges) ask(ctx context.Context, in ApplicationInput, w wish) (cluster.TopicPlan, error) {
	now, err := s.look(ctx, in, w)
	if err != nil {
		return now.plan, err
	}
	if len(now.plan.Refused()) == 0 {
		if err := s.validate(ctx, now.access, w.Declared, &now.plan); err != nil {
			return now.plan, err
		}
	}
	if no := refusals(now.plan); no != "" {
		return now.plan, fault.New(fault.Invalid, "nothing was changed, since not all can be done: %s", no)
	}
	return now.plan, nil
}

// note records how much is to be done. What was planned by a call before, and is done already, counts.
func (s PlanTopicChanges) note(ctx context.Context, in ApplicationInput, plan cluster.TopicPlan) error {
	changes := len(plan.Effective())
	_, _, err := s.Records.ChangeOperation(ctx, in.ClusterID, in.OperationID, func(_ *cluster.Cluster, op *cluster.Operation) error {
		if !op.Ended() {
			op.Topics.Planned = max(op.Topics.Planned, changes)
			op.Advance(cluster.StepPlanTopics, 100, "")
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("record the plan: %w", err)
	}
	slog.InfoContext(ctx, "planned topics to be applied", "cluster", in.ClusterID, "operation", in.OperationID,
		"changes", changes, "unchanged", plan.Unchanged)
	return nil
}
