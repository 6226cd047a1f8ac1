package topicadmin

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/kafka"
	"github.com/millrace/millrace/shared/topicplan"
)

// CreateTopic makes a topic, unless a broker would get more replicas than one of its instance type may have.
type CreateTopic struct {
	way
	Kafka interface {
		Topics(ctx context.Context, a kafka.Access) ([]cluster.Topic, error)
		Defaults(ctx context.Context, a kafka.Access) (map[string]string, error)
		CreateTopic(ctx context.Context, a kafka.Access, t cluster.TopicSpec, validateOnly bool) error
	}
}

// Run looks whether there is room for the topic, and has Kafka make it. What the topic inherits is asked before, so that nothing
// can fail after it is made.
func (s CreateTopic) Run(ctx context.Context, in errand.CreateTopic) (errand.Done, error) {
	t := in.Topic
	if err := mayChange(t.Name); err != nil {
		return errand.Done{}, err
	}
	c, access, err := s.to(ctx, in.ClusterID)
	if err != nil {
		return errand.Done{}, err
	}
	observed, err := s.Kafka.Topics(ctx, access)
	if err != nil {
		return errand.Done{}, fmt.Errorf("list the topics of %s: %w", c.ID, err)
	}
	exists := slices.ContainsFunc(observed, func(o cluster.Topic) bool { return o.Name == t.Name })
	if !exists { // otherwise Kafka says so, whether there is room or not
		if err := hasRoom(c, observed, t.Partitions*t.ReplicationFactor); err != nil {
			return errand.Done{}, err
		}
	}
	inherited, err := s.Kafka.Defaults(ctx, access)
	if err != nil {
		return errand.Done{}, fmt.Errorf("ask %s for what topics inherit: %w", c.ID, err)
	}
	if err := s.Kafka.CreateTopic(ctx, access, t, false); err != nil {
		return errand.Done{}, fmt.Errorf("in cluster %s: %w", c.ID, err)
	}
	warnings := topicplan.Warnings(t, inherited)
	slog.InfoContext(ctx, "created topic", "cluster", c.ID, "topic", t.Name, "partitions", t.Partitions,
		"replicationFactor", t.ReplicationFactor, "warnings", warnings)
	return errand.Done{Warnings: warnings}, nil
}

// hasRoom refuses to add more replicas to a cluster than its brokers may have.
func hasRoom(c cluster.Cluster, observed []cluster.Topic, added int) error {
	limit := topicplan.MaxReplicas(c.Spec.InstanceType)
	if why := topicplan.Overfull(observed, c.Spec.Brokers, limit, added); why != "" {
		return fault.InvalidParameter("partitionCount", "%s", why)
	}
	return nil
}
