package integration

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/integration/harness"
)

// A GiB of these volumes has a MiB, so that one can be filled within seconds.
func TestFullVolume_TakesNoMoreAndGrowsAsOneOfACloudDoes(t *testing.T) {
	if testing.Short() {
		t.Skip("runs whole control planes")
	}
	m := harness.StartMillrace(t, harness.Env("MILLRACE_GIB", fmt.Sprint(1<<20)))
	w := admit(t, m, "orders", 2, 1, harness.Small, func(r *harness.Request) {
		r.BrokerNodeGroupInfo.StorageInfo = &types.StorageInfo{EbsStorageInfo: &types.EBSStorageInfo{VolumeSize: aws.Int32(60)}}
	})
	filling := m.TLSClient(t, w.arn).StartFilling("ballast", 2)

	w.run(t, "a growth before it is full restarts nothing", func(t *testing.T, w *ward) {
		before := m.Kafkas()
		if err := filling.Write(40 << 20); err != nil {
			t.Fatalf("a volume with room takes no more: %v", err)
		}
		growVolumes(t, m, w.arn, 70)
		if err := filling.Write(20 << 20); err != nil {
			t.Errorf("the room that was grown takes nothing: %v", err)
		}
		if now := m.Kafkas(); !maps.Equal(now, before) {
			t.Errorf("the Kafkas were %v, and are %v", before, now)
		}
	})
	w.run(t, "a producer that fills it finds it full", func(t *testing.T, w *ward) {
		refused := filling.Write(1 << 30)
		if refused == nil {
			t.Fatal("a volume of 70 MiB took a GiB")
		}
		t.Logf("%d records of 256 KiB, then: %v", filling.Acknowledged(), refused)
		found := m.WaitUntilFound(t, w.arn, 2, "full", func(h harness.NodeHealth) bool {
			return h.Condition == "disk full" && strings.Contains(h.Reason, "Kafka does not run")
		})
		if found.Remedy != "" || !strings.Contains(found.Reason, "70 GiB") || !strings.Contains(found.Advice, "heal limit") {
			t.Errorf("the verdict is %+v, and does not say that it is for people, and what they can do", found)
		}
		if running := m.ProcessesOf(w.arn, 2, harness.Kafka); len(running) > 0 {
			t.Errorf("Kafka runs on a full volume: %v", running)
		}
		w.load.WaitUntilItFlows(time.Now()) // the other broker goes on alone

		m.Command("heal", "limit", w.arn, "--max-volume", "200")
		had := w.healed(t, 1)
		w.replaced(t) // nobody has another host
		if heal := had[0]; aws.ToString(heal.OperationState) != "UPDATE_COMPLETE" {
			t.Errorf("the volume was grown: %s", harness.Tell(had))
		}
		m.WaitUntilFound(t, w.arn, 2, "well", func(h harness.NodeHealth) bool { return h.Condition == "well" })
		if err := filling.Write(2 << 20); err != nil {
			t.Errorf("the volume has grown and takes no more: %v", err)
		}
		filling.Verify()
	})
	w.discharge(t)
}

// growVolumes makes the volumes of all brokers larger, and returns when they are.
func growVolumes(t *testing.T, m *harness.Millrace, arn string, gib int32) {
	t.Helper()
	client := m.KafkaClient(t)
	described, err := client.DescribeCluster(t.Context(), &kafka.DescribeClusterInput{ClusterArn: aws.String(arn)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.UpdateBrokerStorage(t.Context(), &kafka.UpdateBrokerStorageInput{
		ClusterArn: aws.String(arn), CurrentVersion: described.ClusterInfo.CurrentVersion,
		TargetBrokerEBSVolumeInfo: []types.BrokerEBSVolumeInfo{{KafkaBrokerNodeId: aws.String("ALL"), VolumeSizeGB: aws.Int32(gib)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	harness.Until(t, "the volumes have grown", time.Minute, func() (bool, string) {
		now, err := client.DescribeCluster(t.Context(), &kafka.DescribeClusterInput{ClusterArn: aws.String(arn)})
		if err != nil {
			return false, err.Error()
		}
		size := aws.ToInt32(now.ClusterInfo.BrokerNodeGroupInfo.StorageInfo.EbsStorageInfo.VolumeSize)
		return size == gib && now.ClusterInfo.State == types.ClusterStateActive, fmt.Sprintf("%s, %d GiB", now.ClusterInfo.State, size)
	})
}
