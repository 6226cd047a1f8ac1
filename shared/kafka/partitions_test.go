package kafka_test

import (
	"fmt"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/kafka"
)

// broker is a broker that answers as it is told to. Real ones agree with each other too soon to be caught at it.
type broker struct {
	*sarama.MockBroker
	metadata *sarama.MetadataResponse
	configs  *sarama.DescribeConfigsResponse
}

func newBroker(t *testing.T, id int32) *broker {
	t.Helper()
	b := &broker{
		MockBroker: sarama.NewMockBroker(quiet{t}, id),
		metadata:   &sarama.MetadataResponse{Version: 9},
		configs:    &sarama.DescribeConfigsResponse{Version: 4},
	}
	b.SetHandlerByMap(map[string]sarama.MockResponse{
		"ApiVersionsRequest":     sarama.NewMockApiVersionsResponse(quiet{t}).SetApiKeys(keys),
		"MetadataRequest":        sarama.NewMockSequence(b.metadata),
		"DescribeConfigsRequest": sarama.NewMockSequence(b.configs),
	})
	t.Cleanup(b.Close)
	return b
}

// keys are the requests that it knows: metadata and configurations.
var keys = []sarama.ApiVersionsResponseKey{{ApiKey: 3, MaxVersion: 13}, {ApiKey: 32, MinVersion: 1, MaxVersion: 4}}

// quiet is a test without the broker's own remarks.
type quiet struct{ testing.TB }

func (quiet) Log(...any)          {}
func (quiet) Logf(string, ...any) {}

// knows says which brokers it counts as up.
func (b *broker) knows(others ...*broker) *broker {
	for _, other := range others {
		b.metadata.AddBroker(other.Addr(), other.BrokerID())
	}
	return b
}

// sees says how it sees a partition.
func (b *broker) sees(topic string, id, leader, epoch int32, inSync ...int32) *broker {
	b.metadata.AddTopicPartition(topic, id, leader, []int32{1, 2, 3}, inSync, nil, sarama.ErrNoError)
	for _, t := range b.metadata.Topics {
		for _, p := range t.Partitions {
			if t.Name == topic && p.ID == id {
				p.LeaderEpoch = epoch
			}
		}
	}
	return b
}

// says what min.insync.replicas of a topic is.
func (b *broker) says(topic, minInSync string) *broker {
	b.configs.Resources = append(b.configs.Resources, &sarama.ResourceResponse{
		Type: sarama.TopicResource, Name: topic,
		Configs: []*sarama.ConfigEntry{{Name: "min.insync.replicas", Value: minInSync}},
	})
	return b
}

func ask(t *testing.T, brokers ...string) ([]cluster.Partition, error) {
	t.Helper()
	return kafka.Admin{}.Partitions(t.Context(), kafka.Access{Brokers: brokers})
}

func partition(topic string, id, leader int32, minInSync int, inSync ...int32) cluster.Partition {
	return cluster.Partition{Topic: topic, ID: id, Leader: leader, Replicas: []int32{1, 2, 3}, InSync: inSync, MinInSync: minInSync}
}

func TestPartitions_AreWhatAllBrokersAgreeOn(t *testing.T) {
	one, two, three := newBroker(t, 1), newBroker(t, 2), newBroker(t, 3)
	for _, b := range []*broker{one, two, three} {
		b.knows(one, two, three).says("orders", "2").says("audit", "1")
	}
	one.sees("orders", 0, 1, 7, 1, 2, 3).sees("orders", 1, 2, 4, 1, 2).sees("audit", 0, -1, 9, 3)
	two.sees("orders", 0, 1, 7, 1, 2).sees("orders", 1, 3, 5, 3).sees("audit", 0, 3, 9, 3)
	three.sees("orders", 0, 1, 7, 1, 2, 3).sees("orders", 1, 2, 4, 1, 2, 3).sees("audit", 0, -1, 9, 3)

	got, err := ask(t, one.Addr(), two.Addr(), three.Addr())
	want := []cluster.Partition{
		partition("audit", 0, 3, 1, 3),
		partition("orders", 0, 1, 2, 1, 2), // broker 2 misses one that the others still list
		partition("orders", 1, 3, 2, 3),    // the later election counts
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v\nwant %v", got, err, want)
	}
}

