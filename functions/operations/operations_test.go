package operations_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/functions/operations"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/local/localtest"
	"github.com/millrace/millrace/shared/records"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const execution = "arn:aws:states:eu-west-1:000000000000:execution:create-cluster:"

// executions is a workflow service in memory, by execution id.
type executions struct {
	known   map[string]cluster.Execution
	started []string
	look    func() // happens right before somebody looks
}

func (e *executions) Start(_ context.Context, machine, name string, _ any) error {
	e.started = append(e.started, machine+" "+name)
	return nil
}

func (e *executions) Execution(_ context.Context, id string) (cluster.Execution, bool, error) {
	if e.look != nil {
		e.look()
	}
	found, known := e.known[id]
	return found, known, nil
}

func (e *executions) ExecutionNamed(ctx context.Context, _, name string) (cluster.Execution, bool, error) {
	return e.Execution(ctx, execution+name)
}

// desk is the steps of this area with what they stand on.
type desk struct {
	records    records.Records
	executions *executions
	begin      operations.BeginOperation
	end        operations.EndOperation
	sweep      operations.SweepOperations
}

func openDesk(t *testing.T, kind cluster.OperationType) *desk {
	t.Helper()
	table := localtest.NewTable(t)
	d := &desk{records: records.Records{Table: table}, executions: &executions{known: map[string]cluster.Execution{}}}
	clock := func() time.Time { return now }
	d.begin = operations.BeginOperation{Records: d.records, Executions: d.executions, Now: clock}
	d.end = operations.EndOperation{
		Records: d.records, Now: clock, NewVersion: func() (string, error) { return "K2", nil },
	}
	d.sweep = operations.SweepOperations{Records: d.records, Workflows: d.executions, End: d.end, Now: clock}

	op := cluster.Operation{ID: "op", ClusterID: "c", Type: kind, State: cluster.Pending, Attempt: 1, CreatedAt: now}
	c := cluster.Cluster{ID: "c", Name: "orders", Version: "K1"}
	op.Claim(&c)
	if err := d.records.CreateCluster(t.Context(), c, op); err != nil {
		t.Fatal(err)
	}
	return d
}

