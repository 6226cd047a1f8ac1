package aws

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/integration/aws/harness"
	kafka "github.com/millrace/millrace/integration/harness"
)

// topicsAreMadeByTheAPI makes payments with six partitions by the aws command line, and sees whatever else that does to topics
// answered by Kafka.
func topicsAreMadeByTheAPI(t *testing.T, d *harness.Deployment, key harness.Credentials, arn string) {
	t.Helper()
	const day = "86400000"
	call := func(what, topic string, more ...string) []string {
		return append([]string{"kafka", what, "--cluster-arn", arn, "--topic-name", topic}, more...)
	}
	wantStatus := func(want, printed string) {
		t.Helper()
		if got := kafka.Decode[struct{ Status string }](t, printed).Status; got != want {
			t.Errorf("the status is %s, want %s", got, want)
		}
	}
	configs := base64.StdEncoding.EncodeToString([]byte(`{"retention.ms":"` + day + `"}`))
	create := call("create-topic", "payments", "--partition-count", "3", "--replication-factor", "3", "--configs", configs)
	wantStatus("CREATING", d.AWS(key, create...))
	wantRefusal(t, d, key, "TopicExistsException", "payments", create...)
	oneTraceHoldsCallAndSteps(t, d, "CreateTopic", "CreateTopic") // a step of topicadmin's
	wantStatus("UPDATING", d.AWS(key, call("update-topic", "payments", "--partition-count", "6")...))

	described := kafka.Decode[struct {
		Status, Configs                   string
		PartitionCount, ReplicationFactor int
	}](t, d.AWS(key, call("describe-topic", "payments")...))
	set, err := base64.StdEncoding.DecodeString(described.Configs)
	if described.Status != "ACTIVE" || described.PartitionCount != 6 || described.ReplicationFactor != 3 || err != nil || string(set) != `{"retention.ms":"`+day+`"}` {
		t.Errorf("payments is described as %+v, with %s set (%v)", described, set, err)
	}
	partitions := kafka.Decode[struct {
		Partitions []struct{ Isr, Replicas []int }
	}](t, d.AWS(key, call("describe-topic-partitions", "payments")...)).Partitions
	if len(partitions) != 6 || slices.ContainsFunc(partitions, func(p struct{ Isr, Replicas []int }) bool { return len(p.Isr) != 3 || len(p.Replicas) != 3 }) {
		t.Errorf("its partitions are %v", partitions)
	}

	wantStatus("CREATING", d.AWS(key, call("create-topic", "scratch", "--partition-count", "1", "--replication-factor", "3")...))
	wantTopics(t, d, key, arn, "payments", "scratch")
	wantStatus("DELETING", d.AWS(key, call("delete-topic", "scratch")...))
	wantTopics(t, d, key, arn, "payments")
	wantRefusal(t, d, key, "NotFoundException", "scratch", call("describe-topic", "scratch")...)
}

// wantTopics checks which topics the aws command line lists.
func wantTopics(t *testing.T, d *harness.Deployment, key harness.Credentials, arn string, want ...string) {
	t.Helper()
	listed := kafka.Decode[struct{ Topics []struct{ TopicName string } }](t, d.AWS(key, "kafka", "list-topics", "--cluster-arn", arn)).Topics
	var names []string
	for _, topic := range listed {
		names = append(names, topic.TopicName)
	}
	if !slices.Equal(names, want) {
		t.Errorf("the topics are %q, want %q", names, want)
	}
}

// topicsAreMadeAsDeclared applies a document, by a machine of its own beside the cluster's, and has somebody change a topic behind
// its back: the sweep finds that.
func topicsAreMadeAsDeclared(t *testing.T, d *harness.Deployment, key harness.Credentials, arn string) {
	t.Helper()
	document := filepath.Join(t.TempDir(), "topics.yaml")
	err := os.WriteFile(document, []byte(strings.Join([]string{
		"topics:",
		"  - {name: payments, partitions: 6, replicationFactor: 3, configs: {retention.ms: 604800000}, owner: team-payments, protected: true}",
		"  - {name: refunds, partitions: 2, replicationFactor: 3}",
	}, "\n")), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := d.Millrace(key, "topics", "apply", "-f", document, arn, "--yes"); err != nil {
		t.Fatalf("topics apply: %v\n%s", err, out)
	}
	if ended := d.Executions("topic-administration"); !slices.Equal(ended, []string{"SUCCEEDED"}) {
		t.Errorf("the document was applied by the executions %q", ended)
	}
	wantTopics(t, d, key, arn, "payments", "refunds")
	wantRefusal(t, d, key, "BadRequestException", "protect", "kafka", "delete-topic", "--cluster-arn", arn, "--topic-name", "payments")

	d.AWS(key, "kafka", "update-topic", "--cluster-arn", arn, "--topic-name", "refunds", "--partition-count", "4")
	kafka.Until(t, "the sweep finds the topic that is no longer as declared", time.Minute, func() (bool, string) {
		out, err := d.Millrace(key, "topics", "list", arn, "--output", "json")
		var topics struct {
			Drift *struct {
				Count  int
				Topics []struct{ Topic string }
			}
		}
		if err == nil {
			err = json.Unmarshal([]byte(out), &topics)
		}
		drift := topics.Drift
		return drift != nil && drift.Count == 1 && drift.Topics[0].Topic == "refunds", fmt.Sprintf("%v: %s", err, out)
	})
	kafka.Until(t, "a metric counts it", 30*time.Second, func() (bool, string) { // it is written right after the record
		log := d.Logs("millrace-topicadmin")
		return strings.Contains(log, `"DriftedTopics":1`), log
	})
}
