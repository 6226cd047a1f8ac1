package storageautoscaling_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/functions/storageautoscaling"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/platform/local/localtest"
	"github.com/millrace/millrace/shared/records"
)

var noon = time.Date(2026, 9, 20, 12, 0, 0, 0, time.UTC)

// world is clusters of three brokers of 100 GiB each and a controller, on one table, whose machines are started and do nothing.
type world struct {
	t       *testing.T
	records records.Records
	now     time.Time
	metrics bytes.Buffer

	mu      sync.Mutex
	ids     int
	started []string
	fails   error
}

func newWorld(t *testing.T, clusters ...string) *world {
	w := &world{t: t, records: records.Records{Table: localtest.NewTable(t)}, now: noon}
	for _, name := range clusters {
		c := cluster.Cluster{ID: "c-" + name, Name: name, Version: "K1", ARN: "arn:aws:kafka:eu-west-1:000000000000:cluster/" + name + "/c-" + name, Ready: true}
		created := cluster.Operation{ID: "0", ClusterID: c.ID, Type: cluster.CreateCluster, State: cluster.Pending}
		var nodes []cluster.Node
		for _, id := range []int32{1, 2, 3, cluster.FirstController} {
			n := cluster.Node{
				ClusterID: c.ID, ID: id, Role: cluster.Broker, Host: &cluster.Host{ID: hostOf(name, id)}, Volume: &cluster.Volume{ID: "v", SizeGiB: 100},
			}
			if id == cluster.FirstController {
				n.Role, n.Volume.SizeGiB = cluster.Controller, 10
			}
			nodes = append(nodes, n)
		}
		if err := errors.Join(w.records.CreateCluster(t.Context(), c, created), w.records.AddNodes(t.Context(), nodes)); err != nil {
			t.Fatal(err)
		}
		_, _, err := w.records.ChangeOperation(t.Context(), c.ID, created.ID, func(c *cluster.Cluster, op *cluster.Operation) error {
			op.Succeed(c, c.Version, noon)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func hostOf(name string, node int32) string { return fmt.Sprintf("h-%s-%d", name, node) }

func (w *world) Start(_ context.Context, machine, name string, _ any) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fails != nil {
		return w.fails
	}
	w.started = append(w.started, machine+" "+name)
	return nil
}

func (w *world) nextID() (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ids++
	return cluster.BeforeOperations(noon.Add(time.Duration(w.ids) * time.Minute)), nil
}

// follows makes the storage of a cluster grow by itself.
func (w *world) follows(name string, percent float64, maxGiB int) {
	w.t.Helper()
	_, err := w.records.ChangeStorageScaling(w.t.Context(), "c-"+name, func(s *cluster.StorageScaling) error {
		s.Target = &cluster.ScalableTarget{MaxGiB: maxGiB}
		s.PutPolicy(cluster.StoragePolicy{Name: "p", TargetPercent: percent, Configuration: json.RawMessage("{}")})
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// uses lets the host of a node say how full its volume of so many bytes is.
func (w *world) uses(name string, node int32, percent, total int64) {
	w.t.Helper()
	host := hostOf(name, node)
	err := w.records.PutBeat(w.t.Context(), host, nodespec.Heartbeat{
		HostID: host, At: w.now, State: nodespec.Running, Disk: &nodespec.Disk{UsedBytes: total * percent / 100, TotalBytes: total},
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) scale(name string) []string {
	w.t.Helper()
	step := storageautoscaling.ScaleStorage{Deps: storageautoscaling.Deps{
		Deployment: "test", Records: w.records, Workflows: w, Now: func() time.Time { return w.now }, NewID: w.nextID, Metrics: &w.metrics,
	}}
	out, err := step.Run(w.t.Context(), storageautoscaling.ScaleStorageInput{Cluster: name})
	if err != nil {
		w.t.Error(err)
	}
	return out.Started
}

func (w *world) operation(name, id string) cluster.Operation {
	w.t.Helper()
	op, err := w.records.Operation(w.t.Context(), "c-"+name, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return op
}

// ends ends an operation, well where nothing is said of why not.
func (w *world) ends(name, id string, why *cluster.Failure) {
	w.t.Helper()
	op := w.operation(name, id)
	_, _, err := w.records.ChangeOperation(w.t.Context(), op.ClusterID, id, func(c *cluster.Cluster, op *cluster.Operation) error {
		if why != nil {
			op.Fail(c, *why, w.now)
			return nil
		}
		op.Succeed(c, c.Version+"'", w.now)
		return nil
	})
	for _, v := range op.Storage.Volumes {
		if why != nil {
			break
		}
		_, changed := w.records.ChangeNode(w.t.Context(), op.ClusterID, v.NodeID, func(n *cluster.Node) error { n.Volume.Reshape(v.To); return nil })
		err = errors.Join(err, changed)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestScaleStorage_GrowsEveryBrokerOnceTheFullestIsAtTheTarget(t *testing.T) {
	w := newWorld(t, "orders", "payments")
	w.follows("orders", 60, 500)
	for _, name := range []string{"orders", "payments"} { // of which one has no rule
		w.uses(name, 1, 20, 1000)
		w.uses(name, 2, 61, 1000)
	}
	w.uses("orders", cluster.FirstController, 99, 1000) // is no broker
	started := w.scale("")
	if len(started) != 1 {
		t.Fatalf("started were %v", started)
	}
	op := w.operation("orders", started[0])
	if op.Type != cluster.UpdateBrokerStorage || !op.Storage.Automatic || len(op.Storage.Volumes) != 3 || op.Storage.Every.SizeGiB != 110 {
		t.Errorf("the operation is %+v", op)
	}
	if want := []string{"update-broker-storage " + op.ExecutionName()}; !slices.Equal(w.started, want) {
		t.Errorf("started were %v, want %v", w.started, want)
	}
	if c, err := w.records.Cluster(t.Context(), "c-orders"); err != nil || c.State() != cluster.Updating || !op.Holds(c) {
		t.Errorf("%+v, %v", c, err)
	}
	if log := w.metrics.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, `"ClustersAtMaximum":0`) {
		t.Errorf("the metrics are %s", log)
	}
}

// An alarm that comes twice, or late, or while a growth is under way, finds nothing to do.
func TestScaleStorage_GrowsNothingTwice(t *testing.T) {
	w := newWorld(t, "orders")
	w.follows("orders", 60, 500)
	w.uses("orders", 2, 70, 1000)
	var mu sync.Mutex
	var started []string
	var looks sync.WaitGroup
	for range 50 {
		looks.Go(func() {
			ids := w.scale("orders")
			mu.Lock()
			defer mu.Unlock()
			started = append(started, ids...)
		})
	}
	if looks.Wait(); len(started) != 1 {
		t.Fatalf("started were %v", started)
	}
	if again := w.scale(""); len(again) != 0 {
		t.Errorf("while it grows, started were %v", again)
	}
	// The broker is down: what its host said last is of the volume as it was.
	_, _, err := w.records.ChangeOperation(t.Context(), "c-orders", started[0], func(_ *cluster.Cluster, op *cluster.Operation) error {
		op.Storage.ChangeOf(2, func(v *cluster.VolumeChange) { v.RoomBytes = 1000 })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.ends("orders", started[0], nil)
	if again := w.scale("orders"); len(again) != 0 {
		t.Errorf("once it has grown, started were %v", again)
	}
	w.uses("orders", 2, 60, 1170)
	if again := w.scale("orders"); len(again) != 1 {
		t.Errorf("once it is full again, started were %v", again)
	}
}

// What a host that is down said last stays what it is, and its volume does not: however much later somebody looks, it is not taken for
// a part of what the volume has by then.
func TestScaleStorage_TakesTheLastWordOfABrokerThatIsDownForWhatItWas(t *testing.T) {
	for name, room := range map[string]int64{"the room before is known": 1000, "it is not": 0} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "orders")
			w.follows("orders", 60, 500)
			w.uses("orders", 2, 70, 1000) // and is never heard of again
			started := w.scale("")
			if len(started) != 1 {
				t.Fatalf("started were %v", started)
			}
			w.now = w.now.Add(time.Minute)
			_, _, err := w.records.ChangeOperation(t.Context(), "c-orders", started[0], func(_ *cluster.Cluster, op *cluster.Operation) error {
				op.Storage.ChangeOf(2, func(v *cluster.VolumeChange) { v.RoomBytes, v.DoneAt = room, w.now })
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			w.ends("orders", started[0], nil)
			for _, later := range []time.Duration{0, time.Hour, 25 * time.Hour, 30 * 24 * time.Hour} {
				w.now = noon.Add(later + time.Minute)
				if again := w.scale(""); len(again) != 0 {
					t.Errorf("%s later, started were %v: %+v", later, again, w.operation("orders", again[0]).Storage)
				}
			}
		})
	}
}

// While the disk that volumes of one machine share is full, that is what their hosts tell of. It does not make volumes seem larger than
// they are, nor emptier, once there is room on it again.
func TestScaleStorage_IsNotMisledByADiskThatWasFullUnderAVolume(t *testing.T) {
	w := newWorld(t, "orders")
	w.follows("orders", 60, 500)
	w.uses("orders", 2, 99, 90_000) // of the disk
	started := w.scale("")
	if len(started) != 1 {
		t.Fatalf("started were %v", started)
	}
	_, _, err := w.records.ChangeOperation(t.Context(), "c-orders", started[0], func(_ *cluster.Cluster, op *cluster.Operation) error {
		op.Storage.ChangeOf(2, func(v *cluster.VolumeChange) { v.RoomBytes, v.DoneAt = 90_000, w.now })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.ends("orders", started[0], nil)
	w.uses("orders", 2, 59, 1660)
	if again := w.scale(""); len(again) != 0 {
		t.Errorf("below the target, started were %v", again)
	}
	w.uses("orders", 2, 60, 1660)
	if again := w.scale(""); len(again) != 1 {
		t.Errorf("at the target, started were %v", again)
	}
}

func TestScaleStorage_GrowsNothingByARuleThatWasTakenBackOrChangedMeanwhile(t *testing.T) {
	for name, change := range map[string]func(*cluster.StorageScaling){
		"taken back":              func(s *cluster.StorageScaling) { s.Target, s.Policies = nil, nil },
		"suspended":               func(s *cluster.StorageScaling) { s.Target.Suspended.Out = true },
		"with a smaller maximum":  func(s *cluster.StorageScaling) { s.Target.MaxGiB = 105 },
		"with a target far above": func(s *cluster.StorageScaling) { s.Policies[0].TargetPercent = 80 },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "orders")
			w.follows("orders", 60, 500)
			w.uses("orders", 2, 70, 1000)
			table, whole := w.records.Table, w.records
			w.records.Table = &meanwhile{table, func() {
				if _, err := whole.ChangeStorageScaling(t.Context(), "c-orders", func(s *cluster.StorageScaling) error { change(s); return nil }); err != nil {
					t.Error(err)
				}
			}}
			if started := w.scale(""); len(started) != 0 {
				t.Errorf("started were %v", started)
			}
		})
	}
}

// meanwhile is a table to which something is done once somebody has looked at the rules and goes on.
type meanwhile struct {
	records.Table
	do func()
}

func (m *meanwhile) Get(ctx context.Context, key records.Key) (records.Item, error) {
	if do := m.do; do != nil {
		m.do = nil
		do()
	}
	return m.Table.Get(ctx, key)
}

func TestScaleStorage_LooksOnlyAtTheClusterThatIsNamed(t *testing.T) {
	w := newWorld(t, "orders", "payments")
	for _, name := range []string{"orders", "payments"} {
		w.follows(name, 60, 500)
		w.uses(name, 1, 80, 1000)
	}
	if started := w.scale("payments"); len(started) != 1 || w.operation("payments", started[0]).ClusterID != "c-payments" {
		t.Errorf("started were %v", started)
	}
	if started := w.scale("nobody"); len(started) != 0 || w.metrics.Len() > 0 {
		t.Errorf("started were %v, metrics %s", started, w.metrics.String())
	}
}

func TestScaleStorage_TellsOfWhatIsFullAtTheMaximum(t *testing.T) {
	w := newWorld(t, "orders")
	w.follows("orders", 60, 100)
	w.uses("orders", 1, 90, 1000)
	if started := w.scale(""); len(started) != 0 || !strings.Contains(w.metrics.String(), `"ClustersAtMaximum":1`) {
		t.Errorf("started were %v, metrics %s", started, w.metrics.String())
	}
}

func TestScaleStorage_TriesAgainAfterAPauseWhatHasFailed(t *testing.T) {
	w := newWorld(t, "orders")
	w.follows("orders", 60, 500)
	w.uses("orders", 1, 70, 1000)
	first := w.scale("")
	w.now = w.now.Add(time.Minute)
	w.ends("orders", first[0], &cluster.Failure{Code: "Conflict", Message: "EBS takes no change yet"})
	if again := w.scale(""); len(again) != 0 {
		t.Errorf("started at once were %v", again)
	}
	w.now = w.now.Add(time.Minute)
	if again := w.scale(""); len(again) != 1 {
		t.Errorf("started after a pause were %v", again)
	}
}

func TestScaleStorage_LeavesAStartThatFailsToTheSweep(t *testing.T) {
	w := newWorld(t, "orders")
	w.follows("orders", 60, 500)
	w.uses("orders", 1, 70, 1000)
	w.fails = errors.New("throttled")
	if started := w.scale(""); len(started) != 1 {
		t.Errorf("started were %v", started)
	}
	if unfinished, err := w.records.UnfinishedOperations(t.Context()); err != nil || len(unfinished) != 1 {
		t.Errorf("for the sweep there are %v, %v", unfinished, err)
	}
}

func TestScaleStorage_LeavesAClusterAloneThatIsGone(t *testing.T) {
	w := newWorld(t, "orders")
	w.follows("orders", 60, 500)
	w.uses("orders", 1, 70, 1000)
	if err := w.records.ForgetCluster(t.Context(), "c-orders"); err != nil {
		t.Fatal(err)
	}
	if started := w.scale(""); len(started) != 0 {
		t.Errorf("started were %v", started)
	}
}
