package integration

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/millrace/millrace/integration/harness"
)

// The stock clients of MSK's topic operations, one after the other on one cluster.
func TestTopicsAPI_StockClientsLookAfterTopics(t *testing.T) {
	m := harness.StartMillrace(t)
	arn := m.CreateCluster(t, "orders", harness.Small)
	m.WaitUntilActive(t, arn)

	t.Run("as Terraform does", func(t *testing.T) { liveAsTerraformHasIt(t, m, arn) })
	t.Run("by the aws command line", func(t *testing.T) { liveByCommandLine(t, m, arn) })
	t.Run("by boto3", func(t *testing.T) { liveByBoto(t, m, arn) })
	t.Run("who are warned", func(t *testing.T) { warnOfOneReplica(t, m, arn) })
}

// asResource is a topic as a resource of Terraform's provider has it, whose semantics these are: aws_msk_topic came to the provider
// after the release that the tests of this package run.
type asResource struct {
	t      *testing.T
	client *kafka.Client
	arn    string
	name   string
}

func (r asResource) describe() (*kafka.DescribeTopicOutput, error) {
	return r.client.DescribeTopic(r.t.Context(), &kafka.DescribeTopicInput{ClusterArn: &r.arn, TopicName: &r.name})
}

// waitUntilActive sees the topic ACTIVE twice in a row. Every look but the first few would be one too many: the topic was ACTIVE
// when the change of it was answered.
func (r asResource) waitUntilActive() (topic *kafka.DescribeTopicOutput) {
	r.t.Helper()
	for range 2 {
		var err error
		if topic, err = r.describe(); err != nil {
			r.t.Fatal(err)
		}
		if topic.Status != types.TopicStateActive {
			r.t.Errorf("the topic is %s", topic.Status)
		}
	}
	return topic
}

