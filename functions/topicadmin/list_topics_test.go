package topicadmin_test

import (
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/kafka"
)

func TestListTopics_GivesPagesWithoutKafkasOwn(t *testing.T) {
	w := build(t)
	for _, name := range []string{"__consumer_offsets", "orders", "orders-2", "payments", "payments-2"} {
		w.kafka.Make(kafka.Access{}, cluster.TopicSpec{Name: name, Partitions: 3, ReplicationFactor: 3})
	}
	w.kafka.Set(kafka.Access{},
		cluster.Topic{Name: "payments", Partitions: []cluster.Partition{
			{Replicas: []int32{1, 2, 3}, InSync: []int32{1}},
			{ID: 1, Replicas: []int32{2, 3, 1}, InSync: []int32{1, 2, 3}},
			{ID: 2, Replicas: []int32{3, 1, 2}, InSync: []int32{3, 2, 1}},
		}},
		cluster.Topic{Name: "zone", Internal: true})
	for _, tt := range []struct {
		name string
		in   errand.ListTopics
		want []string
		more bool
	}{
		{"all", errand.ListTopics{}, []string{"orders", "orders-2", "payments", "payments-2"}, false},
		{"a full page that is the last", errand.ListTopics{Limit: 4}, []string{"orders", "orders-2", "payments", "payments-2"}, false},
		{"the first page", errand.ListTopics{Limit: 3}, []string{"orders", "orders-2", "payments"}, true},
		{"the next page", errand.ListTopics{Limit: 3, After: "payments"}, []string{"payments-2"}, false},
		{"a page after a topic that is gone", errand.ListTopics{Limit: 3, After: "orders-1"}, []string{"orders-2", "payments", "payments-2"}, false},
		{"a prefix", errand.ListTopics{Prefix: "pay", Limit: 1}, []string{"payments"}, true},
		{"a prefix of Kafka's own", errand.ListTopics{Prefix: "__"}, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.in.ClusterID = "c"
			got, err := errand.Run[errand.Topics](t.Context(), w.caller, "ListTopics", tt.in)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, topic := range got.Topics {
				names = append(names, topic.Name)
				if want := map[bool]int{true: 2}[topic.Name == "payments"]; topic.Partitions != 3 || topic.ReplicationFactor != 3 || topic.OutOfSync != want {
					t.Errorf("%+v, want %d replicas out of sync", topic, want)
				}
			}
			if !slices.Equal(names, tt.want) || got.More != tt.more {
				t.Errorf("got %v, more %t; want %v, %t", names, got.More, tt.want, tt.more)
			}
		})
	}
}

func TestErrands_AskAllBrokersByTheirReplicationListeners(t *testing.T) {
	w := build(t)
	if _, err := errand.Run[errand.Topics](t.Context(), w.caller, "ListTopics", errand.ListTopics{ClusterID: "c"}); err != nil {
		t.Fatal(err)
	}
	want := []string{"10.0.0.1:9095", "10.0.0.2:9095", "10.0.0.3:9095"}
	if got := w.kafka.Calls()[0].Access; !slices.Equal(got.Brokers, want) || got.Authority != "authority" || got.Certificate != "certificate" || got.Key != "key" {
		t.Errorf("asked %v, want %v", got.Brokers, want)
	}
}

func TestErrands_SayWhyNobodyCouldBeAsked(t *testing.T) {
	w := build(t)
	list := func(id string) error {
		_, err := errand.Run[errand.Topics](t.Context(), w.caller, "ListTopics", errand.ListTopics{ClusterID: id})
		return err
	}
	wantNo(t, list("gone"), fault.NotFound, "")
	w.admit(t, time.Now().Add(-time.Second))
	wantNo(t, list("c"), fault.Unavailable, errand.NoAccess)
	w.admit(t, time.Now().Add(time.Hour))
	w.kafka.FailNext("Topics", fault.Refused(fault.Unavailable, "BROKER_NOT_AVAILABLE", "no broker answers"))
	wantNo(t, list("c"), fault.Unavailable, "BROKER_NOT_AVAILABLE")
	w.kafka.FailNext("Topics", fault.New(fault.Internal, "a bug"))
	wantNo(t, list("c"), fault.Internal, "")
}
