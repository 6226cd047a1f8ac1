package healthsweep_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/functions/healthsweep"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/records"
)

// uses lets the host of a node say how full its volume is.
func (w *world) uses(name string, node int32, percent int64) {
	w.say(nodespec.Heartbeat{
		HostID: w.hostNow(name, node), At: w.now, State: nodespec.Running, Brokers: []int32{1, 2, 3},
		Disk: &nodespec.Disk{UsedBytes: percent << 20, TotalBytes: 100 << 20},
	})
}

// grows gives the volume of a node so much.
func (w *world) grows(name string, node int32, gib int) {
	w.t.Helper()
	_, err := w.records.ChangeNode(w.t.Context(), "c-"+name, node, func(n *cluster.Node) error {
		n.Volume.SizeGiB = gib
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// follows makes the storage of a cluster grow by itself from so many percent on.
func (w *world) follows(name string, percent float64, suspended bool) {
	w.t.Helper()
	_, err := w.records.ChangeStorageScaling(w.t.Context(), "c-"+name, func(s *cluster.StorageScaling) error {
		s.Target = &cluster.ScalableTarget{MaxGiB: 500, Suspended: cluster.SuspendedScaling{Out: suspended}}
		s.PutPolicy(cluster.StoragePolicy{Name: "p", TargetPercent: percent, Configuration: json.RawMessage("{}")})
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestSweepHealth_SaysWhenSomebodyShouldLookAtStorage(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(w *world)
		payload string
		want    bool
	}{
		"a broker is at the target": {func(w *world) { w.follows("orders", 60, false); w.uses("orders", 2, 60) }, all, true},
		"one that has fallen silent is": {func(w *world) {
			w.follows("orders", 60, false)
			w.uses("orders", 2, 60)
			w.mute[hostOf("orders", 2)] = true
		}, all, true},
		"at the lowest target that there is": {func(w *world) { w.follows("orders", 10, false); w.uses("orders", 2, 10) }, all, true},
		"a growth has not come to all": {func(w *world) {
			w.follows("orders", 60, false)
			w.uses("orders", 2, 20)
			w.grows("orders", 2, 110)
		}, all, true},
		"it is below the target":              {func(w *world) { w.follows("orders", 60, false); w.uses("orders", 2, 59) }, all, false},
		"nobody wants that storage grows":     {func(w *world) { w.uses("orders", 2, 99) }, all, false},
		"growth is suspended":                 {func(w *world) { w.follows("orders", 60, true); w.uses("orders", 2, 99) }, all, false},
		"the rule is of another cluster":      {func(w *world) { w.follows("payments", 60, false); w.uses("orders", 2, 99) }, all, false},
		"it is a controller":                  {func(w *world) { w.follows("orders", 60, false); w.uses("orders", cluster.FirstController, 99) }, all, false},
		"an event has told of it, to us both": {func(w *world) { w.follows("orders", 60, false); w.uses("orders", 2, 60) }, orders, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "orders", "payments")
			w.speak()
			tt.prepare(w)
			if got := w.sweep(tt.payload).StorageDue; got != tt.want {
				t.Errorf("storage is due: %v, want %v", got, tt.want)
			}
		})
	}
}

func TestSweepHealth_TellsWhenVolumesDoNotComeToGrowByThemselves(t *testing.T) {
	w := newWorld(t, "orders")
	w.follows("orders", 60, false)
	w.speak()
	w.uses("orders", 2, 90)
	for range 2 {
		w.growthFails("orders", "EBS takes no change yet")
	}
	w.sweep(all)
	h, err := w.records.Health(t.Context(), "c-orders")
	if f, _ := h.Of(2); err != nil || !h.Urgent() || !strings.Contains(f.Advice, "EBS takes no change yet") {
		t.Errorf("found is %+v, %v", h, err)
	}
}

// growthFails records a growth that nobody has asked for, and lets it fail.
func (w *world) growthFails(name, why string) {
	w.t.Helper()
	id, err := cluster.NewOperationID(w.now, rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	op := cluster.Operation{
		ID: id, ClusterID: "c-" + name, Type: cluster.UpdateBrokerStorage, State: cluster.Pending, CreatedAt: w.now,
		Storage: &cluster.StorageChange{Automatic: true},
	}
	_, err = w.records.StartOperation(w.t.Context(), op.ClusterID, op, func(c *cluster.Cluster) error { op.Claim(c); return nil })
	if err != nil {
		w.t.Fatal(err)
	}
	_, _, err = w.records.ChangeOperation(w.t.Context(), op.ClusterID, id, func(c *cluster.Cluster, op *cluster.Operation) error {
		op.Fail(c, cluster.Failure{Code: "Conflict", Message: why}, w.now)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// What is looked at each minute is on the bill.
func TestSweepHealth_ReadsNothingAboutStorageWhereVolumesAreEmpty(t *testing.T) {
	w := newWorld(t, "orders")
	w.follows("orders", 10, false)
	w.speak()
	w.uses("orders", 1, 9)
	queried := &queries{Table: w.records.Table}
	deps := w.deps()
	deps.Records = records.Records{Table: queried}
	if _, err := healthsweep.Steps(deps).Invoke(t.Context(), []byte(all)); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(queried.of, "storage-scaling") || !slices.Contains(queried.of, "clusters") {
		t.Errorf("what was listed is %v, want clusters and no rules of storage", queried.of)
	}
}

// queries notes which partitions of a table are listed.
type queries struct {
	records.Table
	of []string
}

func (q *queries) Query(ctx context.Context, partition, prefix, after string, limit int) ([]records.Item, error) {
	q.of = append(q.of, partition)
	return q.Table.Query(ctx, partition, prefix, after, limit)
}
