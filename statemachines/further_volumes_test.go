package statemachines_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/local/asl"
	"github.com/millrace/millrace/shared/platform/platformtest"
)

// restFor is how long EBS takes no second change of a volume.
const restFor = 6 * time.Hour

// rest lets every volume of a cluster that serves take no change for six hours, once its hosts have said what volumes are made of.
func (w *world) rest() {
	w.t.Helper()
	w.platform.ChangesAgainAfter = restFor
	time.Sleep(agentRests)
	w.platform.Rest()
}

// joinedOf are the further volumes of a node, on record.
func (w *world) joinedOf(node int32) []cluster.FurtherVolume {
	w.t.Helper()
	n, err := w.records.Node(w.t.Context(), clusterID, node)
	if err != nil {
		w.t.Fatal(err)
	}
	return n.Volume.Further
}

// wantUsable checks that every broker's host can use so much.
func (w *world) wantUsable(gib int) {
	w.t.Helper()
	for _, n := range w.brokers() {
		if d := w.disk(n.ID, n.Host.ID); d == nil || d.TotalBytes != int64(gib)<<30 {
			w.t.Errorf("the host of %s sees %+v, want %d GiB", n, d, gib)
		}
	}
}

// mergeAll records that the volumes of every broker are to be merged, and starts the machine.
func (w *world) mergeAll() cluster.Operation {
	w.t.Helper()
	change := cluster.StorageChange{Automatic: true, Merges: true}
	for _, n := range w.brokers() {
		change.Volumes = append(change.Volumes, cluster.VolumeChange{NodeID: n.ID, From: n.Volume.Shape(), To: n.Volume.Shape()})
	}
	op := w.recordChange(change)
	w.start(op)
	return op
}

// firstGrows makes the first volume of a node larger, as an operation does of which nothing was recorded.
func (w *world) firstGrows(node int32, gib int) {
	w.t.Helper()
	n, err := w.records.Node(w.t.Context(), clusterID, node)
	if err == nil {
		err = w.platform.GrowVolume(w.t.Context(), n.Volume.ID, cluster.VolumeShape{SizeGiB: gib})
	}
	if err != nil {
		w.t.Fatal(err)
	}
	time.Sleep(w.platform.GrowsWithin + agentRests)
}

// merge begins whatever is to be done about further volumes now, as a look at all clusters does, and waits for it.
func (w *world) merge() cluster.Operation {
	w.t.Helper()
	if !w.sweepHealth().StorageDue {
		w.t.Error("the look at health does not say that there is something to merge")
	}
	ops := w.scaleStorage([]byte(`{}`))
	if len(ops) != 1 || !ops[0].Storage.Merges || !ops[0].Storage.Automatic {
		w.t.Fatalf("begun were %+v", ops)
	}
	if x := w.wait(ops[0]); x.Status != asl.Succeeded {
		w.t.Fatalf("%s: %s", x.Error, x.Cause)
	}
	w.wantPath(ops[0], growAllPath)
	return w.operation(ops[0])
}

