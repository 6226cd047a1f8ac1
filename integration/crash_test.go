package integration

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"

	"github.com/millrace/millrace/integration/harness"
)

// Every transition of an operation's machine is met twice by kill -9: right before it is journalled, when the step has
// had its effect and nobody knows, and right after, when the next step has not begun. The control plane is ended at the
// first transition it comes to after each start, in turn before and after, so that the one operation crawls through its
// machine from crash to crash, until the journal says that its execution is over.

func TestCrash_CreateGoesOnAfterKillsBeforeAndAfterEveryTransition(t *testing.T) {
	m := harness.StartMillrace(t, failPoint("create-cluster", "before"))
	m.ForbidTwins()
	_, err := m.KafkaClient(t).CreateCluster(t.Context(), harness.NewRequest("phoenix", harness.Small), once)
	if err == nil {
		t.Error("the call was answered, although the control plane was to be killed in it")
	}
	crawl(t, m, "create-cluster", []string{
		"BeginOperation", "PlanCluster", "ProvisionNodes", "EnsureAddressAndVolume", "EnsureAddress", "EnsureVolume",
		"LaunchHost", "CheckHostRunning", "IsHostRunning", "AttachVolume", "CheckHostsReported", "HaveHostsReported",
		"WriteNodeSpecs", "CheckNodesJoined", "HaveNodesJoined", "SealVolumes", "RenewKafkaAccess", "EndOperation",
		"HasSucceeded", "Succeeded",
	})

	m.Up()
	arn := onlyCluster(t, m)
	m.WaitUntilActive(t, arn)
	writeAndRead(m.TLSClient(t, arn), t)
	isWhole(t, m)
	m.DeleteCluster(t, arn)
	m.WaitUntilGone(t, arn)
	nothingIsLeft(t, m, nil)
}

func TestCrash_AHopelessCreateFailsAlsoAfterKillsBeforeAndAfterEveryTransition(t *testing.T) {
	m := harness.StartMillrace(t, noJava(t))
	m.Restart(failPoint("create-cluster", "before"))
	_, err := m.KafkaClient(t).CreateCluster(t.Context(), harness.NewRequest("hopeless", harness.Small), once)
	if err == nil {
		t.Error("the call was answered, although the control plane was to be killed in it")
	}
	crawl(t, m, "create-cluster", []string{
		"BeginOperation", "PlanCluster", "ProvisionNodes", "EnsureAddressAndVolume", "EnsureAddress", "EnsureVolume",
		"LaunchHost", "CheckHostRunning", "IsHostRunning", "AttachVolume", "CheckHostsReported", "HaveHostsReported",
		"WriteNodeSpecs", "CheckNodesJoined", "EndOperation", "HasSucceeded", "FailedPartway",
	})

	m.Up()
	arn := onlyCluster(t, m)
	names(t, m.WaitUntilFailed(t, arn), "does not start")
	m.DeleteCluster(t, arn)
	m.WaitUntilGone(t, arn)
	nothingIsLeft(t, m, nil)
}

func TestCrash_DeleteGoesOnAfterKillsBeforeAndAfterEveryTransition(t *testing.T) {
	m := harness.StartMillrace(t)
	m.ForbidTwins()
	arn := m.CreateCluster(t, "doomed", harness.Small)
	m.WaitUntilActive(t, arn)
	addresses := slices.Collect(maps.Values(brokerAddresses(t, m, arn)))
	m.Restart(failPoint("delete-cluster", "before"))

	_, err := m.KafkaClient(t).DeleteCluster(t.Context(), &kafka.DeleteClusterInput{ClusterArn: aws.String(arn)}, once)
	if err == nil {
		t.Error("the call was answered, although the control plane was to be killed in it")
	}
	crawl(t, m, "delete-cluster", []string{
		"BeginOperation", "PlanTeardown", "RemoveNodes", "RetireHost", "CheckHostRetired", "IsHostRetired",
		"RemoveVolume", "ReleaseAddress", "ForgetNodes", "EndOperation", "HasSucceeded", "Succeeded",
	})

	m.Up()
	m.WaitUntilGone(t, arn)
	nothingIsLeft(t, m, addresses)
}

// Between transitions there are the steps themselves, with all they do to files and processes.
func TestCrash_CreateAndDeleteGoOnAfterKillsAtAnyMoment(t *testing.T) {
	m := harness.StartMillrace(t)
	m.ForbidTwins()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	moments := rand.New(rand.NewPCG(seed, 0))

	arn := m.CreateCluster(t, "phoenix", harness.Small)
	killAtRandom(t, m, moments, "create-cluster")
	m.Up()
	m.WaitUntilActive(t, arn)
	isWhole(t, m)
	writeAndRead(m.TLSClient(t, arn), t)

	addresses := slices.Collect(maps.Values(brokerAddresses(t, m, arn)))
	m.DeleteCluster(t, arn)
	killAtRandom(t, m, moments, "delete-cluster")
	m.Up()
	m.WaitUntilGone(t, arn)
	nothingIsLeft(t, m, addresses)
}

