package statemachines_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/events"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	access "github.com/millrace/millrace/shared/kafka"
	"github.com/millrace/millrace/shared/platform/local/asl"
	"github.com/millrace/millrace/shared/platform/platformtest"
)

// sweepTopics runs the machine once.
func (w *world) sweepTopics(name string, input []byte) asl.Execution {
	w.t.Helper()
	arn, err := w.engine.Start(w.t.Context(), "topics-sweep", name, input)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.waitFor(arn)
}

// drift is what was found last, in words; empty while nobody has looked.
func (w *world) drift() string {
	w.t.Helper()
	d, err := w.records.TopicDrift(w.t.Context(), clusterID)
	if fault.Is(err, fault.NotFound) {
		return ""
	}
	if err != nil {
		w.t.Fatal(err)
	}
	words := []string{d.Declaration}
	for _, t := range d.Topics {
		words = append(words, t.Topic+": "+t.Reason)
	}
	return strings.Join(words, "; ")
}

// applied makes a cluster whose topics are as declared.
func (w *world) applied() cluster.Operation {
	w.t.Helper()
	w.serveTopics()
	op := w.apply(wanted()...)
	w.wait(op)
	w.wantApplied(op)
	return op
}

// metricsTold are the numbers of drifted topics that were told so far.
func (w *world) metricsTold() []int {
	w.t.Helper()
	var told []int
	for line := range strings.Lines(w.metrics.String()) {
		var metric struct{ DriftedTopics int }
		if err := json.Unmarshal([]byte(line), &metric); err != nil {
			w.t.Fatal(err)
		}
		told = append(told, metric.DriftedTopics)
	}
	return told
}

func TestTopicsSweep_FindsTopicsThatAreNotAsDeclaredAndLeavesThemAlone(t *testing.T) {
	input := sample[events.Schedule](t, "schedule")
	inBubble(t, func(w *world) {
		op := w.applied()
		made := w.topics.Changes()
		if x := w.sweepTopics("sweep-1", input); x.Status != asl.Succeeded {
			t.Fatalf("%s: %s", x.Error, x.Cause)
		}
		if got := w.drift(); got != op.ID {
			t.Errorf("found %q", got)
		}
		if err := w.topics.Pool.DeleteTopic(t.Context(), access.Access{}, "payments"); err != nil {
			t.Fatal(err)
		}
		w.topics.Make(access.Access{}, spec("billing", 9), spec("not-declared", 1))
		before := w.describe()
		if x := w.sweepTopics("sweep-2", input); x.Status != asl.Succeeded {
			t.Fatalf("%s: %s", x.Error, x.Cause)
		}
		if got, want := w.drift(), op.ID+"; billing: has 9 partitions, not 6; payments: does not exist"; got != want {
			t.Errorf("found %q, want %q", got, want)
		}
		if got := w.describe(); !slices.Equal(got, before) {
			t.Errorf("the topics were %v and are %v", before, got)
		}
		w.topics.Make(access.Access{}, spec("billing", 6), spec("payments", 3))
		w.sweepTopics("sweep-3", input)
		if got := w.drift(); got != op.ID {
			t.Errorf("found %q", got)
		}
		if got := w.metricsTold(); !slices.Equal(got, []int{0, 2, 0}) {
			t.Errorf("told %v", got)
		}
		if got := w.topics.Changes(); len(got) != len(made)+1 { // the one of this test
			t.Errorf("did %q", got)
		}
	})
}

// While topics are being made as declared, it is no drift that they are not yet.
func TestTopicsSweep_LeavesAnApplicationAlone(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serveTopics()
		w.topics.slowly(10 * time.Second)
		op := w.apply(wanted()...)
		time.Sleep(15 * time.Second)
		if x := w.sweepTopics("sweep", []byte(`{}`)); x.Status != asl.Succeeded {
			t.Fatalf("%s: %s", x.Error, x.Cause)
		}
		if got := w.drift(); got != "" {
			t.Errorf("found %q", got)
		}
		w.wait(op)
		w.wantApplied(op)
	})
}

// The certificate by which brokers know the control plane lives a day. Nobody else renews it for who only wants to list topics.
func TestTopicsSweep_KeepsTheWayToBrokersOpen(t *testing.T) {
	inBubble(t, func(w *world) {
		w.rests = time.Hour // nobody here listens to heartbeats
		w.serving()
		for hour := range 48 {
			if x := w.sweepTopics("sweep-"+time.Duration(hour).String(), []byte(`{}`)); x.Status != asl.Succeeded {
				t.Fatalf("%s: %s", x.Error, x.Cause)
			}
			a, err := w.records.KafkaAccess(t.Context(), clusterID)
			if err != nil || time.Until(a.Ends) < 11*time.Hour {
				t.Fatalf("after %d hours there is %s, %v", hour, a, err)
			}
			time.Sleep(time.Hour)
		}
		if w.calls("FindTopicDrift") > 0 {
			t.Error("topics were looked at of which none is declared")
		}
		if renewed := w.calls("RenewKafkaAccess"); renewed > 5 {
			t.Errorf("in two days, access of half a day at least was renewed %d times", renewed)
		}
	})
}

