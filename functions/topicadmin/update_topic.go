package topicadmin

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/kafka"
	"github.com/millrace/millrace/shared/topicplan"
)

// UpdateTopic gives a topic more partitions, or other properties in place of all that are set on it. What is so already is done:
// whoever lost our answer may ask again.
type UpdateTopic struct {
	way
	Kafka interface {
		Topics(ctx context.Context, a kafka.Access) ([]cluster.Topic, error)
		Topic(ctx context.Context, a kafka.Access, name string) (cluster.Topic, error)
		GrowTopic(ctx context.Context, a kafka.Access, name string, partitions int, validateOnly bool) error
		ConfigureTopic(ctx context.Context, a kafka.Access, name string, changes []cluster.ConfigChange, validateOnly bool) error
	}
	Declarations declarations
}

// Run looks at the topic, and changes what differs. It warns of what makes Kafka throw records away, and refuses that where the topic
// is declared as protected.
func (s UpdateTopic) Run(ctx context.Context, in errand.UpdateTopic) (errand.Done, error) {
	if err := mayChange(in.Topic); err != nil {
		return errand.Done{}, err
	}
	if (in.Partitions == nil) == (in.Configs == nil) {
		return errand.Done{}, fault.New(fault.Invalid, "either partitions or configs of topic %s are updated, and not both", in.Topic)
	}
	c, access, err := s.to(ctx, in.ClusterID)
	if err != nil {
		return errand.Done{}, err
	}
	t, err := s.Kafka.Topic(ctx, access, in.Topic)
	var warnings []string
	switch {
	case err != nil:
		err = fmt.Errorf("describe topic: %w", err)
	case isInternal(t):
		err = fault.InvalidParameter("topicName", "topic %s is Kafka's own", in.Topic)
	case in.Partitions != nil:
		err = s.grow(ctx, c, access, t, *in.Partitions)
	default:
		warnings, err = s.configure(ctx, c, access, t, *in.Configs)
	}
	if err != nil {
		return errand.Done{}, fmt.Errorf("in cluster %s: %w", c.ID, err)
	}
	spec := cluster.TopicSpec{Name: t.Name, Partitions: len(t.Partitions), ReplicationFactor: t.ReplicationFactor(), Configs: t.Configs}
	if in.Partitions != nil {
		spec.Partitions = *in.Partitions
	} else {
		spec.Configs = *in.Configs
	}
	return errand.Done{Warnings: append(warnings, topicplan.Warnings(spec, t.Inherited)...)}, nil
}

func (s UpdateTopic) grow(ctx context.Context, c cluster.Cluster, access kafka.Access, t cluster.Topic, partitions int) error {
	now := len(t.Partitions)
	switch {
	case partitions == now:
		return nil
	case partitions < now:
		return fault.InvalidParameter("partitionCount", "topic %s has %d partitions, and can't have fewer: its records would be lost with them", t.Name, now)
	}
	observed, err := s.Kafka.Topics(ctx, access)
	if err != nil {
		return fmt.Errorf("list topics: %w", err)
	}
	if err := hasRoom(c, observed, (partitions-now)*t.ReplicationFactor()); err != nil {
		return err
	}
	if err := s.Kafka.GrowTopic(ctx, access, t.Name, partitions, false); err != nil {
		return err
	}
	slog.InfoContext(ctx, "gave topic more partitions", "cluster", c.ID, "topic", t.Name, "from", now, "to", partitions)
	return nil
}

func (s UpdateTopic) configure(
	ctx context.Context, c cluster.Cluster, access kafka.Access, t cluster.Topic, wanted map[string]string,
) (warnings []string, err error) {
	changes := topicplan.ConfigChanges(t.Configs, wanted)
	if len(changes) == 0 {
		return nil, nil
	}
	lost := topicplan.Discards(t, changes)
	if err := keptBy(ctx, s.Declarations, c, t.Name, lost); err != nil {
		return nil, err
	}
	if err := s.Kafka.ConfigureTopic(ctx, access, t.Name, changes, false); err != nil {
		return nil, err
	}
	if len(lost) > 0 {
		warnings = []string{topicplan.MayDiscard(lost)}
	}
	slog.InfoContext(ctx, "configured topic", "cluster", c.ID, "topic", t.Name, "set", wanted, "warnings", warnings)
	return warnings, nil
}
