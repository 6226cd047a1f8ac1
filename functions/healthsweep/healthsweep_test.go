package healthsweep_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/functions/healthsweep"
	"github.com/millrace/millrace/functions/operations"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/platform/local/localtest"
	"github.com/millrace/millrace/shared/records"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// hosts is a platform in memory.
type hosts map[string]cluster.Host

func (h hosts) HostStates(_ context.Context, ids []string) (map[string]cluster.Host, error) {
	known := map[string]cluster.Host{}
	for _, id := range ids {
		if host, ok := h[id]; ok {
			known[id] = host
		}
	}
	return known, nil
}

// deaf is a platform that does not answer.
type deaf struct{}

func (deaf) HostStates(context.Context, []string) (map[string]cluster.Host, error) {
	return nil, fault.New(fault.Unavailable, "a test")
}

// workflows remember what was started, and can fail.
type workflows struct {
	mu      sync.Mutex
	started []string
	fails   error
}

func (w *workflows) Start(_ context.Context, machine, name string, input any) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fails != nil {
		return w.fails
	}
	w.started = append(w.started, fmt.Sprintf("%s %s %+v", machine, name, input))
	return nil
}

func (w *workflows) Execution(context.Context, string) (e cluster.Execution, known bool, err error) {
	return e, false, nil
}

func (w *workflows) ExecutionNamed(context.Context, string, string) (e cluster.Execution, known bool, err error) {
	return e, false, nil
}

// world is clusters of three brokers and a controller each, whose hosts speak, on one table.
type world struct {
	t         *testing.T
	records   records.Records
	hosts     hosts
	workflows *workflows
	now       time.Time
	metrics   bytes.Buffer
	names     []string
	mute      map[string]bool // hosts
	gone      map[string]bool // hosts whose brokers the others have given up
	replaced  map[string]string

	mu  sync.Mutex
	ids int
}

func newWorld(t *testing.T, clusters ...string) *world {
	w := &world{
		t: t, records: records.Records{Table: localtest.NewTable(t)}, hosts: hosts{}, workflows: &workflows{},
		now: time.Date(2026, 9, 20, 12, 0, 0, 0, time.UTC), names: clusters, mute: map[string]bool{}, gone: map[string]bool{},
		replaced: map[string]string{},
	}
	for _, name := range clusters {
		w.add(name)
	}
	return w
}

