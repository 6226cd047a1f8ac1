package api_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/millrace/millrace/functions/api"
	"github.com/millrace/millrace/functions/topicadmin"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/fault"
	kafkaclient "github.com/millrace/millrace/shared/kafka"
	"github.com/millrace/millrace/shared/kafka/kafkatest"
	"github.com/millrace/millrace/shared/platform/local"
	"github.com/millrace/millrace/shared/records"
)

// topicDesk is a front desk with a cluster of three brokers that is ACTIVE, and the real steps that look after its topics, over
// Kafka that is in memory.
type topicDesk struct {
	*frontDesk
	kafka   *kafkatest.Pool
	cluster cluster.Cluster
}

func openTopicDesk(t *testing.T) *topicDesk {
	t.Helper()
	d := &topicDesk{frontDesk: openFrontDesk(t), kafka: &kafkatest.Pool{}}
	d.deps.Functions = local.Functions{errand.Function: topicadmin.Steps(topicadmin.Deps{Records: d.records, Kafka: d.kafka, Now: time.Now})}
	d.listen(t)
	d.cluster = d.end(t, d.create(t, "orders"), nil)
	d.addNodes(t, d.cluster, 3)
	if err := d.records.PutKafkaAccess(t.Context(), d.cluster.ID, records.KafkaAccess{Certificate: "certificate", Key: "key"}); err != nil {
		t.Fatal(err)
	}
	return d
}

// have puts topics of one partition on each broker into the cluster.
func (d *topicDesk) have(names ...string) {
	for _, name := range names {
		d.kafka.Make(kafkaclient.Access{}, cluster.TopicSpec{Name: name, Partitions: 3, ReplicationFactor: 3})
	}
}

func (d *topicDesk) createTopic(t *testing.T, name string, partitions, factor int32, configs *string) (*kafka.CreateTopicOutput, error) {
	t.Helper()
	return d.CreateTopic(t.Context(), &kafka.CreateTopicInput{
		ClusterArn: &d.cluster.ARN, TopicName: &name, PartitionCount: &partitions, ReplicationFactor: &factor, Configs: configs,
	})
}

func (d *topicDesk) describeTopic(t *testing.T, name string) (*kafka.DescribeTopicOutput, error) {
	t.Helper()
	return d.DescribeTopic(t.Context(), &kafka.DescribeTopicInput{ClusterArn: &d.cluster.ARN, TopicName: &name})
}

func (d *topicDesk) updateTopic(t *testing.T, name string, configs *string, partitions *int32) (*kafka.UpdateTopicOutput, error) {
	t.Helper()
	return d.UpdateTopic(t.Context(), &kafka.UpdateTopicInput{
		ClusterArn: &d.cluster.ARN, TopicName: &name, Configs: configs, PartitionCount: partitions,
	})
}

func (d *topicDesk) deleteTopic(t *testing.T, name string) (*kafka.DeleteTopicOutput, error) {
	t.Helper()
	return d.DeleteTopic(t.Context(), &kafka.DeleteTopicInput{ClusterArn: &d.cluster.ARN, TopicName: &name})
}

// wantTopic wants a topic to be ACTIVE and as said.
func (d *topicDesk) wantTopic(t *testing.T, name string, partitions int32, configs string) {
	t.Helper()
	out, err := d.describeTopic(t, name)
	if err != nil {
		t.Fatal(err)
	}
	set, err := base64.StdEncoding.DecodeString(*out.Configs)
	if err != nil || string(set) != configs || *out.PartitionCount != partitions || out.Status != types.TopicStateActive {
		t.Errorf("%s: %s, %d partitions, set is %s (%v); want %d and %s", name, out.Status, *out.PartitionCount, set, err, partitions, configs)
	}
}

// configs is the wire form of what is set on a topic.
func configs(text string) *string { return aws.String(base64.StdEncoding.EncodeToString([]byte(text))) }