// A broker that is cut off from the quorum believes for ever that all is as it was.
func TestPartitions_DoNotHearABrokerThatTheOthersHaveGivenUp(t *testing.T) {
	one, two, three := newBroker(t, 1), newBroker(t, 2), newBroker(t, 3)
	one.knows(one, two).says("orders", "2").sees("orders", 0, 1, 7, 1, 2)
	two.knows(one, two).says("orders", "2").sees("orders", 0, 1, 7, 1, 2)
	three.knows(one, two, three).says("orders", "2").sees("orders", 0, 1, 7, 1, 3)
	got, err := ask(t, one.Addr(), two.Addr(), three.Addr())
	if want := []cluster.Partition{partition("orders", 0, 1, 2, 1, 2)}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v\nwant %v", got, err, want)
	}

	// Two that have given up each other: nobody can tell who is right, and what both have seen counts.
	two.metadata.Brokers, three.metadata.Brokers = nil, nil
	two.knows(two)
	three.knows(three)
	got, err = ask(t, two.Addr(), three.Addr())
	if want := []cluster.Partition{partition("orders", 0, 1, 2, 1)}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v\nwant %v", got, err, want)
	}
}

func TestPartitions_DoWithoutBrokersThatDoNotAnswer(t *testing.T) {
	one := newBroker(t, 1)
	one.knows(one).says("orders", "2").sees("orders", 0, 1, 7, 1, 2, 3)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	begin := time.Now()
	got, err := ask(t, silent.Addr().String(), closedPort(t), one.Addr())
	if err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestPartitions_AreUnavailableWhenNobodyAnswers(t *testing.T) {
	for _, brokers := range [][]string{nil, {closedPort(t), closedPort(t)}} {
		if got, err := ask(t, brokers...); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%v: %v, %v", brokers, got, err)
		}
	}
}

func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestPartitions_LeaveOutATopicThatIsBeingDeleted(t *testing.T) {
	one := newBroker(t, 1)
	one.knows(one).sees("gone", 0, 1, 7, 1).sees("orders", 0, 1, 7, 1).says("orders", "1")
	one.configs.Resources = append(one.configs.Resources, &sarama.ResourceResponse{
		Type: sarama.TopicResource, Name: "gone", ErrorCode: int16(sarama.ErrUnknownTopicOrPartition),
	})
	got, err := ask(t, one.Addr())
	if want := []cluster.Partition{partition("orders", 0, 1, 1, 1)}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestPartitions_OfAClusterWithoutTopicsAreNone(t *testing.T) {
	one := newBroker(t, 1)
	one.knows(one)
	if got, err := ask(t, one.Addr()); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestPartitions_TellARefusalFromSilence(t *testing.T) {
	one := newBroker(t, 1)
	one.knows(one).sees("orders", 0, 1, 7, 1)
	for refusal, want := range map[sarama.KError]fault.Code{
		sarama.ErrClusterAuthorizationFailed: fault.Internal,
		sarama.ErrRequestTimedOut:            fault.Unavailable,
	} {
		one.configs.Resources = []*sarama.ResourceResponse{{Type: sarama.TopicResource, Name: "orders", ErrorCode: int16(refusal)}}
		if _, err := ask(t, one.Addr(), closedPort(t)); fault.CodeOf(err) != want {
			t.Errorf("%v: %v is %s, want %s", refusal, err, fault.CodeOf(err), want)
		}
	}
}

func TestAccess_ShowsNoSecret(t *testing.T) {
	a := kafka.Access{Brokers: []string{"10.0.0.1:9095"}, Certificate: "hidden", Key: "hidden", User: "hidden", Password: "hidden"}
	text := fmt.Sprintf("%v %+v %#v %s %v", a, a, a, a, a.LogValue())
	if strings.Contains(text, "hidden") || !strings.Contains(text, "10.0.0.1:9095") {
		t.Error(text)
	}
}

func TestAccess_ThatIsNoCertificateIsABug(t *testing.T) {
	for _, a := range []kafka.Access{
		{Brokers: []string{"127.0.0.1:1"}, Authority: "x", Certificate: "x", Key: "x"},
	} {
		if _, err := (kafka.Admin{}).Partitions(t.Context(), a); !fault.Is(err, fault.Internal) {
			t.Error(err)
		}
	}
}
