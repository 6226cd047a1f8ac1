package topicadmin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/kafka"
	"github.com/millrace/millrace/shared/topicplan"
)

// PlanTopics tells what applying a declaration would do, and which changes Kafka would refuse. It changes nothing.
type PlanTopics struct {
	planner
	Records interface {
		DeclaredSoFar(ctx context.Context, c cluster.Cluster) ([]cluster.DeclaredTopic, error)
	}
}

// Run looks at the topics, decides what is to be done, and asks Kafka about every change.
func (s PlanTopics) Run(ctx context.Context, in errand.PlanTopics) (cluster.TopicPlan, error) {
	if err := topicplan.Check(in.Topics, in.Permits); err != nil {
		return cluster.TopicPlan{}, err
	}
	c, access, err := s.to(ctx, in.ClusterID)
	if err != nil {
		return cluster.TopicPlan{}, err
	}
	previous, err := s.Records.DeclaredSoFar(ctx, c)
	if err != nil {
		return cluster.TopicPlan{}, err
	}
	plan, err := s.plan(ctx, c, access, wish{Declared: in.Topics, Previous: previous, Permits: in.Permits})
	if err != nil {
		return plan, err
	}
	if err := s.validate(ctx, access, in.Topics, &plan); err != nil {
		return plan, err
	}
	slog.InfoContext(ctx, "planned topics", "cluster", c.ID, "declared", len(in.Topics), "unchanged", plan.Unchanged,
		"changes", len(plan.Effective()), "refused", len(plan.Refused()))
	return plan, nil
}

// wish is what people want a cluster's topics to be, of what they have wanted so far, and what that may cost.
type wish struct {
	Declared, Previous []cluster.DeclaredTopic
	Permits            cluster.TopicPermits
}

// planner compares a cluster's topics with what is wished for.
type planner struct {
	way
	Kafka interface {
		Topics(ctx context.Context, a kafka.Access) ([]cluster.Topic, error)
		DescribeTopics(ctx context.Context, a kafka.Access, names []string) ([]cluster.Topic, error)
		Defaults(ctx context.Context, a kafka.Access) (map[string]string, error)
		CreateTopic(ctx context.Context, a kafka.Access, t cluster.TopicSpec, validateOnly bool) error
		GrowTopic(ctx context.Context, a kafka.Access, name string, partitions int, validateOnly bool) error
		ConfigureTopic(ctx context.Context, a kafka.Access, name string, changes []cluster.ConfigChange, validateOnly bool) error
	}
}

// plan looks at the topics of a cluster, and decides what is to be done about them.
func (p planner) plan(ctx context.Context, c cluster.Cluster, access kafka.Access, w wish) (cluster.TopicPlan, error) {
	observed, err := p.observe(ctx, access, topicplan.Concerned(w.Declared, w.Previous, w.Permits))
	if err != nil {
		return cluster.TopicPlan{}, fmt.Errorf("look at the topics of %s: %w", c.ID, err)
	}
	in := topicplan.Input{
		Declared: w.Declared, Previous: w.Previous, Permits: w.Permits, Observed: observed,
		Brokers: c.Spec.Brokers, MaxReplicasPerBroker: topicplan.MaxReplicas(c.Spec.InstanceType),
	}
	exists := map[string]bool{}
	for _, t := range observed {
		exists[t.Name] = true
	}
	if slices.ContainsFunc(w.Declared, func(d cluster.DeclaredTopic) bool { return !exists[d.Name] }) {
		if in.Defaults, err = p.Kafka.Defaults(ctx, access); err != nil {
			return cluster.TopicPlan{}, fmt.Errorf("ask %s for what topics inherit: %w", c.ID, err)
		}
	}
	return topicplan.Plan(in), nil
}

// observe gives all topics of a cluster, and of those named everything that is known.
func (p planner) observe(ctx context.Context, access kafka.Access, names []string) ([]cluster.Topic, error) {
	all, err := p.Kafka.Topics(ctx, access)
	if err != nil {
		return nil, err
	}
	concerned := func(t cluster.Topic) bool {
		_, found := slices.BinarySearch(names, t.Name)
		return found
	}
	var there []string
	for _, t := range all {
		if concerned(t) {
			there = append(there, t.Name)
		}
	}
	if len(there) == 0 {
		return all, nil
	}
	described, err := p.Kafka.DescribeTopics(ctx, access, there)
	if err != nil {
		return nil, err
	}
	// One that is gone by now is not there: nothing would be known of what it keeps.
	return append(slices.DeleteFunc(all, concerned), described...), nil
}

// How Kafka is asked whether it would make changes: somebody waits for the answer, whom API Gateway sends away after 29 seconds.
const (
	validateWithin = 15 * time.Second
	validateAtOnce = 8
)

// validate asks Kafka about every change that is not refused yet, and notes its no. When time runs out first, the plan says so: the
// rest shows when it is done.
func (p planner) validate(ctx context.Context, access kafka.Access, declared []cluster.DeclaredTopic, plan *cluster.TopicPlan) error {
	specs := map[string]cluster.TopicSpec{}
	for _, d := range declared {
		specs[d.Name] = d.TopicSpec
	}
	within, cancel := context.WithTimeout(ctx, validateWithin)
	defer cancel()
	var next, checked atomic.Int64
	failures := make([]error, validateAtOnce)
	var workers sync.WaitGroup
	for w := range validateAtOnce {
		workers.Go(func() {
			for within.Err() == nil && failures[w] == nil {
				i := int(next.Add(1)) - 1
				if i >= len(plan.Changes) {
					return
				}
				if failures[w] = p.validateOne(within, access, specs, &plan.Changes[i]); failures[w] == nil {
					checked.Add(1)
				}
			}
			if failures[w] != nil {
				cancel() // nobody answers: the others need not wait for that as well
			}
		})
	}
	workers.Wait()
	done, all := int(checked.Load()), len(plan.Changes)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case done < all && errors.Is(within.Err(), context.DeadlineExceeded):
		plan.Warnings = append(plan.Warnings, fmt.Sprintf(
			"Kafka has checked %d of %d changes in the time there was: it may refuse others when they are made", done, all))
		return nil
	default:
		return firstOf(failures)
	}
}

func firstOf(failures []error) error {
	for _, err := range failures {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return nil
}

// validateOne asks Kafka whether it would make a change. An error says that nobody could tell.
func (p planner) validateOne(ctx context.Context, access kafka.Access, specs map[string]cluster.TopicSpec, c *cluster.TopicChange) error {
	if c.Refused != "" {
		return nil
	}
	var err error
	switch c.Action {
	case cluster.CreateTopic:
		err = p.Kafka.CreateTopic(ctx, access, specs[c.Topic], true)
	case cluster.GrowTopic:
		err = p.Kafka.GrowTopic(ctx, access, c.Topic, c.ToPartitions, true)
	case cluster.ConfigureTopic:
		err = p.Kafka.ConfigureTopic(ctx, access, c.Topic, c.Configs, true)
	case cluster.DeleteTopic, cluster.ReleaseTopic: // Kafka has no way to be asked
	}
	if fault.ReasonOf(err) == "" || fault.Is(err, fault.Unavailable) {
		return err
	}
	c.Refused = err.Error()
	return nil
}