// refusedMember wants a BadRequest that blames a member and says what is wrong.
func refusedMember(t *testing.T, err error, parameter, tellingPart string) {
	t.Helper()
	refused(t, err, "BadRequestException", tellingPart)
	var bad *types.BadRequestException
	if errors.As(err, &bad) && aws.ToString(bad.InvalidParameter) != parameter {
		t.Errorf("%v blames %q, want %q", err, aws.ToString(bad.InvalidParameter), parameter)
	}
}

func TestTopics_AreMadeChangedAndDeleted(t *testing.T) {
	desk := openTopicDesk(t)
	arn := strings.Replace(desk.cluster.ARN, ":cluster/", ":topic/", 1) + "/payments"
	made, err := desk.createTopic(t, "payments", 4, 2, configs(`{"retention.ms":"1000","cleanup.policy":"delete"}`))
	if err != nil || made.Status != types.TopicStateCreating || *made.TopicArn != arn || *made.TopicName != "payments" {
		t.Fatalf("%+v, %v", made, err)
	}
	described, err := desk.describeTopic(t, "payments")
	if err != nil || *described.TopicArn != arn || *described.TopicName != "payments" || *described.ReplicationFactor != 2 {
		t.Errorf("%+v, %v", described, err)
	}
	desk.wantTopic(t, "payments", 4, `{"cleanup.policy":"delete","retention.ms":"1000"}`)

	changed, err := desk.updateTopic(t, "payments", configs(`{"retention.ms":"2000"}`), nil)
	if err != nil || changed.Status != types.TopicStateUpdating || *changed.TopicArn != arn || *changed.TopicName != "payments" {
		t.Fatalf("%+v, %v", changed, err)
	}
	desk.wantTopic(t, "payments", 4, `{"retention.ms":"2000"}`)
	for range 2 { // a lost answer is asked for again
		if _, err := desk.updateTopic(t, "payments", nil, aws.Int32(6)); err != nil {
			t.Fatal(err)
		}
	}
	desk.wantTopic(t, "payments", 6, `{"retention.ms":"2000"}`)
	for range 2 {
		if _, err := desk.updateTopic(t, "payments", configs(`{}`), nil); err != nil {
			t.Fatal(err)
		}
	}
	desk.wantTopic(t, "payments", 6, `{}`)

	gone, err := desk.deleteTopic(t, "payments")
	if err != nil || gone.Status != types.TopicStateDeleting || *gone.TopicArn != arn || *gone.TopicName != "payments" {
		t.Fatalf("%+v, %v", gone, err)
	}
	_, err = desk.describeTopic(t, "payments")
	refused(t, err, "NotFoundException", "payments")
	_, err = desk.deleteTopic(t, "payments")
	refused(t, err, "NotFoundException", "payments")
	want := []string{"CreateTopic payments", "ConfigureTopic payments", "GrowTopic payments", "ConfigureTopic payments", "DeleteTopic payments"}
	if got := desk.kafka.Changes(); !slices.Equal(got, want) {
		t.Errorf("Kafka was told to %v, want %v", got, want)
	}
}

func TestListTopics_FiltersByPrefixAndPages(t *testing.T) {
	desk := openTopicDesk(t)
	desk.have("payments", "orders-2", "orders", "__consumer_offsets", "orders.v1")
	for _, tt := range []struct {
		name   string
		filter *string
		size   *int32
		want   []string
		pages  int
	}{
		{"all at once", nil, nil, []string{"orders", "orders-2", "orders.v1", "payments"}, 1},
		{"two at a time", nil, aws.Int32(2), []string{"orders", "orders-2", "orders.v1", "payments"}, 2},
		{"a prefix", aws.String("orders"), aws.Int32(2), []string{"orders", "orders-2", "orders.v1"}, 2},
		{"what Kafka keeps to itself", aws.String("__"), nil, nil, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			n := 0
			pages := kafka.NewListTopicsPaginator(desk, &kafka.ListTopicsInput{ClusterArn: &desk.cluster.ARN, TopicNameFilter: tt.filter, MaxResults: tt.size})
			for ; pages.HasMorePages(); n++ {
				page, err := pages.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, topic := range page.Topics {
					got = append(got, *topic.TopicName)
					if *topic.TopicArn != desk.cluster.TopicARN(*topic.TopicName) || *topic.PartitionCount != 3 || *topic.ReplicationFactor != 3 || *topic.OutOfSyncReplicaCount != 0 {
						t.Errorf("%+v", topic)
					}
				}
			}
			if !slices.Equal(got, tt.want) || n != tt.pages {
				t.Errorf("got %v on %d pages, want %v on %d", got, n, tt.want, tt.pages)
			}
		})
	}
	for member, in := range map[string]*kafka.ListTopicsInput{
		"maxResults": {ClusterArn: &desk.cluster.ARN, MaxResults: aws.Int32(101)},
		"nextToken":  {ClusterArn: &desk.cluster.ARN, NextToken: aws.String("nonsense")},
	} {
		_, err := desk.ListTopics(t.Context(), in)
		refusedMember(t, err, member, member)
	}
}