// edit changes the operation and its cluster as something else did before the test.
func (d *desk) edit(t *testing.T, change func(*cluster.Cluster, *cluster.Operation)) {
	t.Helper()
	_, _, err := d.records.ChangeOperation(t.Context(), "c", "op", func(c *cluster.Cluster, op *cluster.Operation) error {
		change(c, op)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (d *desk) operation(t *testing.T) cluster.Operation {
	t.Helper()
	op, err := d.records.Operation(t.Context(), "c", "op")
	if err != nil {
		t.Fatal(err)
	}
	return op
}

func (d *desk) beginAs(t *testing.T, name string) error {
	_, err := d.begin.Run(t.Context(), operations.BeginOperationInput{ClusterID: "c", OperationID: "op", Execution: execution + name})
	return err
}

func (d *desk) endAs(t *testing.T, name string, failure *operations.Cause) (bool, error) {
	out, err := d.end.Run(t.Context(), operations.EndOperationInput{
		ClusterID: "c", OperationID: "op", Execution: execution + name, Failure: failure,
	})
	return out.Succeeded, err
}

var broken = &operations.Cause{Error: "Internal", Cause: `{"errorType":"Internal","errorMessage":"a host is on fire"}`}

func TestBeginOperation(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before func(d *desk, c *cluster.Cluster, op *cluster.Operation)
		want   fault.Code
	}{
		{"nobody has begun it", func(*desk, *cluster.Cluster, *cluster.Operation) {}, ""},
		{"this execution has begun it already", func(_ *desk, _ *cluster.Cluster, op *cluster.Operation) {
			op.Execution = execution + "op-1"
		}, ""},
		{"its holder lives", func(d *desk, _ *cluster.Cluster, op *cluster.Operation) {
			op.Execution = execution + "other"
			d.executions.known[op.Execution] = cluster.Execution{ID: op.Execution, Running: true}
		}, fault.Conflict},
		{"its holder has ended", func(d *desk, _ *cluster.Cluster, op *cluster.Operation) {
			op.Execution = execution + "other"
			d.executions.known[op.Execution] = cluster.Execution{ID: op.Execution}
		}, ""},
		{"its holder has left no trace", func(_ *desk, _ *cluster.Cluster, op *cluster.Operation) {
			op.Execution = execution + "other"
		}, ""},
		{"it is complete", func(_ *desk, _ *cluster.Cluster, op *cluster.Operation) {
			op.State = cluster.Complete
		}, fault.Conflict},
		{"it has failed", func(_ *desk, _ *cluster.Cluster, op *cluster.Operation) {
			op.State = cluster.OperationFailed
		}, fault.Conflict},
		{"another operation holds the cluster", func(_ *desk, c *cluster.Cluster, _ *cluster.Operation) {
			c.Active = &cluster.ActiveOperation{ID: "other", Type: cluster.DeleteCluster}
		}, fault.Conflict},
		{"no operation holds the cluster", func(_ *desk, c *cluster.Cluster, _ *cluster.Operation) {
			c.Active = nil
		}, fault.Conflict},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := openDesk(t, cluster.CreateCluster)
			d.edit(t, func(c *cluster.Cluster, op *cluster.Operation) { tt.before(d, c, op) })
			before := d.operation(t)
			err := d.beginAs(t, "op-1")
			if fault.CodeOf(err) != tt.want {
				t.Fatalf("%v, want %q", err, tt.want)
			}
			after := d.operation(t)
			if tt.want == "" && after.Execution != execution+"op-1" {
				t.Errorf("held by %s", after.Execution)
			}
			if tt.want != "" && (after.Execution != before.Execution || after.State != before.State) {
				t.Errorf("a refused execution changed %+v to %+v", before, after)
			}
		})
	}
}

func TestBeginOperation_SetsDeadlineAndSteps(t *testing.T) {
	d := openDesk(t, cluster.CreateCluster)
	if err := d.beginAs(t, "op-1"); err != nil {
		t.Fatal(err)
	}
	op := d.operation(t)
	if !op.Deadline.Equal(now.Add(cluster.CreateCluster.Budget())) || len(op.Steps) == 0 || op.State != cluster.InProgress {
		t.Errorf("%+v", op)
	}
}

// Two calls of one execution: the first had no answer in time, and was still at work when the second came.
func TestBeginOperation_MayBeCalledTwiceAtOnce(t *testing.T) {
	d := openDesk(t, cluster.CreateCluster)
	d.edit(t, func(_ *cluster.Cluster, op *cluster.Operation) { op.Execution = execution + "ended" })
	d.executions.look = func() {
		d.executions.look = nil
		if err := d.beginAs(t, "op-1"); err != nil {
			t.Errorf("the first: %v", err)
		}
	}
	if err := d.beginAs(t, "op-1"); err != nil {
		t.Errorf("the second: %v", err)
	}
}

func TestEndOperation_PublishesTheClusterAndTheOperationAtOnce(t *testing.T) {
	d := openDesk(t, cluster.CreateCluster)
	if err := d.beginAs(t, "op-1"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first answer may be lost
		if ok, err := d.endAs(t, "op-1", nil); err != nil || !ok {
			t.Fatalf("%t, %v", ok, err)
		}
	}
	c, err := d.records.Cluster(t.Context(), "c")
	if op := d.operation(t); err != nil || c.State() != cluster.Active || c.Version != "K2" || op.State != cluster.Complete {
		t.Errorf("%s %s, %+v (%v)", c.State(), c.Version, op, err)
	}
}

