package awsrules_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/millrace/millrace/integration/awsrules"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/health"
	"github.com/millrace/millrace/shared/kafka"
	"github.com/millrace/millrace/shared/platform/local/asl"
)

// untiring tolerates what is usual, tries again at once what has failed, and waits a second for a Kafka.
func untiring() health.Tolerance {
	t := health.Tolerated()
	t.FirstPause, t.LongestPause, t.GivenUp, t.Rest = time.Millisecond, time.Millisecond, 100, time.Millisecond
	t.KafkaDown = time.Second
	return t
}

// withoutTopics is a cluster whose brokers answer that they hold nothing.
type withoutTopics struct{}

func (withoutTopics) Partitions(context.Context, kafka.Access) ([]cluster.Partition, error) {
	return nil, nil
}

// broker is the one broker of the cluster.
const broker = 1

func (w *world) node(id int32) cluster.Node {
	w.t.Helper()
	nodes, err := w.records.Nodes(w.t.Context(), clusterID)
	if err != nil {
		w.t.Fatal(err)
	}
	i := slices.IndexFunc(nodes, func(n cluster.Node) bool { return n.ID == id })
	if i < 0 {
		w.t.Fatalf("there is no node %d", id)
	}
	return nodes[i]
}

// losesItsHost ends a node's host as EC2 does when its hardware fails, and tells of every try to give its volume to another
// before it has ended.
func (w *world) losesItsHost(id int32) (tooEarly func() []string) {
	w.t.Helper()
	host := w.node(id).Host.ID
	var mu sync.Mutex
	var found []string
	w.rules.Observe(func(c awsrules.Call) {
		if c.Name() == "ec2:AttachVolume" && w.rules.State(host) != "terminated" {
			mu.Lock()
			defer mu.Unlock()
			found = append(found, fmt.Sprintf("volume %v to %v", c.Parameters["VolumeId"], c.Parameters["InstanceId"]))
		}
	})
	client := ec2.NewFromConfig(w.rules.Config)
	if _, err := client.TerminateInstances(w.t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{host}}); err != nil {
		w.t.Fatal(err)
	}
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(found)
	}
}

// isHealed looks at the cluster as the schedule does, until a node has another host that works and nothing is done any more.
// It gives the operations that it took, in order.
func (w *world) isHealed(id int32, lost string) []cluster.Operation {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Minute)
	defer cancel()
	for pause(ctx, 20*time.Millisecond) {
		// What a look could not do is left to the next.
		_, _ = w.functions.Invoke(ctx, "healthsweep", []byte(`{"step":"SweepHealth"}`))
		w.untilQuiet(ctx)
		w.sweep()
		n, c := w.node(id), w.cluster()
		if c.Active == nil && n.Host != nil && n.Host.ID != lost && w.works(n) {
			return w.heals()
		}
	}
	w.t.Fatalf("node %d is not healed within two minutes: %+v, after %+v", id, w.node(id), w.heals())
	return nil
}

// untilQuiet waits until no execution runs.
func (w *world) untilQuiet(ctx context.Context) {
	w.t.Helper()
	for {
		if !slices.ContainsFunc(w.engine.List(), func(x asl.Execution) bool { return x.Status == asl.Running }) {
			return
		}
		if !pause(ctx, 10*time.Millisecond) {
			w.t.Fatal("an execution does not end")
		}
	}
}