func TestDescribeTopicPartitions_PagesByNumberAndShowsWhereNobodyLeads(t *testing.T) {
	desk := openTopicDesk(t)
	payments := cluster.Topic{Name: "payments"}
	for id := range int32(12) {
		payments.Partitions = append(payments.Partitions, cluster.Partition{
			Topic: "payments", ID: id, Leader: id%3 + 1, Replicas: []int32{1, 2, 3}, InSync: []int32{1, 3},
		})
	}
	payments.Partitions[11].Leader, payments.Partitions[11].InSync = -1, nil
	desk.kafka.Set(kafkaclient.Access{}, payments)
	var got []string
	pages := kafka.NewDescribeTopicPartitionsPaginator(desk, &kafka.DescribeTopicPartitionsInput{
		ClusterArn: &desk.cluster.ARN, TopicName: aws.String("payments"), MaxResults: aws.Int32(5),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Partitions {
			got = append(got, fmt.Sprint(*p.Partition, *p.Leader, p.Replicas, p.Isr))
		}
	}
	if len(got) != 12 || got[0] != "0 1 [1 2 3] [1 3]" || got[10] != "10 2 [1 2 3] [1 3]" || got[11] != "11 -1 [1 2 3] []" {
		t.Errorf("got %q", got)
	}
	_, err := desk.DescribeTopicPartitions(t.Context(), &kafka.DescribeTopicPartitionsInput{ClusterArn: &desk.cluster.ARN, TopicName: aws.String("gone")})
	refused(t, err, "NotFoundException", "gone")
}

func TestTopics_WhatCanNeverBeIsRefusedBeforeKafkaIsAsked(t *testing.T) {
	desk := openTopicDesk(t)
	const example = `eyJyZXRlbnRpb24ubXMiOiI2MDQ4MDAwMDAifQ== for {"retention.ms":"604800000"}`
	for _, tt := range []struct {
		name       string
		topic      string
		partitions int32
		factor     int32
		configs    *string
		parameter  string
		want       string
	}{
		{"no name", "", 1, 1, nil, "topicName", "1 to 249 characters"},
		{"a dot", ".", 1, 1, nil, "topicName", "can't be '.' or '..'"},
		{"two dots", "..", 1, 1, nil, "topicName", "can't be '.' or '..'"},
		{"a path", "../etc", 1, 1, nil, "topicName", "a-z, A-Z, 0-9"},
		{"slashes", "//", 1, 1, nil, "topicName", "a-z, A-Z, 0-9"},
		{"a space", "a b", 1, 1, nil, "topicName", "a-z, A-Z, 0-9"},
		{"other letters", "über", 1, 1, nil, "topicName", "a-z, A-Z, 0-9"},
		{"a line", "orders\n", 1, 1, nil, "topicName", "a-z, A-Z, 0-9"},
		{"a long name", strings.Repeat("a", 250), 1, 1, nil, "topicName", "1 to 249 characters"},
		{"Kafka's own", "__consumer_offsets", 1, 1, nil, "topicName", "Kafka's own"},
		{"no partition", "a", 0, 1, nil, "partitionCount", "at least 1, not 0"},
		{"fewer than none", "a", -1, 1, nil, "partitionCount", "at least 1, not -1"},
		{"no replica", "a", 1, 0, nil, "replicationFactor", "at least 1, not 0"},
		{"no base64", "a", 1, 1, aws.String(`{"retention.ms":"1"}`), "configs", "no base64"},
		{"nothing", "a", 1, 1, aws.String(""), "configs", "no JSON object"},
		{"no JSON", "a", 1, 1, configs(`retention.ms=1`), "configs", "no JSON object"},
		{"half of it", "a", 1, 1, configs(`{"retention.ms":"1"`), "configs", "no JSON object"},
		{"more than one", "a", 1, 1, configs(`{}{}`), "configs", "no JSON object"},
		{"a brace too many", "a", 1, 1, configs(`{}}`), "configs", "no JSON object"},
		{"null", "a", 1, 1, configs(`null`), "configs", "no JSON object"},
		{"a list", "a", 1, 1, configs(`["retention.ms"]`), "configs", "no JSON object"},
		{"no text", "a", 1, 1, configs("{\"retention.ms\":\"\xff\"}"), "configs", "no JSON object"},
		{"a number", "a", 1, 1, configs(`{"retention.ms":604800000}`), "configs", "the value of retention.ms is no string"},
		{"a null in it", "a", 1, 1, configs(`{"retention.ms":null}`), "configs", "the value of retention.ms is no string"},
		{"an object in it", "a", 1, 1, configs(`{"retention.ms":{}}`), "configs", "the value of retention.ms is no string"},
		{"the same twice", "a", 1, 1, configs(`{"retention.ms":"1","retention.ms":"2"}`), "configs", "retention.ms is set twice"},
		{"and shows what it should be", "a", 1, 1, configs(`[]`), "configs", example},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := desk.createTopic(t, tt.topic, tt.partitions, tt.factor, tt.configs)
			refusedMember(t, err, tt.parameter, tt.want)
			switch tt.parameter {
			case "configs":
				_, err = desk.updateTopic(t, tt.topic, tt.configs, nil)
			case "partitionCount":
				_, err = desk.updateTopic(t, tt.topic, nil, &tt.partitions)
			case "topicName":
				if tt.topic == "" {
					return // is no path
				}
				_, err = desk.updateTopic(t, tt.topic, nil, aws.Int32(1))
				refusedMember(t, err, tt.parameter, tt.want)
				_, err = desk.deleteTopic(t, tt.topic)
			default:
				return
			}
			refusedMember(t, err, tt.parameter, tt.want)
		})
	}
	const eitherOr = "You must specify either configs or partitionCount to update."
	_, err := desk.updateTopic(t, "a", nil, nil)
	refusedMember(t, err, "", eitherOr)
	_, err = desk.updateTopic(t, "a", configs("{}"), aws.Int32(3))
	refusedMember(t, err, "", eitherOr)
	if calls := desk.kafka.Calls(); len(calls) > 0 {
		t.Errorf("Kafka was asked: %v", calls)
	}
}

