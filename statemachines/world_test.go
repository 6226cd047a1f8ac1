package statemachines_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"github.com/millrace/millrace/functions/brokerreplacement"
	"github.com/millrace/millrace/functions/healthsweep"
	"github.com/millrace/millrace/functions/operations"
	"github.com/millrace/millrace/functions/provisioning"
	"github.com/millrace/millrace/functions/storageautoscaling"
	"github.com/millrace/millrace/functions/topicadmin"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/platform/local"
	"github.com/millrace/millrace/shared/platform/local/asl"
	"github.com/millrace/millrace/shared/platform/platformtest"
	"github.com/millrace/millrace/shared/records"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// world is a control plane in a bubble of its own time: the real machines, engine, steps and records, over a platform in
// memory with agents that say what agents say.
type world struct {
	t         *testing.T
	db        *bbolt.DB
	records   records.Records
	platform  *platformtest.Cloud
	kafka     *kafka
	topics    *topics
	journal   *asl.MemoryJournal
	engine    *asl.Engine
	workflows local.Workflows
	functions local.Functions

	// spec is the cluster that the tests of every operation make.
	spec cluster.Spec
	// powerMayBeOut says that an operation may be recorded and not started.
	powerMayBeOut bool
	// rests is how often a host says something in peace.
	rests time.Duration
	// older says that hosts can't join further volumes to the first.
	older bool
	// agent is what runs on every host.
	agent func(ctx context.Context, hostID string, nodeID int32)
	// write, when it is set, is asked before every write to the table; its error is what the writer gets.
	write func(writes []records.Write) error
	// beforeStart, when it is set, is told of every operation that is about to be started.
	beforeStart func(op cluster.Operation)

	mu           sync.Mutex
	troubles     map[string]*platformtest.Trouble // by step
	steps        []invocation
	entered      map[string][]string // the states of each execution, by its name
	metrics      bytes.Buffer        // what the sweep of topics has told
	versions     int
	heals        int
	applications int
	growths      int
	usedGiB      map[int32]int64 // by node: what is on its log volume
}

// invocation is one call of a step.
type invocation struct {
	step string
	node int32
}

// inBubble runs a test in a world of its own, whose hours pass in no time.
func inBubble(t *testing.T, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		test(w)
	})
}

func newWorld(t *testing.T) *world {
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "records.db"), 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	table, err := local.NewTable(db)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, db: db, platform: platformtest.NewCloud(),
		troubles: map[string]*platformtest.Trouble{}, entered: map[string][]string{}, usedGiB: map[int32]int64{},
	}
	w.kafka = newKafka(w)
	w.topics = newTopics(w.kafka)
	w.records = records.Records{Table: watchedTable{table, w}}
	w.agent, w.spec, w.rests = w.healthyAgent, small(1), agentRests
	w.platform.Boot = func(ctx context.Context, hostID string, nodeID int32) { w.agent(ctx, hostID, nodeID) }
	w.journal = asl.NewMemoryJournal()
	w.powerOn(w.journal)
	return w
}

