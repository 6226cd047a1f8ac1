package topicadmin

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/kafka"
	"github.com/millrace/millrace/shared/serve"
)

// ApplyTopicChanges makes a cluster's topics as declared, one change after the other. It plans anew from what it sees each time it is
// called, so it goes on wherever it, or whoever was here before, has stopped.
type ApplyTopicChanges struct{ application }

// ApplyTopicChangesInput names the operation. Changed says that a call before this one has seen something changed.
type ApplyTopicChangesInput struct {
	ApplicationInput
	Changed bool `json:"changed"`
}

// ApplyTopicChangesOutput says that there is nothing left to be done, or what is waited for. Changed says that something is not as it
// was when the operation was planned, or has not been in the meantime: what was made and undone by somebody else was changed, too.
type ApplyTopicChangesOutput struct {
	Done    bool   `json:"done"`
	Changed bool   `json:"changed"`
	Reason  string `json:"reason,omitempty"`
}

// Run works up to serve.LongPoll. What Kafka refuses ends it, with the topic and how much was done; who does not answer is asked again
// until the operation's deadline.
func (s ApplyTopicChanges) Run(ctx context.Context, in ApplyTopicChangesInput) (ApplyTopicChangesOutput, error) {
	w, op, err := s.load(ctx, in.ApplicationInput)
	if err != nil {
		return ApplyTopicChangesOutput{}, err
	}
	job := &job{ApplyTopicChanges: s, in: in.ApplicationInput, wish: w, planned: op.Topics.Planned, left: op.Topics.Planned, until: s.Now().Add(serve.LongPoll)}
	signals, stop := again()
	defer stop()
	out := ApplyTopicChangesOutput{Changed: in.Changed}
	err = serve.Until(ctx, signals, func(ctx context.Context) (bool, error) {
		out.Reason, err = job.goOn(ctx)
		out.Done, out.Changed = err == nil && out.Reason == "", out.Changed || job.made > 0 || job.done() > 0
		return out.Done || !s.Now().Before(job.until), err
	})
	slog.InfoContext(ctx, "applied changes of topics", "cluster", in.ClusterID, "operation", in.OperationID,
		"made", job.made, "left", job.left, "reason", out.Reason)
	if err == nil && !out.Done {
		err = s.Progress.CheckDeadline(ctx, in.ClusterID, in.OperationID, s.Now(), out.Reason)
	}
	return out, err
}

// job is one call of the step: how far the operation is, and until when this call goes on.
type job struct {
	ApplyTopicChanges
	in    ApplicationInput
	wish  wish
	until time.Time

	planned, left, made int
	told                time.Time // when the progress was reported last
	lookedOut           time.Time // when it was seen last that the operation may go on
	// refused is the change that Kafka refused last.
	refused string
}

// done is how many of all changes have been made, by this call and those before.
func (j *job) done() int { return max(0, j.planned-j.left) }

// goOn makes changes until none is left, time is up, or one has to wait. It says what for; nothing when all is done.
func (j *job) goOn(ctx context.Context) (waits string, err error) {
	now, err := j.look(ctx, j.in, j.wish)
	switch {
	case fault.Is(err, fault.Unavailable):
		return j.wait(ctx, err)
	case err != nil:
		return "", j.stopped(err)
	}
	changes := now.plan.Effective()
	j.left, j.lookedOut = len(changes), j.Now()
	j.planned = max(j.planned, j.left) // somebody has changed topics since
	if no := refusals(now.plan); no != "" {
		return "", j.stopped(fault.New(fault.Invalid, "topics have changed since this was planned, and now not all can be done: %s", no))
	}
	for _, c := range changes {
		if !j.Now().Before(j.until) {
			return fmt.Sprintf("%d of %d changes are to be made", j.left, j.planned), nil
		}
		if err := j.lookOut(ctx); err != nil {
			return "", j.stopped(err)
		}
		err := j.do(ctx, now.access, c)
		switch {
		case isForNow(err), err != nil && !j.isRefusedAgain(c):
			return j.wait(ctx, err)
		case err != nil:
			return "", j.stopped(err)
		}
		j.made, j.left = j.made+1, j.left-1
		if err := j.tell(ctx, fmt.Sprintf("%d of %d: %s %s", j.done(), j.planned, past(c.Action), c.Topic), false); err != nil {
			return "", err
		}
	}
	return "", j.tell(ctx, "", true)
}

