package hostevents

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"

	"github.com/millrace/millrace/events"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
)

// fakeBus keeps what it takes, and refuses what hosts in refused say.
type fakeBus struct {
	taken   []string
	refused map[string]bool
}

func (b *fakeBus) Put(_ context.Context, told ...cluster.HostEvent) []error {
	errs := make([]error, len(told))
	for i, e := range told {
		if b.refused[e.Host] {
			errs[i] = fault.New(fault.Unavailable, "InternalFailure")
			continue
		}
		b.taken = append(b.taken, fmt.Sprintf("%s of %s/%s", e.Type, e.Deployment, e.Host))
	}
	return errs
}

var now = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func runningBroker(host string, change ...func(*nodespec.Heartbeat)) nodespec.Heartbeat {
	b := nodespec.Heartbeat{
		HostID: host, At: now, Cluster: "orders", NodeID: 1, Role: cluster.Broker, State: nodespec.Running,
		Brokers: []int32{1, 2, 3}, Disk: &nodespec.Disk{TotalBytes: 400, UsedBytes: 50},
	}
	for _, c := range change {
		c(&b)
	}
	return b
}

// record is a record of the stream: a heartbeat written for the first time.
func record(sequence, partition, sort string, body lambdaevents.DynamoDBAttributeValue) lambdaevents.DynamoDBEventRecord {
	return lambdaevents.DynamoDBEventRecord{EventID: "event-" + sequence, EventName: "INSERT", Change: lambdaevents.DynamoDBStreamRecord{
		SequenceNumber: sequence,
		Keys: map[string]lambdaevents.DynamoDBAttributeValue{
			"pk": lambdaevents.NewStringAttribute(partition), "sk": lambdaevents.NewStringAttribute(sort),
		},
		NewImage: map[string]lambdaevents.DynamoDBAttributeValue{"body": body},
	}}
}

func written(t *testing.T, sequence, sort string, beat nodespec.Heartbeat) lambdaevents.DynamoDBEventRecord {
	t.Helper()
	body, err := json.Marshal(beat)
	if err != nil {
		t.Fatal(err)
	}
	return record(sequence, "beat#AROA:"+beat.HostID, sort, lambdaevents.NewStringAttribute(string(body)))
}

func handle(t *testing.T, bus *fakeBus, batch ...lambdaevents.DynamoDBEventRecord) (failed, metrics string) {
	t.Helper()
	var out bytes.Buffer
	answer, err := Handler{Deployment: "millrace", Bus: bus, Metrics: &out}.Handle(t.Context(), events.HeartbeatStream{Records: batch})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range answer.BatchItemFailures {
		failed += f.ItemIdentifier
	}
	return failed, out.String()
}

func wantTaken(t *testing.T, bus *fakeBus, want ...string) {
	t.Helper()
	if fmt.Sprint(bus.taken) != fmt.Sprint(want) {
		t.Errorf("on the bus: %q, want %q", bus.taken, want)
	}
}

func TestHandle_PassesOverWhatNobodyCanRead(t *testing.T) {
	bus := &fakeBus{}
	foreign := written(t, "3", "news", runningBroker("i-2"))
	foreign.Change.Keys["pk"] = lambdaevents.NewStringAttribute("beat#AROA:i-9")
	removed := written(t, "5", "news", runningBroker("i-3"))
	removed.Change.NewImage = nil
	failed, metrics := handle(
		t, bus,
		record("1", "beat#AROA:i-0", "news", lambdaevents.NewStringAttribute("{")),
		record("2", "beat#AROA:i-0", "news", lambdaevents.NewNumberAttribute("7")),
		foreign,
		lambdaevents.DynamoDBEventRecord{EventID: "without keys"},
		removed,
		written(t, "9", "news", runningBroker("i-4", func(b *nodespec.Heartbeat) { b.Reason = strings.Repeat("x", 16<<10) })),
		written(t, "6", "request", runningBroker("i-4")),
		record("7", "spec#AROA:i-5", "only", lambdaevents.NewStringAttribute("{}")),
		written(t, "8", "news", runningBroker("i-1")),
	)
	if failed != "" || metrics != "" {
		t.Errorf("failed %q, metrics %q", failed, metrics)
	}
	wantTaken(t, bus, "Broker Joined of millrace/i-1")
}

func TestHandle_ADocumentMayBeBytes(t *testing.T) {
	bus := &fakeBus{}
	body, err := json.Marshal(runningBroker("i-1"))
	if err != nil {
		t.Fatal(err)
	}
	handle(t, bus, record("1", "beat#AROA:i-1", "news", lambdaevents.NewBinaryAttribute(body)))
	wantTaken(t, bus, "Broker Joined of millrace/i-1")
}

