package kafkatest_test

import (
	"context"
	"testing"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/kafka"
	"github.com/millrace/millrace/shared/kafka/kafkatest"
)

// pool is what both have: whoever uses the one can be tried with the other.
type pool interface {
	Topics(ctx context.Context, a kafka.Access) ([]cluster.Topic, error)
	Topic(ctx context.Context, a kafka.Access, name string) (cluster.Topic, error)
	DescribeTopics(ctx context.Context, a kafka.Access, names []string) ([]cluster.Topic, error)
	Defaults(ctx context.Context, a kafka.Access) (map[string]string, error)
	CreateTopic(ctx context.Context, a kafka.Access, t cluster.TopicSpec, validateOnly bool) error
	GrowTopic(ctx context.Context, a kafka.Access, name string, partitions int, validateOnly bool) error
	ConfigureTopic(ctx context.Context, a kafka.Access, name string, changes []cluster.ConfigChange, validateOnly bool) error
	DeleteTopic(ctx context.Context, a kafka.Access, name string) error
}

var (
	_ pool = (*kafka.Pool)(nil)
	_ pool = (*kafkatest.Pool)(nil)
)

func TestPool_MakesWhatItIsTold(t *testing.T) {
	p, a, week := &kafkatest.Pool{}, kafka.Access{}, "604800000"
	orders := cluster.TopicSpec{Name: "orders", Partitions: 2, ReplicationFactor: 3, Configs: map[string]string{"min.insync.replicas": "2"}}
	for _, err := range []error{
		p.CreateTopic(t.Context(), a, cluster.TopicSpec{Name: "never", Partitions: 1, ReplicationFactor: 1}, true),
		p.CreateTopic(t.Context(), a, orders, false),
		p.GrowTopic(t.Context(), a, "orders", 4, false),
		p.ConfigureTopic(t.Context(), a, "orders", []cluster.ConfigChange{{Name: "min.insync.replicas"}, {Name: "retention.ms", To: &week}}, false),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	topics, err := p.Topics(t.Context(), a)
	if err != nil || len(topics) != 1 || len(topics[0].Partitions) != 4 || topics[0].ReplicationFactor() != 3 || topics[0].Configs != nil {
		t.Errorf("%+v, %v", topics, err)
	}
	got, err := p.Topic(t.Context(), a, "orders")
	if err != nil || len(got.Configs) != 1 || got.Configs["retention.ms"] != week || got.Partitions[0].MinInSync != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if err := p.DeleteTopic(t.Context(), a, "orders"); err != nil {
		t.Error(err)
	}
	if got, err := p.Topic(t.Context(), a, "orders"); err == nil {
		t.Errorf("deleted, and still there: %+v", got)
	}
}