// killAtRandom kills the control plane that has just been given an operation, and then over and over, in turn a moment
// after it is ready and a moment after its start. Some of those that were ready have to have been at work on the operation:
// the moments are short, so that it is not over at once.
func killAtRandom(t *testing.T, m *harness.Millrace, moments *rand.Rand, machine string) {
	t.Helper()
	atWork := 0
	for n := range 20 {
		ready := n%2 == 0
		switch {
		case n == 0: // it runs
		case ready:
			m.Up()
			time.Sleep(time.Duration(moments.Int64N(int64(50 * time.Millisecond))))
		default:
			m.Begin()
			time.Sleep(time.Duration(moments.Int64N(int64(200 * time.Millisecond))))
		}
		m.Kill()
		if ready && !m.Execution(machine, "").Over {
			atWork++
		}
	}
	t.Logf("%d of 20 kills met a control plane that was at work on %s", atWork, machine)
	if atWork == 0 {
		t.Errorf("no kill met a control plane that was at work on %s", machine)
	}
}

// isWhole sees that the processes of one small cluster run, each once.
func isWhole(t *testing.T, m *harness.Millrace) {
	t.Helper()
	running := map[string]int{}
	for _, p := range m.Processes() {
		running[fmt.Sprint(p.Kind, " of ", p.Role)]++
	}
	for what, want := range map[string]int{
		"Kafka of broker": 2, "agent of broker": 2, "Kafka of controller": 1, "agent of controller": 1,
	} {
		if running[what] != want {
			t.Errorf("%d processes are %s, not %d: %v", running[what], what, want, running)
		}
	}
}

// failPoint ends the control plane at the first transition of a machine, before or after it is journalled.
func failPoint(machine, when string) harness.Option {
	return harness.Env("MILLRACE_FAIL_POINT", machine+":1:"+when)
}

// once keeps a client from trying again.
func once(o *kafka.Options) { o.RetryMaxAttempts = 1 }

// crawl takes an operation that has just been recorded through its machine, from kill to kill, until it is over. states
// are those it has to come through.
func crawl(t *testing.T, m *harness.Millrace, machine string, states []string) {
	t.Helper()
	crawlAfter(t, m, machine, "", states)
}

// crawlAfter is crawl where the machine has executions already, of which one is the latest.
func crawlAfter(t *testing.T, m *harness.Millrace, machine, latest string, states []string) {
	t.Helper()
	kills := map[string]int{}
	for when := "before"; ; {
		if _, state := m.WaitUntilEnded(2 * time.Minute); !wasKilled(state.Sys()) {
			t.Fatalf("the control plane ended by itself: %s", state)
		}
		kills[when]++
		if m.Execution(machine, latest).Over {
			break
		}
		if when == "before" {
			when = "after"
		} else {
			when = "before"
		}
		m.Begin(failPoint(machine, when))
	}
	history := m.Execution(machine, latest)
	t.Logf("killed %d times before and %d times after a transition of %s was journalled; its history has %d transitions",
		kills["before"], kills["after"], machine, history.Transitions)
	for _, state := range states {
		if !slices.Contains(history.States, state) {
			t.Errorf("the operation did not come through %s, so nothing was killed there", state)
		}
	}
	for _, state := range history.States {
		if !slices.Contains(states, state) {
			t.Errorf("the operation came through %s, which this test does not expect", state)
		}
	}
}

func wasKilled(status any) bool {
	s, ok := status.(syscall.WaitStatus)
	return ok && s.Signaled() && s.Signal() == syscall.SIGKILL
}

// onlyCluster gives the one cluster that there is.
func onlyCluster(t *testing.T, m *harness.Millrace) (arn string) {
	t.Helper()
	out, err := m.KafkaClient(t).ListClusters(t.Context(), &kafka.ListClustersInput{})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.ClusterInfoList) != 1 {
		t.Fatalf("there are %d clusters", len(out.ClusterInfoList))
	}
	return *out.ClusterInfoList[0].ClusterArn
}

// brokerAddresses gives the addresses of the brokers that have one, by their ids.
func brokerAddresses(t *testing.T, m *harness.Millrace, arn string) map[int]string {
	t.Helper()
	out, err := m.KafkaClient(t).ListNodes(t.Context(), &kafka.ListNodesInput{ClusterArn: aws.String(arn)})
	if err != nil {
		t.Fatal(err)
	}
	addresses := map[int]string{}
	for _, n := range out.NodeInfoList {
		if b := n.BrokerNodeInfo; b != nil && aws.ToString(b.ClientVpcIpAddress) != "" {
			addresses[int(*b.BrokerId)] = *b.ClientVpcIpAddress
		}
	}
	return addresses
}
