package statemachines_test

import (
	"slices"
	"testing"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/local/asl"
	"github.com/millrace/millrace/shared/platform/platformtest"
	"github.com/millrace/millrace/shared/serve"
)

// The tests of this file hold for every Task of every machine that carries out operations, also for one that is added
// tomorrow.

// operation is one of the machines with what a test needs to put it through everything.
type operation struct {
	machine   string
	happyPath []string
	// begin brings a world to where the operation starts, and starts it.
	begin func(w *world) cluster.Operation
	// again starts the operation again after it failed, as a user would.
	again func(w *world, op cluster.Operation) cluster.Operation
	// wantDone checks that it has ended well.
	wantDone func(w *world, op cluster.Operation)
}

var underTest = []operation{
	{
		machine:   "create-cluster",
		happyPath: createPath,
		begin:     func(w *world) cluster.Operation { return w.create(w.spec) },
		again:     (*world).resume,
		wantDone: func(w *world, op cluster.Operation) {
			w.t.Helper()
			w.wantActive(op)
			for token, times := range w.platform.Launched() {
				if times != 1 {
					w.t.Errorf("%d hosts were launched for node %d", times, token.NodeID)
				}
			}
			w.wait(w.delete("delete-at-last")) // and all of it can be found again
			w.wantNothingLeft()
		},
	},
	{
		machine:   "delete-cluster",
		happyPath: deletePath,
		begin: func(w *world) cluster.Operation {
			w.wait(w.create(w.spec))
			return w.delete("delete")
		},
		again:    func(w *world, _ cluster.Operation) cluster.Operation { return w.delete("delete-again") },
		wantDone: func(w *world, _ cluster.Operation) { w.t.Helper(); w.wantNothingLeft() },
	},
}

// everyTaskOf runs a test for each Task of each machine, in a world of its own.
func everyTaskOf(t *testing.T, test func(w *world, o operation, d definition, task task)) {
	for _, o := range underTest {
		d := read(t, o.machine)
		for _, task := range d.tasks() {
			t.Run(o.machine+"/"+task.name, func(t *testing.T) {
				inBubble(t, func(w *world) { test(w, o, d, task) })
			})
		}
	}
}

func TestEveryMachine_IsUnderTest(t *testing.T) {
	var names []string
	for _, o := range underTest {
		names = append(names, o.machine)
	}
	if !slices.Equal(names, carryingOut()) {
		t.Errorf("under test are %v, of %v", names, carryingOut())
	}
}

const excuse = "the zone is on fire"

func unavailable() error { return &serve.Error{Code: fault.Unavailable, Message: excuse} }

func TestEveryTask_IsTriedAgainAfterAFault(t *testing.T) {
	everyTaskOf(t, func(w *world, o operation, _ definition, task task) {
		trouble := &platformtest.Trouble{Times: 1, Err: unavailable()}
		w.troubleFor(o, task, trouble)
		op := o.begin(w)
		if x := w.wait(op); x.Status != asl.Succeeded {
			w.t.Fatalf("%s: %s", x.Error, x.Cause)
		}
		if trouble.Times != 0 {
			w.t.Error("the trouble was never met")
		}
		w.wantPath(op, o.happyPath)
		o.wantDone(w, op)
	})
}

func TestEveryTask_MayLoseItsAnswer(t *testing.T) {
	everyTaskOf(t, func(w *world, o operation, _ definition, task task) {
		w.troubleFor(o, task, &platformtest.Trouble{Times: 2, Lost: true, Err: unavailable()})
		op := o.begin(w)
		if x := w.wait(op); x.Status != asl.Succeeded {
			w.t.Fatalf("%s: %s", x.Error, x.Cause)
		}
		o.wantDone(w, op)
	})
}

func TestEveryTask_FailsInWordsAndCanBeStartedAgain(t *testing.T) {
	everyTaskOf(t, func(w *world, o operation, d definition, task task) {
		w.troubleFor(o, task, &platformtest.Trouble{Times: -1, Err: unavailable()})
		op := o.begin(w)
		if x := w.wait(op); x.Status != asl.Failed || x.Error != string(fault.Unavailable) {
			w.t.Fatalf("%+v", x)
		}
		w.wantPath(op, o.pathOfFailure(d, task))
		w.trouble(task.step(), nil)
		if task.name == "EndOperation" {
			w.sweep() // finds an operation whose execution has ended, and ends it
		}
		w.wantFailed(op, excuse)

		op = o.again(w, op)
		if x := w.wait(op); x.Status != asl.Succeeded {
			w.t.Fatalf("the second time: %s: %s", x.Error, x.Cause)
		}
		w.wantPath(op, o.happyPath)
		o.wantDone(w, op)
	})
}

func TestEveryTask_OfCreateMayFailAndTheClusterBeDeleted(t *testing.T) {
	for _, task := range read(t, "create-cluster").tasks() {
		t.Run(task.name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.trouble(task.step(), &platformtest.Trouble{Times: -1, Err: unavailable()})
				w.wait(w.create(small(1)))
				w.trouble(task.step(), nil)
				w.sweep()
				w.wait(w.delete("delete"))
				w.wantNothingLeft()
			})
		})
	}
}

// troubleFor makes trouble for a Task of this operation, not for those of operations that come before.
func (w *world) troubleFor(o operation, task task, t *platformtest.Trouble) {
	w.beforeStart = func(op cluster.Operation) {
		if op.Machine() == o.machine {
			w.trouble(task.step(), t)
			w.beforeStart = nil
		}
	}
}

// pathOfFailure is the way to the end when a Task fails for good: by EndOperation to the end that says whether anything
// was altered.
func (o operation) pathOfFailure(d definition, task task) []string {
	if task.name == "EndOperation" { // can't record how it ended
		at := slices.Index(o.happyPath, task.name)
		return append(slices.Clone(o.happyPath[:at+1]), "FailedPartway")
	}
	at := slices.Index(o.happyPath, task.top)
	changed := false
	for _, name := range o.happyPath[:at] {
		changed = changed || d.States[name].Assign["changed"] == true
	}
	end := "FailedUnchanged"
	if changed {
		end = "FailedPartway"
	}
	return append(slices.Clone(o.happyPath[:at+1]), "EndOperation", "HasSucceeded", end)
}
