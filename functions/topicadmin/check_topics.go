package topicadmin

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/serve"
)

// CheckTopics asks whether every topic is as declared, and every partition of it has a leader.
type CheckTopics struct{ application }

// CheckTopicsOutput is the answer: done, or not yet with the reason.
type CheckTopicsOutput struct {
	Done   bool   `json:"done"`
	Reason string `json:"reason,omitempty"`
}

// Run waits for a yes up to serve.LongPoll, and ends the operation once its time is over.
func (s CheckTopics) Run(ctx context.Context, in ApplicationInput) (CheckTopicsOutput, error) {
	w, _, err := s.load(ctx, in)
	if err != nil {
		return CheckTopicsOutput{}, err
	}
	signals, stop := again()
	defer stop()
	var out CheckTopicsOutput
	err = serve.Until(ctx, signals, func(ctx context.Context) (bool, error) {
		percent, waits, err := s.see(ctx, in, w)
		switch {
		case fault.Is(err, fault.Unavailable):
			waits = err.Error()
		case err != nil:
			return false, err
		}
		out = CheckTopicsOutput{Done: waits == "", Reason: waits}
		return out.Done, s.Progress.Report(ctx, in.ClusterID, in.OperationID, cluster.StepCheckTopics, percent, waits)
	})
	switch {
	case err != nil:
		return out, err
	case !out.Done:
		return out, s.Progress.CheckDeadline(ctx, in.ClusterID, in.OperationID, s.Now(), out.Reason)
	}
	slog.InfoContext(ctx, "topics are as declared", "cluster", in.ClusterID, "operation", in.OperationID, "declared", len(w.Declared))
	return out, s.Records.PutTopicDrift(ctx, in.ClusterID, cluster.TopicDrift{Declaration: in.OperationID, At: s.Now().UTC()})
}

// see says what is still waited for; nothing when all is as it should be.
func (s CheckTopics) see(ctx context.Context, in ApplicationInput, w wish) (percent int, waits string, err error) {
	now, err := s.look(ctx, in, w)
	if err != nil {
		return 0, "", err
	}
	if changes := now.plan.Effective(); len(changes) > 0 {
		return 0, fmt.Sprintf("%d topics are not as declared, %s the first of them", len(changes), changes[0].Topic), nil
	}
	topics, err := s.Kafka.Topics(ctx, now.access)
	if err != nil {
		return 0, "", err
	}
	declared := map[string]bool{}
	for _, d := range w.Declared {
		declared[d.Name] = true
	}
	all, led, first := 0, 0, ""
	for _, t := range topics {
		if !declared[t.Name] {
			continue
		}
		for _, p := range t.Partitions {
			all++
			if p.Leader >= 0 {
				led++
			} else if first == "" {
				first = p.String()
			}
		}
	}
	if led < all {
		return 100 * led / all, fmt.Sprintf("%d of %d partitions have no leader, %s the first of them", all-led, all, first), nil
	}
	return 100, "", nil
}