// Clusters that nobody can do anything for are among those that are looked at, and keep nobody from looking at the others.
func TestTopicsSweep_LooksAtTheOthersWhenOneFails(t *testing.T) {
	inBubble(t, func(w *world) {
		op := w.applied()
		for _, name := range []string{"billing", "payments", "zoo"} { // without authority, nodes or declarations
			c := cluster.Cluster{ID: "c-" + name, Name: name, Ready: true, Declaration: "gone", Spec: small(1)}
			create := cluster.Operation{ID: "create-" + name, ClusterID: c.ID, Type: cluster.CreateCluster, State: cluster.Complete}
			if err := w.records.CreateCluster(t.Context(), c, create); err != nil {
				t.Fatal(err)
			}
		}
		w.topics.Make(access.Access{}, spec("billing", 9))
		w.loseAccess()
		x := w.sweepTopics("sweep", []byte(`{}`))
		if x.Status != asl.Succeeded {
			t.Errorf("%s: %s", x.Error, x.Cause)
		}
		if got, want := w.drift(), op.ID+"; billing: has 9 partitions, not 6"; got != want {
			t.Errorf("found %q, want %q", got, want)
		}
	})
}

func TestTopicsSweep_SaysNothingNewWhileNoBrokerAnswers(t *testing.T) {
	inBubble(t, func(w *world) {
		w.applied()
		before := w.drift()
		for _, node := range []int32{1, 2, 3} {
			w.ails(node, func(a *ailment) { a.held = true })
		}
		w.waitUntil("no broker is there", func() bool { return len(w.kafka.alive()) == 0 })
		if x := w.sweepTopics("sweep", []byte(`{}`)); x.Status != asl.Succeeded {
			t.Errorf("%s: %s", x.Error, x.Cause)
		}
		if got := w.drift(); got != before || len(w.metricsTold()) > 0 {
			t.Errorf("found %q and told %v", got, w.metricsTold())
		}
	})
}

func TestTopicsSweep_ThatCannotLookFailsInWordsAndTheNextOneLooks(t *testing.T) {
	inBubble(t, func(w *world) {
		op := w.applied()
		w.topics.Make(access.Access{}, spec("billing", 9))
		w.trouble("FindClustersDue", &platformtest.Trouble{Times: -1, Err: unavailable()})
		if x := w.sweepTopics("sweep-1", []byte(`{}`)); x.Status != asl.Failed || x.Error != string(fault.Unavailable) || !strings.Contains(x.Cause, excuse) {
			t.Errorf("the sweep: %s, %s: %s", x.Status, x.Error, x.Cause)
		}
		w.loseAccess()
		for _, step := range []string{"FindClustersDue", "RenewKafkaAccess", "FindTopicDrift"} { // each is tried again
			w.trouble(step, &platformtest.Trouble{Times: 1, Err: unavailable()})
		}
		if x := w.sweepTopics("sweep-2", []byte(`{}`)); x.Status != asl.Succeeded {
			t.Errorf("the next sweep: %s, %s: %s", x.Status, x.Error, x.Cause)
		}
		if got, want := w.drift(), op.ID+"; billing: has 9 partitions, not 6"; got != want {
			t.Errorf("found %q, want %q", got, want)
		}
	})
}

// Of two sweeps at once, each finds what there is.
func TestTopicsSweep_MayRunTwiceAtOnce(t *testing.T) {
	inBubble(t, func(w *world) {
		op := w.applied()
		w.topics.Make(access.Access{}, spec("billing", 9))
		w.loseAccess()
		arns := []string{}
		for _, name := range []string{"one", "other"} {
			arn, err := w.engine.Start(t.Context(), "topics-sweep", name, []byte(`{}`))
			if err != nil {
				t.Fatal(err)
			}
			arns = append(arns, arn)
		}
		for _, arn := range arns {
			if x := w.waitFor(arn); x.Status != asl.Succeeded {
				t.Errorf("%s: %s", x.Error, x.Cause)
			}
		}
		if got, want := w.drift(), op.ID+"; billing: has 9 partitions, not 6"; got != want {
			t.Errorf("found %q, want %q", got, want)
		}
	})
}
