package statemachines_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/local/asl"
)

// The way of a growth of all volumes in which all goes well.
var growAllPath = []string{
	"BeginOperation", "GrowVolumes", "JudgeGrowth", "EndOperation", "HasSucceeded", "Succeeded",
}

// larger is what the brokers of these tests are to have, who have 100 GiB each.
var larger = cluster.VolumeShape{SizeGiB: 200}

// growAll records a growth of every broker's volume as the API does, and starts its machine.
func (w *world) growAll(to cluster.VolumeShape) cluster.Operation {
	w.t.Helper()
	op := w.recordGrowth(to)
	w.start(op)
	return op
}

func (w *world) recordGrowth(to cluster.VolumeShape) cluster.Operation {
	w.t.Helper()
	change := cluster.StorageChange{Every: to}
	for _, n := range w.brokers() {
		change.Volumes = append(change.Volumes, cluster.VolumeChange{NodeID: n.ID, From: n.Volume.Shape(), To: to})
	}
	return w.recordChange(change)
}

func (w *world) recordChange(change cluster.StorageChange) cluster.Operation {
	w.t.Helper()
	w.growths++
	op := cluster.Operation{
		ID: fmt.Sprintf("grow-%03d", w.growths), ClusterID: clusterID, Type: cluster.UpdateBrokerStorage,
		State: cluster.Pending, Attempt: 1, CreatedAt: time.Now(), Storage: &change,
	}
	_, err := w.records.StartOperation(w.t.Context(), clusterID, op, func(c *cluster.Cluster) error {
		if holder := c.Holder(op.Type); holder != nil {
			return fmt.Errorf("the volumes are held by %s", holder.ID)
		}
		op.Claim(c)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return op
}

func (w *world) brokers() (brokers []cluster.Node) {
	w.t.Helper()
	nodes, err := w.records.Nodes(w.t.Context(), clusterID)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, n := range nodes {
		if n.Role == cluster.Broker {
			brokers = append(brokers, n)
		}
	}
	return brokers
}

// wantAllGrown checks that a growth has ended well: every broker has the same, on record and in truth, and nobody lets go of
// anything else for it.
func (w *world) wantAllGrown(op cluster.Operation) {
	w.t.Helper()
	w.wantAllOf(larger)
	c, op := w.cluster(), w.operation(op)
	if op.State != cluster.Complete || op.Percent() != 100 || c.Growing != nil || c.Version == "K0" || c.Version == "K1" {
		w.t.Errorf("the operation is %+v, the cluster %s at version %s, its volumes held by %+v", op, c.State(), c.Version, c.Growing)
	}
	if c.Spec.VolumeGiB != larger.SizeGiB || c.Spec.ThroughputMiB != larger.ThroughputMiB {
		w.t.Errorf("the cluster is said to have %d GiB and %d MiB a second", c.Spec.VolumeGiB, c.Spec.ThroughputMiB)
	}
}

// wantAllOf checks that every broker's volume has a shape, on record and in truth.
func (w *world) wantAllOf(want cluster.VolumeShape) {
	w.t.Helper()
	for _, n := range w.brokers() {
		got := w.platform.SizeOf(launchOf(n.ID, 0))
		for _, f := range n.Volume.Further {
			if n.Volume.IsNeeded(f) {
				got += w.platform.SizeOf(f.Token(n))
			}
		}
		if n.Volume.Shape() != want || got != want.SizeGiB {
			w.t.Errorf("%s has %s on record and %d GiB in truth, want %s", n, n.Volume.Shape(), got, want)
		}
	}
}

func TestUpdateBrokerStorage_StopsNoBroker(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		hosts, brokers := w.platform.Alive(), w.brokers()
		op := w.growAll(larger)
		if s := w.cluster().State(); s != cluster.Updating {
			t.Errorf("meanwhile the cluster is %s", s)
		}
		if x := w.wait(op); x.Status != asl.Succeeded {
			t.Fatalf("%s: %s", x.Error, x.Cause)
		}
		w.wantPath(op, growAllPath)
		w.wantAllGrown(op)
		w.wantActive(op)
		if got := w.platform.Alive(); fmt.Sprint(got) != fmt.Sprint(hosts) {
			t.Errorf("the hosts are %v, and were %v", got, hosts)
		}
		for i, n := range w.brokers() {
			if n.SpecGeneration != brokers[i].SpecGeneration {
				t.Errorf("%s was told to run something else", n)
			}
		}
	})
}

