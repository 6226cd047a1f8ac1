package awsrules_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/millrace/millrace/functions/brokerreplacement"
	"github.com/millrace/millrace/functions/healthsweep"
	"github.com/millrace/millrace/functions/operations"
	"github.com/millrace/millrace/functions/provisioning"
	"github.com/millrace/millrace/integration/awsrules"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/platform/aws/awstest"
	"github.com/millrace/millrace/shared/platform/aws/compute"
	"github.com/millrace/millrace/shared/platform/aws/dynamo"
	"github.com/millrace/millrace/shared/platform/aws/vault"
	"github.com/millrace/millrace/shared/platform/local"
	"github.com/millrace/millrace/shared/platform/local/asl"
	"github.com/millrace/millrace/shared/records"
	"github.com/millrace/millrace/shared/watch"
	"github.com/millrace/millrace/statemachines"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// world is a control plane on AWS: the real machines and steps over the real adapters, and on each host an agent that says
// what agents say.
type world struct {
	t          *testing.T
	account    awstest.AWS
	rules      *awsrules.Rules
	deployment awsrules.Deployment
	table      string
	engine     *asl.Engine
	workflows  local.Workflows
	functions  local.Functions
	// records go past the rules: what tests and agents read and write is no call of a machine.
	records records.Records

	mu       sync.Mutex
	versions int
	joins    bool                           // hosts join further volumes
	volumes  map[string]*awsrules.LogVolume // of hosts that join further ones, by the first
}

const (
	clusterID = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f9-7"
	hostRole  = "AROAHOSTSOFMILLRACE00"
	nodes     = 2 // a broker and a controller
)

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldUnder(t, awsrules.Config{})
}

// newWorldUnder is a world under some rules more.
func newWorldUnder(t *testing.T, rules awsrules.Config) *world {
	t.Helper()
	w := &world{t: t, account: awstest.Start(t), volumes: map[string]*awsrules.LogVolume{}}
	rules.PendingFor, rules.ShuttingDownFor, rules.UnseenFor = 30*time.Millisecond, 60*time.Millisecond, 1
	w.rules = awsrules.Start(t, w.account, rules)
	w.rules.Config.Retryer = impatient
	w.deployment = awsrules.Deploy(t, w.account.Config)
	w.table = w.account.NewTable(t)
	w.records = records.Records{Table: dynamo.New(w.account.Config, w.table), HostRole: hostRole}
	w.powerOn()
	w.runHosts()
	return w
}

// impatient tries as often as the SDK does, and waits less in between.
func impatient() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = 5 * time.Millisecond })
}

// eager is a table whose watchers look again more often than on AWS.
type eager struct{ records.Table }

func (eager) Watch(string) (<-chan struct{}, func()) { return watch.Every(25 * time.Millisecond) }

// hurried is a clock whose pauses between tries are short. Time-outs stay as they are.
type hurried struct{ asl.RealTime }

func (c hurried) AfterFunc(d time.Duration, f func()) func() {
	if d < time.Minute {
		d /= 100
	}
	return c.RealTime.AfterFunc(d, f)
}

func (w *world) powerOn() {
	w.t.Helper()
	engine, err := asl.New(asl.Config{
		Machines: load(w.t), Invoker: w, Journal: asl.NewMemoryJournal(), Clock: hurried{}, Rand: mathrand.NewPCG(1, 2),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := engine.Close(context.Background()); err != nil {
			w.t.Error(err)
		}
	})
	w.engine, w.workflows = engine, local.Workflows{Engine: engine}
	recorded := records.Records{Table: eager{dynamo.New(w.rules.Config, w.table)}, HostRole: hostRole}
	machines := compute.New(w.rules.Config, w.deployment.Config)
	w.functions = local.Functions{
		"healthsweep": healthsweep.Steps(healthsweep.Deps{
			Deployment: w.deployment.Deployment, Records: recorded, Hosts: machines.Hosts, Workflows: w.workflows,
			Now: time.Now, NewID: func() (string, error) { return cluster.NewOperationID(time.Now(), rand.Reader) },
			Tolerance: untiring(),
		}),
		"brokerreplacement": brokerreplacement.Steps(brokerreplacement.Deps{Records: recorded, Kafka: withoutTopics{}, Now: time.Now}),
		"operations": operations.Steps(operations.Deps{
			Records: recorded, Workflows: w.workflows, Now: time.Now, NewVersion: w.newVersion,
		}),
		"provisioning": provisioning.Steps(provisioning.Deps{Records: recorded, Now: time.Now, Platform: provisioning.Platform{
			Hosts: machines.Hosts, Volumes: machines.Volumes, Addresses: machines.Addresses, Zones: machines.Zones,
			Secrets: vault.NewSecrets(w.rules.Config, vault.SecretsConfig{
				Deployment: w.deployment.Deployment, Key: w.deployment.VolumeKey, Names: provisioning.Secrets(),
			}),
			Sizing: provisioning.Sizing{HeapMiB: compute.HeapMiB},
		}}),
	}
}