func TestEndOperation_GivesTheReasonInPlainWords(t *testing.T) {
	for cause, want := range map[*operations.Cause]string{
		broken:                                              "a host is on fire",
		{Error: "States.Timeout"}:                           "a step of the operation did not answer in time (States.Timeout)",
		{Error: "Lambda.SdkClientException"}:                "a function of the control plane could not be called (Lambda.SdkClientException)",
		{Error: "States.DataLimitExceeded"}:                 "the operation's state machine ended with States.DataLimitExceeded",
		{Error: "Lambda.Unknown", Cause: "out of memory"}:   "out of memory",
		{Error: "States.Runtime", Cause: `{"a": "number"}`}: `{"a": "number"}`,
	} {
		d := openDesk(t, cluster.CreateCluster)
		if err := d.beginAs(t, "op-1"); err != nil {
			t.Fatal(err)
		}
		if ok, err := d.endAs(t, "op-1", cause); ok || err != nil {
			t.Fatalf("%t, %v", ok, err)
		}
		if op := d.operation(t); op.Failure == nil || op.Failure.Message != want || op.Failure.Code != cause.Error {
			t.Errorf("%+v, want %q", op.Failure, want)
		}
	}
}

func TestEndOperation_ByAnExecutionThatDoesNotHoldItChangesNothing(t *testing.T) {
	for _, tt := range []struct {
		name   string
		kind   cluster.OperationType
		before func(*cluster.Cluster, *cluster.Operation)
	}{
		{"another holds it", cluster.CreateCluster, func(_ *cluster.Cluster, op *cluster.Operation) {
			op.Execution = execution + "other"
		}},
		{"another holds a delete", cluster.DeleteCluster, func(_ *cluster.Cluster, op *cluster.Operation) {
			op.Execution = execution + "other"
		}},
		{"the next attempt has not begun yet", cluster.CreateCluster, func(_ *cluster.Cluster, op *cluster.Operation) {
			op.Attempt, op.Execution = 2, ""
		}},
		{"it was ended as abandoned", cluster.DeleteCluster, func(c *cluster.Cluster, op *cluster.Operation) {
			op.Execution = execution + "op-1"
			op.Fail(c, cluster.Failure{Code: "Aborted", Message: "stopped by hand"}, now)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := openDesk(t, tt.kind)
			d.edit(t, tt.before)
			before := d.operation(t)
			if ok, err := d.endAs(t, "op-1", broken); ok || err != nil {
				t.Errorf("its failure: %t, %v", ok, err)
			}
			if _, err := d.endAs(t, "op-1", nil); !fault.Is(err, fault.Conflict) {
				t.Errorf("its success: %v, want a Conflict", err)
			}
			after := d.operation(t)
			if after.State != before.State || after.Execution != before.Execution || after.Attempt != before.Attempt {
				t.Errorf("changed %+v to %+v", before, after)
			}
		})
	}
}

func TestEndOperation_OfADeleteMayBeCalledAgain(t *testing.T) {
	d := openDesk(t, cluster.DeleteCluster)
	if err := d.beginAs(t, "op-1"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if ok, err := d.endAs(t, "op-1", nil); err != nil || !ok {
			t.Fatalf("%t, %v", ok, err)
		}
	}
	if _, err := d.records.Cluster(t.Context(), "c"); !fault.Is(err, fault.NotFound) {
		t.Errorf("the cluster: %v", err)
	}
}

