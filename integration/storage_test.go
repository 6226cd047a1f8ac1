package integration

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/integration/harness"
	"github.com/millrace/millrace/integration/load"
	"github.com/millrace/millrace/statemachines"
)

// gib is how many bytes a GiB of the volumes of these tests has, so that they are filled within seconds.
const gib = 4 << 20

// A cluster never stops because a disk is full while its owner has allowed it to grow; and where he has not, it goes on as soon as he
// does. It is one cluster that comes to all of it, one after the other, so that its volumes are ever larger.
func TestStorage_GrowsWhateverElseHappensAndNoRecordIsLost(t *testing.T) {
	gated, gate := harness.GateAgents(t)
	m := harness.StartMillrace(t, gated, harness.Env("MILLRACE_GIB", fmt.Sprint(gib)))
	w := admit(t, m, "orders", 2, 1, harness.Small, func(r *harness.Request) {
		r.BrokerNodeGroupInfo.StorageInfo = &types.StorageInfo{EbsStorageInfo: &types.EBSStorageInfo{VolumeSize: aws.Int32(20)}}
	})
	m.ForbidTwins()
	client := m.TLSClient(t, w.arn)

	w.run(t, "it outgrows a producer at full speed as far as it may, and goes on once it may more", func(t *testing.T, w *ward) {
		m.Command("storage", "autoscale", w.arn, "--target", "60", "--max", "60")
		kafkas, watch := m.Kafkas(), m.WatchVolumes(w.arn, 1, 2)
		flood := client.StartLoad(load.Options{Topic: "flood", Partitions: 2, Size: 64 << 10, Unread: true})
		harness.Until(t, "the volumes have the maximum", 3*time.Minute, func() (bool, string) {
			use := m.Use(w.arn, 1)
			return use.GiB(gib) == 60, fmt.Sprintf("%s; failures: %v", use, flood.Failures())
		})
		staysBelow(t, watch, 95)
		if failures := flood.Failures(); len(failures) > 0 {
			t.Errorf("sends have failed: %v", failures)
		}
		if now := m.Kafkas(); !maps.Equal(now, kafkas) {
			t.Errorf("the Kafkas were %v, and are %v", kafkas, now)
		}

		found := m.WaitUntilFound(t, w.arn, 1, "as large as it may be", func(h harness.NodeHealth) bool {
			return strings.Contains(h.Advice, "millrace storage autoscale orders --target 60 --max 70")
		})
		t.Logf("it says: %+v", found)
		described, err := m.KafkaClient(t).DescribeCluster(t.Context(), &kafka.DescribeClusterInput{ClusterArn: aws.String(w.arn)})
		if err != nil {
			t.Fatal(err)
		}
		if status := described.ClusterInfo.CustomerActionStatus; status != types.CustomerActionStatusCriticalActionRequired {
			t.Errorf("its customerActionStatus is %s", status)
		}
		m.Command("storage", "autoscale", w.arn, "--off")
		harness.Until(t, "both volumes are full", 2*time.Minute, func() (bool, string) {
			running := append(m.ProcessesOf(w.arn, 1, harness.Kafka), m.ProcessesOf(w.arn, 2, harness.Kafka)...)
			return len(running) == 0, fmt.Sprint(m.Use(w.arn, 1), m.Use(w.arn, 2), running)
		})
		m.Command("storage", "grow", w.arn, "--to", "80")
		m.WaitUntilRoom(w.arn, 80, gib)
		flood.WaitUntilItFlows(time.Now())
		flood.Verify()
	})
	w.run(t, "a second growth right after the first is taken, and nothing is restarted", func(t *testing.T, w *ward) {
		kafkas := m.Kafkas()
		version := currentVersion(t, w)
		m.AWS(t, "kafka", "update-broker-storage", "--cluster-arn", w.arn, "--current-version", version,
			"--target-broker-ebs-volume-info", "KafkaBrokerNodeId=All,VolumeSizeGB=90")
		m.WaitUntilRoom(w.arn, 90, gib)
		m.Command("storage", "grow", w.arn, "--to", "100")
		m.WaitUntilRoom(w.arn, 100, gib)
		if now := m.Kafkas(); !maps.Equal(now, kafkas) {
			t.Errorf("the Kafkas were %v, and are %v", kafkas, now)
		}
	})
	w.run(t, "brokers that are down or being replaced grow with the others", func(t *testing.T, w *ward) {
		m.Command("maintenance", "on", w.arn, "2", "--for", "1h", "--reason", "a new disk")
		m.LoseHosts(w.arn, 2)
		m.Command("storage", "grow", w.arn, "--to", "110")
		if running := m.ProcessesOf(w.arn, 2); len(running) > 0 {
			t.Errorf("broker 2 was to be down, and there are %v", running)
		}
		if use := m.Use(w.arn, 2); use.GiB(gib) != 110 {
			t.Errorf("the volume of the broker that is down has %s", use)
		}

		gate.Shut()
		m.Command("maintenance", "off", w.arn, "2")
		w.healing.WaitUntilBegun(w.heals + 1)
		m.Command("storage", "autoscale", w.arn, "--target", "10", "--max", "120")
		harness.Until(t, "the volumes have grown beside the replacement", time.Minute, func() (bool, string) {
			one, two, state := m.Use(w.arn, 1), m.Use(w.arn, 2), w.healing.State()
			return one.GiB(gib) == 120 && two.GiB(gib) == 120 && state == types.ClusterStateHealing, fmt.Sprint(one, two, state)
		})
		gate.Open()
		w.healed(t, 1)
		w.replaced(t, 2)
		m.WaitUntilRoom(w.arn, 120, gib) // also the host that was launched meanwhile
		m.Command("storage", "autoscale", w.arn, "--off")
	})
	w.run(t, "a control plane that is killed before and after every transition grows them all the same", func(t *testing.T, w *ward) {
		kafkas := m.Kafkas()
		client, version := m.KafkaClient(t), currentVersion(t, w)
		m.Kill()
		latest := m.Execution("update-broker-storage", "").ARN
		m.Up(failPoint("update-broker-storage", "before"))
		_, err := client.UpdateBrokerStorage(t.Context(), &kafka.UpdateBrokerStorageInput{
			ClusterArn: aws.String(w.arn), CurrentVersion: aws.String(version),
			TargetBrokerEBSVolumeInfo: []types.BrokerEBSVolumeInfo{{KafkaBrokerNodeId: aws.String("All"), VolumeSizeGB: aws.Int32(130)}},
		}, once)
		if err == nil {
			t.Error("the call was answered, although the control plane was to be killed in it")
		}
		crawlAfter(t, m, "update-broker-storage", latest, statesBut(t, "update-broker-storage", "LeftAsItIs", "FailedUnchanged", "FailedPartway"))
		m.Up()
		m.WaitUntilRoom(w.arn, 130, gib)
		w.healing.WaitUntilOver(w.heals)
		if now := m.Kafkas(); !maps.Equal(now, kafkas) {
			t.Errorf("the Kafkas were %v, and are %v", kafkas, now)
		}
	})
	w.discharge(t)
}