// Hosts that can't join a further volume leave it at what EBS takes.
func TestUpdateBrokerStorage_FailsUnchangedWhileNoVolumeTakesAChange(t *testing.T) {
	inBubble(t, func(w *world) {
		w.older = true
		w.platform.ChangesAgainAfter = 6 * time.Hour
		w.serving()
		w.wait(w.growAll(cluster.VolumeShape{SizeGiB: 150}))
		op := w.growAll(larger)
		if x := w.wait(op); x.Status != asl.Failed || x.Error != string(fault.Conflict) {
			t.Fatalf("%+v", x)
		}
		w.wantPath(op, []string{"BeginOperation", "GrowVolumes", "JudgeGrowth", "EndOperation", "HasSucceeded", "FailedUnchanged"})
		w.wantFailed(op, "no volume was changed; broker 1: grow volume vol-")
		w.wantFailed(op, "takes no other change before 20")
		w.wantFailed(op, "no further volume helps: its host does not say that it can join one")
		w.wantFailedStep(op, cluster.StepGrowVolumes)
		w.wantAllOf(cluster.VolumeShape{SizeGiB: 150})

		time.Sleep(6 * time.Hour)
		op = w.growAll(larger)
		w.wait(op)
		w.wantAllGrown(op)
	})
}

// One volume that EBS does not change keeps no other from growing: what fills them does not wait.
func TestUpdateBrokerStorage_GrowsWhatCanBeGrown(t *testing.T) {
	inBubble(t, func(w *world) {
		w.older = true
		w.platform.ChangesAgainAfter = 6 * time.Hour
		w.serving()
		h := w.judged(2, cluster.Grow, cluster.DiskFull)
		h.VolumeGiB = 110
		w.wait(w.heal(h))
		op := w.growAll(larger)
		if x := w.wait(op); x.Status != asl.Failed || x.Error != string(fault.Conflict) {
			t.Fatalf("%+v", x)
		}
		w.wantPath(op, []string{"BeginOperation", "GrowVolumes", "JudgeGrowth", "EndOperation", "HasSucceeded", "FailedPartway"})
		w.wantFailed(op, "2 of 3 volumes have 200 GiB; broker 2: grow volume vol-")
		for broker, want := range map[int32]int{1: 200, 2: 110, 3: 200} {
			if got := w.platform.SizeOf(launchOf(broker, 0)); got != want {
				t.Errorf("broker %d has %d GiB, want %d", broker, got, want)
			}
		}
		if c := w.cluster(); c.Spec.VolumeGiB != 100 || c.State() != cluster.Active {
			t.Errorf("the cluster is %s and has %d GiB", c.State(), c.Spec.VolumeGiB)
		}

		time.Sleep(6 * time.Hour)
		op = w.growAll(larger)
		w.wait(op)
		w.wantPath(op, growAllPath)
		w.wantAllGrown(op)
		w.wantActive(op)
	})
}

func TestUpdateBrokerStorage_GivesVolumesTheirThroughput(t *testing.T) {
	inBubble(t, func(w *world) {
		w.spec.ThroughputMiB = 250
		w.serving()
		for _, want := range []cluster.VolumeShape{{SizeGiB: 100, ThroughputMiB: 500}, {SizeGiB: 200, ThroughputMiB: 500}, {SizeGiB: 200}} {
			op := w.growAll(want)
			if x := w.wait(op); x.Status != asl.Succeeded {
				t.Fatalf("%s: %s: %s", want, x.Error, x.Cause)
			}
			w.wantAllOf(want)
			if c := w.cluster(); c.Spec.ThroughputMiB != want.ThroughputMiB {
				t.Errorf("the cluster is said to have %d MiB a second, want %s", c.Spec.ThroughputMiB, want)
			}
		}
	})
}

// A broker that is down, that has no host, or that gets another one meanwhile, holds nobody up: its volume grows, and whoever serves
// it next finds the room.
func TestUpdateBrokerStorage_WaitsForNoHost(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil  func(w *world)
		within time.Duration
	}{
		"a broker whose host has ended": {func(w *world) { w.platform.Kill(w.hostOf(2)) }, 10 * time.Second},
		"a broker that nobody reaches":  {func(w *world) { w.cutOff(2, time.Second) }, 2 * time.Minute},
		"a broker without a host": {func(w *world) {
			w.platform.Kill(w.hostOf(2))
			_, err := w.records.ChangeNode(t.Context(), clusterID, 2, func(n *cluster.Node) error { n.Host = nil; return nil })
			if err != nil {
				w.t.Fatal(err)
			}
		}, 10 * time.Second},
		"a host that sees no more room": {func(w *world) { w.ails(2, func(a *ailment) { a.sees = 100 }) }, 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.serving()
				tt.spoil(w)
				began := time.Now()
				op := w.growAll(larger)
				w.wait(op)
				w.wantPath(op, growAllPath)
				w.wantAllGrown(op)
				if took := time.Since(began); took > tt.within {
					t.Errorf("it took %s, more than %s", took, tt.within)
				}
			})
		})
	}
}

