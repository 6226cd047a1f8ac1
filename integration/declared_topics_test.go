package integration

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"

	"github.com/millrace/millrace/integration/harness"
)

// The shapes of what `millrace topics … --output json` prints, as far as tests look at them.
type (
	planOutput struct {
		Changes []struct{ Topic, Action, Refused string }
		Refused bool
	}
	topicsOutput struct {
		Topics []struct {
			Name, Drift string
			Partitions  int
			Declared    bool
		}
		Drift *struct{ Count int }
	}
)

// declaring is a cluster with a document of its topics.
type declaring struct {
	t *testing.T
	m *harness.Millrace
	// arn is the cluster's, document the file's.
	arn, document string
}

func (d declaring) write(document string) {
	d.t.Helper()
	if err := os.WriteFile(d.document, []byte(document), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// plan gives what is to be done, as words such as "create orders".
func (d declaring) plan(flags ...string) []string {
	d.t.Helper()
	printed := d.m.Command(append([]string{"topics", "plan", "-f", d.document, d.arn, "--output", "json"}, flags...)...)
	var changes []string
	for _, c := range harness.Decode[planOutput](d.t, printed).Changes {
		changes = append(changes, c.Action+" "+c.Topic)
	}
	return changes
}

func (d declaring) wantPlan(flags []string, want ...string) {
	d.t.Helper()
	if got := d.plan(flags...); !slices.Equal(got, want) {
		d.t.Errorf("to be done is %v, want %v", got, want)
	}
}

// apply applies the document, and wants nothing to be left to do.
func (d declaring) apply(flags ...string) {
	d.t.Helper()
	d.m.Command(append([]string{"topics", "apply", "-f", d.document, d.arn, "--yes"}, flags...)...)
	d.wantPlan(nil)
}

func (d declaring) list() topicsOutput {
	d.t.Helper()
	return harness.Decode[topicsOutput](d.t, d.m.Command("topics", "list", d.arn, "--output", "json"))
}

// waitForDrift waits until the sweep has seen how topics differ from what is declared, in words such as "audit does not exist".
func (d declaring) waitForDrift(want ...string) {
	d.t.Helper()
	harness.Until(d.t, "the sweep sees how topics differ", time.Minute, func() (bool, string) {
		seen := d.list()
		var drifted []string
		for _, topic := range seen.Topics {
			if topic.Drift != "" {
				drifted = append(drifted, topic.Name+" "+topic.Drift)
			}
		}
		return seen.Drift != nil && seen.Drift.Count == len(want) && slices.Equal(drifted, want), strings.Join(drifted, ", ")
	})
}

func TestDeclaredTopics_AreMadeSoAndFoundWhenTheyDriftAndNeverLostByTheWay(t *testing.T) {
	m := harness.StartMillrace(t)
	arn := m.CreateCluster(t, "declared", harness.Small)
	m.WaitUntilActive(t, arn)
	d := declaring{t, m, arn, filepath.Join(t.TempDir(), "topics.yaml")}
	tools, client := m.Tools(t, arn), m.TLSClient(t, arn)
	before := describe(t, m, arn)

	// Somebody has made a topic before anything was declared, and there are records in it.
	tools.Topics("--create", "--topic", "audit", "--partitions", "2", "--replication-factor", "2")
	client.Produce("audit", "entry", 100)

	d.write(`topics:
  - {name: orders, partitions: 3, replicationFactor: 2, owner: team-orders, configs: {retention.ms: 86400000}}
  - {name: payments, partitions: 1, replicationFactor: 2, protected: true}
  - {name: audit, partitions: 2, replicationFactor: 2, configs: {cleanup.policy: delete, max.message.bytes: 2000000}}
`)
	d.wantPlan(nil, "create orders", "create payments", "configure audit")
	if printed := tools.Topics("--list"); strings.Contains(printed, "orders") {
		t.Errorf("after the plan there is\n%s", printed)
	}
	d.apply()
	if got := tools.Topics("--describe", "--topic", "orders"); !strings.Contains(got, "PartitionCount: 3") || !strings.Contains(got, "retention.ms=86400000") {
		t.Errorf("kafka-topics says\n%s", got)
	}
	if got := tools.Topics("--describe", "--topic", "audit"); !strings.Contains(got, "max.message.bytes=2000000") {
		t.Errorf("kafka-topics says\n%s", got)
	}
	d.waitForDrift()

	// What somebody does to topics by other means is found, and put right by the same document.
	tools.Configs("--alter", "--entity-type", "topics", "--entity-name", "orders", "--add-config", "retention.ms=3600000")
	tools.Topics("--delete", "--topic", "payments")
	d.waitForDrift("orders retention.ms is 3600000, not 86400000", "payments does not exist")
	d.apply()
	d.waitForDrift()

	// Topics grow; what would cost records is refused by name, and nothing of the plan is done, until somebody permits it.
	d.write(`topics:
  - {name: orders, partitions: 6, replicationFactor: 2, owner: team-orders, configs: {retention.ms: 1000}}
  - {name: payments, partitions: 1, replicationFactor: 2, protected: true}
  - {name: audit, partitions: 2, replicationFactor: 2}
`)
	if printed, err := m.Try("topics", "apply", "-f", d.document, arn, "--yes"); err == nil || !strings.Contains(printed, "may make Kafka throw records away") {
		t.Errorf("a retention of a second is applied: %v\n%s", err, printed)
	}
	if got := tools.Topics("--describe", "--topic", "orders"); !strings.Contains(got, "PartitionCount: 3") {
		t.Errorf("kafka-topics says\n%s", got)
	}
	d.apply("--discard", "orders")
	if got := tools.Topics("--describe", "--topic", "orders"); !strings.Contains(got, "PartitionCount: 6") || !strings.Contains(got, "retention.ms=1000") {
		t.Errorf("kafka-topics says\n%s", got)
	}

	// What is declared no longer stays with its records, and is deleted when somebody says so; what is protected is not.
	d.write(`topics:
  - {name: orders, partitions: 6, replicationFactor: 2, owner: team-orders, configs: {retention.ms: 1000}}
  - {name: payments, partitions: 1, replicationFactor: 2, protected: true}
`)
	d.wantPlan(nil, "release audit")
	if got := client.Consume("audit", 100); !slices.Equal(got, harness.Values("entry", 100)) {
		t.Error("other records came out of audit than went in")
	}
	d.apply("--delete", "audit")
	if _, err := m.KafkaClient(t).DeleteTopic(t.Context(), &kafka.DeleteTopicInput{ClusterArn: &arn, TopicName: aws.String("payments")}); err == nil ||
		!strings.Contains(err.Error(), "protected") {
		t.Errorf("a protected topic is deleted: %v", err)
	}
	if got := strings.Fields(tools.Topics("--list", "--exclude-internal")); !slices.Equal(got, []string{"orders", "payments"}) {
		t.Errorf("there are the topics %v", got)
	}

	// All of it was done beside the cluster, which has not changed.
	if after := describe(t, m, arn); after != before {
		t.Errorf("the cluster is %s, and was %s", after, before)
	}
	operations := harness.Decode[operationsOutput](t, m.AWS(t, "kafka", "list-cluster-operations", "--cluster-arn", arn))
	applied := 0
	for _, op := range operations.ClusterOperationInfoList {
		if op.OperationType == "APPLY_TOPICS" && op.OperationState == "UPDATE_COMPLETE" {
			applied++
		}
	}
	if applied != 4 {
		t.Errorf("%d declarations were applied, want 4: %+v", applied, operations)
	}
}

// describe gives the state and the version of a cluster.
func describe(t *testing.T, m *harness.Millrace, arn string) string {
	t.Helper()
	out, err := m.KafkaClient(t).DescribeCluster(t.Context(), &kafka.DescribeClusterInput{ClusterArn: &arn})
	if err != nil {
		t.Fatal(err)
	}
	return string(out.ClusterInfo.State) + " " + *out.ClusterInfo.CurrentVersion
}