// A laptop that was closed over night opens on an operation that goes on, not on one that has run out of time.
func TestSweepOperations_TimeInWhichNobodyCouldWorkDoesNotCount(t *testing.T) {
	for _, tt := range []struct {
		name string
		away time.Duration // since the operation was attended last
		more time.Duration // time it has got
	}{
		{"attended a moment ago", 10 * time.Second, 0},
		{"attended at the last sweep", time.Minute, 0},
		{"nobody was there for a night", 9 * time.Hour, 9 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := openDesk(t, cluster.CreateCluster)
			if err := d.beginAs(t, "op-1"); err != nil {
				t.Fatal(err)
			}
			deadline := now.Add(-time.Second)
			d.edit(t, func(_ *cluster.Cluster, op *cluster.Operation) {
				op.Deadline, op.AttendedAt = deadline, now.Add(-tt.away)
			})
			d.executions.known[execution+"op-1"] = cluster.Execution{ID: execution + "op-1", Running: true}
			for range 2 { // the second sweep adds nothing
				if _, err := d.sweep.Run(t.Context(), operations.SweepOperationsInput{}); err != nil {
					t.Fatal(err)
				}
			}
			if got := d.operation(t).Deadline.Sub(deadline); got != tt.more {
				t.Errorf("the operation has got %s more, want %s", got, tt.more)
			}
		})
	}
}

func TestSweepOperations(t *testing.T) {
	dead := func(d *desk, name string) {
		d.executions.known[execution+name] = cluster.Execution{
			ID: execution + name, Failure: &cluster.Failure{Code: "Aborted", Message: "stopped by hand"},
		}
	}
	for _, tt := range []struct {
		name           string
		before         func(t *testing.T, d *desk)
		started, ended int
	}{
		{"no execution was started", func(*testing.T, *desk) {}, 1, 0},
		{"its execution has not begun yet", func(_ *testing.T, d *desk) {
			d.executions.known[execution+"op-1"] = cluster.Execution{ID: execution + "op-1", Running: true}
		}, 0, 0},
		{"its execution ended before it began", func(_ *testing.T, d *desk) { dead(d, "op-1") }, 0, 1},
		{"its execution has left no trace", func(t *testing.T, d *desk) {
			d.edit(t, func(_ *cluster.Cluster, op *cluster.Operation) { op.Execution = execution + "forgotten" })
		}, 1, 0},
		{"its holder has left no trace, and that of its name has ended", func(t *testing.T, d *desk) {
			d.edit(t, func(_ *cluster.Cluster, op *cluster.Operation) { op.Execution = execution + "forgotten" })
			dead(d, "op-1")
		}, 0, 1},
		{"it ends while the sweep looks", func(t *testing.T, d *desk) {
			dead(d, "op-1")
			d.executions.look = func() {
				d.edit(t, func(c *cluster.Cluster, op *cluster.Operation) { op.Succeed(c, "K2", now) })
			}
		}, 0, 0},
		{"it is deleted while the sweep looks", func(t *testing.T, d *desk) {
			dead(d, "op-1")
			d.executions.look = func() {
				if err := d.records.ForgetCluster(t.Context(), "c"); err != nil {
					t.Error(err)
				}
			}
		}, 0, 0},
		{"it is started again while the sweep looks", func(t *testing.T, d *desk) {
			dead(d, "op-1")
			d.executions.look = func() {
				d.edit(t, func(_ *cluster.Cluster, op *cluster.Operation) { op.Attempt = 2 })
			}
		}, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := openDesk(t, cluster.CreateCluster)
			tt.before(t, d)
			got, err := d.sweep.Run(t.Context(), operations.SweepOperationsInput{})
			if err != nil || got.Started != tt.started || got.Ended != tt.ended {
				t.Fatalf("%+v, %v; want %d started and %d ended", got, err, tt.started, tt.ended)
			}
			if want := strings.Repeat("create-cluster op-1", tt.started); strings.Join(d.executions.started, " ") != want {
				t.Errorf("started %v, want %q", d.executions.started, want)
			}
			if tt.ended == 1 {
				if op := d.operation(t); op.State != cluster.OperationFailed || op.Failure.Message != "stopped by hand" {
					t.Errorf("%+v", op)
				}
			}
		})
	}
}

