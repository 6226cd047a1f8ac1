package statemachines_test

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/millrace/millrace/functions/healthsweep"
	"github.com/millrace/millrace/shared/cluster"
)

// starter starts machines as the health sweep does, and tells the test before.
type starter struct{ w *world }

func (s starter) Start(ctx context.Context, machine, name string, input any) error {
	if in, ok := input.(cluster.OperationInput); ok && s.w.beforeStart != nil {
		op, err := s.w.records.Operation(ctx, in.ClusterID, in.OperationID)
		if err != nil {
			return err
		}
		s.w.beforeStart(op)
	}
	return s.w.workflows.Start(ctx, machine, name, input)
}

// nextHeal gives the id of a healing operation. Ids sort by time.
func (w *world) nextHeal() (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heals++
	return fmt.Sprintf("heal-%03d", w.heals), nil
}

// serving creates the world's cluster, with a topic that every broker has its part in.
func (w *world) serving() {
	w.t.Helper()
	op := w.create(w.spec)
	w.wait(op)
	w.wantActive(op)
	var brokers []int32
	for i := range w.spec.Brokers {
		brokers = append(brokers, int32(i)+1)
	}
	w.kafka.createTopic("orders", brokers...)
}

// loseAccess ends the certificate by which Kafka knows the control plane, as nobody's renewing it does.
func (w *world) loseAccess() {
	w.t.Helper()
	access, err := w.records.KafkaAccess(w.t.Context(), clusterID)
	if err != nil {
		w.t.Fatal(err)
	}
	access.Ends = time.Now()
	if err := w.records.PutKafkaAccess(w.t.Context(), clusterID, access); err != nil {
		w.t.Fatal(err)
	}
}

// hostOf is the host that serves a node.
func (w *world) hostOf(node int32) string {
	w.t.Helper()
	n, err := w.records.Node(w.t.Context(), clusterID, node)
	if err != nil || n.Host == nil {
		w.t.Fatalf("node %d: %+v, %v", node, n, err)
	}
	return n.Host.ID
}

// judged is what the health sweep would record of a node that is to be healed: the host is the one that it has now.
func (w *world) judged(node int32, remedy cluster.Remedy, condition cluster.Condition) cluster.Heal {
	w.t.Helper()
	n, err := w.records.Node(w.t.Context(), clusterID, node)
	if err != nil || n.Host == nil {
		w.t.Fatalf("node %d: %+v, %v", node, n, err)
	}
	return cluster.Heal{
		NodeID: node, Role: n.Role, Remedy: remedy, Condition: condition, Reason: "the test says so", Since: time.Now(),
		Host: n.Host.ID, Launch: n.Launches, Proven: condition == cluster.HostDead,
	}
}

// heal records a healing operation as the health sweep does, and starts its machine.
func (w *world) heal(h cluster.Heal) cluster.Operation {
	w.t.Helper()
	op := w.recordHeal(h)
	w.start(op)
	return op
}

func (w *world) recordHeal(h cluster.Heal) cluster.Operation {
	w.t.Helper()
	id, _ := w.nextHeal()
	op := cluster.Operation{
		ID: id, ClusterID: clusterID, Type: cluster.HealBroker, State: cluster.Pending, Attempt: 1, CreatedAt: time.Now(), Heal: &h,
	}
	_, err := w.records.StartOperation(w.t.Context(), clusterID, op, func(c *cluster.Cluster) error {
		if c.Active != nil {
			return fmt.Errorf("a cluster that is %s can't be healed", c.State())
		}
		c.Active = &cluster.ActiveOperation{ID: op.ID, Type: op.Type}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return op
}

// sweepHealth looks at the health of all clusters once.
func (w *world) sweepHealth() healthsweep.SweepHealthOutput {
	w.t.Helper()
	answer, err := w.functions.Invoke(w.t.Context(), "healthsweep", []byte(`{"step":"SweepHealth"}`))
	if err != nil {
		w.t.Fatalf("sweep: %v", err)
	}
	var out healthsweep.SweepHealthOutput
	if err := json.Unmarshal(answer, &out); err != nil {
		w.t.Fatal(err)
	}
	return out
}

// wantHealed checks that a heal has ended well: everything is there once, everybody is in sync, and the data is what it was.
func (w *world) wantHealed(op cluster.Operation) {
	w.t.Helper()
	w.wantActive(op)
	time.Sleep(catchesUp)
	w.kafka.wantInSync()
}

// wantLaunches checks how many hosts a node has ever had.
func (w *world) wantLaunches(node int32, want int) {
	w.t.Helper()
	if got := w.platform.Launched()[cluster.Token{ClusterID: clusterID, NodeID: node}]; got != want {
		w.t.Errorf("node %d has had %d hosts, want %d", node, got, want)
	}
}