func (w *world) cluster() cluster.Cluster {
	w.t.Helper()
	c, err := w.records.Cluster(w.t.Context(), clusterID)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// works tells whether a node's host says that it runs what it was told last.
func (w *world) works(n cluster.Node) bool {
	beat, heard, err := w.records.LastBeat(w.t.Context(), n.Host.ID)
	return err == nil && heard && beat.Generation == n.SpecGeneration && w.rules.State(n.Host.ID) == "running"
}

// heals are the operations that healed a node, or tried to.
func (w *world) heals() []cluster.Operation {
	w.t.Helper()
	all, err := w.records.Operations(w.t.Context(), clusterID, "", 100)
	if err != nil {
		w.t.Fatal(err)
	}
	all = slices.DeleteFunc(all, func(op cluster.Operation) bool { return op.Type != cluster.HealBroker })
	slices.SortFunc(all, func(a, b cluster.Operation) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// wantWhole checks that there is one of everything for each node, and that a node kept what is its own.
func (w *world) wantWhole(before cluster.Node) {
	w.t.Helper()
	now := w.node(before.ID)
	if now.Address.ID != before.Address.ID || now.Address.IP != before.Address.IP || now.Volume.ID != before.Volume.ID {
		w.t.Errorf("node %d had %+v with %+v and has %+v with %+v", before.ID, before.Address, before.Volume, now.Address, now.Volume)
	}
	if c := w.cluster(); c.State() != cluster.Active || c.Failure != nil {
		w.t.Errorf("the cluster is %s (%+v)", c.State(), c.Failure)
	}
	left := w.deployment.Left(w.t, w.rules.Config)
	for prefix, want := range map[string]int{"i-": nodes, "eni-": nodes, "vol-": 2 * nodes, "b-": 1, "c-": 1, "millrace/": 1} {
		if got := count(left, prefix); got != want {
			w.t.Errorf("%d of %s…, want %d: %v", got, prefix, want, left)
		}
	}
	if alive := w.rules.Alive(); len(alive) != nodes || !slices.Contains(alive, now.Host.ID) {
		w.t.Errorf("alive are %v, and the node has %s", alive, now.Host.ID)
	}
}

// callsOfReplacement are those that a look at a dead host and its replacement make when nothing is wrong.
func callsOfReplacement(t *testing.T) []string {
	t.Helper()
	w := newWorld(t)
	w.wantActive(w.create())
	before := w.node(broker)
	w.losesItsHost(broker)
	from := len(w.rules.Calls())
	took := w.isHealed(broker, before.Host.ID)
	if len(took) != 1 || took[0].State != cluster.Complete {
		t.Fatalf("where nothing is wrong, it took %+v", took)
	}
	var made []string
	for _, c := range w.rules.Calls()[from:] {
		made = append(made, c.Name())
	}
	w.wantWhole(before)
	slices.Sort(made)
	made = slices.Compact(made)
	t.Logf("%d calls: %v", len(made), made)
	return made
}

// Whatever AWS refuses or loses while a broker is replaced: the operation ends well, or says what is wrong and the next look
// begins another. Nothing is left behind, and no volume goes to a host before the one that had it has ended.
func TestReplaceBroker_EndsWellOrSaysWhyAndIsDoneByTheNextLookWhicheverCallOfAWSFails(t *testing.T) {
	for _, name := range callsOfReplacement(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.wantActive(w.create())
			for _, kind := range troubles(name,
				awsrules.Throttle, awsrules.Capacity, awsrules.LostAnswer, awsrules.AccessDenied, awsrules.ServerError) {
				t.Run(string(kind), func(t *testing.T) {
					patient := w
					if name == onceADay {
						patient = newWorld(t)
						patient.wantActive(patient.create())
					}
					patient.replacesWhile(t, name, kind)
				})
			}
		})
	}
}

// onceADay is the call by which the way into a cluster's Kafka is recorded, which lasts a day.
const onceADay = "dynamodb:UpdateItem"

// replacesWhile has the broker replaced while a call fails in some way, as often as makes it fail once.
func (w *world) replacesWhile(t *testing.T, name string, kind awsrules.Kind) {
	before, struck, done := w.node(broker), w.rules.Struck(name), len(w.heals())
	tooEarly := w.losesItsHost(broker)
	w.rules.Fail(name, kind, times(kind))
	took := w.isHealed(broker, before.Host.ID)[done:]
	if w.rules.Struck(name) == struck {
		t.Fatalf("%s was never made", name)
	}
	w.rules.Heal()
	for i, op := range took {
		switch last := i == len(took)-1; {
		case last && op.State != cluster.Complete:
			t.Errorf("the last operation is %s: %+v", op.State, op.Failure)
		case !last && (op.State != cluster.OperationFailed || op.Failure == nil || op.Failure.Message == ""):
			t.Errorf("an operation before it is %s: %+v", op.State, op.Failure)
		case !last && kind == awsrules.AccessDenied && !strings.Contains(op.Failure.Message, name+" is not allowed"):
			t.Errorf("it failed because %q, and was not allowed %s", op.Failure.Message, name)
		}
	}
	if early := tooEarly(); len(early) > 0 {
		t.Errorf("given away before its host had ended: %v", early)
	}
	w.wantWhole(before)
}
