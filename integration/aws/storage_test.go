package aws

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/integration/aws/harness"
	kafka "github.com/millrace/millrace/integration/harness"
)

// storage is that of a cluster, as clients of the API see it.
type storage struct {
	*harness.Deployment
	t   *testing.T
	key harness.Credentials
	arn string
}

// described is what the aws command line tells of the cluster.
func (s storage) described() (version, state string, gib int) {
	s.t.Helper()
	c := kafka.Decode[struct {
		ClusterInfo struct {
			CurrentVersion, State string
			BrokerNodeGroupInfo   struct {
				StorageInfo struct{ EbsStorageInfo struct{ VolumeSize int } }
			}
		}
	}](s.t, s.AWS(s.key, "kafka", "describe-cluster", "--cluster-arn", s.arn)).ClusterInfo
	return c.CurrentVersion, c.State, c.BrokerNodeGroupInfo.StorageInfo.EbsStorageInfo.VolumeSize
}

// grow makes the volumes of all brokers larger, and waits until each broker's host has the room.
func (s storage) grow(to int) {
	s.t.Helper()
	began := time.Now()
	version, _, _ := s.described()
	s.AWS(s.key, "kafka", "update-broker-storage", "--cluster-arn", s.arn, "--current-version", version,
		"--target-broker-ebs-volume-info", fmt.Sprintf(`[{"KafkaBrokerNodeId":"ALL","VolumeSizeGB":%d}]`, to))
	kafka.Until(s.t, fmt.Sprintf("the volumes have %d GiB", to), 3*time.Minute, func() (bool, string) {
		_, state, gib := s.described()
		return state == "ACTIVE" && gib == to, fmt.Sprintf("%s with %d GiB", state, gib)
	})
	shown, err := s.Millrace(s.key, "storage", "show", s.arn, "--output", "json")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, b := range kafka.Decode[struct {
		Brokers []struct{ Id, VolumeGiB, TotalBytes int64 }
	}](s.t, shown).Brokers {
		if b.VolumeGiB != int64(to) || b.TotalBytes != int64(to)<<30 {
			s.t.Errorf("broker %d has %d GiB on record and %d bytes on its host, want %d GiB", b.Id, b.VolumeGiB, b.TotalBytes, to)
		}
	}
	s.t.Logf("grown to %d GiB within %s", to, time.Since(began).Round(time.Second))
}

// kafkas are the processes that run Kafka, by instance.
func (s storage) kafkas() map[string]int {
	s.t.Helper()
	pids := map[string]int{}
	for _, h := range s.Hosts() {
		pids[h.Instance] = h.Kafka
	}
	return pids
}

// wantVolumes checks how many volumes of how many GiB the cluster's brokers have.
func (s storage) wantVolumes(what string, want ...int) {
	s.t.Helper()
	if got := s.LogVolumes(); !slices.Equal(got, want) {
		s.t.Errorf("%s: the log volumes of brokers have %v GiB, want %v", what, got, want)
	}
}

// volumesGrowAgainAndAgain makes the volumes of three brokers larger under running Kafkas, also while EBS takes no change of them, and
// leaves them with a further volume each.
func volumesGrowAgainAndAgain(t *testing.T, d *harness.Deployment, key harness.Credentials, arn string) {
	t.Helper()
	s := storage{d, t, key, arn}
	_, _, gib := s.described()
	before, operations := s.kafkas(), len(d.Executions("update-broker-storage"))
	s.wantVolumes("made", gib, gib, gib)

	s.grow(gib + 10)
	s.wantVolumes("grown", gib+10, gib+10, gib+10)
	s.grow(gib + 30)
	s.wantVolumes("grown again within EBS's limit", 20, 20, 20, gib+10, gib+10, gib+10)

	d.LetVolumesRest()
	s.grow(gib + 40)
	kafka.Until(t, "further volumes are merged with the first ones", 3*time.Minute, func() (bool, string) {
		got := d.LogVolumes()
		return len(got) == 3, fmt.Sprintf("log volumes have %v GiB", got)
	})
	s.wantVolumes("merged", gib+40, gib+40, gib+40)
	kafka.Until(t, "the merge has ended", time.Minute, func() (bool, string) {
		ended := d.Executions("update-broker-storage")[operations:]
		_, state, now := s.described()
		return state == "ACTIVE" && now == gib+40 && len(ended) >= 4 && !slices.Contains(ended, "RUNNING"), fmt.Sprintf("%s, %q", state, ended)
	})
	s.grow(gib + 50)
	s.wantVolumes("grown after that, within EBS's limit", 10, 10, 10, gib+40, gib+40, gib+40)

	for _, ended := range d.Executions("update-broker-storage")[operations:] {
		if ended != "SUCCEEDED" {
			t.Errorf("an execution has %s", ended)
		}
	}
	for instance, pid := range s.kafkas() {
		if pid != before[instance] {
			t.Errorf("Kafka of %s was process %d, and is %d", instance, before[instance], pid)
		}
	}
}
