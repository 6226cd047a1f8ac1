package integration

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"
	"github.com/aws/smithy-go"

	"github.com/millrace/millrace/integration/harness"
)

// gateway is how long API Gateway waits for an answer, which is how long a client can get one.
const gateway = 29 * time.Second

// One cluster of three brokers and three controllers comes to all of it, one thing after the other: the last ones leave no broker.
func TestTopics_OfOneCluster(t *testing.T) {
	m := harness.StartMillrace(t, harness.Flags("--controllers", "3"))
	arn := m.CreateCluster(t, "orders")
	m.WaitUntilActive(t, arn)
	m.ForbidTwins()
	a := topicAPI{t: t, client: m.KafkaClient(t), arn: arn}
	tools := m.Tools(t, arn)

	for _, test := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"the API and Kafka's own tools see each other's changes at once", func(t *testing.T) { a.of(t).meet(tools) }},
		{"what can't be is refused by the errors of MSK's model", func(t *testing.T) { a.of(t).isRefused() }},
		{"topics made while controllers are killed are whole, or not there", func(t *testing.T) { a.of(t).makeUnderFire(m, tools) }},
		{"a thousand topics are listed while others are made", func(t *testing.T) { a.of(t).listMany(m) }},
		{"declared topics are applied whatever is killed meanwhile", func(t *testing.T) { a.of(t).applyUnderFire(m, tools) }},
		{"with a broker down, topics are made and told to be out of sync", func(t *testing.T) { a.of(t).useWithoutABroker(m) }},
		{"with all brokers down, it is said that none answers", func(t *testing.T) { a.of(t).useWithoutBrokers(m) }},
	} {
		t.Run(test.name, test.run)
	}
}

// topicAPI is MSK's API of the topics of a cluster.
type topicAPI struct {
	t      *testing.T
	client *kafka.Client
	arn    string
}

func (a topicAPI) of(t *testing.T) topicAPI {
	a.t = t
	return a
}

// create asks once: an answer that got lost is one.
func (a topicAPI) create(ctx context.Context, name string, partitions, replicas int, of map[string]string) error {
	in := kafka.CreateTopicInput{
		ClusterArn: &a.arn, TopicName: &name, PartitionCount: aws.Int32(int32(partitions)), ReplicationFactor: aws.Int32(int32(replicas)),
	}
	if of != nil {
		in.Configs = encoded(a.t, of)
	}
	_, err := a.client.CreateTopic(ctx, &in, once)
	return err
}

func (a topicAPI) mustCreate(name string, partitions, replicas int, of map[string]string) {
	a.t.Helper()
	if err := a.create(a.t.Context(), name, partitions, replicas, of); err != nil {
		a.t.Fatalf("create topic %s: %v", name, err)
	}
}

func (a topicAPI) describe(name string) (*kafka.DescribeTopicOutput, error) {
	return a.client.DescribeTopic(a.t.Context(), &kafka.DescribeTopicInput{ClusterArn: &a.arn, TopicName: &name})
}

// is describes a topic in a word.
func (a topicAPI) is(name string) string {
	a.t.Helper()
	out, err := a.describe(name)
	if err != nil {
		return kindOf(err)
	}
	set, err := base64.StdEncoding.DecodeString(aws.ToString(out.Configs))
	if err != nil {
		a.t.Errorf("the configs of %s are %q", name, aws.ToString(out.Configs))
	}
	return fmt.Sprintf("%s, %d partitions, %d replicas, %s", out.Status, *out.PartitionCount, *out.ReplicationFactor, set)
}

func (a topicAPI) update(in kafka.UpdateTopicInput) {
	a.t.Helper()
	in.ClusterArn = &a.arn
	if _, err := a.client.UpdateTopic(a.t.Context(), &in); err != nil {
		a.t.Fatalf("update topic %s: %v", *in.TopicName, err)
	}
}