// staysBelow sees how full volumes were at most, at each of the sizes that they had before the last one.
func staysBelow(t *testing.T, watch *harness.Watch, percent float64) {
	t.Helper()
	looks, fullest := watch.Stop()
	t.Logf("%d looks have found at most %v", looks, fullest)
	if len(fullest) < 3 {
		t.Errorf("the volumes had the sizes %v alone", fullest)
	}
	for _, use := range fullest[:len(fullest)-1] {
		if use.Percent() > percent {
			t.Errorf("a volume was filled to %s", use)
		}
	}
}

// statesBut gives the states of a machine, those within states too, but for some.
func statesBut(t *testing.T, machine string, but ...string) (names []string) {
	t.Helper()
	definition, err := statemachines.Definition(machine)
	if err != nil {
		t.Fatal(err)
	}
	type states struct{ States map[string]json.RawMessage }
	var add func(text []byte)
	add = func(text []byte) {
		var in states
		if err := json.Unmarshal(text, &in); err != nil {
			t.Fatal(err)
		}
		for name, state := range in.States {
			if !slices.Contains(but, name) {
				names = append(names, name)
			}
			var of struct{ ItemProcessor json.RawMessage }
			if err := json.Unmarshal(state, &of); err != nil {
				t.Fatal(err)
			}
			if of.ItemProcessor != nil {
				add(of.ItemProcessor)
			}
		}
	}
	add(definition)
	return names
}

// currentVersion is the version that a request for a change has to name.
func currentVersion(t *testing.T, w *ward) string {
	t.Helper()
	out, err := w.m.KafkaClient(t).DescribeCluster(t.Context(), &kafka.DescribeClusterInput{ClusterArn: aws.String(w.arn)})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.ClusterInfo.CurrentVersion)
}
