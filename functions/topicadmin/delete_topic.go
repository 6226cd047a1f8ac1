package topicadmin

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/kafka"
)

// DeleteTopic deletes a topic with its records, unless it is declared as protected.
type DeleteTopic struct {
	way
	Kafka interface {
		Topic(ctx context.Context, a kafka.Access, name string) (cluster.Topic, error)
		DeleteTopic(ctx context.Context, a kafka.Access, name string) error
	}
	Declarations declarations
}

// Run looks whose topic it is, and has Kafka delete it.
func (s DeleteTopic) Run(ctx context.Context, in errand.DeleteTopic) (errand.Done, error) {
	if err := mayChange(in.Topic); err != nil {
		return errand.Done{}, err
	}
	c, access, err := s.to(ctx, in.ClusterID)
	if err != nil {
		return errand.Done{}, err
	}
	t, err := s.Kafka.Topic(ctx, access, in.Topic)
	switch {
	case err != nil:
		return errand.Done{}, fmt.Errorf("describe topic %s of %s: %w", in.Topic, c.ID, err)
	case isInternal(t):
		return errand.Done{}, fault.InvalidParameter("topicName", "topic %s is Kafka's own", in.Topic)
	}
	if err := protectedBy(ctx, s.Declarations, c, in.Topic); err != nil {
		return errand.Done{}, err
	}
	if err := s.Kafka.DeleteTopic(ctx, access, in.Topic); err != nil {
		return errand.Done{}, fmt.Errorf("in cluster %s: %w", c.ID, err)
	}
	slog.InfoContext(ctx, "deleted topic", "cluster", c.ID, "topic", in.Topic, "partitions", len(t.Partitions))
	return errand.Done{}, nil
}