func (a topicAPI) delete(name string) {
	a.t.Helper()
	if _, err := a.client.DeleteTopic(a.t.Context(), &kafka.DeleteTopicInput{ClusterArn: &a.arn, TopicName: &name}); err != nil {
		a.t.Fatalf("delete topic %s: %v", name, err)
	}
}

// list gives all topics whose names begin with a prefix, page by page. between is called between two pages.
func (a topicAPI) list(prefix string, size int32, between func()) []types.TopicInfo {
	a.t.Helper()
	var all []types.TopicInfo
	pages := kafka.NewListTopicsPaginator(a.client, &kafka.ListTopicsInput{
		ClusterArn: &a.arn, TopicNameFilter: &prefix, MaxResults: &size,
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(a.t.Context())
		if err != nil {
			a.t.Fatalf("list topics: %v", err)
		}
		if len(page.Topics) > int(size) {
			a.t.Errorf("a page of %d holds %d topics", size, len(page.Topics))
		}
		all = append(all, page.Topics...)
		if between != nil {
			between()
		}
	}
	return all
}

func namesOf(topics []types.TopicInfo) (names []string) {
	for _, topic := range topics {
		names = append(names, *topic.TopicName)
	}
	return names
}

func (a topicAPI) meet(tools harness.Tools) {
	t := a.t
	tools.Topics("--create", "--topic", "by-tools", "--partitions", "4", "--replication-factor", "3", "--config", "retention.ms=86400000")
	if got, want := a.is("by-tools"), `ACTIVE, 4 partitions, 3 replicas, {"retention.ms":"86400000"}`; got != want {
		t.Errorf("a topic that kafka-topics has made is %s, want %s", got, want)
	}
	tools.Topics("--alter", "--topic", "by-tools", "--partitions", "6")
	tools.Configs("--alter", "--entity-type", "topics", "--entity-name", "by-tools", "--delete-config", "retention.ms",
		"--add-config", "cleanup.policy=compact")
	if got, want := a.is("by-tools"), `ACTIVE, 6 partitions, 3 replicas, {"cleanup.policy":"compact"}`; got != want {
		t.Errorf("a topic that Kafka's tools have changed is %s, want %s", got, want)
	}
	if got := namesOf(a.list("by-", 10, nil)); !slices.Equal(got, []string{"by-tools"}) {
		t.Errorf("listed are %v", got)
	}
	tools.Topics("--delete", "--topic", "by-tools")
	if got := a.is("by-tools"); got != "NotFoundException" {
		t.Errorf("a topic that kafka-topics has deleted is %s", got)
	}

	a.mustCreate("by-api", 2, 3, map[string]string{"retention.ms": "3600000"})
	if got, want := seenBy(tools)["by-api"], "2 partitions, 3 replicas, retention.ms=3600000"; got.String() != want {
		t.Errorf("kafka-topics sees %q of a topic that the API has made, not %q", got, want)
	}
	a.update(kafka.UpdateTopicInput{TopicName: aws.String("by-api"), PartitionCount: aws.Int32(5)})
	a.update(kafka.UpdateTopicInput{TopicName: aws.String("by-api"), Configs: encoded(t, map[string]string{"max.message.bytes": "2000000"})})
	if got, want := seenBy(tools)["by-api"], "5 partitions, 3 replicas, max.message.bytes=2000000"; got.String() != want {
		t.Errorf("kafka-topics sees %q of a topic that the API has changed, not %q", got, want)
	}
	a.delete("by-api")
	if got, there := seenBy(tools)["by-api"]; there {
		t.Errorf("kafka-topics sees %q of a topic that the API has deleted", got)
	}
}

// seen is a topic as kafka-topics describes it.
type seen struct {
	partitions, replicas int
	configs              string
	lacks                []string // partitions that have no leader, or not all of their replicas
}

func (s seen) String() string {
	return strings.TrimSuffix(fmt.Sprintf("%d partitions, %d replicas, %s", s.partitions, s.replicas, s.configs), ", ")
}

var (
	topicLine     = regexp.MustCompile(`^Topic: (\S+)\s+TopicId: \S+\s+PartitionCount: (\d+)\s+ReplicationFactor: (\d+)\s+Configs: ?(\S*)`)
	partitionLine = regexp.MustCompile(`^\s+Topic: (\S+)\s+Partition: (\d+)\s+Leader: (\S+)\s+Replicas: (\S+)\s+Isr: (\S*)`)
)

// seenBy reads what kafka-topics describes. The brokers' own settings are among what it shows of a topic, and are left out.
func seenBy(tools harness.Tools) map[string]seen {
	topics := map[string]seen{}
	for line := range strings.Lines(tools.Topics("--describe")) {
		if m := topicLine.FindStringSubmatch(line); m != nil {
			s := seen{}
			s.partitions, _ = strconv.Atoi(m[2])
			s.replicas, _ = strconv.Atoi(m[3])
			var own []string
			for config := range strings.SplitSeq(m[4], ",") {
				if name, _, _ := strings.Cut(config, "="); !slices.Contains(inherited, name) {
					own = append(own, config)
				}
			}
			s.configs = strings.Join(own, ",")
			topics[m[1]] = s
		}
		if m := partitionLine.FindStringSubmatch(line); m != nil {
			s := topics[m[1]]
			if m[3] == "none" || len(strings.Split(m[4], ",")) != s.replicas || len(strings.Split(m[5], ",")) != s.replicas {
				s.lacks = append(s.lacks, strings.TrimSpace(line))
				topics[m[1]] = s
			}
		}
	}
	return topics
}

// inherited are the properties that brokers set for all topics.
var inherited = []string{"min.insync.replicas", "unclean.leader.election.enable", "segment.bytes", "retention.bytes"}

// kindOf is the exception that an error is, by its name.
func kindOf(err error) string {
	if err == nil {
		return "nothing"
	}
	var said smithy.APIError
	if errors.As(err, &said) {
		return said.ErrorCode()
	}
	return err.Error()
}

func statusOf(err error) int {
	var answered *awshttp.ResponseError
	if errors.As(err, &answered) {
		return answered.HTTPStatusCode()
	}
	return 0
}

func (a topicAPI) isRefused() {
	t := a.t
	a.mustCreate("there", 2, 3, nil)
	a.mustCreate("two..dots", 1, 3, nil) // which is a name, if an odd one
	soon, blue := map[string]string{"retention.ms": "soon"}, map[string]string{"colour": "blue"}
	create := func(name string, partitions, replicas int, of map[string]string) error {
		return a.create(t.Context(), name, partitions, replicas, of)
	}
	describe := func(name string) error {
		_, err := a.describe(name)
		return err
	}
	update := func(in kafka.UpdateTopicInput) error {
		in.ClusterArn = &a.arn
		_, err := a.client.UpdateTopic(t.Context(), &in)
		return err
	}
	grow := func(name string, partitions int32) error {
		return update(kafka.UpdateTopicInput{TopicName: &name, PartitionCount: &partitions})
	}
	configure := func(name string, of map[string]string) error {
		return update(kafka.UpdateTopicInput{TopicName: &name, Configs: encoded(t, of)})
	}
	remove := func(name string) error {
		_, err := a.client.DeleteTopic(t.Context(), &kafka.DeleteTopicInput{ClusterArn: &a.arn, TopicName: &name})
		return err
	}
	_, undescribed := a.client.DescribeTopicPartitions(t.Context(), &kafka.DescribeTopicPartitionsInput{
		ClusterArn: &a.arn, TopicName: aws.String("nowhere"),
	})
	_, noJSON := a.client.CreateTopic(t.Context(), &kafka.CreateTopicInput{
		ClusterArn: &a.arn, TopicName: aws.String("odd"), PartitionCount: aws.Int32(1), ReplicationFactor: aws.Int32(3), Configs: aws.String("blue"),
	})
	for _, tt := range []struct {
		name   string
		err    error
		kind   string
		status int
		says   string // is part of the message
	}{
		{"a topic that is there", create("there", 1, 3, nil), "TopicExistsException", 409, "there"},
		{"a topic that is not, described", describe("nowhere"), "NotFoundException", 404, "nowhere"},
		{"its partitions", undescribed, "NotFoundException", 404, "nowhere"},
		{"a topic that is not, grown", grow("nowhere", 3), "NotFoundException", 404, "nowhere"},
		{"a topic that is not, configured", configure("nowhere", map[string]string{}), "NotFoundException", 404, "nowhere"},
		{"a topic that is not, deleted", remove("nowhere"), "NotFoundException", 404, "nowhere"},
		{"a value that is none", create("late", 1, 3, soon), "BadRequestException", 400, "retention.ms"},
		{"a value that is none, later", configure("there", soon), "BadRequestException", 400, "retention.ms"},
		{"a property that is none", create("odd", 1, 3, blue), "BadRequestException", 400, "colour"},
		{"configs that are no JSON", noJSON, "BadRequestException", 400, "configs"},
		{"no partition", create("none", 0, 3, nil), "BadRequestException", 400, "partitionCount"},
		{"more partitions than brokers may hold", create("huge", 20000, 3, nil), "BadRequestException", 400, "partition"},
		{"more partitions than brokers may hold, later", grow("there", 20000), "BadRequestException", 400, "partition"},
		{"fewer partitions", grow("there", 1), "BadRequestException", 400, "partition"},
		{"more replicas than brokers", create("wide", 1, 4, nil), "BadRequestException", 400, "replica"},
		{
			"neither configs nor partitions", update(kafka.UpdateTopicInput{TopicName: aws.String("there")}), "BadRequestException", 400,
			"You must specify either configs or partitionCount to update.",
		},
		{"a name that is a way upwards", create("..", 1, 3, nil), "BadRequestException", 400, ".."},
		{"a name with a space", create("a topic", 1, 3, nil), "BadRequestException", 400, "a topic"},
		{"a topic of Kafka's own", create("__consumer_offsets", 1, 3, nil), "BadRequestException", 400, "Kafka's own"},
		{"a topic of Kafka's own, described", describe("__consumer_offsets"), "NotFoundException", 404, "__consumer_offsets"},
		{"a topic of Kafka's own, deleted", remove("__consumer_offsets"), "BadRequestException", 400, "Kafka's own"},
	} {
		if kindOf(tt.err) != tt.kind || statusOf(tt.err) != tt.status || !strings.Contains(fmt.Sprint(tt.err), tt.says) {
			t.Errorf("%s is answered by %v, and not by %s, status %d, %q", tt.name, tt.err, tt.kind, tt.status, tt.says)
		}
	}
	if got := namesOf(a.list("", 100, nil)); !slices.Equal(got, []string{"there", "two..dots"}) {
		t.Errorf("after all of that, there are %v", got)
	}
}

const (
	underFire   = 200 // topics
	atATime     = 8
	killsPause  = 5 * time.Second
	settledSoon = time.Minute
)

func (a topicAPI) makeUnderFire(m *harness.Millrace, tools harness.Tools) {
	t := a.t
	l := m.TLSClient(t, a.arn).StartLoad(harness.UsualLoad("payments"))
	name := func(n int) string { return fmt.Sprintf("under-fire-%03d", n) }
	set := map[string]string{"retention.ms": "86400000", "max.message.bytes": "2000000"}
	answers := make([]error, underFire)
	var makers sync.WaitGroup
	var answered, made atomic.Int32
	for maker := range atATime {
		makers.Go(func() {
			for n := maker; n < underFire; n += atATime {
				ctx, cancel := context.WithTimeout(t.Context(), gateway)
				answers[n] = a.create(ctx, name(n), 3, 3, set)
				cancel()
				if answered.Add(1); answers[n] == nil {
					made.Add(1)
				}
			}
		})
	}
	kills := 0
	for last := int32(-1); answered.Load() < underFire; kills++ {
		harness.Until(t, "a topic is made although controllers are killed", time.Minute, func() (bool, string) {
			now := made.Load()
			return now > last || answered.Load() == underFire, fmt.Sprintf("%d are", now)
		})
		last = made.Load()
		l.KillActiveController(m, a.arn)
		time.Sleep(killsPause)
	}
	makers.Wait()
	l.WaitUntilInSync()

	acknowledged, there := 0, 0
	refused := map[string]int{}
	var wrong []string
	harness.Until(t, "every topic is whole or not there", settledSoon, func() (bool, string) {
		acknowledged, there, wrong = 0, 0, nil
		clear(refused)
		now := seenBy(tools)
		for n, err := range answers {
			s, exists := now[name(n)]
			if exists {
				there++
			}
			if err == nil {
				acknowledged++
			} else {
				refused[kindOf(err)]++
			}
			switch want := "3 partitions, 3 replicas, max.message.bytes=2000000,retention.ms=86400000"; {
			case err == nil && !exists:
				wrong = append(wrong, name(n)+" was made, and is not there")
			case exists && (ordered(s).String() != want || len(s.lacks) > 0):
				wrong = append(wrong, fmt.Sprintf("%s, answered by %v, is half made: %s, lacks %v", name(n), err, s, s.lacks))
			}
		}
		return len(wrong) == 0, strings.Join(wrong, "\n")
	})
	t.Logf("%d topics were asked for while the active controller was killed %d times: %d were said to be made, %d are there; refused were %v",
		underFire, kills, acknowledged, there, refused)
	if acknowledged < underFire/2 {
		t.Errorf("only %d of %d topics were made", acknowledged, underFire)
	}
	for kind := range refused {
		if !slices.Contains([]string{
			"ClusterConnectivityException", "KafkaTimeoutException", "NotControllerException", "ControllerMovedException",
			"ServiceUnavailableException",
		}, kind) {
			t.Errorf("a create was answered by %s", kind)
		}
	}
	listed := namesOf(a.list("under-fire-", 100, nil))
	if len(listed) != there {
		t.Errorf("%d of them are listed, %d are there", len(listed), there)
	}
	l.Verify()
	for _, name := range listed {
		a.delete(name)
	}
}

// ordered puts a topic's configs in the order of their names.
func ordered(s seen) seen {
	own := strings.Split(s.configs, ",")
	slices.Sort(own)
	s.configs = strings.Join(own, ",")
	return s
}

const many = 1000

func (a topicAPI) listMany(m *harness.Millrace) {
	t := a.t
	client := m.TLSClient(t, a.arn)
	var want []string
	for n := range many {
		want = append(want, fmt.Sprintf("many-%04d", n))
	}
	client.CreateTopics(want, 1, 1)
	harness.Until(t, "all brokers know them", settledSoon, func() (bool, string) {
		listed := len(a.list("many-", 100, nil))
		return listed == many, fmt.Sprint(listed)
	})
	made := 0
	more := func() { // before, among and behind those that are listed
		for _, prefix := range []string{"lany", "many-0500", "oany"} {
			a.mustCreate(fmt.Sprintf("%s-%03d", prefix, made), 1, 3, nil)
		}
		made++
	}
	listed := a.list("many-", 100, more)
	seenTimes := map[string]int{}
	for _, topic := range listed {
		seenTimes[*topic.TopicName]++
	}
	for _, name := range want {
		if seenTimes[name] != 1 {
			t.Errorf("%s is listed %d times", name, seenTimes[name])
		}
	}
	if names := namesOf(listed); !slices.IsSorted(names) || len(seenTimes) != len(names) || slices.ContainsFunc(names, func(name string) bool {
		return !strings.HasPrefix(name, "many-")
	}) {
		t.Errorf("out of order, twice, or of another name: %v", names)
	}
	if got := namesOf(a.list("many-099", 7, nil)); !slices.Equal(got, want[990:]) {
		t.Errorf("the prefix many-099 finds %v", got)
	}
	for _, topic := range listed {
		if *topic.PartitionCount != 1 || *topic.TopicArn != strings.Replace(a.arn, ":cluster/", ":topic/", 1)+"/"+*topic.TopicName {
			t.Errorf("%s is listed as %s with %d partitions", *topic.TopicName, *topic.TopicArn, *topic.PartitionCount)
		}
	}
	client.DeleteTopics(namesOf(a.list("", 100, nil)))
	harness.Until(t, "they are gone", settledSoon, func() (bool, string) {
		left := namesOf(a.list("", 100, nil))
		return len(left) == 0, fmt.Sprint(left)
	})
}

// apply has topics declared by a control plane that may not live to answer.
func (a topicAPI) apply(m *harness.Millrace, topics []map[string]any) (answer, error) {
	a.t.Helper()
	body, err := json.Marshal(map[string]any{"topics": topics})
	if err != nil {
		a.t.Fatal(err)
	}
	return newCaller(a.t, m).try("POST", "/millrace/v1/clusters/"+url.PathEscape(a.arn)+"/topic-apply", string(body))
}

const declaredTopics = 60

func (a topicAPI) applyUnderFire(m *harness.Millrace, tools harness.Tools) {
	t := a.t
	var topics []map[string]any
	want := map[string]string{}
	for n := range declaredTopics {
		name := fmt.Sprintf("declared-%02d", n)
		topics = append(topics, map[string]any{
			"name": name, "partitions": 2, "replicationFactor": 3, "configs": map[string]string{"max.message.bytes": "2000000"}, "protected": n == 0,
		})
		want[name] = "2 partitions, 3 replicas, max.message.bytes=2000000"
	}
	a.mustCreate("declared-00", 1, 3, nil) // which is to grow, and to be configured
	healing := m.HealingOf(t, a.arn)
	m.LoseHosts(a.arn, 2)
	healing.WaitUntilBegun(1)
	m.Restart(failPoint("topic-administration", "before"))
	if got, err := a.apply(m, topics); err == nil {
		t.Fatalf("the call was answered, although the control plane was to be killed in it: %+v", got)
	}
	crawl(t, m, "topic-administration", []string{
		"BeginOperation", "RenewKafkaAccess", "PlanTopicChanges", "AreChangesPlanned", "ApplyTopicChanges", "AreChangesMade", "CheckTopics",
		"AreTopicsAsDeclared", "EndOperation", "HasSucceeded", "Succeeded",
	})
	m.Up()
	healing.WaitUntilOver(1)
	operations, err := a.client.ListClusterOperationsV2(t.Context(), &kafka.ListClusterOperationsV2Input{ClusterArn: &a.arn})
	if err != nil {
		t.Fatal(err)
	}
	applied := slices.DeleteFunc(operations.ClusterOperationInfoList, func(o types.ClusterOperationV2Summary) bool {
		return aws.ToString(o.OperationType) != "APPLY_TOPICS"
	})
	if len(applied) != 1 || aws.ToString(applied[0].OperationState) != "UPDATE_COMPLETE" {
		t.Errorf("the application is recorded as %+v", applied)
	}
	harness.Until(t, "the topics are as they are declared, with all replicas in sync", settledSoon, func() (bool, string) {
		is, lacks := map[string]string{}, []string(nil)
		for name, s := range seenBy(tools) {
			if strings.HasPrefix(name, "declared-") {
				is[name] = s.String()
				lacks = append(lacks, s.lacks...)
			}
		}
		return maps.Equal(is, want) && len(lacks) == 0, fmt.Sprint(is, lacks)
	})
	_, err = a.client.DeleteTopic(t.Context(), &kafka.DeleteTopicInput{ClusterArn: &a.arn, TopicName: aws.String("declared-00")})
	if kindOf(err) != "BadRequestException" {
		t.Errorf("a protected topic is deleted: %v", err)
	}
}

// lose ends the hosts of brokers for as long as the test lasts.
func (a topicAPI) lose(m *harness.Millrace, brokers ...int32) {
	a.t.Helper()
	for _, id := range brokers {
		m.Command("maintenance", "on", a.arn, strconv.Itoa(int(id)), "--for", "1h", "--reason", "it is to stay away")
	}
	m.LoseHosts(a.arn, brokers...)
}

func (a topicAPI) useWithoutABroker(m *harness.Millrace) {
	t := a.t
	a.lose(m, 3)
	harness.Until(t, "it is known that a broker is missing", settledSoon, func() (bool, string) {
		listed := a.list("declared-01", 100, nil)
		return len(listed) == 1 && *listed[0].OutOfSyncReplicaCount > 0, fmt.Sprintf("%+v", listed)
	})
	// Kafka places replicas on brokers that are away, too, as long as it knows them: that they are in different zones comes first.
	a.mustCreate("narrow", 2, 2, nil)
	a.mustCreate("wide", 2, 3, nil)
	for _, topic := range slices.Concat(a.list("narrow", 100, nil), a.list("wide", 100, nil)) {
		out, err := a.client.DescribeTopicPartitions(t.Context(), &kafka.DescribeTopicPartitionsInput{
			ClusterArn: &a.arn, TopicName: topic.TopicName,
		})
		if err != nil {
			t.Fatal(err)
		}
		away := 0
		for _, p := range out.Partitions {
			if slices.Contains(p.Replicas, 3) {
				away++
			}
			if len(p.Replicas) != int(*topic.ReplicationFactor) || slices.Contains(p.Isr, 3) || *p.Leader == 3 {
				t.Errorf("partition %d of %s has replicas %v, of which %v are in sync, and leader %d", *p.Partition, *topic.TopicName,
					p.Replicas, p.Isr, *p.Leader)
			}
		}
		if len(out.Partitions) != 2 || int(*topic.OutOfSyncReplicaCount) != away {
			t.Errorf("%s has %d partitions, and %d replicas out of sync where %d are on the broker that is away", *topic.TopicName,
				len(out.Partitions), *topic.OutOfSyncReplicaCount, away)
		}
	}
	a.delete("wide")
}

func (a topicAPI) useWithoutBrokers(m *harness.Millrace) {
	t := a.t
	a.lose(m, 1, 2)
	for _, tt := range []struct {
		name, kind string
		status     int
		ask        func(ctx context.Context) error
	}{
		{"create", "ClusterConnectivityException", 409, func(ctx context.Context) error { return a.create(ctx, "nobody", 1, 3, nil) }},
		{"update", "ClusterConnectivityException", 409, func(ctx context.Context) error {
			_, err := a.client.UpdateTopic(ctx, &kafka.UpdateTopicInput{
				ClusterArn: &a.arn, TopicName: aws.String("declared-01"), PartitionCount: aws.Int32(9),
			}, once)
			return err
		}},
		{"delete", "ClusterConnectivityException", 409, func(ctx context.Context) error {
			_, err := a.client.DeleteTopic(ctx, &kafka.DeleteTopicInput{ClusterArn: &a.arn, TopicName: aws.String("declared-01")}, once)
			return err
		}},
		{"list", "ServiceUnavailableException", 503, func(ctx context.Context) error {
			_, err := a.client.ListTopics(ctx, &kafka.ListTopicsInput{ClusterArn: &a.arn}, once)
			return err
		}},
		{"describe", "ServiceUnavailableException", 503, func(ctx context.Context) error {
			_, err := a.client.DescribeTopic(ctx, &kafka.DescribeTopicInput{ClusterArn: &a.arn, TopicName: aws.String("declared-01")}, once)
			return err
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), gateway)
			defer cancel()
			if err := tt.ask(ctx); kindOf(err) != tt.kind || statusOf(err) != tt.status {
				t.Errorf("it is answered by %s, status %d: %v", kindOf(err), statusOf(err), err)
			}
		})
	}
}