// powerOn starts a control plane over what is recorded and journalled.
func (w *world) powerOn(journal asl.Journal) {
	w.t.Helper()
	engine, err := asl.New(asl.Config{
		Machines: load(w.t), Invoker: w, Journal: journal,
		Rand:         mathrand.NewPCG(1, 2),
		OnTransition: w.note,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.engine, w.workflows = engine, local.Workflows{Engine: engine}
	w.functions = local.Functions{
		"brokerreplacement": brokerreplacement.Steps(brokerreplacement.Deps{Records: w.records, Kafka: w.kafka, Now: time.Now}),
		"healthsweep": healthsweep.Steps(healthsweep.Deps{
			Records: w.records, Hosts: w.platform, Workflows: starter{w}, Now: time.Now, NewID: w.nextHeal,
		}),
		"operations": operations.Steps(operations.Deps{
			Records: w.records, Workflows: w.workflows, Now: time.Now,
			NewVersion: func() (string, error) { w.versions++; return fmt.Sprintf("K%d", w.versions), nil },
		}),
		"storageautoscaling": storageautoscaling.Steps(storageautoscaling.Deps{
			Records: w.records, Workflows: starter{w}, Now: time.Now, NewID: w.nextHeal,
		}),
		"topicadmin": topicadmin.Steps(topicadmin.Deps{Records: w.records, Kafka: w.topics, Now: time.Now, Metrics: metricsLog{w}}),
		"provisioning": provisioning.Steps(provisioning.Deps{
			Records: w.records, Now: time.Now,
			Platform: provisioning.Platform{
				Addresses: w.platform, Volumes: w.platform, Hosts: w.platform, Secrets: w.platform, Zones: w.platform,
				Sizing: provisioning.Sizing{HeapMiB: func(string, cluster.Role) int { return 256 }},
			},
		}),
	}
	if err := engine.Resume(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) end() {
	if harm := w.platform.Harm(); len(harm) > 0 {
		w.t.Errorf("data was lost: %v", harm)
	}
	w.platform.ShutDown()
	if err := w.engine.Close(context.Background()); err != nil {
		w.t.Error(err)
	}
	if err := w.db.Close(); err != nil {
		w.t.Error(err)
	}
}

// metricsLog is the log that metrics are read from.
type metricsLog struct{ w *world }

func (l metricsLog) Write(line []byte) (int, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return l.w.metrics.Write(line)
}

// watchedTable lets a test come in between before a write.
type watchedTable struct {
	records.Table
	w *world
}

func (t watchedTable) Write(ctx context.Context, writes ...records.Write) error {
	if t.w.write != nil {
		if err := t.w.write(writes); err != nil {
			return err
		}
	}
	return t.Table.Write(ctx, writes...)
}

// Invoke calls a function as Lambda does, unless the test has made trouble for the step.
func (w *world) Invoke(ctx context.Context, function string, payload []byte) ([]byte, error) {
	var call struct {
		Step   string `json:"step"`
		NodeID int32  `json:"nodeId"`
	}
	if err := json.Unmarshal(payload, &call); err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.steps = append(w.steps, invocation{call.Step, call.NodeID})
	t := w.troubles[call.Step]
	struck := t.Strike()
	w.mu.Unlock()
	if !struck {
		return w.functions.Invoke(ctx, function, payload)
	}
	if t.Lost {
		if _, err := w.functions.Invoke(ctx, function, payload); err != nil {
			return nil, err
		}
	}
	return nil, t.Err
}

// note remembers the path of every execution.
func (w *world) note(t asl.Transition) {
	if t.Phase == "entered" && t.Journaled {
		w.mu.Lock()
		defer w.mu.Unlock()
		name := t.Execution[strings.LastIndexByte(t.Execution, ':')+1:]
		w.entered[name] = append(w.entered[name], t.State)
	}
}

// signingRequest is what every agent here says hello with: keys take long to make.
var signingRequest = sync.OnceValue(func() string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
})

// pause waits; false when the context ends first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// hello sends the first heartbeat of a host.
func (w *world) hello(ctx context.Context, hostID string) {
	w.beat(ctx, hostID, nodespec.Heartbeat{State: nodespec.Waiting})
}

// nextSpec waits for a spec of a higher generation; false when the host ends first.
func (w *world) nextSpec(ctx context.Context, hostID string, above int64) (nodespec.Spec, bool) {
	changed, stop := w.records.WatchSpec(hostID)
	defer stop()
	for {
		spec, err := w.records.Spec(ctx, hostID)
		if err == nil && spec.Generation > above {
			return spec, true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return spec, false
		}
	}
}

func (w *world) beat(ctx context.Context, hostID string, beat nodespec.Heartbeat) {
	beat.HostID, beat.At, beat.SigningRequest = hostID, time.Now(), signingRequest()
	if err := w.records.PutBeat(ctx, hostID, beat); err != nil && ctx.Err() == nil {
		w.t.Errorf("heartbeat of %s: %v", hostID, err)
	}
}

const clusterID = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f9-7"

// create records a cluster as the API does, and starts its machine. The cluster is as given, with an id.
func (w *world) create(spec cluster.Spec) cluster.Operation {
	w.t.Helper()
	op := w.recordCreate(spec)
	w.start(op)
	return op
}

func (w *world) recordCreate(spec cluster.Spec) cluster.Operation {
	w.t.Helper()
	w.spec = spec
	op := cluster.Operation{
		ID: "create", ClusterID: clusterID, Type: cluster.CreateCluster, State: cluster.Pending, Attempt: 1, CreatedAt: time.Now(),
	}
	c := cluster.Cluster{
		ID: clusterID, Name: "orders", KafkaID: "MkU3OEVBNTcwNTJENDM2Qg", CreatedAt: time.Now(), Version: "K0", Spec: spec,
		Active: &cluster.ActiveOperation{ID: op.ID, Type: op.Type},
	}
	if err := w.records.CreateCluster(w.t.Context(), c, op); err != nil {
		w.t.Fatal(err)
	}
	return op
}

// small is a cluster of three brokers with so many controllers.
func small(controllers int) cluster.Spec {
	return cluster.Spec{
		KafkaVersion: "4.1.x.kraft", Brokers: 3, Controllers: controllers, InstanceType: "kafka.m7g.large",
		Subnets: []string{"subnet-a", "subnet-b", "subnet-c"}, VolumeGiB: 100,
		ClientBroker: cluster.TLS, InCluster: true,
	}
}

// delete records a deletion as the API does, and starts its machine.
func (w *world) delete(id string) cluster.Operation {
	w.t.Helper()
	op := cluster.Operation{
		ID: id, ClusterID: clusterID, Type: cluster.DeleteCluster, State: cluster.Pending, Attempt: 1, CreatedAt: time.Now(),
	}
	_, err := w.records.StartOperation(w.t.Context(), clusterID, op, func(c *cluster.Cluster) error {
		if c.Active != nil {
			return fmt.Errorf("a cluster that is %s can't be deleted", c.State())
		}
		c.Active = &cluster.ActiveOperation{ID: op.ID, Type: op.Type}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.start(op)
	return op
}

// resume starts a create that failed again, as the API does.
func (w *world) resume(op cluster.Operation) cluster.Operation {
	w.t.Helper()
	_, op, err := w.records.ChangeOperation(w.t.Context(), clusterID, op.ID,
		func(c *cluster.Cluster, op *cluster.Operation) error {
			if !op.TryAgain(c) {
				return fmt.Errorf("a cluster that is %s can't be resumed", c.State())
			}
			return nil
		})
	if err != nil {
		w.t.Fatal(err)
	}
	w.start(op)
	return op
}

func (w *world) start(op cluster.Operation) {
	w.t.Helper()
	if w.beforeStart != nil {
		w.beforeStart(op)
	}
	err := w.workflows.Start(w.t.Context(), op.Machine(), op.ExecutionName(), op.Input())
	if err != nil && !w.powerMayBeOut {
		w.t.Fatal(err)
	}
}

// sweep sweeps once.
func (w *world) sweep() operations.SweepOperationsOutput {
	w.t.Helper()
	answer, err := w.functions.Invoke(w.t.Context(), "operations", []byte(`{"step":"SweepOperations"}`))
	if err != nil {
		w.t.Fatalf("sweep: %v", err)
	}
	var out operations.SweepOperationsOutput
	if err := json.Unmarshal(answer, &out); err != nil {
		w.t.Fatal(err)
	}
	return out
}

// trouble makes a step fail so many times; -1 is always.
func (w *world) trouble(step string, t *platformtest.Trouble) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.troubles[step] = t
}

// wait lets time pass until the execution of an operation has ended.
func (w *world) wait(op cluster.Operation) asl.Execution {
	w.t.Helper()
	for range 3 * 60 * 60 {
		x, err := w.engine.Describe(w.engine.ARN(op.Machine(), op.ExecutionName()))
		if err != nil {
			w.t.Fatal(err)
		}
		if x.Status != asl.Running {
			return x
		}
		time.Sleep(time.Second)
	}
	w.t.Fatalf("%s has not ended within three hours; it went %v", op.ExecutionName(), w.path(op))
	return asl.Execution{}
}

// path is the way that an operation's execution took through the states of the machine itself; a state that was entered
// several times in a row, as checks are, counts once.
func (w *world) path(op cluster.Operation) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	top := read(w.t, op.Machine()).States
	var path []string
	for _, name := range w.entered[op.ExecutionName()] {
		if _, ok := top[name]; ok && !slices.Contains(path, name) {
			path = append(path, name)
		}
	}
	return path
}

// stepsOf are the steps that were called for a node, in order; a step that was called again at once counts once.
func (w *world) stepsOf(node int32) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var steps []string
	for _, i := range w.steps {
		if i.node == node {
			steps = append(steps, i.step)
		}
	}
	return slices.Compact(steps)
}

// calls is how often a step was called.
func (w *world) calls(step string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, i := range w.steps {
		if i.step == step {
			n++
		}
	}
	return n
}

func (w *world) cluster() cluster.Cluster {
	w.t.Helper()
	c, err := w.records.Cluster(w.t.Context(), clusterID)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) operation(op cluster.Operation) cluster.Operation {
	w.t.Helper()
	op, err := w.records.Operation(w.t.Context(), op.ClusterID, op.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return op
}

// wantPath checks the way an execution took.
func (w *world) wantPath(op cluster.Operation, want []string) {
	w.t.Helper()
	if got := w.path(op); !slices.Equal(got, want) {
		w.t.Errorf("%s went\n  %v, want\n  %v", op.ExecutionName(), got, want)
	}
}

// wantActive checks that a create has ended well: ACTIVE, complete, and one of everything for each node.
func (w *world) wantActive(op cluster.Operation) {
	w.t.Helper()
	c, op := w.cluster(), w.operation(op)
	if c.State() != cluster.Active || c.Version == "K0" || op.State != cluster.Complete || op.Percent() != 100 || op.Failure != nil {
		w.t.Errorf("the cluster is %s (%+v), version %s; the operation %+v", c.State(), c.Failure, c.Version, op)
	}
	w.wantOneOfEverything(c.Spec.Brokers + c.Spec.Controllers)
}

func (w *world) wantOneOfEverything(nodes int) {
	w.t.Helper()
	recorded, err := w.records.Nodes(w.t.Context(), clusterID)
	if err != nil {
		w.t.Fatal(err)
	}
	further := 0
	for _, n := range recorded {
		if n.Volume != nil {
			further += len(n.Volume.Further)
		}
	}
	alive, left := w.platform.Alive(), w.platform.Left()
	if len(alive) != nodes || len(left) != 3*nodes+further+secrets { // an address, a volume and a host each
		w.t.Errorf("%d nodes have the hosts %v, and there is %v", nodes, alive, left)
	}
	for _, n := range recorded {
		if n.Host == nil || n.Volume == nil || n.Address == nil || !slices.Contains(alive, n.Host.ID) {
			w.t.Errorf("%s is recorded as %+v", n, n)
			continue
		}
		if host := w.platform.AttachedTo(cluster.Token{ClusterID: clusterID, NodeID: n.ID}); host != n.Host.ID {
			w.t.Errorf("the volume of %s is attached to %q, not to %s", n, host, n.Host.ID)
		}
		for _, f := range n.Volume.Further {
			if host := w.platform.AttachedTo(f.Token(n)); f.ID == "" || host != n.Host.ID {
				w.t.Errorf("further volume %+v of %s is attached to %q, not to %s", f, n, host, n.Host.ID)
			}
		}
	}
}

// secrets is how many a cluster has whose nodes know each other by certificates: its authority.
const secrets = 1

// wantFailed checks that an operation has failed in words that people can read, and says at which step. A cluster that could
// not be healed, or whose topics could not be applied or volumes not be grown, goes on as it was.
func (w *world) wantFailed(op cluster.Operation, reason string) {
	w.t.Helper()
	c, op := w.cluster(), w.operation(op)
	switch {
	case op.Type == cluster.HealBroker || !op.Type.HoldsCluster():
		if c.State() != cluster.Active || c.Failure != nil {
			w.t.Errorf("the cluster is %s (%+v), want ACTIVE", c.State(), c.Failure)
		}
	case c.State() != cluster.Failed || c.Failure == nil || !strings.Contains(c.Failure.Message, reason):
		w.t.Errorf("the cluster is %s (%+v), want FAILED for %q", c.State(), c.Failure, reason)
	}
	if op.State != cluster.OperationFailed || op.Failure == nil || !strings.Contains(op.Failure.Message, reason) || op.EndedAt.IsZero() {
		w.t.Errorf("the operation is %+v, want UPDATE_FAILED for %q", op, reason)
	}
	var failed []string
	for _, s := range op.Steps {
		switch {
		case s.Status == cluster.StepFailed:
			failed = append(failed, s.Name)
			if !strings.Contains(s.Detail, reason) {
				w.t.Errorf("step %s failed for %q, want %q", s.Name, s.Detail, reason)
			}
		case s.Status == cluster.StepInProgress, s.Status == cluster.StepCompleted && len(failed) > 0:
			w.t.Errorf("step %s of an operation that failed at %v is %s", s.Name, failed, s.Status)
		}
	}
	if len(failed) != 1 {
		w.t.Errorf("the steps %+v do not say at which one it failed", op.Steps)
	}
	if unfinished, err := w.records.UnfinishedOperations(w.t.Context()); err != nil || len(unfinished) != 0 {
		w.t.Errorf("still to be finished: %+v (%v)", unfinished, err)
	}
}

// wantNothingLeft checks that a cluster is gone with everything that was ever made for it.
func (w *world) wantNothingLeft() {
	w.t.Helper()
	if left := w.platform.Left(); len(left) > 0 {
		w.t.Errorf("the platform still has %v", left)
	}
	err := w.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("items")).ForEach(func(k, _ []byte) error {
			w.t.Errorf("the table still has %s", strings.ReplaceAll(string(k), "\x00", "/"))
			return nil
		})
	})
	if err != nil {
		w.t.Error(err)
	}
}
