package topicadmin

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/kafka"
)

// DescribeTopic tells everything of one topic. One of Kafka's own is not there, for anybody who asks.
type DescribeTopic struct {
	way
	Kafka interface {
		Topic(ctx context.Context, a kafka.Access, name string) (cluster.Topic, error)
	}
}

// Run asks for the topic.
func (s DescribeTopic) Run(ctx context.Context, in errand.DescribeTopic) (cluster.Topic, error) {
	c, access, err := s.to(ctx, in.ClusterID)
	if err != nil {
		return cluster.Topic{}, err
	}
	t, err := s.Kafka.Topic(ctx, access, in.Topic)
	if err != nil {
		return cluster.Topic{}, fmt.Errorf("describe topic %s of %s: %w", in.Topic, c.ID, err)
	}
	if isInternal(t) {
		return cluster.Topic{}, fault.Refused(fault.NotFound, errand.NoTopic, "there is no topic %s", in.Topic)
	}
	return t, nil
}

// isInternal tells whether a topic is Kafka's own, by what Kafka says or by its name.
func isInternal(t cluster.Topic) bool { return t.Internal || cluster.IsInternalTopic(t.Name) }

// mayChange refuses to change a topic of a name that is Kafka's own.
func mayChange(topic string) error {
	if cluster.IsInternalTopic(topic) {
		return fault.InvalidParameter("topicName", "topic %s is Kafka's own", topic)
	}
	return nil
}