// While EBS takes no change of a volume, a further one makes up for what is missing, again and again, and nobody stops for it. Once it
// takes changes again, volumes are made of one again, and nobody sees anything of it.
func TestUpdateBrokerStorage_GrowsByFurtherVolumesWhileVolumesRest(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		w.rest()
		hosts, specs := w.platform.Alive(), w.brokers()
		for i, size := range []int{160, 175, 200} {
			op := w.growAll(cluster.VolumeShape{SizeGiB: size})
			if x := w.wait(op); x.Status != asl.Succeeded {
				t.Fatalf("to %d GiB: %s: %s", size, x.Error, x.Cause)
			}
			w.wantPath(op, growAllPath)
			w.wantAllOf(cluster.VolumeShape{SizeGiB: size})
			w.wantUsable(size)
			w.wantActive(op)
			if got := len(w.platform.VolumesOf(w.hostOf(2))); got != i+2 {
				t.Errorf("broker 2 is made of %d volumes", got)
			}
		}
		serves := w.cluster()
		if out := w.sweepHealth(); out.StorageDue || len(w.scaleStorage([]byte(`{}`))) != 0 {
			t.Error("volumes are to be merged that rest")
		}

		time.Sleep(restFor + 5*time.Minute)
		w.merge()
		w.wantUsable(200)
		time.Sleep(agentRests)
		op := w.merge()
		w.wantUsable(200)
		w.wantAllOf(larger)
		w.wantActive(op)
		for _, n := range w.brokers() {
			if len(n.Volume.Further) != 0 || n.Volume.FirstGiB != 0 || len(w.platform.VolumesOf(n.Host.ID)) != 1 {
				t.Errorf("%s still has %+v", n, n.Volume)
			}
		}
		if now := w.cluster(); now.Version != serves.Version || now.Spec.VolumeGiB != serves.Spec.VolumeGiB {
			t.Errorf("the cluster became %+v, and was %+v", now, serves)
		}
		if out := w.sweepHealth(); out.StorageDue || len(w.scaleStorage([]byte(`{}`))) != 0 {
			t.Error("there is nothing to merge any more")
		}
		for i, n := range w.brokers() {
			if n.SpecGeneration != specs[i].SpecGeneration || !slices.Equal(w.platform.Alive(), hosts) {
				t.Errorf("%s was told to run something else, or elsewhere", n)
			}
		}
	})
}

// A merge that EBS does not take yet is tried again an hour later, and fails in nobody's eyes.
func TestUpdateBrokerStorage_MergesOnceVolumesTakeChanges(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		w.rest()
		w.wait(w.growAll(larger))
		time.Sleep(restFor)
		w.platform.Rest() // by another's hand
		time.Sleep(5 * time.Minute)
		op := w.merge()
		if op.State != cluster.Complete || op.Storage.Grown() != 0 || op.Storage.Refusals() == "" {
			t.Errorf("%+v", op)
		}
		w.wantAllOf(larger)
		for range 58 {
			time.Sleep(time.Minute)
			if w.sweepHealth().StorageDue {
				t.Fatal("it is asked for again within the hour")
			}
		}
		time.Sleep(restFor)
		if op = w.merge(); op.Storage.Grown() != 3 {
			t.Errorf("%+v", op.Storage)
		}
	})
}

// What a further volume can't give is refused before anything is altered.
func TestUpdateBrokerStorage_LeavesThroughputToTheFirstVolume(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		w.rest()
		op := w.growAll(cluster.VolumeShape{SizeGiB: 200, ThroughputMiB: 500})
		if x := w.wait(op); x.Error != string(fault.Conflict) {
			t.Errorf("%+v", x)
		}
		w.wantFailed(op, "no further volume helps: it would take and give as much in a second as the volume does now")
		w.wantAllOf(cluster.VolumeShape{SizeGiB: 100})
		size := 100
		for range cluster.MostFurtherVolumes {
			size++
			w.wait(w.growAll(cluster.VolumeShape{SizeGiB: size}))
		}
		w.wantAllOf(cluster.VolumeShape{SizeGiB: size})
		op = w.growAll(larger)
		w.wait(op)
		w.wantFailed(op, fmt.Sprintf("there are %d already", cluster.MostFurtherVolumes))
	})
}

// Nobody waits for hosts, and whoever comes to serve a broker has all of its volumes.
func TestUpdateBrokerStorage_GrowsByFurtherVolumesWithoutHosts(t *testing.T) {
	for name, spoil := range map[string]func(w *world){
		"a broker whose host has ended": func(w *world) { w.platform.Kill(w.hostOf(2)) },
		"a broker that nobody reaches":  func(w *world) { w.cutOff(2, time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.serving()
				w.rest()
				spoil(w)
				op := w.growAll(larger)
				w.wait(op)
				w.wantPath(op, growAllPath)
				w.wantAllGrown(op)
				h := w.judged(2, cluster.Replace, cluster.Unreachable)
				h.Proven = true
				w.platform.Kill(h.Host)
				w.wantHealedWith(w.heal(h), 200)
			})
		})
	}
	for at := range 14 { // beside a replacement, whichever of them begins first
		t.Run(fmt.Sprintf("a broker that is replaced, after %d s", 3*at), func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.serving()
				w.rest()
				w.wait(w.growAll(cluster.VolumeShape{SizeGiB: 150})) // which hosts have joined
				var growth, healing cluster.Operation
				if at%2 == 0 {
					healing = w.loseHost(2)
					time.Sleep(time.Duration(3*at) * time.Second)
					growth = w.growAll(larger)
				} else {
					growth = w.growAll(larger)
					time.Sleep(time.Duration(at) * time.Second)
					healing = w.loseHost(2)
				}
				w.wait(growth)
				w.wantAllGrown(growth)
				w.wait(healing)
				w.wantHealedWith(healing, 200)
			})
		})
	}
}

