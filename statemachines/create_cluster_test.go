package statemachines_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/millrace/millrace/shared/bill"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/platform/local/asl"
)

// The way of a create in which all goes well.
var createPath = []string{
	"BeginOperation", "PlanCluster", "ProvisionNodes", "CheckHostsReported", "HaveHostsReported",
	"WriteNodeSpecs", "CheckNodesJoined", "HaveNodesJoined", "SealVolumes", "RenewKafkaAccess", "EndOperation",
	"HasSucceeded", "Succeeded",
}

func TestCreateCluster_EndsActive(t *testing.T) {
	inBubble(t, func(w *world) {
		op := w.create(small(3))
		if x := w.wait(op); x.Status != asl.Succeeded {
			t.Fatalf("%+v", x)
		}
		w.wantPath(op, createPath)
		w.wantActive(op)
		for _, node := range []int32{1, 2, 3, 1001, 1002, 1003} {
			got := w.stepsOf(node)
			first, rest := got[:2], got[2:]
			slices.Sort(first) // these two go side by side
			want := []string{"EnsureAddress", "EnsureVolume", "LaunchHost", "CheckHostRunning", "AttachVolume"}
			if !slices.Equal(append(first, rest...), want) {
				t.Errorf("node %d: %v", node, got)
			}
		}
	})
}

// A transition costs, and a create that needs many is slow.
func TestCreateCluster_TakesAtMost80Transitions(t *testing.T) {
	for controllers, limit := range map[int]int{1: 60, 3: 80} {
		inBubble(t, func(w *world) {
			op := w.create(small(controllers))
			w.wait(op)
			w.wantActive(op)
			n := len(w.entered[op.ExecutionName()])
			t.Logf("3 brokers and %d controllers: %d transitions", controllers, n)
			if n > limit {
				t.Errorf("3 brokers and %d controllers took %d transitions, more than %d", controllers, n, limit)
			}
		})
	}
}

func TestCreateCluster_KeepsOneClusterFromRunningTwice(t *testing.T) {
	inBubble(t, func(w *world) {
		op := w.create(small(1))
		w.start(op) // the API and the sweep may both start it
		w.wait(op)
		w.wantActive(op)
		if got := w.platform.Launched()[cluster.Token{ClusterID: clusterID, NodeID: 1}]; got != 1 {
			t.Errorf("%d hosts for broker 1", got)
		}
	})
}

// Every host looks for its spec all the time, and pays by its length.
func TestCreateCluster_WritesSpecsAsShortAsTheBillSays(t *testing.T) {
	inBubble(t, func(w *world) {
		w.wait(w.create(small(3)))
		nodes, err := w.records.Nodes(t.Context(), clusterID)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes {
			limit := bill.BrokerSpecBytes
			if n.Role == cluster.Controller {
				limit = bill.ControllerSpecBytes
			}
			spec, err := w.records.Spec(t.Context(), n.Host.ID)
			if err != nil {
				t.Fatal(err)
			}
			body, err := json.Marshal(spec)
			if err != nil {
				t.Fatal(err)
			}
			const keys = 100 // names and values of the other attributes
			if len(body)+keys > limit {
				t.Errorf("the spec of %s has %d bytes with its keys; the bill counts on %d", n, len(body)+keys, limit)
			}
		}
	})
}
