package topicadmin_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/functions/topicadmin"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/kafka"
	"github.com/millrace/millrace/shared/kafka/kafkatest"
	"github.com/millrace/millrace/shared/platform/local"
)

// over lets the cluster's brokers be others.
func (w *town) over(k topicadmin.Kafka) errand.Caller {
	return local.Functions{errand.Function: topicadmin.Steps(topicadmin.Deps{Records: w.records, Kafka: k, Now: time.Now})}
}

// declare records a declaration of the cluster's topics, which is applied.
func (w *town) declare(t *testing.T, id string, topics ...cluster.DeclaredTopic) {
	t.Helper()
	op := cluster.Operation{ID: id, ClusterID: "c", Type: cluster.ApplyTopics, State: cluster.Complete, Topics: &cluster.TopicsApplication{}}
	_, err := w.records.StartApplication(t.Context(), "c", op, cluster.Declaration{ID: id, Topics: topics}, func(c *cluster.Cluster) error {
		c.Declaration = id
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func declared(name string, partitions int, configs map[string]string) cluster.DeclaredTopic {
	return cluster.DeclaredTopic{TopicSpec: cluster.TopicSpec{Name: name, Partitions: partitions, ReplicationFactor: 3, Configs: configs}}
}

func many(n int) (topics []cluster.DeclaredTopic) {
	for i := range n {
		topics = append(topics, declared(fmt.Sprintf("topic-%03d", i), 1, nil))
	}
	return topics
}

func plan(t *testing.T, c errand.Caller, permits cluster.TopicPermits, topics ...cluster.DeclaredTopic) (cluster.TopicPlan, error) {
	t.Helper()
	return errand.Run[cluster.TopicPlan](t.Context(), c, "PlanTopics", errand.PlanTopics{ClusterID: "c", Topics: topics, Permits: permits})
}

func TestPlanTopics_AsksKafkaAboutEveryChangeAndMakesNone(t *testing.T) {
	w, k := build(t), &kafkatest.Pool{}
	k.Make(kafka.Access{}, cluster.TopicSpec{Name: "grows", Partitions: 1, ReplicationFactor: 3}, cluster.TopicSpec{Name: "changes", Partitions: 1, ReplicationFactor: 3},
		cluster.TopicSpec{Name: "goes", Partitions: 1, ReplicationFactor: 3}, cluster.TopicSpec{Name: "stays", Partitions: 1, ReplicationFactor: 3})
	w.declare(t, "op-1", declared("goes", 1, nil), declared("stays", 1, nil))
	topics := append(many(500), declared("grows", 2, nil), declared("changes", 1, map[string]string{"segment.ms": "5"}))
	got, err := plan(t, w.over(k), cluster.TopicPermits{Delete: []string{"goes"}}, topics...)
	if err != nil || len(got.Changes) != 504 || len(got.Refused()) > 0 || len(got.Warnings) > 0 {
		t.Fatalf("%d changes, refused %v, warnings %v: %v", len(got.Changes), got.Refused(), got.Warnings, err)
	}
	asked := map[string]int{}
	for _, c := range k.Calls() {
		if c.ValidateOnly {
			asked[c.Method]++
		}
	}
	if asked["CreateTopic"] != 500 || asked["GrowTopic"] != 1 || asked["ConfigureTopic"] != 1 || len(k.Changes()) > 0 {
		t.Errorf("asked about %v, and made %v", asked, k.Changes())
	}
}

func TestPlanTopics_NotesWhatKafkaRefuses(t *testing.T) {
	w, k := build(t), &kafkatest.Pool{}
	got, err := plan(t, w.over(k), cluster.TopicPermits{},
		declared("a", 1, map[string]string{"retention.days": "5"}), declared("b", 1, map[string]string{"segment.ms": "soon"}), declared("c", 1, nil))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"Unknown topic config name: retention.days", "Invalid value soon for configuration segment.ms", ""} {
		if refused := got.Changes[i].Refused; !strings.Contains(refused, want) || want == "" && refused != "" {
			t.Errorf("%s is refused: %q, want %q", got.Changes[i].Topic, refused, want)
		}
	}
}

func TestPlanTopics_RefusesWhatIsNoDeclaration(t *testing.T) {
	w, k := build(t), &kafkatest.Pool{}
	_, err := plan(t, w.over(k), cluster.TopicPermits{}, declared("..", 1, nil))
	wantNo(t, err, fault.Invalid, "")
	if len(k.Calls()) > 0 {
		t.Errorf("asked %v", k.Calls())
	}
}

func TestPlanTopics_ThatNobodyAnswersIsUnavailable(t *testing.T) {
	away := fault.Refused(fault.Unavailable, "BROKER_NOT_AVAILABLE", "no broker answers")
	for _, method := range []string{"Topics", "DescribeTopics", "Defaults", "CreateTopic", "GrowTopic"} {
		w, k := build(t), &kafkatest.Pool{}
		k.Make(kafka.Access{}, cluster.TopicSpec{Name: "grows", Partitions: 1, ReplicationFactor: 3})
		k.FailNext(method, away)
		_, err := plan(t, w.over(k), cluster.TopicPermits{}, declared("new", 1, nil), declared("grows", 2, nil))
		wantNo(t, err, fault.Unavailable, "BROKER_NOT_AVAILABLE")
	}
}

// slow are brokers that take a second to say whether they would create a topic.
type slow struct{ *kafkatest.Pool }

func (s slow) CreateTopic(ctx context.Context, a kafka.Access, t cluster.TopicSpec, validateOnly bool) error {
	select {
	case <-time.After(time.Second):
		return s.Pool.CreateTopic(ctx, a, t, validateOnly)
	case <-ctx.Done():
		return fault.New(fault.Unavailable, "create topic %s: %w", t.Name, ctx.Err())
	}
}

func TestPlanTopics_SaysWhereKafkaHadNoTimeToBeAsked(t *testing.T) {
	w := build(t)
	synctest.Test(t, func(t *testing.T) {
		w.admit(t, time.Now().Add(time.Hour))
		began := time.Now()
		got, err := plan(t, w.over(slow{&kafkatest.Pool{}}), cluster.TopicPermits{}, many(500)...)
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("it took %s: whoever waits for it has gone", took)
		}
		if err != nil || len(got.Changes) != 500 || len(got.Refused()) > 0 || len(got.Warnings) != 1 ||
			!strings.Contains(got.Warnings[0], "of 500 changes in the time there was") {
			t.Errorf("%d changes, refused %v, warnings %v: %v", len(got.Changes), got.Refused(), got.Warnings, err)
		}
		if got, err = plan(t, w.over(slow{&kafkatest.Pool{}}), cluster.TopicPermits{}, many(100)...); err != nil || len(got.Warnings) > 0 {
			t.Errorf("of a hundred: %v, %v", got.Warnings, err)
		}
	})
}

// vanishing are brokers that have a topic no longer once its name was told.
type vanishing struct{ *kafkatest.Pool }

func (v vanishing) DescribeTopics(context.Context, kafka.Access, []string) ([]cluster.Topic, error) {
	return nil, nil
}

func TestPlanTopics_ATopicThatGoesMeanwhileIsNotThere(t *testing.T) {
	w, k := build(t), &kafkatest.Pool{}
	k.Make(kafka.Access{}, cluster.TopicSpec{Name: "orders", Partitions: 9, ReplicationFactor: 3})
	got, err := plan(t, w.over(vanishing{k}), cluster.TopicPermits{}, declared("orders", 1, nil))
	if err != nil || len(got.Changes) != 1 || got.Changes[0].Action != cluster.CreateTopic {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestDeleteTopic_LeavesWhatIsDeclaredAsProtected(t *testing.T) {
	w, k := build(t), &kafkatest.Pool{}
	k.Make(kafka.Access{}, cluster.TopicSpec{Name: "orders", Partitions: 1, ReplicationFactor: 3}, cluster.TopicSpec{Name: "payments", Partitions: 1, ReplicationFactor: 3})
	remove := func(topic string) error {
		_, err := errand.Run[errand.Done](t.Context(), w.over(k), "DeleteTopic", errand.DeleteTopic{ClusterID: "c", Topic: topic})
		return err
	}
	protected, open := declared("orders", 1, nil), declared("payments", 1, nil)
	protected.Protected, protected.Owner = true, "team-orders"
	w.declare(t, "op-1", protected, open)
	err := remove("orders")
	wantNo(t, err, fault.Conflict, "")
	if err == nil || !strings.Contains(err.Error(), "team-orders") || !strings.Contains(err.Error(), "apply a declaration that does not protect it first") {
		t.Errorf("refused: %v", err)
	}
	if err := remove("payments"); err != nil {
		t.Errorf("declared without protection: %v", err)
	}
	protected.Protected = false
	w.declare(t, "op-2", protected)
	if err := remove("orders"); err != nil {
		t.Errorf("protected no longer: %v", err)
	}
	if got := strings.Join(k.Changes(), ", "); got != "DeleteTopic payments, DeleteTopic orders" {
		t.Errorf("made %s", got)
	}
}
