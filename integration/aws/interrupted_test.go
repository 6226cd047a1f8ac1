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

func TestCreate_IsFinishedWhateverWasKilledInTheMiddle(t *testing.T) {
	d := harness.Start(t, harness.Variable("MILLRACE_CONTROLLERS", "1"))
	key := d.IssueKey(d.Admin(), "admin")
	arn := d.CreateCluster(key, "orders", 2)

	interrupt := func(when string, happened func() bool, what func()) {
		t.Helper()
		kafka.Until(t, when, 3*time.Minute, func() (bool, string) { return happened(), "" })
		what()
	}
	kill := func() { t.Logf("killed %d processes of functions", d.KillFunctions()) }
	interrupt("an instance is launched", func() bool { return d.Called("ec2:RunInstances") > 0 }, kill)
	interrupt("a volume is attached", func() bool { return d.Called("ec2:AttachVolume") > 0 }, d.RestartWorkflows)
	interrupt("Kafka runs on a host", func() bool {
		return slices.ContainsFunc(d.Hosts(), func(h harness.Host) bool { return h.Kafka != 0 })
	}, d.AbortExecutions)
	if reason := d.WaitUntilFailed(key, arn); !strings.Contains(reason, harness.AbortedBecause) {
		t.Errorf("the cluster is FAILED because: %s", reason)
	}
	if out, err := d.Millrace(key, "clusters", "resume", arn); err != nil {
		t.Fatalf("resume: %v\n%s", err, out)
	}
	kill()
	d.WaitUntilActive(key, arn)
	if hosts := d.Hosts(); len(hosts) != 3 {
		t.Errorf("two brokers and a controller have %d hosts", len(hosts))
	}
	client, _ := d.KafkaClient(key, arn)
	client.CreateTopic("payments", 2)
	client.Produce("payments", "payment", 10)

	d.AWS(key, "kafka", "delete-cluster", "--cluster-arn", arn)
	interrupt("an instance is told to end", func() bool { return d.Called("ec2:TerminateInstances") > 0 }, func() {
		kill()
		d.RestartWorkflows()
	})
	d.WaitUntilGone(key, arn)
	if left := d.Resources(); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestSchedule_StartsWhatCouldNotBeStarted(t *testing.T) {
	d := harness.Start(t)
	key := d.IssueKey(d.Admin(), "operator")
	d.WithoutStarts(func() {
		d.CreateCluster(key, "orders", 3)
		if started := d.Executions("create-cluster"); len(started) > 0 {
			t.Fatalf("executions were started: %q", started)
		}
	})
	kafka.Until(t, "the create is worked at", time.Minute, func() (bool, string) {
		return d.Called("ec2:RunInstances") == 6, fmt.Sprint(d.Executions("create-cluster"))
	})
	if started := d.Executions("create-cluster"); len(started) != 1 {
		t.Errorf("one create has the executions %q", started)
	}
}

// A new account of AWS runs ten functions at once, and a cluster of thirty brokers has more nodes than that. Here a cluster of
// three is worked at by three functions at once.
func TestCreate_WaitsForItsTurnWhereTheAccountRunsFewFunctions(t *testing.T) {
	d := harness.Start(t, harness.Concurrency(3), harness.SlowHosts(2*time.Second))
	key := d.IssueKey(d.Admin(), "operator")
	d.CreateCluster(key, "orders", 3)
	kafka.Until(t, "every node has its volume", 4*time.Minute, func() (bool, string) {
		executions := d.Executions("create-cluster")
		if !slices.Equal(executions, []string{"RUNNING"}) {
			t.Fatalf("the create is over: %q", executions)
		}
		return d.Called("ec2:AttachVolume") == 6, fmt.Sprintf("%d volumes are attached", d.Called("ec2:AttachVolume"))
	})
	if d.Throttled() == 0 {
		t.Error("no function had to wait, so nothing is proven")
	}
}