// A growth runs beside the replacement of a broker's host, whichever of them begins first.
func TestUpdateBrokerStorage_RunsBesideAHeal(t *testing.T) {
	for name, heal := range map[string]func(w *world) cluster.Operation{
		"of a dead host":   func(w *world) cluster.Operation { return w.loseHost(2) },
		"of a held broker": func(w *world) cluster.Operation { return w.holdKafka(2) },
	} {
		for at := range 8 {
			t.Run(fmt.Sprintf("%s, after %d s", name, 5*at), func(t *testing.T) {
				inBubble(t, func(w *world) {
					w.platform.GrowsWithin = 20 * time.Second
					w.serving()
					var growth, healing cluster.Operation
					if at%2 == 0 {
						healing = heal(w)
						time.Sleep(time.Duration(5*at) * time.Second)
						growth = w.growAll(larger)
					} else {
						growth = w.growAll(larger)
						time.Sleep(time.Duration(5*at) * time.Second)
						healing = heal(w)
					}
					for _, op := range []cluster.Operation{growth, healing} {
						if x := w.wait(op); x.Status != asl.Succeeded {
							t.Errorf("%s: %s: %s", op.ID, x.Error, x.Cause)
						}
					}
					w.wantAllGrown(growth)
					w.wantHealed(healing)
				})
			})
		}
	}
}

// A heal that grows a full volume beside a growth of all: the larger of the two is what the volume gets.
func TestUpdateBrokerStorage_BesideTheGrowthOfOneFullVolume(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		healing := w.fillVolume(2)
		growth := w.growAll(larger)
		for _, op := range []cluster.Operation{healing, growth} {
			if x := w.wait(op); x.Status != asl.Succeeded {
				t.Errorf("%s: %s: %s", op.ID, x.Error, x.Cause)
			}
		}
		w.wantAllGrown(growth)
		w.wantHealed(healing)
	})
}

// A cluster can be deleted beside a growth. The growth ends, and nothing is left of either.
func TestUpdateBrokerStorage_OfAClusterThatIsDeletedMeanwhile(t *testing.T) {
	for _, after := range []time.Duration{0, time.Second, 10 * time.Second, 30 * time.Second} {
		inBubble(t, func(w *world) {
			w.platform.GrowsWithin = 10 * time.Minute
			w.serving()
			growth := w.growAll(larger)
			time.Sleep(after)
			deletion := w.delete("delete")
			if x := w.wait(deletion); x.Status != asl.Succeeded {
				t.Errorf("%s: %s", x.Error, x.Cause)
			}
			w.wait(growth)
			w.sweep()
			w.wantNothingLeft()
		})
	}
}

func TestUpdateBrokerStorage_GivesUpOnAVolumeThatNeverGrows(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		w.platform.NeverGrows = true
		op := w.growAll(larger)
		w.wait(op)
		w.wantFailed(op, fmt.Sprintf("gave up after %s; last waited for: broker ", op.Type.Budget()))
		w.wantFailed(op, "does not have 200 GiB yet")
		w.wantFailedStep(op, cluster.StepGrowVolumes)

		w.platform.NeverGrows = false
		op = w.growAll(larger)
		w.wait(op)
		w.wantAllGrown(op)
	})
}

// There is one growth of a cluster's volumes at a time, and a stranger begins none.
func TestUpdateBrokerStorage_IsEndedWhenNobodyWorksOnIt(t *testing.T) {
	inBubble(t, func(w *world) {
		w.platform.GrowsWithin = time.Minute
		w.serving()
		op := w.growAll(larger)
		time.Sleep(7 * time.Second)
		w.abort(op, op.ExecutionName())
		if got := w.sweep(); got.Started != 0 || got.Ended != 1 {
			t.Errorf("%+v", got)
		}
		w.wantFailed(op, "stopped by hand")
		op = w.growAll(larger)
		w.wait(op)
		w.wantAllGrown(op)
	})
}
