package aws

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/integration/aws/harness"
	kafka "github.com/millrace/millrace/integration/harness"
)

// sickbed is a cluster of three brokers with records, on a deployment.
type sickbed struct {
	*harness.Deployment
	key harness.Credentials
	arn string
}

func admit(t *testing.T, options ...harness.Option) sickbed {
	t.Helper()
	s := sickbed{Deployment: harness.Start(t, append(options, harness.Variable("MILLRACE_CONTROLLERS", "1"))...)}
	s.key = s.IssueKey(s.Admin(), "admin")
	s.arn = s.CreateCluster(s.key, "orders", 3)
	s.WaitUntilActive(s.key, s.arn)
	client, _ := s.KafkaClient(s.key, s.arn)
	client.CreateTopic("payments", 6)
	client.Produce("payments", "payment", 500)
	return s
}

// home is what a node lives on.
func (s sickbed) home(t *testing.T, node int) harness.Home {
	t.Helper()
	h, ok := s.HomeOf(node)
	if !ok {
		t.Fatalf("node %d lives nowhere", node)
	}
	return h
}

// healed waits until a node lives on another instance and the cluster is ACTIVE again, and checks that nothing else about it
// has changed. It tells which states the aws command line showed meanwhile.
func (s sickbed) healed(t *testing.T, node int, before harness.Home) {
	t.Helper()
	began := time.Now()
	seen := map[string]bool{}
	kafka.Until(t, fmt.Sprintf("node %d is replaced", node), 8*time.Minute, func() (bool, string) {
		state := kafka.Decode[struct{ ClusterInfo struct{ State string } }](t,
			s.AWS(s.key, "kafka", "describe-cluster", "--cluster-arn", s.arn)).ClusterInfo.State
		seen[state] = true
		now, lives := s.HomeOf(node)
		return state == "ACTIVE" && lives && now.Instance != before.Instance, fmt.Sprintf("the cluster is %s, the node lives on %s", state, now)
	})
	t.Logf("node %d was replaced within %s", node, time.Since(began).Round(time.Second))
	if !seen["HEALING"] {
		t.Errorf("the aws command line has seen the states %v, want HEALING among them", seen)
	}
	after := s.home(t, node)
	if after.Interface != before.Interface || after.IP != before.IP || after.Volume != before.Volume {
		t.Errorf("node %d lived on %s and lives on %s", node, before, after)
	}
	nodes := s.AWS(s.key, "kafka", "list-nodes", "--cluster-arn", s.arn)
	if node < 1000 && (!strings.Contains(nodes, after.Interface) || !strings.Contains(nodes, after.IP)) {
		t.Errorf("list-nodes does not know %s: %s", after, nodes)
	}
	if again := s.Executions("replace-broker"); !slices.Equal(again, []string{"SUCCEEDED"}) {
		t.Errorf("one node was replaced by the executions %q", again)
	}
	operations := s.AWS(s.key, "kafka", "list-cluster-operations-v2", "--cluster-arn", s.arn)
	if !strings.Contains(operations, "HEAL_BROKER") {
		t.Errorf("no operation says that a broker was healed: %s", operations)
	}
}

// keptEverything checks that every record is there, and that new ones get to every replica.
func (s sickbed) keptEverything(t *testing.T) {
	t.Helper()
	client, _ := s.KafkaClient(s.key, s.arn)
	client.Produce("payments", "refund", 500)
	want := append(kafka.Values("payment", 500), kafka.Values("refund", 500)...)
	got := client.Consume("payments", 1000)
	slices.Sort(want)
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("%d records came out of %d that went in", len(got), len(want))
	}
}

func TestHealing_ReplacesAHostThatEndedBehindOurBack(t *testing.T) {
	s := admit(t)
	before := s.home(t, 2)
	s.EndInstance(before.Instance)
	s.healed(t, 2, before)
	s.keptEverything(t)

	if len(s.Hosts()) != 4 {
		t.Errorf("three brokers and a controller have the hosts %v", s.Hosts())
	}
	s.AWS(s.key, "kafka", "delete-cluster", "--cluster-arn", s.arn)
	s.WaitUntilGone(s.key, s.arn)
	if left := s.Resources(); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// EC2 tells of instances on a best-effort basis: the schedule finds what it did not tell of.
func TestHealing_ReplacesAHostThatWasStoppedByHandAndNobodyTold(t *testing.T) {
	s := admit(t, harness.WithoutInstanceEvents())
	before := s.home(t, 3)
	s.StopInstance(before.Instance)
	s.healed(t, 3, before)
	if state := s.StateOf(before.Instance); state != "terminated" {
		t.Errorf("the old host is %s: somebody could start it again", state)
	}
	s.keptEverything(t)
}

// A host that says nothing may still write. So it is ended before anybody else gets its volume.
func TestHealing_EndsASilentHostBeforeItsVolumeGoesElsewhere(t *testing.T) {
	s := admit(t)
	before := s.home(t, 1)
	s.FreezeHost(before.Instance)
	s.healed(t, 1, before)
	made := s.CallsOf(before.Instance, before.Volume)
	ended, moved := slices.Index(made, "ec2:TerminateInstances"), len(made)-1
	if ended < 0 || made[moved] != "ec2:AttachVolume" || ended > moved {
		t.Errorf("of %s was called %q, want the host ended before the volume is attached", before, made)
	}
	s.keptEverything(t)
}
