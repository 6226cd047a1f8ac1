package events_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/events"
	"github.com/millrace/millrace/functions/hostevents"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/records"
)

// bus keeps what is put on it.
type bus []cluster.HostEvent

func (b *bus) Put(_ context.Context, told ...cluster.HostEvent) []error {
	*b = append(*b, told...)
	return make([]error, len(told))
}

func readSample(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile("samples/" + name)
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func handle(t *testing.T, batch events.HeartbeatStream) (bus, string) {
	t.Helper()
	var told bus
	var metrics bytes.Buffer
	answer, err := hostevents.Handler{Deployment: "millrace", Bus: &told, Metrics: &metrics}.Handle(t.Context(), batch)
	if err != nil || len(answer.BatchItemFailures) > 0 {
		t.Fatalf("%+v, %v", answer, err)
	}
	return told, metrics.String()
}

func TestHeartbeatStream_TheSampleOfNewsTellsOfAFencedBroker(t *testing.T) {
	var batch events.HeartbeatStream
	readSample(t, "heartbeat_news.json", &batch)
	told, metrics := handle(t, batch)
	if len(told) != 1 || told[0].Type != cluster.BrokerFenced || told[0].Broker != 2 || metrics != "" {
		t.Errorf("told %+v, metrics %q", told, metrics)
	}
}

func TestHeartbeatStream_TheSampleOfLastHeartbeatsBecomesMetrics(t *testing.T) {
	var batch events.HeartbeatStream
	readSample(t, "heartbeat_last.json", &batch)
	told, metrics := handle(t, batch)
	if lines := strings.Count(metrics, "\n"); len(told) != 0 || lines != 2 {
		t.Errorf("told %+v, %d lines of metrics:\n%s", told, lines, metrics)
	}
}

// The samples of host events are what the function puts on the bus for these changes.
func TestHostEvent_TheSamplesAreWhatTheBusIsTold(t *testing.T) {
	ends := time.Date(2027, 9, 20, 11, 58, 31, 0, time.UTC)
	peace := nodespec.Heartbeat{
		HostID: "i-0a1b2c3d4e5f60718", Cluster: "orders", NodeID: 1, Role: cluster.Broker, Generation: 3, State: nodespec.Running,
		Brokers: []int32{1, 2, 3}, CertificateEnds: &ends, Disk: &nodespec.Disk{TotalBytes: 1000, UsedBytes: 120},
		At: time.Date(2026, 9, 20, 11, 0, 0, 0, time.UTC),
	}
	var sampled []cluster.HostEventType
	for name, change := range map[string]func(before, now *nodespec.Heartbeat){
		"broker_joined": func(before, _ *nodespec.Heartbeat) { before.State = nodespec.Starting },
		"broker_fenced": func(_, now *nodespec.Heartbeat) { now.Brokers = []int32{1, 3} },
		"node_in_trouble": func(_, now *nodespec.Heartbeat) {
			now.State, now.Reason = nodespec.Failing, "Kafka ended (signal: killed)"
		},
		"broker_out_of_sync": func(_, now *nodespec.Heartbeat) {
			now.Replication = &nodespec.Replication{Leads: 20, UnderReplicated: 7, OutOfSync: map[int32]int{2: 7}}
		},
		"controller_behind": func(before, now *nodespec.Heartbeat) {
			for _, beat := range []*nodespec.Heartbeat{before, now} {
				beat.NodeID, beat.Role, beat.Brokers = 1001, cluster.Controller, nil
				beat.Quorum = &nodespec.Quorum{CaughtUp: []int32{1001, 1002, 1003}}
			}
			now.Quorum = &nodespec.Quorum{CaughtUp: []int32{1001, 1002}, Behind: []int32{1003}}
		},
		"disk_fills": func(_, now *nodespec.Heartbeat) { now.Disk = &nodespec.Disk{TotalBytes: 1000, UsedBytes: 452} },
		"disk_full": func(before, now *nodespec.Heartbeat) {
			before.Disk = &nodespec.Disk{TotalBytes: 1000, UsedBytes: 950}
			now.Disk = &nodespec.Disk{TotalBytes: 1000, UsedBytes: 985}
		},
		"disk_nearly_full":         func(_, now *nodespec.Heartbeat) { now.Disk = &nodespec.Disk{TotalBytes: 1000, UsedBytes: 854} },
		"certificate_near_its_end": func(*nodespec.Heartbeat, *nodespec.Heartbeat) {},
	} {
		t.Run(name, func(t *testing.T) {
			var event events.HostEvent
			readSample(t, "host_event_"+name+".json", &event)
			var want cluster.HostEvent
			decoder := json.NewDecoder(bytes.NewReader(event.Detail))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&want); err != nil {
				t.Fatal(err)
			}
			want.Type = cluster.HostEventType(event.DetailType)
			sampled = append(sampled, want.Type)

			before, now := peace, peace
			now.At = want.At
			change(&before, &now)
			told, _ := handle(t, newsOf(t, before, now))
			if len(told) != 1 || told[0] != want || event.Source != "millrace" {
				t.Errorf("told %+v, want %+v of %s", told, want, event.Source)
			}
		})
	}
	for _, kind := range cluster.HostEventTypes() {
		if !slices.Contains(sampled, kind) {
			t.Errorf("%q has no sample", kind)
		}
	}
}

// newsOf is the sample of news with other heartbeats in it.
func newsOf(t *testing.T, before, now nodespec.Heartbeat) (batch events.HeartbeatStream) {
	t.Helper()
	body := func(beat nodespec.Heartbeat) json.RawMessage {
		text, err := json.Marshal(beat)
		if err != nil {
			t.Fatal(err)
		}
		quoted, err := json.Marshal(map[string]any{"body": map[string]string{"S": string(text)}})
		if err != nil {
			t.Fatal(err)
		}
		return quoted
	}
	record, err := json.Marshal(map[string]any{"Records": []any{map[string]any{"dynamodb": map[string]any{
		"Keys":     map[string]any{"pk": map[string]string{"S": "beat#AROA:" + now.HostID}, "sk": map[string]string{"S": records.NewsBeat}},
		"OldImage": body(before), "NewImage": body(now), "SequenceNumber": "1",
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(record, &batch); err != nil {
		t.Fatal(err)
	}
	return batch
}