// desk of a heal: a cluster that serves while one of its nodes is healed.
func openHeal(t *testing.T) *desk {
	t.Helper()
	d := openDesk(t, cluster.HealBroker)
	d.edit(t, func(c *cluster.Cluster, op *cluster.Operation) {
		c.Ready = true
		op.Heal = &cluster.Heal{NodeID: 2, Role: cluster.Broker, Remedy: cluster.Replace, Host: "i-1", Launch: 1}
	})
	if err := d.beginAs(t, "op-1"); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestEndOperation_OfAHealThatFailedLetsTheClusterServeOn(t *testing.T) {
	d := openHeal(t)
	if op := d.operation(t); len(op.Steps) != 6 || op.Steps[0].Name != cluster.StepJudge || op.Deadline != now.Add(30*time.Minute) {
		t.Errorf("it began as %+v", op)
	}
	if _, err := d.endAs(t, "op-1", &operations.Cause{Error: "Internal", Cause: `{"errorMessage":"host i-1 is running"}`}); err != nil {
		t.Fatal(err)
	}
	c, err := d.records.Cluster(t.Context(), "c")
	if err != nil || c.State() != cluster.Active || c.Version != "K1" || c.Failure != nil {
		t.Errorf("the cluster is %s, version %s (%+v, %v)", c.State(), c.Version, c.Failure, err)
	}
	op := d.operation(t)
	if op.State != cluster.OperationFailed || op.Failure.Message != "host i-1 is running" || op.Steps[0].Detail != "host i-1 is running" {
		t.Errorf("the operation is %+v", op)
	}
	if op.TryAgain(&c) {
		t.Error("it may be tried again: the next look at the node decides what is to be done")
	}
	if left, err := d.records.UnfinishedOperations(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("still to be finished: %v, %v", left, err)
	}
}

func TestEndOperation_OfAHealThatHelpedGivesTheClusterANewVersion(t *testing.T) {
	d := openHeal(t)
	if ok, err := d.endAs(t, "op-1", nil); err != nil || !ok {
		t.Fatal(ok, err)
	}
	c, err := d.records.Cluster(t.Context(), "c")
	if err != nil || c.State() != cluster.Active || c.Version != "K2" {
		t.Errorf("the cluster is %s, version %s (%v)", c.State(), c.Version, err)
	}
}

func TestSweepOperations_StartsTheMachineOfTheRemedy(t *testing.T) {
	for remedy, machine := range map[cluster.Remedy]string{
		cluster.Replace: "replace-broker", cluster.Restart: "restart-broker", cluster.Grow: "grow-volume",
	} {
		d := openDesk(t, cluster.HealBroker)
		d.edit(t, func(_ *cluster.Cluster, op *cluster.Operation) { op.Heal = &cluster.Heal{NodeID: 2, Remedy: remedy} })
		if _, err := d.sweep.Run(t.Context(), operations.SweepOperationsInput{}); err != nil {
			t.Fatal(err)
		}
		if want := machine + " op-1"; len(d.executions.started) != 1 || d.executions.started[0] != want {
			t.Errorf("started %v, want %s", d.executions.started, want)
		}
	}
}

// desk of topics that are applied while a node of their cluster is healed.
func openApplication(t *testing.T) *desk {
	t.Helper()
	d := openDesk(t, cluster.ApplyTopics)
	d.edit(t, func(c *cluster.Cluster, _ *cluster.Operation) {
		c.Ready = true
		c.Active = &cluster.ActiveOperation{ID: "heal", Type: cluster.HealBroker}
	})
	return d
}

// state says who holds the cluster and its topics, and in which version it is.
func (d *desk) state(t *testing.T) string {
	t.Helper()
	c, err := d.records.Cluster(t.Context(), "c")
	if err != nil {
		return string(fault.CodeOf(err))
	}
	id := func(holder *cluster.ActiveOperation) string {
		if holder == nil {
			return "nobody"
		}
		return holder.ID
	}
	return fmt.Sprintf("%s %s, held by %s, topics by %s", c.State(), c.Version, id(c.Active), id(c.Applying))
}

func TestOperations_OfTopicsBeginAndEndBesideAnother(t *testing.T) {
	for _, tt := range []struct {
		name    string
		failure *operations.Cause
		want    cluster.OperationState
	}{
		{"it goes well", nil, cluster.Complete},
		{"it fails", broken, cluster.OperationFailed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := openApplication(t)
			if err := d.beginAs(t, "op-1"); err != nil {
				t.Fatal(err)
			}
			if op := d.operation(t); len(op.Steps) != 4 || op.Deadline != now.Add(30*time.Minute) {
				t.Errorf("it began as %+v", op)
			}
			if got := d.state(t); got != "HEALING K1, held by heal, topics by op" {
				t.Errorf("under way: %s", got)
			}
			for range 2 { // the second call has lost the answer to the first
				if ok, err := d.endAs(t, "op-1", tt.failure); err != nil || ok != (tt.failure == nil) {
					t.Fatal(ok, err)
				}
			}
			if got := d.state(t); got != "HEALING K1, held by heal, topics by nobody" {
				t.Errorf("afterwards: %s", got)
			}
			if op := d.operation(t); op.State != tt.want {
				t.Errorf("it ended as %+v", op)
			}
			if left, err := d.records.UnfinishedOperations(t.Context()); err != nil || len(left) > 0 {
				t.Errorf("still to be finished: %v, %v", left, err)
			}
			if err := d.beginAs(t, "op-2"); !fault.Is(err, fault.Conflict) {
				t.Errorf("begun again: %v", err)
			}
		})
	}
}

