package statemachines_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/local/asl"
)

// The way of a growth of all volumes in which all goes well.
var growAllPath = []string{
	"BeginOperation", "GrowVolumes", "JudgeGrowth", "EndOperation", "HasSucceeded", "Succeeded",
}

// larger is what the brokers of these tests are to have, who have 100 GiB each.
var larger = cluster.VolumeShape{SizeGiB: 200}

// growAll records a growth of every broker's volume as the API does, and starts its machine.
func (w *world) growAll(to cluster.VolumeShape) cluster.Operation {
	w.t.Helper()
	op := w.recordGrowth(to)
	w.start(op)
	return op
}

func (w *world) recordGrowth(to cluster.VolumeShape) cluster.Operation {
	w.t.Helper()
	w.growths++
	op := cluster.Operation{
		ID: fmt.Sprintf("grow-%03d", w.growths), ClusterID: clusterID, Type: cluster.UpdateBrokerStorage,
		State: cluster.Pending, Attempt: 1, CreatedAt: time.Now(), Storage: &cluster.StorageChange{Every: to},
	}
	for _, n := range w.brokers() {
		op.Storage.Volumes = append(op.Storage.Volumes, cluster.VolumeChange{NodeID: n.ID, From: n.Volume.Shape(), To: to})
	}
	_, err := w.records.StartOperation(w.t.Context(), clusterID, op, func(c *cluster.Cluster) error {
		if holder := c.Holder(op.Type); holder != nil {
			return fmt.Errorf("the volumes are held by %s", holder.ID)
		}
		op.Claim(c)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return op
}

func (w *world) brokers() (brokers []cluster.Node) {
	w.t.Helper()
	nodes, err := w.records.Nodes(w.t.Context(), clusterID)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, n := range nodes {
		if n.Role == cluster.Broker {
			brokers = append(brokers, n)
		}
	}
	return brokers
}

// wantAllGrown checks that a growth has ended well: every broker has the same, on record and in truth, and nobody lets go of
// anything else for it.
func (w *world) wantAllGrown(op cluster.Operation) {
	w.t.Helper()
	w.wantAllOf(larger)
	c, op := w.cluster(), w.operation(op)
	if op.State != cluster.Complete || op.Percent() != 100 || c.Growing != nil || c.Version == "K0" || c.Version == "K1" {
		w.t.Errorf("the operation is %+v, the cluster %s at version %s, its volumes held by %+v", op, c.State(), c.Version, c.Growing)
	}
	if c.Spec.VolumeGiB != larger.SizeGiB || c.Spec.ThroughputMiB != larger.ThroughputMiB {
		w.t.Errorf("the cluster is said to have %d GiB and %d MiB a second", c.Spec.VolumeGiB, c.Spec.ThroughputMiB)
	}
}

// wantAllOf checks that every broker's volume has a shape, on record and in truth.
func (w *world) wantAllOf(want cluster.VolumeShape) {
	w.t.Helper()
	for _, n := range w.brokers() {
		if got := w.platform.SizeOf(launchOf(n.ID, 0)); n.Volume.Shape() != want || got != want.SizeGiB {
			w.t.Errorf("%s has %s on record and %d GiB in truth, want %s", n, n.Volume.Shape(), got, want)
		}
	}
}

func TestUpdateBrokerStorage_StopsNoBroker(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		hosts, brokers := w.platform.Alive(), w.brokers()
		op := w.growAll(larger)
		if s := w.cluster().State(); s != cluster.Updating {
			t.Errorf("meanwhile the cluster is %s", s)
		}
		if x := w.wait(op); x.Status != asl.Succeeded {
			t.Fatalf("%s: %s", x.Error, x.Cause)
		}
		w.wantPath(op, growAllPath)
		w.wantAllGrown(op)
		w.wantActive(op)
		if got := w.platform.Alive(); fmt.Sprint(got) != fmt.Sprint(hosts) {
			t.Errorf("the hosts are %v, and were %v", got, hosts)
		}
		for i, n := range w.brokers() {
			if n.SpecGeneration != brokers[i].SpecGeneration {
				t.Errorf("%s was told to run something else", n)
			}
		}
	})
}

func TestUpdateBrokerStorage_FailsUnchangedWhileNoVolumeTakesAChange(t *testing.T) {
	inBubble(t, func(w *world) {
		w.platform.ChangesAgainAfter = 6 * time.Hour
		w.serving()
		w.wait(w.growAll(cluster.VolumeShape{SizeGiB: 150}))
		op := w.growAll(larger)
		if x := w.wait(op); x.Status != asl.Failed || x.Error != string(fault.Conflict) {
			t.Fatalf("%+v", x)
		}
		w.wantPath(op, []string{"BeginOperation", "GrowVolumes", "JudgeGrowth", "EndOperation", "HasSucceeded", "FailedUnchanged"})
		w.wantFailed(op, "no volume was changed; broker 1: grow volume vol-")
		w.wantFailed(op, "takes no other change before 20")
		w.wantFailedStep(op, cluster.StepGrowVolumes)
		w.wantAllOf(cluster.VolumeShape{SizeGiB: 150})

		time.Sleep(6 * time.Hour)
		op = w.growAll(larger)
		w.wait(op)
		w.wantAllGrown(op)
	})
}
