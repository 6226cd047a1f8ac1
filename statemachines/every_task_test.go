package statemachines_test

import (
	"slices"
	"testing"
	"time"

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
	of        string // which operations of that machine, where they do not all go the same way
	happyPath []string
	// bears is the Task that may fail for good without ending the operation.
	bears string
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
	{
		machine:   "replace-broker",
		of:        "a dead host",
		happyPath: replacePath,
		bears:     "RenewKafkaAccess",
		begin: func(w *world) cluster.Operation {
			w.serving()
			return w.loseHost(w.patient())
		},
		again:    func(w *world, _ cluster.Operation) cluster.Operation { return w.loseHost(w.patient()) },
		wantDone: (*world).wantReplaced,
	},
	{
		machine:   "replace-broker",
		of:        "a silent host",
		happyPath: judgedPath,
		begin: func(w *world) cluster.Operation {
			w.serving()
			return w.loseTouch(w.patient())
		},
		again:    func(w *world, _ cluster.Operation) cluster.Operation { return w.loseTouch(w.patient()) },
		wantDone: (*world).wantReplaced,
	},
	{
		machine:   "restart-broker",
		happyPath: restartPath,
		begin: func(w *world) cluster.Operation {
			w.serving()
			return w.holdKafka(w.patient())
		},
		again: func(w *world, _ cluster.Operation) cluster.Operation { return w.holdKafka(w.patient()) },
		wantDone: func(w *world, op cluster.Operation) {
			w.t.Helper()
			w.wantHealed(op)
			w.wantLaunches(w.patient(), 1)
			spec, err := w.records.Spec(w.t.Context(), w.hostOf(w.patient()))
			if err != nil || spec.Restarts < 1 || spec.Restarts > int64(w.heals) {
				w.t.Errorf("Kafka was told to start again %d times, by %d heals (%v)", spec.Restarts, w.heals, err)
			}
		},
	},
	{
		machine:   "grow-volume",
		happyPath: growPath,
		begin: func(w *world) cluster.Operation {
			w.serving()
			return w.fillVolume(w.patient())
		},
		again: func(w *world, _ cluster.Operation) cluster.Operation { return w.fillVolume(w.patient()) },
		wantDone: func(w *world, op cluster.Operation) {
			w.t.Helper()
			w.wantHealed(op)
			w.wantLaunches(w.patient(), 1)
			n, err := w.records.Node(w.t.Context(), clusterID, w.patient())
			if err != nil || n.Volume.SizeGiB != op.Heal.VolumeGiB || w.platform.SizeOf(launchOf(n.ID, 0)) != op.Heal.VolumeGiB {
				w.t.Errorf("the volume is %+v (%v), want %d GiB", n.Volume, err, op.Heal.VolumeGiB)
			}
		},
	},
	{
		machine:   "update-broker-storage",
		happyPath: growAllPath,
		begin: func(w *world) cluster.Operation {
			w.serving()
			return w.growAll(larger)
		},
		again: func(w *world, _ cluster.Operation) cluster.Operation { return w.growAll(larger) },
		wantDone: func(w *world, op cluster.Operation) {
			w.t.Helper()
			w.wantAllGrown(op)
			w.wantActive(op)
			w.wait(w.delete("delete-at-last"))
			w.wantNothingLeft()
		},
	},
	{
		machine:   "update-broker-storage",
		of:        "volumes that rest",
		happyPath: growAllPath,
		begin: func(w *world) cluster.Operation {
			w.serving()
			w.rest()
			return w.growAll(larger)
		},
		again: func(w *world, _ cluster.Operation) cluster.Operation { return w.growAll(larger) },
		wantDone: func(w *world, op cluster.Operation) {
			w.t.Helper()
			w.wantAllGrown(op)
			w.wantActive(op)
			if got := len(w.joinedOf(w.patient())); got != 1 {
				w.t.Errorf("there are %d further volumes", got)
			}
			w.wantUsable(larger.SizeGiB)
			w.wait(w.delete("delete-at-last"))
			w.wantNothingLeft()
		},
	},
	{
		machine:   "update-broker-storage",
		of:        "volumes that were made of several",
		happyPath: growAllPath,
		begin: func(w *world) cluster.Operation {
			w.serving()
			w.rest()
			w.wait(w.fillVolume(w.patient()))
			w.platform.ChangesAgainAfter = 0
			w.platform.Rest()
			w.firstGrows(w.patient(), 110)
			return w.mergeAll()
		},
		again: func(w *world, _ cluster.Operation) cluster.Operation { return w.mergeAll() },
		wantDone: func(w *world, _ cluster.Operation) {
			w.t.Helper()
			if got := w.joinedOf(w.patient()); len(got) != 0 || len(w.platform.VolumesOf(w.hostOf(w.patient()))) != 1 {
				w.t.Errorf("further volumes are %+v", got)
			}
			if c := w.cluster(); c.Growing != nil || c.Spec.VolumeGiB != 100 || c.Version != "K2" {
				w.t.Errorf("the cluster is %+v", c)
			}
			w.wait(w.delete("delete-at-last"))
			w.wantNothingLeft()
		},
	},
	{
		machine:   "topic-administration",
		happyPath: applyPath,
		begin: func(w *world) cluster.Operation {
			w.spec = small(1) // topics have three replicas
			w.serving()
			w.found()
			return w.apply(wanted()...)
		},
		again:    func(w *world, _ cluster.Operation) cluster.Operation { return w.apply(wanted()...) },
		wantDone: (*world).wantApplied,
	},
}