func TestBeginOperation_OfTopicsThatAnotherHoldsIsAConflict(t *testing.T) {
	d := openApplication(t)
	d.edit(t, func(c *cluster.Cluster, _ *cluster.Operation) { c.Applying.ID = "other" })
	if err := d.beginAs(t, "op-1"); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "the topics of cluster orders") {
		t.Errorf("%v", err)
	}
}

// A cluster may be deleted while its topics are applied: who applied them has nothing to end any more, and ends.
func TestEndOperation_OfTopicsWhoseClusterHasGone(t *testing.T) {
	for _, failure := range []*operations.Cause{nil, broken} {
		d := openApplication(t)
		if err := d.beginAs(t, "op-1"); err != nil {
			t.Fatal(err)
		}
		if err := d.records.ForgetCluster(t.Context(), "c"); err != nil {
			t.Fatal(err)
		}
		if ok, err := d.endAs(t, "op-1", failure); err != nil || ok != (failure == nil) {
			t.Errorf("%t, %v", ok, err)
		}
		if err := d.beginAs(t, "op-2"); !fault.Is(err, fault.NotFound) {
			t.Errorf("begun again: %v", err)
		}
	}
}

func TestSweepOperations_WorksOnTopicsAsOnClusters(t *testing.T) {
	d := openApplication(t)
	sweep := func(started, ended int) {
		t.Helper()
		got, err := d.sweep.Run(t.Context(), operations.SweepOperationsInput{})
		if err != nil || got.Started != started || got.Ended != ended {
			t.Errorf("%+v, %v; want %d started and %d ended", got, err, started, ended)
		}
	}
	sweep(1, 0) // nobody was started
	if want := "topic-administration op-1"; strings.Join(d.executions.started, " ") != want {
		t.Errorf("started %v, want %s", d.executions.started, want)
	}
	if err := d.beginAs(t, "op-1"); err != nil {
		t.Fatal(err)
	}
	d.executions.known[execution+"op-1"] = cluster.Execution{ID: execution + "op-1", Running: true}
	sweep(0, 0) // somebody is at work
	d.executions.known[execution+"op-1"] = cluster.Execution{
		ID: execution + "op-1", Failure: &cluster.Failure{Code: "Aborted", Message: "stopped by hand"},
	}
	sweep(0, 1) // it was stopped
	if got := d.state(t); got != "HEALING K1, held by heal, topics by nobody" {
		t.Errorf("afterwards: %s", got)
	}
	sweep(0, 0)
}
