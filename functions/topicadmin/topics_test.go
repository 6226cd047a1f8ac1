package topicadmin_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/kafka"
)

// do runs an errand for the one cluster that there is.
func do[Answer any](t *testing.T, w *town, name string, in any) (Answer, error) {
	t.Helper()
	return errand.Run[Answer](t.Context(), w.caller, name, in)
}

func (w *town) update(t *testing.T, topic string, partitions *int, configs *map[string]string) (errand.Done, error) {
	t.Helper()
	return do[errand.Done](t, w, "UpdateTopic", errand.UpdateTopic{ClusterID: "c", Topic: topic, Partitions: partitions, Configs: configs})
}

func TestDescribeTopic_TellsWhatIsSetAndWhatIsInherited(t *testing.T) {
	w := build(t)
	w.kafka.Make(kafka.Access{}, cluster.TopicSpec{
		Name: "orders", Partitions: 3, ReplicationFactor: 2, Configs: map[string]string{"retention.ms": "1000"},
	})
	got, err := do[cluster.Topic](t, w, "DescribeTopic", errand.DescribeTopic{ClusterID: "c", Topic: "orders"})
	if err != nil || len(got.Partitions) != 3 || got.ReplicationFactor() != 2 || fmt.Sprint(got.Configs) != "map[retention.ms:1000]" ||
		got.Inherited["cleanup.policy"] != "delete" {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = do[cluster.Topic](t, w, "DescribeTopic", errand.DescribeTopic{ClusterID: "c", Topic: "gone"})
	wantNo(t, err, fault.NotFound, errand.NoTopic)
}

func TestTopics_ThoseThatKafkaCallsItsOwnAreNobodysWhateverTheirName(t *testing.T) {
	w := build(t)
	w.kafka.Set(kafka.Access{}, cluster.Topic{Name: "hidden", Internal: true})
	_, err := do[cluster.Topic](t, w, "DescribeTopic", errand.DescribeTopic{ClusterID: "c", Topic: "hidden"})
	wantNo(t, err, fault.NotFound, errand.NoTopic)
	_, err = w.update(t, "hidden", nil, &map[string]string{})
	wantNo(t, err, fault.Invalid, "")
	_, err = do[errand.Done](t, w, "DeleteTopic", errand.DeleteTopic{ClusterID: "c", Topic: "hidden"})
	wantNo(t, err, fault.Invalid, "")
	if changes := w.kafka.Changes(); len(changes) > 0 {
		t.Errorf("Kafka was told to %v", changes)
	}
}

func TestCreateTopic_NothingCanFailAfterTheTopicIsMade(t *testing.T) {
	w := build(t)
	create := func() error {
		_, err := do[errand.Done](t, w, "CreateTopic", errand.CreateTopic{
			ClusterID: "c", Topic: cluster.TopicSpec{Name: "orders", Partitions: 3, ReplicationFactor: 3},
		})
		return err
	}
	for _, method := range []string{"Topics", "Defaults", "CreateTopic"} {
		w.kafka.FailNext(method, fault.Refused(fault.Unavailable, "BROKER_NOT_AVAILABLE", "no broker answers"))
		wantNo(t, create(), fault.Unavailable, "BROKER_NOT_AVAILABLE")
	}
	if err := create(); err != nil {
		t.Errorf("what failed left something behind: %v", err)
	}
	if calls := w.kafka.Calls(); calls[len(calls)-1].Method != "CreateTopic" {
		t.Errorf("Kafka was asked something after the topic was made: %v", calls)
	}
}

func TestCreateTopic_WarnsByWhatTheClusterGivesTopicsThatSayNothing(t *testing.T) {
	w := build(t)
	w.kafka.SetDefault("min.insync.replicas", "2")
	done, err := do[errand.Done](t, w, "CreateTopic", errand.CreateTopic{
		ClusterID: "c", Topic: cluster.TopicSpec{Name: "orders", Partitions: 3, ReplicationFactor: 2},
	})
	if err != nil || len(done.Warnings) != 1 || !strings.Contains(done.Warnings[0], "min.insync.replicas 2") {
		t.Errorf("warned of %q, %v", done.Warnings, err)
	}
}

func TestUpdateTopic_MakesWhatIsSetWhatIsAskedFor(t *testing.T) {
	for _, tt := range []struct {
		name        string
		set, wanted map[string]string
		changes     int
	}{
		{"something where nothing was", nil, map[string]string{"retention.ms": "1"}, 1},
		{"another value", map[string]string{"retention.ms": "1", "segment.ms": "2"}, map[string]string{"retention.ms": "3", "segment.ms": "2"}, 1},
		{"something else", map[string]string{"retention.ms": "1"}, map[string]string{"segment.ms": "2"}, 1},
		{"nothing", map[string]string{"retention.ms": "1", "segment.ms": "2"}, map[string]string{}, 1},
		{"what is set", map[string]string{"retention.ms": "1"}, map[string]string{"retention.ms": "1"}, 0},
		{"nothing, where nothing is set", nil, map[string]string{}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := build(t)
			w.kafka.Make(kafka.Access{}, cluster.TopicSpec{Name: "orders", Partitions: 3, ReplicationFactor: 3, Configs: tt.set})
			if _, err := w.update(t, "orders", nil, &tt.wanted); err != nil {
				t.Fatal(err)
			}
			got, err := do[cluster.Topic](t, w, "DescribeTopic", errand.DescribeTopic{ClusterID: "c", Topic: "orders"})
			if err != nil || fmt.Sprint(got.Configs) != fmt.Sprint(tt.wanted) || len(w.kafka.Changes()) != tt.changes {
				t.Errorf("set is %v, %v, after %v", got.Configs, err, w.kafka.Changes())
			}
		})
	}
}