func (w *world) add(name string) {
	w.t.Helper()
	id := "c-" + name
	c := cluster.Cluster{
		ID: id, Name: name, Version: "K1", ARN: "arn:aws:kafka:eu-west-1:000000000000:cluster/" + name + "/" + id, Ready: true,
	}
	created := cluster.Operation{ID: "0", ClusterID: id, Type: cluster.CreateCluster, State: cluster.Pending}
	var nodes []cluster.Node
	for _, n := range []int32{1, 2, 3, cluster.FirstController} {
		role := cluster.Broker
		if n >= cluster.FirstController {
			role = cluster.Controller
		}
		host := hostOf(name, n)
		nodes = append(nodes, cluster.Node{
			ClusterID: id, ID: n, Role: role, Host: &cluster.Host{ID: host}, Launches: 1, Volume: &cluster.Volume{ID: "v", SizeGiB: 100},
		})
		w.hosts[host] = cluster.Host{ID: host, State: cluster.HostRunning}
	}
	if err := errors.Join(w.records.CreateCluster(w.t.Context(), c, created), w.records.AddNodes(w.t.Context(), nodes)); err != nil {
		w.t.Fatal(err)
	}
	_, _, err := w.records.ChangeOperation(w.t.Context(), id, created.ID, func(c *cluster.Cluster, op *cluster.Operation) error {
		op.Succeed(c, c.Version, w.now)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// hostOf is the first host of a node.
func hostOf(name string, node int32) string { return fmt.Sprintf("h-%s-%d", name, node) }

// hostNow is the one that it has now.
func (w *world) hostNow(name string, node int32) string {
	if host, replaced := w.replaced[hostOf(name, node)]; replaced {
		return host
	}
	return hostOf(name, node)
}

func (w *world) dies(name string, nodes ...int32) {
	for _, n := range nodes {
		h := hostOf(name, n)
		w.hosts[h] = cluster.Host{ID: h, State: cluster.HostTerminated}
		w.mute[h], w.gone[h] = true, true
	}
}

func (w *world) vanishes(name string, node int32) {
	h := hostOf(name, node)
	w.mute[h], w.gone[h] = true, true
}

// speak lets every host say how its node is.
func (w *world) speak() {
	w.t.Helper()
	for _, name := range w.names {
		var listed []int32
		for n := range int32(3) {
			if !w.gone[w.hostNow(name, n+1)] {
				listed = append(listed, n+1)
			}
		}
		for n := range int32(3) {
			h := w.hostNow(name, n+1)
			if w.mute[h] {
				continue
			}
			lost := 3 - len(listed)
			w.say(nodespec.Heartbeat{
				HostID: h, At: w.now, State: nodespec.Running, Brokers: listed,
				Replication: &nodespec.Replication{Leads: 5, UnderReplicated: 2 * lost, Offline: lost},
			})
		}
		w.say(nodespec.Heartbeat{
			HostID: hostOf(name, cluster.FirstController), At: w.now, State: nodespec.Running,
			Quorum: &nodespec.Quorum{CaughtUp: []int32{cluster.FirstController}},
		})
	}
}

func (w *world) say(beat nodespec.Heartbeat) {
	w.t.Helper()
	if err := w.records.PutBeat(w.t.Context(), beat.HostID, beat); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) deps() healthsweep.Deps {
	return healthsweep.Deps{
		Deployment: "test", Records: w.records, Hosts: w.hosts, Workflows: w.workflows, Now: func() time.Time { return w.now },
		NewID: func() (string, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.ids++
			return fmt.Sprintf("%08d", w.ids), nil
		},
		Metrics: &w.metrics,
	}
}

// sweep looks, as the machine has it done.
func (w *world) sweep(payload string) healthsweep.SweepHealthOutput {
	w.t.Helper()
	answer, err := healthsweep.Steps(w.deps()).Invoke(w.t.Context(), []byte(payload))
	if err != nil {
		w.t.Fatal(err)
	}
	var out healthsweep.SweepHealthOutput
	if err := json.Unmarshal(answer, &out); err != nil {
		w.t.Fatal(err)
	}
	return out
}

const (
	all    = `{"step":"SweepHealth"}`
	orders = `{"step":"SweepHealth","cluster":"orders"}`
)

// after lets time pass in peace, with a look each few seconds.
func (w *world) after(d time.Duration, payload string) (started []string) {
	w.t.Helper()
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(5 * time.Second)
		w.speak()
		started = append(started, w.sweep(payload).Started...)
	}
	return started
}

func (w *world) unfinished() (heals []string) {
	w.t.Helper()
	ops, err := w.records.UnfinishedOperations(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, op := range ops {
		heals = append(heals, fmt.Sprintf("%s %s of %s", op.Heal.Remedy, op.Heal, op.ClusterID))
	}
	return heals
}

// ends ends the heal that is under way in a cluster; a node that was replaced well has a new host.
func (w *world) ends(name string, well bool) {
	w.t.Helper()
	c, err := w.records.Cluster(w.t.Context(), "c-"+name)
	if err != nil {
		w.t.Fatal(err)
	}
	var healed cluster.Heal
	_, _, err = w.records.ChangeOperation(w.t.Context(), c.ID, c.Active.ID, func(c *cluster.Cluster, op *cluster.Operation) error {
		healed = *op.Heal
		if !well {
			op.Fail(c, cluster.Failure{Code: "Internal", Message: "a test"}, w.now)
			return nil
		}
		op.Succeed(c, "K-"+op.ID, w.now)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if !well || healed.Remedy != cluster.Replace {
		return
	}
	_, err = w.records.ChangeNode(w.t.Context(), c.ID, healed.NodeID, func(n *cluster.Node) error {
		n.Launches++
		n.Host = &cluster.Host{ID: fmt.Sprintf("%s-%d", hostOf(name, healed.NodeID), n.Launches)}
		w.hosts[n.Host.ID] = cluster.Host{ID: n.Host.ID, State: cluster.HostRunning}
		w.replaced[hostOf(name, healed.NodeID)] = n.Host.ID
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) found(name string, node int32) cluster.Finding {
	w.t.Helper()
	h, err := w.records.Health(w.t.Context(), "c-"+name)
	if err != nil {
		w.t.Fatal(err)
	}
	f, _ := h.Of(node)
	return f
}

func TestSweepHealth_RecordsHowEachNodeIs(t *testing.T) {
	w := newWorld(t, "orders")
	if started := w.after(10*time.Second, all); len(started) != 0 {
		t.Fatalf("started %v", started)
	}
	for _, n := range []int32{1, 2, 3, 1001} {
		if f := w.found("orders", n); f.Condition != cluster.Well || f.Host != hostOf("orders", n) {
			t.Errorf("%+v", f)
		}
	}
}

func TestSweepHealth_ADeadHostIsHealedOnce(t *testing.T) {
	w := newWorld(t, "orders")
	w.after(time.Minute, all)
	w.dies("orders", 2)
	started := w.after(5*time.Minute, orders)
	if len(started) != 1 || !slices.Equal(w.unfinished(), []string{"replace broker 2 of c-orders"}) {
		t.Fatalf("started %v, under way are %v", started, w.unfinished())
	}
	if want := []string{"replace-broker 00000001-1 {ClusterID:c-orders OperationID:00000001 NodeID:2 NodeIDs:[] Proven:true}"}; !slices.Equal(w.workflows.started, want) {
		t.Errorf("started %v, want %v", w.workflows.started, want)
	}
	op, err := w.records.Operation(t.Context(), "c-orders", "00000001")
	if err != nil {
		t.Fatal(err)
	}
	heal := *op.Heal
	if heal.Host != hostOf("orders", 2) || heal.Launch != 1 || !heal.Proven || heal.Condition != cluster.HostDead || heal.Reason == "" {
		t.Errorf("%+v", heal)
	}
	if !strings.HasPrefix(op.ARN, "arn:aws:kafka:eu-west-1:000000000000:cluster-operation/orders/c-orders/") {
		t.Errorf("ARN %s", op.ARN)
	}
	if f := w.found("orders", 2); !strings.Contains(f.Waits, op.ID) {
		t.Errorf("waits: %q", f.Waits)
	}
}

// Events are wake-ups: however many come, and in whatever order, each has somebody look at what is true then.
func TestSweepHealth_EventsThatComeTwiceLateOrInAnyOrderStartNoSecondHeal(t *testing.T) {
	w := newWorld(t, "orders")
	w.after(time.Minute, all)
	w.dies("orders", 2)
	for range 5 {
		w.sweep(orders)
		w.sweep(all)
	}
	w.ends("orders", true)
	for range 5 { // events of the death that come when all is done
		w.now = w.now.Add(time.Second)
		w.sweep(orders)
		w.sweep(all)
	}
	w.after(30*time.Minute, orders)
	if len(w.workflows.started) != 1 {
		t.Errorf("started %v", w.workflows.started)
	}
}

func TestSweepHealth_AnEventOfAClusterThatIsGoneIsNothing(t *testing.T) {
	w := newWorld(t, "orders")
	if out := w.sweep(`{"step":"SweepHealth","cluster":"order"}`); out.LookAgain || len(out.Started) > 0 {
		t.Errorf("%+v", out)
	}
}

func TestSweepHealth_MissingHeartbeatsAloneStartNothing(t *testing.T) {
	w := newWorld(t, "orders")
	w.after(time.Minute, all)
	for _, n := range []int32{1, 2, 3, 1001} {
		w.mute[hostOf("orders", n)] = true
	}
	w.now = w.now.Add(time.Minute)
	for range 60 {
		w.now = w.now.Add(time.Minute)
		if out := w.sweep(all); len(out.Started) > 0 {
			t.Fatalf("started %v", w.unfinished())
		}
	}
	if f := w.found("orders", 2); f.Condition != cluster.Unknown {
		t.Errorf("%+v", f)
	}
}

// The heartbeats that a control plane finds at its start are as old as its absence was long.
func TestSweepHealth_OldHeartbeatsSayNothingAfterTheControlPlaneWasAway(t *testing.T) {
	w := newWorld(t, "orders")
	w.after(time.Minute, all)
	w.now = w.now.Add(3 * time.Hour)
	deps := w.deps()
	deps.ListeningSince = w.now
	steps := healthsweep.Steps(deps)
	speaking := []int32{1, 1001} // come back first; broker 1 has not heard of the others for a moment
	for second := range 80 {
		w.now = w.now.Add(time.Second)
		for _, n := range speaking {
			w.say(nodespec.Heartbeat{HostID: hostOf("orders", n), At: w.now, State: nodespec.Running, Brokers: []int32{1}})
		}
		if second == 60 {
			w.speak()
			speaking = nil
		}
		if _, err := steps.Invoke(t.Context(), []byte(all)); err != nil {
			t.Fatal(err)
		}
	}
	if heals := w.unfinished(); len(heals) > 0 {
		t.Errorf("started %v", heals)
	}
	if f := w.found("orders", 2); f.Condition != cluster.Well {
		t.Errorf("%+v", f)
	}
}

func TestSweepHealth_ManyAtOnceStartAHealOnce(t *testing.T) {
	w := newWorld(t, "a", "b", "c")
	w.after(time.Minute, all)
	w.dies("a", 1)
	w.dies("b", 2)
	var sweeps sync.WaitGroup
	steps := healthsweep.Steps(w.deps())
	for i := range 16 {
		payload := all
		if i%2 == 0 {
			payload = `{"step":"SweepHealth","cluster":"a"}`
		}
		sweeps.Go(func() {
			if _, err := steps.Invoke(t.Context(), []byte(payload)); err != nil {
				t.Error(err)
			}
		})
	}
	sweeps.Wait()
	w.sweep(all) // those that were overtaken look again soon
	if heals := w.unfinished(); !slices.Equal(heals, []string{"replace broker 1 of c-a", "replace broker 2 of c-b"}) &&
		!slices.Equal(heals, []string{"replace broker 2 of c-b", "replace broker 1 of c-a"}) {
		t.Errorf("under way are %v", heals)
	}
	if len(w.workflows.started) != 2 {
		t.Errorf("started %v", w.workflows.started)
	}
}

func TestSweepHealth_AHealThatWasRecordedAndNotStartedIsTakenUp(t *testing.T) {
	w := newWorld(t, "orders")
	w.after(time.Minute, all)
	w.dies("orders", 2)
	w.workflows.fails = fault.New(fault.Unavailable, "the control plane is about to end")
	w.sweep(all)
	w.workflows.fails = nil
	w.sweep(all)
	if len(w.workflows.started) != 0 || len(w.unfinished()) != 1 {
		t.Fatalf("started %v, under way are %v", w.workflows.started, w.unfinished())
	}
	_, err := operations.Steps(operations.Deps{Records: w.records, Workflows: w.workflows, Now: func() time.Time { return w.now }}).
		Invoke(t.Context(), []byte(`{"step":"SweepOperations"}`))
	if err != nil || len(w.workflows.started) != 1 {
		t.Errorf("started %v (%v)", w.workflows.started, err)
	}
}

func TestSweepHealth_ThreeClustersSickAtOnceAreHealedOneByOneAndOnlyTheDead(t *testing.T) {
	w := newWorld(t, "a", "b", "c", "d")
	w.after(time.Minute, all)
	w.dies("a", 1)
	w.dies("b", 2)
	w.dies("c", 3)
	w.vanishes("d", 1)
	healed := map[string]bool{}
	for range 4 {
		w.after(4*time.Minute, all)
		under := w.unfinished()
		if len(under) > 1 {
			t.Fatalf("under way at once are %v", under)
		}
		if len(under) == 0 {
			break
		}
		name := under[0][len(under[0])-1:]
		healed[name] = true
		if name == "d" && len(healed) < 4 {
			t.Fatalf("healed the silent host of d after %v", slices.Sorted(maps.Keys(healed)))
		}
		w.ends(name, true)
	}
	if len(healed) != 4 {
		t.Errorf("healed are %v, in the end: %+v", healed, w.found("d", 1))
	}
	if !strings.Contains(w.metrics.String(), `"OpenBreakers":4`) {
		t.Error("no metric told of the open breakers")
	}
}

func TestSweepHealth_MaintenanceThatBeganSinceTheLookKeepsHealingAway(t *testing.T) {
	w := newWorld(t, "orders")
	w.after(time.Minute, all)
	w.dies("orders", 2)
	_, err := w.records.ChangeCluster(t.Context(), "c-orders", func(c *cluster.Cluster) error {
		c.Healing.Maintain(cluster.MaintenanceWindow{NodeID: 2, Since: w.now, Until: w.now.Add(time.Hour)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if started := w.after(59*time.Minute, all); len(started) > 0 {
		t.Fatalf("started %v", w.unfinished())
	}
	if started := w.after(2*time.Minute, all); len(started) != 1 {
		t.Errorf("after the maintenance, started %v", started)
	}
}

func TestSweepHealth_WhatThePlatformDoesNotSayIsNotHeldAgainstHosts(t *testing.T) {
	w := newWorld(t, "orders")
	w.after(time.Minute, all)
	w.vanishes("orders", 2)
	deps := w.deps()
	deps.Hosts = deaf{}
	for range 60 {
		w.now = w.now.Add(time.Minute)
		w.speak()
		_, err := healthsweep.Steps(deps).Invoke(t.Context(), []byte(all))
		if err == nil || !strings.Contains(err.Error(), "ask the platform about 4 hosts") {
			t.Fatalf("got %v", err)
		}
	}
	if heals := w.unfinished(); len(heals) > 0 {
		t.Errorf("started %v", heals)
	}
}

func TestSweepHealth_SaysWhenToLookAgain(t *testing.T) {
	w := newWorld(t, "orders")
	w.after(time.Minute, all)
	at := w.now
	ask := func() healthsweep.SweepHealthOutput {
		return w.sweep(fmt.Sprintf(`{"step":"SweepHealth","cluster":"","startedAt":%q}`, at.Format(time.RFC3339)))
	}
	if out := ask(); out.LookAgain {
		t.Errorf("in peace: %+v", out)
	}
	w.hosts[hostOf("orders", 2)] = cluster.Host{ID: hostOf("orders", 2), State: cluster.HostStopped}
	if out := ask(); !out.LookAgain || out.LookAgainSeconds != 60 {
		t.Errorf("with a minute to go: %+v", out)
	}
	w.now = w.now.Add(58 * time.Second)
	if out := ask(); !out.LookAgain || out.LookAgainSeconds != 5 {
		t.Errorf("with two seconds to go: %+v", out)
	}
	at = w.now.Add(-146 * time.Second)
	if out := ask(); out.LookAgain {
		t.Errorf("long after the machine was started: %+v", out)
	}
}

func TestSweepHealth_WritesOnlyWhatIsNews(t *testing.T) {
	w := newWorld(t, "orders")
	w.speak()
	w.sweep(all)
	revision := func() int64 {
		item, err := w.records.Table.Get(t.Context(), records.Key{Partition: "health", Sort: "c-orders"})
		if err != nil {
			t.Fatal(err)
		}
		return item.Revision
	}
	before := revision()
	w.after(45*time.Second, all)
	if got := revision(); got != before {
		t.Errorf("written %d times in peace within 45 s", got-before)
	}
	w.after(15*time.Second, all)
	if got := revision(); got != before+1 {
		t.Errorf("written %d times in peace within a minute", got-before)
	}
	w.dies("orders", 2)
	w.sweep(all)
	if got := revision(); got != before+2 {
		t.Errorf("a death is written %d times", got-before-1)
	}
}

func TestSweepHealth_ForgetsTheHealthOfAClusterThatIsGone(t *testing.T) {
	w := newWorld(t, "orders", "other")
	w.after(10*time.Second, all)
	health, err := w.records.Health(t.Context(), "c-other")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.records.ForgetCluster(t.Context(), "c-other"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.records.Health(t.Context(), "c-other"); !fault.Is(err, fault.NotFound) {
		t.Fatalf("after the cluster was forgotten: %v", err)
	}
	if err := w.records.PutHealth(t.Context(), health); err != nil { // by a look that was under way
		t.Fatal(err)
	}
	w.sweep(all)
	if _, err := w.records.Health(t.Context(), "c-other"); !fault.Is(err, fault.NotFound) {
		t.Errorf("after the next look: %v", err)
	}
}

func TestSweepHealth_LooksAtNoClusterThatIsMadeOrDeletedOrHasFailed(t *testing.T) {
	w := newWorld(t, "made", "deleted", "failed")
	w.after(10*time.Second, all)
	for name, change := range map[string]func(*cluster.Cluster){
		"made": func(c *cluster.Cluster) {
			c.Ready, c.Active = false, &cluster.ActiveOperation{ID: "1", Type: cluster.CreateCluster}
		},
		"deleted": func(c *cluster.Cluster) { c.Active = &cluster.ActiveOperation{ID: "1", Type: cluster.DeleteCluster} },
		"failed":  func(c *cluster.Cluster) { c.Failure = &cluster.Failure{Code: "Internal"} },
	} {
		if _, err := w.records.ChangeCluster(t.Context(), "c-"+name, func(c *cluster.Cluster) error { change(c); return nil }); err != nil {
			t.Fatal(err)
		}
		w.dies(name, 1, 2, 3)
	}
	w.sweep(all)
	if recorded, err := w.records.AllHealth(t.Context()); err != nil || len(recorded) > 0 {
		t.Errorf("of clusters that nobody looks at, %+v is recorded (%v)", recorded, err)
	}
	if started := w.after(10*time.Minute, all); len(started) > 0 {
		t.Errorf("started %v", w.unfinished())
	}
}

func TestSweepHealth_CountsForTheWholeDeployment(t *testing.T) {
	w := newWorld(t, "orders", "other")
	w.after(time.Minute, all)
	w.vanishes("orders", 2)
	h := hostOf("other", 1)
	w.hosts[h] = cluster.Host{ID: h, State: cluster.HostRunning, Impaired: true}
	w.after(2*time.Minute, all)
	lines := strings.Split(strings.TrimSpace(w.metrics.String()), "\n")
	var line map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &line); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"Deployment": "test", "SilentHosts": 1.0, "ImpairedHosts": 1.0, "OfflinePartitions": 1.0, "UnderReplicatedPartitions": 4.0,
		"FullDisks": 0.0, "OpenBreakers": 0.0, "NodesLeftAlone": 0.0,
	} {
		if line[name] != want {
			t.Errorf("%s is %v, want %v", name, line[name], want)
		}
	}
	before := len(lines)
	w.sweep(orders)
	if after := strings.Count(w.metrics.String(), "\n"); after != before {
		t.Error("a look at one cluster was counted as one at all")
	}
}

// Neither makes a node sick, and people have to hear of both in time.
func TestSweepHealth_CountsDisksAndCertificatesThatComeToTheirEnd(t *testing.T) {
	w := newWorld(t, "orders")
	w.after(time.Minute, all)
	ends := w.now.Add(10 * 24 * time.Hour)
	w.say(nodespec.Heartbeat{
		HostID: hostOf("orders", 3), At: w.now, State: nodespec.Running, Brokers: []int32{1, 2, 3},
		Disk: &nodespec.Disk{TotalBytes: 100, UsedBytes: 90}, CertificateEnds: &ends,
	})
	w.metrics.Reset()
	w.sweep(all)
	var line map[string]any
	if err := json.Unmarshal(w.metrics.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{"NearlyFullDisks": 1.0, "FullDisks": 0.0, "EndingCertificates": 1.0} {
		if line[name] != want {
			t.Errorf("%s is %v, want %v", name, line[name], want)
		}
	}
	if f := w.found("orders", 3); f.Condition != cluster.Well {
		t.Errorf("%+v", f)
	}
}