// lookOut sees now and then whether the operation may go on.
func (j *job) lookOut(ctx context.Context) error {
	if now := j.Now(); now.Sub(j.lookedOut) >= tellEvery {
		j.lookedOut = now
		c, err := j.planner.Records.Cluster(ctx, j.in.ClusterID)
		if err != nil {
			return err
		}
		return j.in.mayGoOn(c)
	}
	return nil
}

// isRefusedAgain tells whether Kafka has refused the same just before. The first time, it is looked at once more: somebody else may
// have changed the topic right after it was looked at.
func (j *job) isRefusedAgain(c cluster.TopicChange) bool {
	before := j.refused
	j.refused = string(c.Action) + " " + c.Topic
	return j.refused == before
}

// wait reports what is waited for.
func (j *job) wait(ctx context.Context, cause error) (waits string, err error) {
	waits = cause.Error()
	return waits, j.tell(ctx, fmt.Sprintf("%d of %d; waits: %s", j.done(), j.planned, waits), true)
}

// stopped says with an error how much was done before.
func (j *job) stopped(err error) error {
	return fmt.Errorf("%w (%d of %d changes were made)", err, j.done(), j.planned)
}

// tellEvery keeps a thousand changes from being a thousand writes.
const tellEvery = time.Second

// tell reports how far the operation is, when it is time, or at once.
func (j *job) tell(ctx context.Context, detail string, atOnce bool) error {
	if now := j.Now(); atOnce || now.Sub(j.told) >= tellEvery {
		j.told = now
		percent := 100
		if j.left > 0 {
			percent = min(99, 100*j.done()/j.planned)
		}
		if detail != "" {
			percent = min(percent, 99)
		}
		return j.Progress.Report(ctx, j.in.ClusterID, j.in.OperationID, cluster.StepApplyTopics, percent, detail)
	}
	return nil
}

// isForNow tells whether what can't be done now may be done later, or was done by somebody else: brokers that do not answer, a topic
// that came or went since the look, partitions that are being moved. That there are too few brokers was ruled out by the plan: some of
// them are only not back yet.
func isForNow(err error) bool {
	switch fault.CodeOf(err) {
	case fault.Unavailable, fault.Conflict, fault.NotFound:
		return true
	default:
		return fault.ReasonOf(err) == "INVALID_REPLICATION_FACTOR"
	}
}

// do has Kafka make a change.
func (s ApplyTopicChanges) do(ctx context.Context, a kafka.Access, change cluster.TopicChange) error {
	switch change.Action {
	case cluster.CreateTopic:
		t := cluster.TopicSpec{
			Name: change.Topic, Partitions: change.ToPartitions, ReplicationFactor: change.ReplicationFactor, Configs: map[string]string{},
		}
		for _, c := range change.Configs {
			if c.To != nil {
				t.Configs[c.Name] = *c.To
			}
		}
		return s.Kafka.CreateTopic(ctx, a, t, false)
	case cluster.GrowTopic:
		return s.Kafka.GrowTopic(ctx, a, change.Topic, change.ToPartitions, false)
	case cluster.ConfigureTopic:
		return s.Kafka.ConfigureTopic(ctx, a, change.Topic, change.Configs, false)
	case cluster.DeleteTopic:
		return s.Kafka.DeleteTopic(ctx, a, change.Topic)
	default:
		return fault.New(fault.Internal, "nobody knows how to %s topic %s", change.Action, change.Topic)
	}
}

// past is what is said of a change that was made.
func past(a cluster.TopicAction) string {
	switch a {
	case cluster.CreateTopic:
		return "created"
	case cluster.GrowTopic:
		return "grew"
	case cluster.ConfigureTopic:
		return "configured"
	case cluster.DeleteTopic:
		return "deleted"
	default:
		return string(a)
	}
}
