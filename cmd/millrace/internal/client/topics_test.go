package client_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/kafka"
)

func TestClient_ReadsEverythingThatTheAPISaysOfTopics(t *testing.T) {
	d := open(t)
	arn := d.create(t)
	d.settle(t)
	read := func(what string, answer any, err error, into any) {
		t.Helper()
		strict := json.NewDecoder(bytes.NewReader(d.answered.Bytes()))
		strict.DisallowUnknownFields()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if err := strict.Decode(into); err != nil {
			t.Errorf("%s: the API says more than the client knows: %v", what, err)
		}
		if !reflect.DeepEqual(answer, reflect.ValueOf(into).Elem().Interface()) {
			t.Errorf("%s: read %+v, want %+v", what, answer, into)
		}
	}
	has := func(what string, structure any, but ...string) {
		t.Helper()
		v := reflect.ValueOf(structure)
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; v.Field(i).IsZero() && !strings.Contains(strings.Join(but, " "), name) {
				t.Errorf("%s.%s is empty", what, name)
			}
		}
	}
	d.kafka.Make(kafka.Access{}, cluster.TopicSpec{Name: "orders", Partitions: 3, ReplicationFactor: 1, Configs: map[string]string{"retention.ms": "1"}})
	shop := []cluster.DeclaredTopic{{
		TopicSpec: cluster.TopicSpec{Name: "orders", Partitions: 6, ReplicationFactor: 1, Configs: map[string]string{"retention.ms": "2"}},
		Owner:     "team-orders", Protected: true,
	}}

	plan, err := d.PlanTopics(t.Context(), arn, shop, cluster.TopicPermits{})
	read("plan", plan, err, &client.TopicPlan{})
	has("plan", plan, "Unchanged", "Warnings", "Refused")
	begun, err := d.ApplyTopics(t.Context(), arn, shop, cluster.TopicPermits{})
	read("application", begun, err, &client.Application{})
	has("operation", begun.Operation, "EndedAt", "Failure", "Percent")
	if len(begun.Plan.Changes) != 2 || begun.Operation.Type != cluster.ApplyTopics {
		t.Errorf("begun is %+v", begun)
	}
	op, err := d.Operation(t.Context(), arn, begun.Operation.ID)
	read("operation", op, err, &client.Operation{})
	declared, err := d.Declaration(t.Context(), arn)
	read("declaration", declared, err, &client.Declaration{})
	if has("declaration", declared); !reflect.DeepEqual(declared.Topics, shop) {
		t.Errorf("declared is %+v", declared.Topics)
	}
	c, err := d.Cluster(t.Context(), arn)
	read("cluster", c, err, &client.Cluster{})
	if c.Applying == nil || c.Applying.ID != op.ID {
		t.Errorf("the cluster is %+v", c)
	}

	all, err := d.records.AllClusters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	drift := cluster.TopicDrift{
		Declaration: op.ID, At: time.Now(), Since: time.Now(), Count: 1, Topics: []cluster.DriftedTopic{{Topic: "orders", Reason: "retention.ms is 1"}},
	}
	if err := d.records.PutTopicDrift(t.Context(), all[0].ID, drift); err != nil {
		t.Fatal(err)
	}
	topics, err := d.Topics(t.Context(), arn)
	read("topics", topics, err, &client.Topics{})
	has("topics", topics)
	has("drift", *topics.Drift)
	has("declaration", *topics.Declaration)
	if has("topic", topics.Topics[0], "OutOfSync"); topics.Topics[0].Drift != "retention.ms is 1" {
		t.Errorf("the topic is %+v", topics.Topics[0])
	}
	health, err := d.Health(t.Context(), arn)
	read("health", health, err, &client.Health{})
	if !reflect.DeepEqual(health.TopicDrift, topics.Drift) {
		t.Errorf("drift in its health is %+v", health.TopicDrift)
	}
	topic, err := d.Topic(t.Context(), arn, "orders")
	read("topic", topic, err, &client.TopicDetail{})
	has("topic", topic)
	has("partition", topic.PartitionList[1])
}

func TestClient_HasTopicsMadeAndDeletedByMSKsOwnOperations(t *testing.T) {
	d := open(t)
	arn := d.create(t)
	d.settle(t)
	spec := cluster.TopicSpec{Name: "orders", Partitions: 2, ReplicationFactor: 1, Configs: map[string]string{"retention.ms": "1"}}
	created, err := d.CreateTopic(t.Context(), arn, spec)
	if err != nil || len(created.Warnings) != 1 || !strings.Contains(created.Warnings[0], "replication factor 1") ||
		!bytes.Contains(created.Body, []byte(`"status":"CREATING"`)) {
		t.Errorf("created: %s, %v, %v", created.Body, created.Warnings, err)
	}
	var refused *client.Error
	if _, err := d.CreateTopic(t.Context(), arn, spec); !errors.As(err, &refused) || refused.Type != "TopicExistsException" || refused.Message == "" {
		t.Errorf("created twice: %v", err)
	}
	if deleted, err := d.DeleteTopic(t.Context(), arn, "orders"); err != nil || !bytes.Contains(deleted.Body, []byte(`"status":"DELETING"`)) {
		t.Errorf("deleted: %s, %v", deleted.Body, err)
	}
	if _, err := d.DeleteTopic(t.Context(), arn, "orders"); !errors.As(err, &refused) || refused.Type != "NotFoundException" {
		t.Errorf("deleted twice: %v", err)
	}
	if changes := d.kafka.Changes(); !reflect.DeepEqual(changes, []string{"CreateTopic orders", "CreateTopic orders", "DeleteTopic orders"}) {
		t.Errorf("Kafka was told %v", changes)
	}
}
