package aws

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/integration/aws/harness"
	kafka "github.com/millrace/millrace/integration/harness"
)

func TestMainPath_AStockClientCreatesUsesAndDeletesARealClusterOnAWS(t *testing.T) {
	d := harness.Start(t)
	before := d.Items()
	key := d.IssueKey(d.Admin(), "admin")

	arn := d.CreateCluster(key, "orders", 3)
	d.WaitUntilActive(key, arn)
	if hosts := d.Hosts(); len(hosts) != 6 {
		t.Errorf("three brokers and three controllers have %d hosts", len(hosts))
	}
	oneTraceHoldsCallAndSteps(t, d, "CreateCluster",
		"BeginOperation", "PlanCluster", "EnsureAddress", "EnsureVolume", "LaunchHost", "CheckHostRunning", "AttachVolume",
		"CheckHostsReported", "WriteNodeSpecs", "CheckNodesJoined", "SealVolumes", "RenewKafkaAccess", "EndOperation")
	everybodyIsTold(t, d, key)

	client, bootstrap := d.KafkaClient(key, arn)
	for address := range strings.SplitSeq(bootstrap, ",") {
		if !strings.HasSuffix(address, ".millrace.internal:9094") {
			t.Errorf("brokers are reached by names of the deployment's zone, not by %s", address)
		}
	}
	topicsAreMadeByTheAPI(t, d, key, arn)
	client.Produce("payments", "payment", 1000)
	if got := client.Consume("payments", 1000); !slices.Equal(got, kafka.Values("payment", 1000)) {
		t.Error("other records came out than went in")
	}
	topicsAreMadeAsDeclared(t, d, key, arn)
	volumesGrowAgainAndAgain(t, d, key, arn)
	if got := client.Consume("payments", 1000); !slices.Equal(got, kafka.Values("payment", 1000)) {
		t.Error("other records are there since volumes have grown")
	}
	aKilledAgentComesBackAndLeavesKafkaAlone(t, d)

	d.AWS(key, "kafka", "delete-cluster", "--cluster-arn", arn)
	d.WaitUntilGone(key, arn)
	if left := d.Resources(); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if left := d.Items(); !slices.Equal(left, before) {
		t.Errorf("left in the table: %q; before the create: %q", left, before)
	}
}

// aKilledAgentComesBackAndLeavesKafkaAlone kills one agent as kill -9 does.
func aKilledAgentComesBackAndLeavesKafkaAlone(t *testing.T, d *harness.Deployment) {
	t.Helper()
	victim := d.Hosts()[0]
	if err := syscall.Kill(victim.Agent, syscall.SIGKILL); err != nil {
		t.Fatalf("kill the agent of %s: %v", victim.Instance, err)
	}
	kafka.Until(t, "another agent runs", time.Minute, func() (bool, string) {
		now := d.Hosts()[0]
		if now.Kafka != victim.Kafka {
			t.Fatalf("Kafka of %s is process %d, and was %d", now.Instance, now.Kafka, victim.Kafka)
		}
		return now.Agent != 0 && now.Agent != victim.Agent, ""
	})
}

// oneTraceHoldsCallAndSteps looks for the trace of the first call of an operation of the API: what was done for it by machines and by
// other functions is part of it.
func oneTraceHoldsCallAndSteps(t *testing.T, d *harness.Deployment, operation string, steps ...string) {
	t.Helper()
	kafka.Until(t, "the trace of "+operation+" has all steps", 10*time.Second, func() (bool, string) {
		traces := d.Traces()
		asked := slices.IndexFunc(traces, func(s harness.Segment) bool { return s.Annotations["operation"] == operation })
		if asked < 0 {
			return false, "the call is not traced"
		}
		names := map[string]int{}
		for _, s := range traces {
			if s.TraceID == traces[asked].TraceID {
				names[s.Name]++
			}
		}
		missing := slices.DeleteFunc(slices.Clone(steps), func(step string) bool { return names[step] > 0 })
		return len(missing) == 0, fmt.Sprintf("it lacks %q and has %v", missing, names)
	})
}

// everybodyIsTold looks for what is told of a new cluster: its state on the command line, events on the bus, and metrics.
func everybodyIsTold(t *testing.T, d *harness.Deployment, key harness.Credentials) {
	t.Helper()
	status, err := d.Millrace(key, "status")
	if err != nil || strings.Count(status, "running") != 6 {
		t.Errorf("millrace status (%v) does not show six running nodes:\n%s", err, status)
	}
	kafka.Until(t, "each broker is told to have joined", time.Minute, func() (bool, string) {
		told := d.Events()
		joined := slices.DeleteFunc(slices.Clone(told), func(e string) bool { return e != "Broker Joined" })
		return len(joined) >= 3, strings.Join(told, ", ") // one that is fenced for a moment joins again
	})
	kafka.Until(t, "metrics count three active brokers", time.Minute, func() (bool, string) {
		log := d.Logs("millrace-hostmetrics")
		return strings.Contains(log, `"ActiveBrokerCount":3`), log
	})
	for _, function := range []string{"millrace-hostevents", "millrace-hostmetrics"} {
		if log := d.Logs(function); strings.Contains(log, "can't be read") {
			t.Errorf("hosts write what nobody can read:\n%s", log)
		}
	}
}