func TestHandle_NamesTheFirstRecordThatTheBusDidNotTake(t *testing.T) {
	bus := &fakeBus{refused: map[string]bool{"i-2": true, "i-3": true}}
	nearlyFull := func(b *nodespec.Heartbeat) { b.Disk.UsedBytes = 360 }
	batch := []lambdaevents.DynamoDBEventRecord{
		written(t, "1", "news", runningBroker("i-1")),
		written(t, "2", "news", runningBroker("i-2", nearlyFull)),
		written(t, "3", "news", runningBroker("i-3")),
	}
	if failed, _ := handle(t, bus, batch...); failed != "2" {
		t.Errorf("records to come again from %q on, want 2", failed)
	}
	wantTaken(t, bus, "Broker Joined of millrace/i-1")

	bus.refused = nil
	if failed, _ := handle(t, bus, batch[1:]...); failed != "" {
		t.Errorf("failed %q", failed)
	}
	wantTaken(t, bus, "Broker Joined of millrace/i-1",
		"Broker Joined of millrace/i-2", "Disk Nearly Full of millrace/i-2", "Broker Joined of millrace/i-3")
}

func TestHandle_TheLastHeartbeatOfEachHostBecomesMetrics(t *testing.T) {
	bus := &fakeBus{}
	sooner := func(b *nodespec.Heartbeat) { b.At, b.Disk.UsedBytes = now.Add(-30*time.Second), 40 }
	_, metrics := handle(
		t, bus,
		written(t, "1", "last", runningBroker("i-1", sooner)),
		written(t, "2", "last", runningBroker("i-1")),
		written(t, "3", "last", runningBroker("i-1", sooner)), // repeated by the stream
		written(t, "4", "last", runningBroker("i-2", func(b *nodespec.Heartbeat) { b.NodeID, b.State = 2, nodespec.Starting })),
		written(t, "5", "last", runningBroker("i-3", func(b *nodespec.Heartbeat) { b.Disk = nil })),
		written(t, "6", "last", runningBroker("i-4", func(b *nodespec.Heartbeat) { b.Role = cluster.Controller })),
		written(t, "7", "last", runningBroker("i-5", func(b *nodespec.Heartbeat) { b.Cluster = "" })),
		written(t, "8", "last", runningBroker("i-6", func(b *nodespec.Heartbeat) { b.Disk, b.Brokers = nil, nil })),
		written(t, "9", "last", runningBroker("i-7", func(b *nodespec.Heartbeat) {
			b.NodeID, b.Replication = 3, &nodespec.Replication{Leads: 9, UnderReplicated: 2, Offline: 1, OutOfSync: map[int32]int{1: 2}}
		})),
	)
	const (
		ofBroker = `{"Namespace":"Millrace/Kafka","Dimensions":[["Cluster Name","Broker ID"]],` +
			`"Metrics":[{"Name":"KafkaDataLogsDiskUsed","Unit":"Percent"}]}`
		ofCluster = `{"Namespace":"Millrace/Kafka","Dimensions":[["Cluster Name"]],` +
			`"Metrics":[{"Name":"ActiveBrokerCount","Unit":"Count"}]}`
		ofLeader = `{"Namespace":"Millrace/Kafka","Dimensions":[["Cluster Name","Broker ID"]],` +
			`"Metrics":[{"Name":"KafkaDataLogsDiskUsed","Unit":"Percent"},{"Name":"UnderReplicatedPartitions","Unit":"Count"}]}`
		withOffline = `{"Namespace":"Millrace/Kafka","Dimensions":[["Cluster Name"]],` +
			`"Metrics":[{"Name":"ActiveBrokerCount","Unit":"Count"},{"Name":"OfflinePartitionsCount","Unit":"Count"}]}`
	)
	want := `{"ActiveBrokerCount":3,"Broker ID":"1","Cluster Name":"orders","KafkaDataLogsDiskUsed":12.5,"_aws":{"CloudWatchMetrics":[` + ofBroker + `,` + ofCluster + `],"Timestamp":1795780800000}}
{"Broker ID":"2","Cluster Name":"orders","KafkaDataLogsDiskUsed":12.5,"_aws":{"CloudWatchMetrics":[` + ofBroker + `],"Timestamp":1795780800000}}
{"ActiveBrokerCount":3,"Broker ID":"1","Cluster Name":"orders","_aws":{"CloudWatchMetrics":[` + ofCluster + `],"Timestamp":1795780800000}}
{"ActiveBrokerCount":3,"Broker ID":"3","Cluster Name":"orders","KafkaDataLogsDiskUsed":12.5,"OfflinePartitionsCount":1,"UnderReplicatedPartitions":2,"_aws":{"CloudWatchMetrics":[` + ofLeader + `,` + withOffline + `],"Timestamp":1795780800000}}
`
	if metrics != want {
		t.Errorf("metrics:\n%s\nwant:\n%s", metrics, want)
	}
	wantTaken(t, bus)
}

func TestHandle_ALogThatCannotBeWrittenIsAnError(t *testing.T) {
	batch := events.HeartbeatStream{Records: []lambdaevents.DynamoDBEventRecord{written(t, "1", "last", runningBroker("i-1"))}}
	if _, err := (Handler{Bus: &fakeBus{}, Metrics: broken{}}).Handle(t.Context(), batch); !errors.Is(err, errBroken) {
		t.Errorf("err = %v", err)
	}
}

type broken struct{}

var errBroken = errors.New("broken pipe")

func (broken) Write([]byte) (int, error) { return 0, errBroken }
