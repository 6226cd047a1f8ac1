package events_test

import (
	"encoding/json"
	"testing"

	"github.com/millrace/millrace/events"
	"github.com/millrace/millrace/functions/storageautoscaling"
	"github.com/millrace/millrace/shared/cluster"
)

func TestStorageWake_TheSampleIsWhatBecomesOfAHostEventAndIsWhatTheStepReads(t *testing.T) {
	var wake events.StorageWake
	readSample(t, "storage_wake.json", &wake)
	for _, sample := range []string{"host_event_disk_fills.json", "host_event_disk_nearly_full.json", "host_event_disk_full.json"} {
		var event events.HostEvent
		readSample(t, sample, &event)
		var told cluster.HostEvent
		if err := json.Unmarshal(event.Detail, &told); err != nil {
			t.Fatal(err)
		}
		if wake.Cluster == "" || wake.Cluster != told.Cluster {
			t.Errorf("%+v of %+v", wake, told)
		}
	}
	handed, err := json.Marshal(wake)
	if err != nil {
		t.Fatal(err)
	}
	var in storageautoscaling.ScaleStorageInput
	if err := json.Unmarshal(handed, &in); err != nil || in.Cluster != wake.Cluster {
		t.Errorf("%+v, %v", in, err)
	}
}

func TestStorageWake_TheAlarmNamesNoCluster(t *testing.T) {
	var alarm events.Alarm
	readSample(t, "alarm_disk_use.json", &alarm)
	var detail map[string]any
	if err := json.Unmarshal(alarm.Detail, &detail); err != nil {
		t.Fatal(err)
	}
	if _, named := detail["cluster"]; named || alarm.Source != "aws.cloudwatch" {
		t.Errorf("%s: %v", alarm.Source, detail)
	}
}