func TestUpdateTopic_OnlyGrowsAndTakesForDoneWhatIs(t *testing.T) {
	w := build(t)
	w.kafka.Make(kafka.Access{}, cluster.TopicSpec{Name: "orders", Partitions: 3, ReplicationFactor: 3})
	for _, tt := range []struct {
		partitions int
		want       fault.Code // empty when it is done
	}{{2, fault.Invalid}, {3, ""}, {5, ""}, {5, ""}, {4, fault.Invalid}, {1600, fault.Invalid}} {
		if _, err := w.update(t, "orders", &tt.partitions, nil); fault.CodeOf(err) != tt.want {
			t.Errorf("%d partitions: %v, want %s", tt.partitions, err, tt.want)
		}
	}
	if got := w.kafka.Changes(); !slices.Equal(got, []string{"GrowTopic orders"}) {
		t.Errorf("Kafka was told to %v", got)
	}
	partitions := 9
	for _, in := range []errand.UpdateTopic{{ClusterID: "c", Topic: "orders"}, {ClusterID: "c", Topic: "orders", Partitions: &partitions, Configs: &map[string]string{}}} {
		_, err := do[errand.Done](t, w, "UpdateTopic", in)
		wantNo(t, err, fault.Invalid, "")
	}
}

func TestDeleteTopic_SaysWhatIsNotThere(t *testing.T) {
	w := build(t)
	w.kafka.Make(kafka.Access{}, cluster.TopicSpec{Name: "orders", Partitions: 3, ReplicationFactor: 3})
	remove := func(topic string) error {
		_, err := do[errand.Done](t, w, "DeleteTopic", errand.DeleteTopic{ClusterID: "c", Topic: topic})
		return err
	}
	if err := remove("orders"); err != nil {
		t.Error(err)
	}
	wantNo(t, remove("orders"), fault.NotFound, errand.NoTopic)
	w.kafka.FailNext("DeleteTopic", fault.Refused(fault.Invalid, "TOPIC_DELETION_DISABLED", "no"))
	w.kafka.Make(kafka.Access{}, cluster.TopicSpec{Name: "orders", Partitions: 3, ReplicationFactor: 3})
	wantNo(t, remove("orders"), fault.Invalid, "TOPIC_DELETION_DISABLED")
}