// wantHealedWith checks that a heal ends well and that every broker can use so much then.
func (w *world) wantHealedWith(op cluster.Operation, gib int) {
	w.t.Helper()
	if x := w.wait(op); x.Status != asl.Succeeded {
		w.t.Errorf("%s: %s", x.Error, x.Cause)
	}
	w.wantHealed(op)
	w.wantUsable(gib)
}

// A host that is lost while its volumes are merged takes nothing with it, however far they are.
func TestUpdateBrokerStorage_MergesBesideAReplacement(t *testing.T) {
	for at := range 4 {
		inBubble(t, func(w *world) {
			w.serving()
			w.rest()
			w.wait(w.growAll(larger))
			time.Sleep(restFor + 5*time.Minute)
			w.merge()
			if at < 2 { // hosts have left what they can be rid of
				time.Sleep(agentRests)
			}
			w.platform.GrowsWithin = 10 * time.Second
			ops := w.scaleStorage([]byte(`{}`))
			time.Sleep(time.Duration(at%2*3) * time.Second)
			healing := w.loseHost(2)
			for _, op := range ops {
				w.wait(op)
			}
			w.wantHealedWith(healing, 200)
			for range 2 {
				time.Sleep(time.Hour + time.Minute)
				for _, op := range w.scaleStorage([]byte(`{}`)) {
					w.wait(op)
				}
			}
			w.wantUsable(200)
			for _, n := range w.brokers() {
				if len(n.Volume.Further) > 0 {
					t.Errorf("after %d: %s still has %+v", at, n, n.Volume)
				}
			}
			w.wait(w.delete("delete"))
			w.wantNothingLeft()
		})
	}
}

// A volume that is full is made larger by a further one as well.
func TestGrowVolume_GrowsByAFurtherVolumeWhileItRests(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		w.rest()
		op := w.fillVolume(2)
		w.wait(op)
		w.wantPath(op, growPath)
		w.wantHealed(op)
		if got := w.joinedOf(2); len(got) != 1 || got[0].SizeGiB != 10 || got[0].Operation != op.ID {
			t.Errorf("further volumes are %+v", got)
		}
		growth := w.growAll(larger)
		w.wait(growth)
		w.wantAllGrown(growth)
		w.wantUsable(200)
	})
}

// Whoever deletes a cluster finds every volume that is being added to it, also one that nobody knows to be made.
func TestUpdateBrokerStorage_AddsNothingToAClusterThatIsDeleted(t *testing.T) {
	for _, dies := range []bool{false, true} {
		for after := range 12 {
			inBubble(t, func(w *world) {
				w.serving()
				w.rest()
				makes := time.Duration(after%4) * 8 * time.Second
				w.platform.Takes = func(_ context.Context, call string) {
					if call == "EnsureVolume" {
						time.Sleep(makes)
					}
				}
				if dies { // whoever makes volumes hears nothing of them, and is not asked again
					w.platform.Trouble("EnsureVolume", &platformtest.Trouble{Times: 3, Lost: true, Err: fault.New(fault.Internal, "killed")})
				}
				growth := w.growAll(larger)
				time.Sleep(time.Duration(after) * time.Second)
				if x := w.wait(w.delete("delete")); x.Status != asl.Succeeded {
					t.Errorf("%s: %s", x.Error, x.Cause)
				}
				w.wait(growth)
				w.sweep()
				w.wantNothingLeft()
			})
		}
	}
}