// patient is the node that heals are about: the last broker.
func (w *world) patient() int32 { return int32(w.spec.Brokers) }

// loseHost ends the host of a node, and has the node healed.
func (w *world) loseHost(node int32) cluster.Operation {
	w.t.Helper()
	h := w.judged(node, cluster.Replace, cluster.HostDead)
	w.platform.Kill(h.Host)
	return w.heal(h)
}

// loseTouch cuts off the host of a node, and has the node healed: nobody knows what has become of it.
func (w *world) loseTouch(node int32) cluster.Operation {
	w.t.Helper()
	h := w.judged(node, cluster.Replace, cluster.Unreachable)
	w.cutOff(node, 3*time.Minute)
	return w.heal(h)
}

// wantReplaced checks that the patient has a new host, and that whatever it ever had can be found again.
func (w *world) wantReplaced(op cluster.Operation) {
	w.t.Helper()
	w.wantHealed(op)
	if w.heals == 1 {
		w.wantLaunches(w.patient(), 2)
	}
	w.wait(w.delete("delete-at-last"))
	w.wantNothingLeft()
}

// holdKafka stops the Kafka of a node by a signal, and has the node healed.
func (w *world) holdKafka(node int32) cluster.Operation {
	w.t.Helper()
	h := w.judged(node, cluster.Restart, cluster.KafkaHeld)
	w.kafka.ail(h.Host, func(a *ailment) { a.held = true })
	time.Sleep(fencedAfter + agentLooks)
	return w.heal(h)
}

// fillVolume fills the volume of a node to the last byte, and has the node healed.
func (w *world) fillVolume(node int32) cluster.Operation {
	w.t.Helper()
	h := w.judged(node, cluster.Grow, cluster.DiskFull)
	size := w.platform.SizeOf(launchOf(node, 0))
	h.VolumeGiB = size + 10
	w.fill(node, int64(size))
	time.Sleep(agentRests + startsWithin)
	return w.heal(h)
}

// fill puts so much on the log volume of a node.
func (w *world) fill(node int32, gib int64) {
	w.mu.Lock()
	w.usedGiB[node] = gib
	w.mu.Unlock()
	w.kafka.ail(w.hostOf(node), func(*ailment) {})
}

// String names the operation in tests.
func (o operation) String() string {
	if o.of == "" {
		return o.machine
	}
	return o.machine + " of " + o.of
}

// everyTaskOf runs a test for each Task that an operation comes by, in a world of its own.
func everyTaskOf(t *testing.T, test func(w *world, o operation, d definition, task task)) {
	for _, o := range underTest {
		d := read(t, o.machine)
		for _, task := range d.tasks() {
			if !slices.Contains(o.happyPath, task.top) {
				continue
			}
			t.Run(o.String()+"/"+task.name, func(t *testing.T) {
				inBubble(t, func(w *world) { test(w, o, d, task) })
			})
		}
	}
}

func TestEveryTask_IsUnderTest(t *testing.T) {
	var names []string
	passed := map[string]bool{}
	for _, o := range underTest {
		names = append(names, o.machine)
		for _, name := range o.happyPath {
			passed[o.machine+"/"+name] = true
		}
	}
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	if !slices.Equal(names, carryingOut()) {
		t.Errorf("under test are %v, of %v", names, carryingOut())
	}
	for _, machine := range names {
		for _, task := range read(t, machine).tasks() {
			if !passed[machine+"/"+task.top] {
				t.Errorf("no operation under test comes by %s of %s", task.name, machine)
			}
		}
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
		if task.name == o.bears {
			return // which has tests of its own
		}
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
	path := slices.Clone(o.happyPath[:at+1])
	if to := d.States[task.top].Catch[0].Next; to != "EndOperation" { // whether the operation can do without is asked there
		path = append(path, to)
	}
	changed := d.States[task.top].Catch[0].Assign["changed"] == true // it may have done it before it failed
	for _, name := range o.happyPath[:at] {
		assign := d.States[name].Assign
		changed = changed || assign["changed"] == true || assign["changed.$"] != nil // the step says so itself
	}
	end := "FailedUnchanged"
	if changed {
		end = "FailedPartway"
	}
	return append(path, "EndOperation", "HasSucceeded", end)
}
