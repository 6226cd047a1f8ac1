package integration

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/integration/harness"
)

// ward is a cluster that comes to harm while it is under load all the time. Faults follow one another on the same cluster:
// each test leaves it ACTIVE and with all replicas in sync.
type ward struct {
	m         *harness.Millrace
	arn       string
	nodes     []int32
	healing   harness.Healing
	load      *harness.Load
	bootstrap string
	addresses map[int]string

	serving map[int32]harness.Serving // what served each node when the last fault began
	began   time.Time
	heals   int // how many there were when it began
}

// admit creates a cluster and puts it under load.
func admit(t *testing.T, m *harness.Millrace, name string, brokers, controllers int32, changes ...func(*harness.Request)) *ward {
	t.Helper()
	w := &ward{m: m, arn: m.CreateCluster(t, name, changes...)}
	for i := range brokers {
		w.nodes = append(w.nodes, 1+i)
	}
	for i := range controllers {
		w.nodes = append(w.nodes, harness.FirstController+i)
	}
	m.WaitUntilActive(t, w.arn)
	w.healing = m.HealingOf(t, w.arn)
	w.bootstrap, _ = m.Bootstrap(t, w.arn)
	w.addresses = brokerAddresses(t, m, w.arn)
	w.load = m.TLSClient(t, w.arn).StartLoad(harness.UsualLoad("payments"))
	return w
}

// run runs a test on the cluster, unless one before it has failed.
func (w *ward) run(t *testing.T, name string, test func(t *testing.T, w *ward)) {
	t.Helper()
	if t.Failed() {
		return
	}
	t.Run(name, func(t *testing.T) {
		w.look(t)
		test(t, w)
		w.load.WaitUntilInSync()
		w.load.WaitUntilItFlows(time.Now())
	})
}

// look notes how the cluster is right before a fault.
func (w *ward) look(t *testing.T) {
	t.Helper()
	w.serving = w.m.WaitUntilServed(t, w.arn, w.nodes...)
	w.heals, w.began = len(w.healing.Heals()), time.Now()
}

// healed waits until so many heals are over since the fault began, and the whole cluster is in sync.
func (w *ward) healed(t *testing.T, heals int) []types.ClusterOperationV2 {
	t.Helper()
	had := w.healing.WaitUntilOver(w.heals + heals)[w.heals:]
	w.load.WaitUntilInSync()
	t.Logf("in full ISR and ACTIVE after %.1f s", time.Since(w.began).Seconds())
	if len(had) != heals {
		t.Errorf("healed %d times, where %d would do:\n%s", len(had), heals, harness.Tell(had))
	}
	return had
}

// replaced sees that exactly the nodes named have another host than when the fault began, and all have their volumes and
// addresses.
func (w *ward) replaced(t *testing.T, nodes ...int32) {
	t.Helper()
	now := w.m.WaitUntilServed(t, w.arn, w.nodes...)
	for _, node := range w.nodes {
		before, after := w.serving[node], now[node]
		if got := after.Host != before.Host; got != slices.Contains(nodes, node) {
			t.Errorf("node %d was served by host %s and is by %s", node, before.Host, after.Host)
		}
		if after.Host != before.Host && after.Launch != before.Launch+1 {
			t.Errorf("node %d had launch %d and has %d: a host was launched in vain", node, before.Launch, after.Launch)
		}
		if after.Volume != before.Volume {
			t.Errorf("node %d had the volume %s and has %s", node, before.Volume, after.Volume)
		}
	}
	if addresses := brokerAddresses(t, w.m, w.arn); !maps.Equal(addresses, w.addresses) {
		t.Errorf("the brokers were at %v and are at %v", w.addresses, addresses)
	}
	if bootstrap, _ := w.m.Bootstrap(t, w.arn); bootstrap != w.bootstrap {
		t.Errorf("clients began with %s and are told %s", w.bootstrap, bootstrap)
	}
}

// discharge sees that no record was lost, however much befell the cluster.
func (w *ward) discharge(t *testing.T) {
	t.Helper()
	if !t.Failed() {
		w.load.Verify()
	}
}

// consistsOf sees that an operation went through steps, each of them completed.
func consistsOf(t *testing.T, o types.ClusterOperationV2, steps ...string) {
	t.Helper()
	var got []string
	for _, s := range o.Provisioned.OperationSteps {
		got = append(got, aws.ToString(s.StepName))
		if aws.ToString(s.StepInfo.StepStatus) != "COMPLETED" {
			t.Errorf("step %s of an operation that is over is %s", *s.StepName, *s.StepInfo.StepStatus)
		}
	}
	if !slices.Equal(got, steps) {
		t.Errorf("the operation consists of %v, want %v", got, steps)
	}
}