// Invoke implements [asl.Invoker].
func (w *world) Invoke(ctx context.Context, function string, payload []byte) ([]byte, error) {
	return w.functions.Invoke(ctx, function, payload)
}

func (w *world) newVersion() (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.versions++
	return fmt.Sprintf("K%d", w.versions), nil
}

func load(t *testing.T) map[string]*asl.Machine {
	t.Helper()
	machines := map[string]*asl.Machine{}
	for _, name := range []string{"create-cluster", "delete-cluster", "replace-broker", "update-broker-storage"} {
		text, err := statemachines.Definition(name)
		if err != nil {
			t.Fatal(err)
		}
		if text, err = asl.Substitute(text, statemachines.FunctionsOf(name)); err != nil {
			t.Fatal(err)
		}
		if machines[name], err = asl.Load(name, text); err != nil {
			t.Fatal(err)
		}
	}
	return machines
}

// runHosts runs an agent on every instance that runs, until the test ends.
func (w *world) runHosts() {
	ctx, cancel := context.WithCancel(context.Background())
	var hosts sync.WaitGroup
	w.t.Cleanup(func() { cancel(); hosts.Wait() })
	hosts.Go(func() {
		running := map[string]func(){}
		for pause(ctx, 10*time.Millisecond) {
			for _, id := range w.rules.Alive() {
				off, on := running[id]
				switch state := w.rules.State(id); {
				case state == "running" && !on:
					host, off := context.WithCancel(ctx)
					running[id] = off
					hosts.Go(func() { w.agent(host, id) })
				case state != "running" && on:
					off()
				}
			}
		}
	})
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// agent says hello, and runs every spec that it is given. While it has none, it says so each second. What its log volume is made of it
// says as soon as that changes, and each second while there are further volumes.
func (w *world) agent(ctx context.Context, hostID string) {
	var last time.Time
	var told *nodespec.Disk
	for generation := int64(0); pause(ctx, 50*time.Millisecond); {
		if generation == 0 && time.Since(last) > time.Second {
			last = time.Now()
			w.beat(ctx, hostID, nodespec.Heartbeat{State: nodespec.Waiting})
		}
		spec, err := w.records.Spec(ctx, hostID)
		if err == nil && spec.Generation > generation {
			generation = spec.Generation
			w.beat(ctx, hostID, nodespec.Heartbeat{Generation: generation, State: nodespec.Running, Brokers: []int32{1}})
		}
		if disk := w.disk(hostID); generation > 0 && disk != nil && (!reflect.DeepEqual(disk, told) || time.Since(last) > time.Second) {
			told, last = disk, time.Now()
			w.beat(ctx, hostID, nodespec.Heartbeat{Generation: generation, State: nodespec.Running, Brokers: []int32{1}, Disk: disk})
		}
	}
}

// disk is what a host that joins further volumes says of its log volume; nil where hosts join none.
func (w *world) disk(hostID string) *nodespec.Disk {
	disks := w.rules.Disks(hostID)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.joins || len(disks) == 0 || disks[0].Device != awsrules.FirstDevice {
		return nil
	}
	v := w.volumes[disks[0].Volume]
	if v == nil {
		v = &awsrules.LogVolume{}
		w.volumes[disks[0].Volume] = v
	}
	if missing := v.Take(disks); len(missing) > 0 {
		w.t.Errorf("%q were taken from %s with records on them", missing, hostID)
		return nil
	}
	return &nodespec.Disk{
		TotalBytes: int64(v.GiB) << 30, Volumes: slices.Clone(v.Parts), Left: slices.Clone(v.Left),
	}
}

func (w *world) beat(ctx context.Context, hostID string, beat nodespec.Heartbeat) {
	beat.HostID, beat.At, beat.SigningRequest = hostID, time.Now(), signingRequest()
	if err := w.records.PutBeat(ctx, hostID, beat); err != nil && ctx.Err() == nil {
		w.t.Errorf("heartbeat of %s: %v", hostID, err)
	}
}

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

// create records a cluster of one broker and one controller as the API does, and runs its machine to its end.
func (w *world) create() cluster.Operation {
	w.t.Helper()
	op := cluster.Operation{
		ID: "create", ClusterID: clusterID, Type: cluster.CreateCluster, State: cluster.Pending, Attempt: 1, CreatedAt: time.Now(),
	}
	c := cluster.Cluster{
		ID: clusterID, Name: "orders", KafkaID: "MkU3OEVBNTcwNTJENDM2Qg", CreatedAt: time.Now(), Version: "K0",
		Spec: cluster.Spec{
			KafkaVersion: "4.1.x.kraft", Brokers: 1, Controllers: 1, InstanceType: "kafka.m7g.large",
			Subnets: w.deployment.Subnets[:1], VolumeGiB: 100, ClientBroker: cluster.TLS, InCluster: true,
		},
		Active: &cluster.ActiveOperation{ID: op.ID, Type: op.Type},
	}
	if err := w.records.CreateCluster(w.t.Context(), c, op); err != nil {
		w.t.Fatal(err)
	}
	return w.run(op)
}

// delete records a deletion as the API does, and runs its machine to its end.
func (w *world) delete(id string) cluster.Operation {
	w.t.Helper()
	op := cluster.Operation{
		ID: id, ClusterID: clusterID, Type: cluster.DeleteCluster, State: cluster.Pending, Attempt: 1, CreatedAt: time.Now(),
	}
	_, err := w.records.StartOperation(w.t.Context(), clusterID, op, func(c *cluster.Cluster) error {
		c.Active = &cluster.ActiveOperation{ID: op.ID, Type: op.Type}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	op = w.run(op)
	if op.Failure != nil {
		w.t.Errorf("the deletion failed: %s", op.Failure.Message)
	}
	return op
}

// run starts an operation's machine, waits for its end, and lets the sweep end what the machine could not.
func (w *world) run(op cluster.Operation) cluster.Operation {
	w.t.Helper()
	if err := w.workflows.Start(w.t.Context(), op.Machine(), op.ExecutionName(), op.Input()); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	for {
		x, err := w.engine.Describe(w.engine.ARN(op.Machine(), op.ExecutionName()))
		if err != nil {
			w.t.Fatal(err)
		}
		if x.Status != asl.Running {
			break
		}
		if !pause(ctx, 10*time.Millisecond) {
			w.t.Fatalf("%s has not ended within a minute", op.ExecutionName())
		}
	}
	w.sweep()
	ended, err := w.records.Operation(w.t.Context(), clusterID, op.ID)
	if err != nil {
		return op // a deletion that ended well has taken its record along
	}
	return ended
}

func (w *world) sweep() {
	w.t.Helper()
	unfinished, err := w.records.UnfinishedOperations(w.t.Context())
	if err != nil || len(unfinished) == 0 {
		return
	}
	if _, err := w.functions.Invoke(w.t.Context(), "operations", []byte(`{"step":"SweepOperations"}`)); err != nil {
		w.t.Fatalf("sweep: %v", err)
	}
}

// wantActive checks that a create has ended well, with one of everything for each node.
func (w *world) wantActive(op cluster.Operation) {
	w.t.Helper()
	c, err := w.records.Cluster(w.t.Context(), clusterID)
	if err != nil {
		w.t.Fatal(err)
	}
	if c.State() != cluster.Active || op.State != cluster.Complete {
		w.t.Fatalf("the cluster is %s (%+v), the operation %s", c.State(), c.Failure, op.State)
	}
	left := w.deployment.Left(w.t, w.account.Config)
	for prefix, want := range map[string]int{"i-": nodes, "eni-": nodes, "vol-": 2 * nodes, "b-": 1, "c-": 1, "millrace/": 1} {
		if got := count(left, prefix); got != want {
			w.t.Errorf("%d of %s…, want %d: %v", got, prefix, want, left)
		}
	}
}

func count(names []string, prefix string) int {
	n := 0
	for _, name := range names {
		if strings.HasPrefix(name, prefix) {
			n++
		}
	}
	return n
}

// wantFailed checks that an operation has failed, in words that lead to what is wrong.
func (w *world) wantFailed(op cluster.Operation, reason string) {
	w.t.Helper()
	c, err := w.records.Cluster(w.t.Context(), clusterID)
	if err != nil {
		w.t.Fatal(err)
	}
	if c.State() != cluster.Failed || c.Failure == nil || !strings.Contains(c.Failure.Message, reason) {
		w.t.Errorf("the cluster is %s (%+v), want FAILED for %q", c.State(), c.Failure, reason)
	}
	if op.State != cluster.OperationFailed || op.Failure == nil || !strings.Contains(op.Failure.Message, reason) {
		w.t.Errorf("the operation is %+v, want it failed for %q", op, reason)
	}
}

// wantNothingLeft checks that nothing is left in AWS, nor in the table.
func (w *world) wantNothingLeft() {
	w.t.Helper()
	if left := w.deployment.Left(w.t, w.rules.Config); len(left) > 0 {
		w.t.Errorf("AWS still has %v", left)
	}
	out, err := dynamodb.NewFromConfig(w.account.Config).Scan(w.t.Context(), &dynamodb.ScanInput{TableName: &w.table})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, item := range out.Items {
		w.t.Errorf("the table still has %v/%v", item["pk"], item["sk"])
	}
}

// calls are those that an operation makes when nothing is wrong.
func calls(t *testing.T, operation cluster.OperationType) []string {
	t.Helper()
	w := newWorld(t)
	w.wantActive(w.create())
	made := w.rules.Names()
	if operation == cluster.DeleteCluster {
		from := len(w.rules.Calls())
		w.delete("delete")
		made = nil
		for _, c := range w.rules.Calls()[from:] {
			made = append(made, c.Name())
		}
		w.wantNothingLeft()
		slices.Sort(made)
		made = slices.Compact(made)
	}
	t.Logf("%d calls: %v", len(made), made)
	return made
}

// times is how often a request has to fail for a call to fail once: the SDK tries three times, unless it is refused.
func times(kind awsrules.Kind) int {
	if kind == awsrules.AccessDenied {
		return 1
	}
	return 3
}

// troubles are the ways in which a call can fail.
func troubles(name string, kinds ...awsrules.Kind) []awsrules.Kind {
	return slices.DeleteFunc(slices.Clone(kinds), func(k awsrules.Kind) bool {
		return k == awsrules.Capacity && !awsrules.HasCapacityErrors(name)
	})
}

func TestCreateCluster_EndsWellOrSaysWhyWhicheverCallOfAWSFails(t *testing.T) {
	for _, name := range calls(t, cluster.CreateCluster) {
		for _, kind := range troubles(name,
			awsrules.Throttle, awsrules.Capacity, awsrules.LostAnswer, awsrules.AccessDenied, awsrules.ServerError) {
			t.Run(fmt.Sprintf("%s, %s", name, kind), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.rules.Fail(name, kind, times(kind))
				op := w.create()
				if w.rules.Struck(name) == 0 {
					t.Fatalf("%s was never made", name)
				}
				w.rules.Heal()
				if kind == awsrules.AccessDenied {
					w.wantFailed(op, name+" is not allowed")
				} else {
					w.wantActive(op)
				}
				w.delete("delete")
				w.wantNothingLeft()
			})
		}
	}
}

func TestDeleteCluster_LeavesNothingWhicheverCallOfAWSFails(t *testing.T) {
	for _, name := range calls(t, cluster.DeleteCluster) {
		for _, kind := range []awsrules.Kind{awsrules.Throttle, awsrules.LostAnswer} {
			t.Run(fmt.Sprintf("%s, %s", name, kind), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.wantActive(w.create())
				w.rules.Fail(name, kind, times(kind))
				w.delete("delete")
				w.rules.Heal()
				if w.rules.Struck(name) == 0 {
					t.Fatalf("%s was never made", name)
				}
				w.wantNothingLeft()
			})
		}
	}
}