func TestTopics_KafkasOwnAreHiddenAndProtected(t *testing.T) {
	desk := openTopicDesk(t)
	desk.have("__consumer_offsets", "__transaction_state")
	_, err := desk.describeTopic(t, "__consumer_offsets")
	refused(t, err, "NotFoundException", "__consumer_offsets")
	_, err = desk.updateTopic(t, "__consumer_offsets", configs("{}"), nil)
	refusedMember(t, err, "topicName", "Kafka's own")
	_, err = desk.deleteTopic(t, "__transaction_state")
	refusedMember(t, err, "topicName", "Kafka's own")
	if changes := desk.kafka.Changes(); len(changes) > 0 {
		t.Errorf("Kafka was told to %v", changes)
	}
}

func TestUpdateTopic_NeverTakesPartitionsAway(t *testing.T) {
	desk := openTopicDesk(t)
	desk.have("payments")
	_, err := desk.updateTopic(t, "payments", nil, aws.Int32(2))
	refusedMember(t, err, "partitionCount", "has 3 partitions, and can't have fewer")
	_, err = desk.updateTopic(t, "gone", nil, aws.Int32(2))
	refused(t, err, "NotFoundException", "gone")
}

func TestTopics_NoBrokerGetsMoreReplicasThanItsTypeMayHave(t *testing.T) {
	desk := openTopicDesk(t) // of kafka.m7g.large: 1,500 for each of three brokers
	for _, tt := range []struct {
		name               string
		partitions, factor int32
		want               string
	}{
		{"too many partitions", 1501, 3, "a broker would have 1501 replicas, and 1500 is the most"},
		{"far too many", 1_000_000, 1, "and 1500 is the most"},
		{"as many as there may be", 1000, 3, ""},
		{"more beside them", 501, 3, "would have 1501 replicas"},
		{"what is left", 1500, 1, ""},
	} {
		_, err := desk.createTopic(t, strings.ReplaceAll(tt.name, " ", "-"), tt.partitions, tt.factor, nil)
		if tt.want != "" {
			refusedMember(t, err, "partitionCount", tt.want)
		} else if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	_, err := desk.updateTopic(t, "what-is-left", nil, aws.Int32(1501))
	refusedMember(t, err, "partitionCount", "a broker would have 1501 replicas, and 1500 is the most")
	_, err = desk.createTopic(t, "what-is-left", 1, 1, nil)
	refused(t, err, "TopicExistsException", "what-is-left")
}

func TestTopics_AnswersWarnOfWhatATopicCostsInARoll(t *testing.T) {
	desk := openTopicDesk(t)
	log := captureLog(t)
	warnings := func(metadata middleware.Metadata) []string {
		raw, ok := awsmiddleware.GetRawResponse(metadata).(*smithyhttp.Response)
		if !ok {
			t.Fatal("the answer is not kept")
		}
		return raw.Header.Values("x-millrace-warning")
	}
	want := func(metadata middleware.Metadata, telling string) {
		t.Helper()
		got := warnings(metadata)
		if telling == "" && len(got) == 0 {
			return
		}
		if len(got) != 1 || telling == "" || !strings.Contains(got[0], telling) {
			t.Errorf("warned of %q, want %q", got, telling)
		}
	}
	for _, tt := range []struct {
		name    string
		factor  int32
		configs *string
		want    string
	}{
		{"good", 3, configs(`{"min.insync.replicas":"2"}`), ""},
		{"alone", 1, nil, "replication factor 1"},
		{"strict", 3, configs(`{"min.insync.replicas":"3"}`), "min.insync.replicas 3 with replication factor 3"},
	} {
		out, err := desk.createTopic(t, tt.name, 3, tt.factor, tt.configs)
		if err != nil {
			t.Fatal(err)
		}
		want(out.ResultMetadata, tt.want)
	}
	out, err := desk.updateTopic(t, "good", configs(`{"min.insync.replicas":"3"}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	want(out.ResultMetadata, "min.insync.replicas 3")
	if !strings.Contains(log.String(), "operation=CreateTopic") || !strings.Contains(log.String(), "replication factor 1") {
		t.Errorf("the log has no warning:\n%s", log)
	}
}

func TestDeleteTopic_AsksForAnotherDeclarationWhereTheTopicIsProtected(t *testing.T) {
	desk := openTopicDesk(t)
	desk.have("payments", "scratch")
	declaration := cluster.Declaration{ID: "declared", At: time.Now(), Topics: []cluster.DeclaredTopic{
		{TopicSpec: cluster.TopicSpec{Name: "payments"}, Owner: "team-payments", Protected: true},
		{TopicSpec: cluster.TopicSpec{Name: "scratch"}},
	}}
	desk.declare(t, desk.cluster, declaration)
	_, err := desk.deleteTopic(t, "payments")
	refused(t, err, "BadRequestException", "protected from deletion (its owner is team-payments)")
	if _, err := desk.deleteTopic(t, "scratch"); err != nil {
		t.Error(err)
	}
	if got := desk.kafka.Changes(); !slices.Equal(got, []string{"DeleteTopic scratch"}) {
		t.Errorf("Kafka was told to %v", got)
	}
}

// What a shorter retention throws away, nobody brings back.
func TestUpdateTopic_WarnsOfRecordsThatAreLostAndKeepsThoseOfProtectedTopics(t *testing.T) {
	desk := openTopicDesk(t)
	desk.have("payments", "scratch")
	desk.declare(t, desk.cluster, cluster.Declaration{ID: "declared", At: time.Now(), Topics: []cluster.DeclaredTopic{
		{TopicSpec: cluster.TopicSpec{Name: "payments"}, Owner: "team-payments", Protected: true},
	}})
	log := captureLog(t)
	shorter, longer := configs(`{"retention.ms":"1000"}`), configs(`{"retention.ms":"1209600000"}`)
	_, err := desk.updateTopic(t, "payments", shorter, nil)
	refused(t, err, "BadRequestException", "protected (its owner is team-payments)")
	refused(t, err, "BadRequestException", "retention.ms goes from 604800000 to 1000")
	if _, err := desk.updateTopic(t, "payments", longer, nil); err != nil {
		t.Error(err)
	}
	out, err := desk.updateTopic(t, "scratch", shorter, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, ok := awsmiddleware.GetRawResponse(out.ResultMetadata).(*smithyhttp.Response)
	if !ok {
		t.Fatal("the answer is not kept")
	}
	const warning = "may make Kafka throw records away: retention.ms goes from 604800000 to 1000"
	if got := raw.Header.Values("x-millrace-warning"); !slices.Equal(got, []string{warning}) || !strings.Contains(log.String(), warning) {
		t.Errorf("warned of %q, and logged:\n%s", got, log)
	}
	if got := desk.kafka.Changes(); !slices.Equal(got, []string{"ConfigureTopic payments", "ConfigureTopic scratch"}) {
		t.Errorf("Kafka was told to %v", got)
	}
}

// declare records a declaration of a cluster's topics as if it had been applied.
func (d *frontDesk) declare(t *testing.T, c cluster.Cluster, declaration cluster.Declaration) {
	t.Helper()
	op := cluster.Operation{
		ID: declaration.ID, ClusterID: c.ID, Type: cluster.ApplyTopics, State: cluster.InProgress, CreatedAt: time.Now(),
		Topics: &cluster.TopicsApplication{},
	}
	if _, err := d.records.StartApplication(t.Context(), c.ID, op, declaration, func(c *cluster.Cluster) error {
		c.Declaration, c.Applying = op.ID, &cluster.ActiveOperation{ID: op.ID, Type: op.Type}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestTopics_AreThereWhileAClustersBrokersAre(t *testing.T) {
	desk := openTopicDesk(t)
	desk.have("payments")
	busy := func(kind cluster.OperationType) func(*cluster.Cluster) {
		return func(c *cluster.Cluster) { c.Active = &cluster.ActiveOperation{ID: "1", Type: kind} }
	}
	for _, tt := range []struct {
		state cluster.State
		set   func(*cluster.Cluster)
		there bool
	}{
		{cluster.Active, func(*cluster.Cluster) {}, true},
		{cluster.Healing, busy(cluster.HealBroker), true},
		{cluster.Creating, busy(cluster.CreateCluster), false},
		{cluster.Deleting, busy(cluster.DeleteCluster), false},
		{cluster.Failed, func(c *cluster.Cluster) { c.Failure = &cluster.Failure{Code: "Internal"} }, false},
	} {
		t.Run(string(tt.state), func(t *testing.T) {
			c, err := desk.records.ChangeCluster(t.Context(), desk.cluster.ID, func(c *cluster.Cluster) error {
				c.Active, c.Failure, c.Ready = nil, nil, true
				tt.set(c)
				return nil
			})
			if err != nil || c.State() != tt.state {
				t.Fatalf("%s, %v", c.State(), err)
			}
			for name, err := range desk.everyTopicOperation(t, c.ARN, "payments") {
				if tt.there && err != nil && !strings.Contains(err.Error(), "TopicExistsException") {
					t.Errorf("%s: %v", name, err)
				}
				if !tt.there {
					refusedMember(t, err, "clusterArn", "topics of a cluster in "+string(tt.state))
				}
			}
			desk.have("payments")
		})
	}
}

// everyTopicOperation gives what each of the operations answers for a topic. It deletes the topic last.
func (d *frontDesk) everyTopicOperation(t *testing.T, arn, topic string) map[string]error {
	t.Helper()
	said := map[string]error{}
	_, said["ListTopics"] = d.ListTopics(t.Context(), &kafka.ListTopicsInput{ClusterArn: &arn})
	_, said["DescribeTopic"] = d.DescribeTopic(t.Context(), &kafka.DescribeTopicInput{ClusterArn: &arn, TopicName: &topic})
	_, said["DescribeTopicPartitions"] = d.DescribeTopicPartitions(t.Context(), &kafka.DescribeTopicPartitionsInput{ClusterArn: &arn, TopicName: &topic})
	_, said["CreateTopic"] = d.CreateTopic(t.Context(), &kafka.CreateTopicInput{
		ClusterArn: &arn, TopicName: &topic, PartitionCount: aws.Int32(3), ReplicationFactor: aws.Int32(3),
	})
	_, said["UpdateTopic"] = d.UpdateTopic(t.Context(), &kafka.UpdateTopicInput{ClusterArn: &arn, TopicName: &topic, Configs: configs(`{}`)})
	_, said["DeleteTopic"] = d.DeleteTopic(t.Context(), &kafka.DeleteTopicInput{ClusterArn: &arn, TopicName: &topic})
	return said
}

func TestTopics_OfACLusterThatIsNotThere(t *testing.T) {
	desk := openTopicDesk(t)
	for name, err := range desk.everyTopicOperation(t, absentCluster, "payments") {
		want := "NotFoundException"
		if name == "CreateTopic" || name == "ListTopics" { // which do not model it
			want = "BadRequestException"
		}
		refused(t, err, want, "does not exist")
	}
}

func TestTopics_KafkasNoHasAnAnswerOfTheModel(t *testing.T) {
	desk := openTopicDesk(t)
	const words = "in Kafka's own words"
	type row struct {
		reason string
		code   fault.Code
		// What CreateTopic answers, UpdateTopic and DeleteTopic, DescribeTopic and DescribeTopicPartitions, and ListTopics.
		create, change, describe, list string
		parameter                      string
		// hidden says that the answer has words of its own.
		hidden bool
	}
	rows := []row{
		{"TOPIC_ALREADY_EXISTS", fault.Conflict, "TopicExists", "BadRequest", "BadRequest", "BadRequest", "topicName", false},
		{"INVALID_TOPIC_EXCEPTION", fault.Invalid, "BadRequest", "BadRequest", "BadRequest", "BadRequest", "topicName", false},
		{"INVALID_PARTITIONS", fault.Invalid, "BadRequest", "BadRequest", "BadRequest", "BadRequest", "partitionCount", false},
		{"INVALID_REPLICATION_FACTOR", fault.Invalid, "BadRequest", "BadRequest", "BadRequest", "BadRequest", "replicationFactor", false},
		{"INVALID_CONFIG", fault.Invalid, "BadRequest", "BadRequest", "BadRequest", "BadRequest", "configs", false},
		{"UNKNOWN_TOPIC_OR_PARTITION", fault.NotFound, "BadRequest", "NotFound", "NotFound", "BadRequest", "topicName", false},
		{"UNKNOWN_TOPIC_ID", fault.NotFound, "BadRequest", "NotFound", "NotFound", "BadRequest", "topicName", false},
		{"BROKER_NOT_AVAILABLE", fault.Unavailable, "ClusterConnectivity", "ClusterConnectivity", "ServiceUnavailable", "ServiceUnavailable", "", true},
		{"REQUEST_TIMED_OUT", fault.Unavailable, "KafkaTimeout", "KafkaTimeout", "ServiceUnavailable", "ServiceUnavailable", "", true},
		{"NOT_CONTROLLER", fault.Unavailable, "NotController", "NotController", "ServiceUnavailable", "ServiceUnavailable", "", false},
		{"STALE_CONTROLLER_EPOCH", fault.Unavailable, "ControllerMoved", "ControllerMoved", "ServiceUnavailable", "ServiceUnavailable", "", false},
		{"THROTTLING_QUOTA_EXCEEDED", fault.Unavailable, "TooManyRequests", "TooManyRequests", "TooManyRequests", "TooManyRequests", "", false},
		{"REASSIGNMENT_IN_PROGRESS", fault.Conflict, "ReassignmentInProgress", "ReassignmentInProgress", "BadRequest", "BadRequest", "", false},
		{"GROUP_SUBSCRIBED_TO_TOPIC", fault.Conflict, "GroupSubscribedToTopic", "GroupSubscribedToTopic", "BadRequest", "BadRequest", "", false},
		{"GROUP_ID_NOT_FOUND", fault.NotFound, "BadRequest", "NotFound", "NotFound", "BadRequest", "group", false},
		{"NON_EMPTY_GROUP", fault.Conflict, "BadRequest", "BadRequest", "BadRequest", "BadRequest", "group", false},
		{"COORDINATOR_NOT_AVAILABLE", fault.Unavailable, "ServiceUnavailable", "ServiceUnavailable", "ServiceUnavailable", "ServiceUnavailable", "", false},
		{"LEADER_NOT_AVAILABLE", fault.Unavailable, "ServiceUnavailable", "ServiceUnavailable", "ServiceUnavailable", "ServiceUnavailable", "", false},

		// What has no row of its own.
		{"POLICY_VIOLATION", fault.Invalid, "KafkaRequest", "KafkaRequest", "BadRequest", "BadRequest", "", false},
		{"TOPIC_DELETION_DISABLED", fault.Invalid, "KafkaRequest", "KafkaRequest", "BadRequest", "BadRequest", "", false},
		{"KAFKA_STORAGE_ERROR", fault.Unavailable, "ServiceUnavailable", "ServiceUnavailable", "ServiceUnavailable", "ServiceUnavailable", "", true},
		{"CLUSTER_AUTHORIZATION_FAILED", fault.Internal, "InternalServerError", "InternalServerError", "InternalServerError", "InternalServerError", "", true},
		{errand.NoAccess, fault.Unavailable, "ServiceUnavailable", "ServiceUnavailable", "ServiceUnavailable", "ServiceUnavailable", "", true},
	}
	for _, tt := range rows {
		t.Run(tt.reason, func(t *testing.T) {
			no := fault.Refused(tt.code, tt.reason, words)
			desk.kafka.FailNext("", no, no, no, no, no, no)
			said := desk.everyTopicOperation(t, desk.cluster.ARN, "payments")
			for operation, want := range map[string]string{
				"CreateTopic": tt.create, "UpdateTopic": tt.change, "DeleteTopic": tt.change, "DescribeTopic": tt.describe,
				"DescribeTopicPartitions": tt.describe, "ListTopics": tt.list,
			} {
				var answer smithy.APIError
				if !errors.As(said[operation], &answer) || answer.ErrorCode() != want+"Exception" {
					t.Errorf("%s: got %v, want %sException", operation, said[operation], want)
					continue
				}
				if told := strings.Contains(answer.ErrorMessage(), words); told == tt.hidden {
					t.Errorf("%s: %s", operation, answer.ErrorMessage())
				}
				var bad *types.BadRequestException
				if errors.As(answer, &bad) && aws.ToString(bad.InvalidParameter) != tt.parameter {
					t.Errorf("%s blames %q", operation, aws.ToString(bad.InvalidParameter))
				}
			}
		})
	}
	for _, reason := range api.KafkaErrors() {
		if !slices.ContainsFunc(rows, func(r row) bool { return r.reason == reason }) {
			t.Errorf("%s is not tested", reason)
		}
	}
}