// update changes the topic, is told that it is UPDATING, and waits.
func (r asResource) update(configs *string, partitions *int32) *kafka.DescribeTopicOutput {
	r.t.Helper()
	out, err := r.client.UpdateTopic(r.t.Context(), &kafka.UpdateTopicInput{
		ClusterArn: &r.arn, TopicName: &r.name, Configs: configs, PartitionCount: partitions,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	if out.Status != types.TopicStateUpdating {
		r.t.Errorf("the answer to an update is %s", out.Status)
	}
	return r.waitUntilActive()
}

func encoded(t *testing.T, configs map[string]string) *string {
	t.Helper()
	text, err := json.Marshal(configs)
	if err != nil {
		t.Fatal(err)
	}
	return aws.String(base64.StdEncoding.EncodeToString(text))
}

func wantConfigs(t *testing.T, topic *kafka.DescribeTopicOutput, want map[string]string) {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(aws.ToString(topic.Configs))
	var got map[string]string
	if err == nil {
		err = json.Unmarshal(text, &got)
	}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%s is set on the topic, want %v (%v)", text, want, err)
	}
}

func liveAsTerraformHasIt(t *testing.T, m *harness.Millrace, arn string) {
	r := asResource{t: t, client: m.KafkaClient(t), arn: arn, name: "payments.v1"}
	set := map[string]string{"retention.ms": "604800000", "cleanup.policy": "delete", "min.insync.replicas": "1"}
	made, err := r.client.CreateTopic(t.Context(), &kafka.CreateTopicInput{
		ClusterArn: &arn, TopicName: &r.name, PartitionCount: aws.Int32(3), ReplicationFactor: aws.Int32(2), Configs: encoded(t, set),
	})
	if err != nil {
		t.Fatal(err)
	}
	if made.Status != types.TopicStateCreating {
		t.Errorf("the answer to a create is %s", made.Status)
	}
	topic := r.waitUntilActive()
	wantConfigs(t, topic, set)
	if *topic.PartitionCount != 3 || *topic.ReplicationFactor != 2 || *topic.TopicName != r.name || *topic.TopicArn != *made.TopicArn ||
		*topic.TopicArn != strings.Replace(arn, ":cluster/", ":topic/", 1)+"/"+r.name {
		t.Errorf("the topic is %+v", topic)
	}

	client := m.TLSClient(t, arn)
	client.Produce(r.name, "payment", 100)

	set = map[string]string{"retention.ms": "86400000", "max.message.bytes": "2097152"}
	wantConfigs(t, r.update(encoded(t, set), nil), set)
	grown := r.update(nil, aws.Int32(5))
	if wantConfigs(t, grown, set); *grown.PartitionCount != 5 {
		t.Errorf("the topic has %d partitions", *grown.PartitionCount)
	}
	wantConfigs(t, r.update(encoded(t, map[string]string{}), nil), map[string]string{})
	if got := client.Consume(r.name, 100); !slices.Equal(got, harness.Values("payment", 100)) {
		t.Error("other records came out than went in")
	}

	gone, err := r.client.DeleteTopic(t.Context(), &kafka.DeleteTopicInput{ClusterArn: &arn, TopicName: &r.name})
	if err != nil || gone.Status != types.TopicStateDeleting {
		t.Fatalf("%+v, %v", gone, err)
	}
	var notFound *types.NotFoundException
	if _, err := r.describe(); !errors.As(err, &notFound) {
		t.Errorf("a topic that is deleted is described by %v", err)
	}
	// What is destroyed twice, or with a state that is out of date, is gone and no error.
	if _, err := r.client.DeleteTopic(t.Context(), &kafka.DeleteTopicInput{ClusterArn: &arn, TopicName: &r.name}); !errors.As(err, &notFound) {
		t.Errorf("a topic that is deleted again is answered by %v", err)
	}
}

func liveByCommandLine(t *testing.T, m *harness.Millrace, arn string) {
	ask := func(command string, more ...string) string {
		t.Helper()
		return m.AWS(t, append([]string{"kafka", command, "--cluster-arn", arn}, more...)...)
	}
	type status struct{ TopicName, TopicArn, Status string }
	for _, name := range []string{"cli-a", "cli-b", "cli-c"} {
		made := harness.Decode[status](t, ask("create-topic", "--topic-name", name, "--partition-count", "2", "--replication-factor", "2"))
		if made.Status != "CREATING" || made.TopicName != name {
			t.Errorf("create-topic answers %+v", made)
		}
	}
	listed := harness.Decode[struct{ Topics []types.TopicInfo }](t, ask("list-topics", "--topic-name-filter", "cli-", "--page-size", "2"))
	var names []string
	for _, topic := range listed.Topics {
		names = append(names, *topic.TopicName)
	}
	if !slices.Equal(names, []string{"cli-a", "cli-b", "cli-c"}) {
		t.Errorf("list-topics shows %v", names)
	}
	updated := harness.Decode[status](t, ask("update-topic", "--topic-name", "cli-a", "--configs", *encoded(t, map[string]string{"retention.ms": "1000"})))
	described := harness.Decode[struct {
		status
		Configs                           string
		PartitionCount, ReplicationFactor int
	}](t, ask("describe-topic", "--topic-name", "cli-a"))
	if updated.Status != "UPDATING" || described.Status != "ACTIVE" || described.PartitionCount != 2 || described.ReplicationFactor != 2 ||
		described.Configs != *encoded(t, map[string]string{"retention.ms": "1000"}) {
		t.Errorf("update-topic answers %+v, and describe-topic %+v", updated, described)
	}
	partitions := harness.Decode[struct{ Partitions []types.TopicPartitionInfo }](t, ask("describe-topic-partitions", "--topic-name", "cli-b", "--page-size", "1"))
	for i, p := range partitions.Partitions {
		if int(*p.Partition) != i || len(p.Replicas) != 2 || len(p.Isr) != 2 || !slices.Contains(p.Isr, *p.Leader) {
			t.Errorf("describe-topic-partitions shows %+v", p)
		}
	}
	if len(partitions.Partitions) != 2 {
		t.Errorf("describe-topic-partitions shows %d partitions", len(partitions.Partitions))
	}
	if gone := harness.Decode[status](t, ask("delete-topic", "--topic-name", "cli-b")); gone.Status != "DELETING" {
		t.Errorf("delete-topic answers %+v", gone)
	}
}

const botoScript = `
import base64, boto3, json, sys
k, arn = boto3.client("kafka"), sys.argv[1]
configs = lambda c: base64.b64encode(json.dumps(c).encode()).decode()
def told(ask, **kw):
    try:
        ask(ClusterArn=arn, **kw)
    except k.exceptions.ClientError as e:
        return [type(e).__name__, e.response["Error"]["Code"], e.response.get("InvalidParameter")]
for i in range(5):
    k.create_topic(ClusterArn=arn, TopicName="boto-%d" % i, PartitionCount=1, ReplicationFactor=2, Configs=configs({"retention.ms": str(i + 1)}))
pages = list(k.get_paginator("list_topics").paginate(ClusterArn=arn, TopicNameFilter="boto-", PaginationConfig={"PageSize": 2}))
d = k.describe_topic(ClusterArn=arn, TopicName="boto-4")
k.update_topic(ClusterArn=arn, TopicName="boto-4", PartitionCount=3)
partitions = [p for page in k.get_paginator("describe_topic_partitions").paginate(ClusterArn=arn, TopicName="boto-4") for p in page["Partitions"]]
said = {
    "twice": told(k.create_topic, TopicName="boto-0", PartitionCount=1, ReplicationFactor=2),
    "unknown": told(k.describe_topic, TopicName="nowhere"),
    "value": told(k.create_topic, TopicName="late", PartitionCount=1, ReplicationFactor=2, Configs=configs({"retention.ms": "soon"})),
    "brokers": told(k.create_topic, TopicName="wide", PartitionCount=1, ReplicationFactor=3),
    "slash": told(k.describe_topic, TopicName="a/b"),
    "internal": told(k.delete_topic, TopicName="__consumer_offsets"),
}
for i in range(5):
    k.delete_topic(ClusterArn=arn, TopicName="boto-%d" % i)
said["gone"] = told(k.delete_topic, TopicName="boto-0")
print(json.dumps({
    "pages": [[t["TopicName"] for t in p["Topics"]] for p in pages], "configs": json.loads(base64.b64decode(d["Configs"])),
    "partitions": [p["Partition"] for p in partitions], "said": said,
}))
`

func liveByBoto(t *testing.T, m *harness.Millrace, arn string) {
	got := harness.Decode[struct {
		Pages      [][]string
		Configs    map[string]string
		Partitions []int
		Said       map[string][]string
	}](t, m.Boto(t, botoScript, arn))
	if want := "[[boto-0 boto-1] [boto-2 boto-3] [boto-4]]"; fmt.Sprint(got.Pages) != want {
		t.Errorf("the pages are %v, want %s", got.Pages, want)
	}
	if fmt.Sprint(got.Configs) != "map[retention.ms:5]" || fmt.Sprint(got.Partitions) != "[0 1 2]" {
		t.Errorf("set is %v, and there are partitions %v", got.Configs, got.Partitions)
	}
	for what, want := range map[string]string{
		"twice": "TopicExistsException topicName", "unknown": "NotFoundException topicName", "value": "BadRequestException configs",
		"brokers": "BadRequestException replicationFactor", "slash": "BadRequestException topicName", "internal": "BadRequestException topicName",
		"gone": "NotFoundException topicName",
	} {
		code, parameter, _ := strings.Cut(want, " ")
		if !slices.Equal(got.Said[what], []string{code, code, parameter}) {
			t.Errorf("%s is told by %v, want %s", what, got.Said[what], want)
		}
	}
}

func warnOfOneReplica(t *testing.T, m *harness.Millrace, arn string) {
	client := m.KafkaClient(t)
	for _, tt := range []struct {
		name   string
		factor int32
		want   string
	}{
		{"scratch", 1, "replication factor 1"},
		{"strict", 2, "min.insync.replicas 2 with replication factor 2"},
	} {
		made, err := client.CreateTopic(t.Context(), &kafka.CreateTopicInput{
			ClusterArn: &arn, TopicName: &tt.name, PartitionCount: aws.Int32(1), ReplicationFactor: &tt.factor,
			Configs: encoded(t, map[string]string{"min.insync.replicas": "2"}),
		})
		if err != nil {
			t.Fatal(err)
		}
		answer, ok := awsmiddleware.GetRawResponse(made.ResultMetadata).(*smithyhttp.Response)
		if !ok || !strings.Contains(answer.Header.Get("x-millrace-warning"), tt.want) {
			t.Errorf("%s is made without the warning %q: %v", tt.name, tt.want, answer.Header)
		}
	}
}
