package events_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/millrace/millrace/events"
	"github.com/millrace/millrace/functions/healthsweep"
	"github.com/millrace/millrace/shared/cluster"
)

func TestHealthWake_TheSampleIsWhatBecomesOfAHostEvent(t *testing.T) {
	var wake events.HealthWake
	readSample(t, "health_wake.json", &wake)
	var event events.HostEvent
	readSample(t, "host_event_broker_fenced.json", &event)
	var told cluster.HostEvent
	if err := json.Unmarshal(event.Detail, &told); err != nil {
		t.Fatal(err)
	}
	if wake.Cluster == "" || wake.Cluster != told.Cluster {
		t.Errorf("%+v of %+v", wake, told)
	}
}

// The machine hands the name on as it came.
func TestHealthWake_IsWhatTheStepReads(t *testing.T) {
	wake, err := json.Marshal(events.HealthWake{Cluster: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	var in healthsweep.SweepHealthInput
	if err := json.Unmarshal(wake, &in); err != nil || in.Cluster != "orders" {
		t.Errorf("%+v, %v", in, err)
	}
}

// What EC2 and CloudWatch say names no cluster: it is a reason to look at all.
func TestHealthWake_TheSamplesOfAWSNameNoCluster(t *testing.T) {
	for _, sample := range []string{"instance_ends.json", "spot_interruption.json", "alarm.json"} {
		t.Run(sample, func(t *testing.T) {
			var event events.HostNotice
			readSample(t, sample, &event)
			var detail map[string]any
			if err := json.Unmarshal(event.Detail, &detail); err != nil {
				t.Fatal(err)
			}
			if _, named := detail["cluster"]; named || !slices.Contains([]string{"aws.ec2", "aws.cloudwatch"}, event.Source) {
				t.Errorf("%s: %v", event.Source, detail)
			}
		})
	}
}
