package statemachines_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/events"
	"github.com/millrace/millrace/functions/healthsweep"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/local/asl"
	"github.com/millrace/millrace/shared/platform/platformtest"
)

// watchHealth looks at the health of all clusters every two seconds, until stop is called.
func (w *world) watchHealth() (stop func()) {
	ended, end := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			w.sweepHealth()
			select {
			case <-end:
				return
			case <-time.After(2 * time.Second):
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}

// healsOf are the healing operations of the cluster, oldest first.
func (w *world) healsOf() []cluster.Operation {
	w.t.Helper()
	heals, err := w.records.HealsSince(w.t.Context(), clusterID, time.Now().Add(-24*time.Hour))
	if err != nil {
		w.t.Fatal(err)
	}
	return heals
}

// wantHeals waits until nothing is done any more for ten minutes, and checks what was: "replace 2" for each heal that ended
// well, "replace 2 failed" for one that did not.
func (w *world) wantHeals(want ...string) {
	w.t.Helper()
	quiet := 0
	for range 6 * 60 * 60 {
		if w.cluster().State() == cluster.Active {
			quiet++
		} else {
			quiet = 0
		}
		if quiet == 10*60 {
			break
		}
		time.Sleep(time.Second)
	}
	var got []string
	for _, op := range w.healsOf() {
		text := fmt.Sprintf("%s %d", op.Heal.Remedy, op.Heal.NodeID)
		switch op.State {
		case cluster.Complete:
		case cluster.OperationFailed:
			text += " failed"
		case cluster.Pending, cluster.InProgress:
			text += " is at work"
		}
		got = append(got, text)
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("the heals were %q, want %q", got, want)
	}
	if quiet == 0 {
		w.t.Errorf("the cluster is still %s", w.cluster().State())
	}
	w.wantOneOfEverything(w.spec.Brokers + w.spec.Controllers)
	w.kafka.wantInSync()
	h, err := w.records.Health(w.t.Context(), clusterID)
	if err != nil {
		w.t.Fatal(err)
	}
	if sick := h.Sick(); len(sick) > 0 {
		w.t.Errorf("sick are still %+v", sick)
	}
}

// Whatever happens to a node, the sweep and the machines that it starts bring it back, by the least that helps, and nothing else
// is touched.
func TestHealing_BringsNodesBack(t *testing.T) {
	for name, tt := range map[string]struct {
		happens func(w *world)
		heals   []string
	}{
		"nothing happens":          {func(*world) {}, nil},
		"a broker loses its host":  {func(w *world) { w.kill(2) }, []string{"replace 2"}},
		"a controller loses its":   {func(w *world) { w.kill(1002) }, []string{"replace 1002"}},
		"two brokers lose theirs":  {func(w *world) { w.kill(1); w.kill(3) }, []string{"replace 1", "replace 3"}},
		"all brokers lose theirs":  {func(w *world) { w.kill(1); w.kill(2); w.kill(3) }, []string{"replace 1", "replace 2", "replace 3"}},
		"a host is cut off":        {func(w *world) { w.cutOff(2, 0) }, []string{"replace 2"}},
		"Kafka is held":            {func(w *world) { w.ails(2, func(a *ailment) { a.held = true }) }, []string{"restart 2"}},
		"a controller is held":     {func(w *world) { w.ails(1001, func(a *ailment) { a.held = true }) }, []string{"restart 1001"}},
		"Kafka falls silent":       {func(w *world) { w.ails(2, func(a *ailment) { a.silent = true }) }, []string{"restart 2"}},
		"an agent can't be heard":  {func(w *world) { w.ails(2, func(a *ailment) { a.mute = true }); time.Sleep(time.Hour); w.reach(2) }, nil},
		"a volume is nearly full":  {func(w *world) { w.allow(500); w.fill(2, 99) }, []string{"grow 2"}},
		"a volume is full":         {func(w *world) { w.allow(500); w.fill(2, 100) }, []string{"grow 2"}},
		"a restart does not help":  {func(w *world) { w.ails(2, func(a *ailment) { a.held, a.broken = true, true }) }, []string{"restart 2 failed", "replace 2"}},
		"Kafka goes through a log": {func(w *world) { w.ails(2, func(a *ailment) { a.held = true; a.longLog = 15 * time.Minute }) }, []string{"restart 2"}},
		"the next one is lost meanwhile": {func(w *world) {
			w.kill(2)
			for !w.isHealing() {
				time.Sleep(time.Second)
			}
			time.Sleep(5 * time.Second)
			w.kill(3)
		}, []string{"replace 2", "replace 3"}},
		"a broker and its new host": {func(w *world) {
			w.kill(2)
			for w.platform.Launched()[launchOf(2, 0)] < 2 {
				time.Sleep(time.Second)
			}
			time.Sleep(time.Second)
			w.platform.Kill(w.platform.HostIDOf(launchOf(2, 2)))
		}, []string{"replace 2 failed", "replace 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.spec = small(3)
				w.serving()
				stop := w.watchHealth()
				defer stop()
				time.Sleep(5 * time.Minute)
				tt.happens(w)
				w.wantHeals(tt.heals...)
			})
		})
	}
}

// Nobody looks while the hosts die, and somebody does later.
func TestHealing_FindsWhatHappenedWhileTheControlPlaneWasAway(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		w.kill(2)
		w.kill(1001)
		time.Sleep(time.Hour)
		stop := w.watchHealth()
		defer stop()
		w.wantHeals("replace 1001", "replace 2")
		w.wantLaunches(2, 2)
		w.wantLaunches(1001, 2)
	})
}

// Events come twice, late and all at once: whoever is woken looks, and one of them begins the heal.
func TestHealing_IsBegunOnceHoweverManyLook(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		w.kill(2)
		started := make([]healthsweep.SweepHealthOutput, 8)
		var sweeps sync.WaitGroup
		for i := range started {
			sweeps.Go(func() { started[i] = w.sweepHealth() })
		}
		sweeps.Wait()
		var ids []string
		for _, s := range started {
			ids = append(ids, s.Started...)
		}
		if len(ids) != 1 {
			t.Errorf("begun were %v", ids)
		}
		stop := w.watchHealth()
		defer stop()
		w.wantHeals("replace 2")
		w.wantLaunches(2, 2)
	})
}

// A heal that fails again and again is tried less and less often, and in the end left to people; nothing else is in its way.
func TestHealing_TriesAgainWithPauses(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		w.trouble("LaunchHost", &platformtest.Trouble{Times: 2 * 9, Err: unavailable()})
		stop := w.watchHealth()
		defer stop()
		w.kill(2)
		w.wantHeals("replace 2 failed", "replace 2 failed", "replace 2")
		heals := w.healsOf()
		for i := range heals[1:] {
			if pause := heals[i+1].CreatedAt.Sub(heals[i].EndedAt); pause < 29*time.Second {
				t.Errorf("heal %d began %s after the one before had failed", i+1, pause)
			}
		}
	})
}

// The machine that events and the schedule start.
func TestHealthSweep_LooksAgainUntilTheTimeHasCome(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		w.sweepHealth()
		w.ails(2, func(a *ailment) { a.silent = true }) // borne for 45 s
		time.Sleep(fencedAfter + time.Second)
		w.steps = nil
		began := time.Now()
		arn, err := w.engine.Start(t.Context(), "health-sweep", "event", []byte(`{"cluster":"orders"}`))
		if err != nil {
			t.Fatal(err)
		}
		if x := w.waitFor(arn); x.Status != asl.Succeeded {
			t.Errorf("%s: %s %s", x.Status, x.Error, x.Cause)
		}
		if took := time.Since(began); took > 4*time.Minute {
			t.Errorf("it looked for %s", took)
		}
		if looks := w.calls("SweepHealth"); looks < 2 || looks > 30 {
			t.Errorf("it looked %d times", looks)
		}
		heals := w.healsOf()
		if len(heals) != 1 || heals[0].Heal.Remedy != cluster.Restart {
			t.Fatalf("the heals are %+v", heals)
		}
		w.wait(heals[0])
		w.wantHealed(heals[0])
	})
}

func TestHealthSweep_ComesByItsScheduleAndByEvents(t *testing.T) {
	for name, input := range map[string][]byte{
		"the schedule":                          sample[events.Schedule](t, "schedule"),
		"an event about nothing in particular":  []byte(`{}`),
		"an event that names no cluster":        []byte(`{"cluster":null}`),
		"an event about the cluster":            []byte(`{"cluster":"orders"}`),
		"an event about a cluster that is gone": []byte(`{"cluster":"payments"}`),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.serving()
				w.kill(2)
				arn, err := w.engine.Start(t.Context(), "health-sweep", "look", input)
				if err != nil {
					t.Fatal(err)
				}
				x := w.waitFor(arn)
				var out healthsweep.SweepHealthOutput
				if err := json.Unmarshal(x.Output, &out); x.Status != asl.Succeeded || err != nil {
					t.Errorf("%s: %s %s %s", x.Status, x.Error, x.Cause, x.Output)
				}
				want := 1
				if strings.Contains(name, "gone") {
					want = 0
				}
				if heals := w.healsOf(); len(heals) != want {
					t.Errorf("%d heals, want %d", len(heals), want)
				}
			})
		})
	}
}

func TestHealthSweep_ThatCannotLookFailsInWordsAndTheNextOneLooks(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		w.kill(2)
		w.trouble("SweepHealth", &platformtest.Trouble{Times: -1, Err: unavailable()})
		arn, err := w.engine.Start(t.Context(), "health-sweep", "minute-1", []byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		if x := w.waitFor(arn); x.Status != asl.Failed || x.Error != string(fault.Unavailable) || !strings.Contains(x.Cause, excuse) {
			t.Errorf("the sweep: %s, %s: %s", x.Status, x.Error, x.Cause)
		}
		w.trouble("SweepHealth", &platformtest.Trouble{Times: 1, Err: unavailable()}) // is tried again
		if arn, err = w.engine.Start(t.Context(), "health-sweep", "minute-2", []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		if x := w.waitFor(arn); x.Status != asl.Succeeded {
			t.Errorf("the next sweep: %s, %s: %s", x.Status, x.Error, x.Cause)
		}
		if heals := w.healsOf(); len(heals) != 1 {
			t.Errorf("the heals are %+v", heals)
		}
	})
}

// kill ends the host of a node without a word.
func (w *world) kill(node int32) { w.platform.Kill(w.hostOf(node)) }

// ails makes something wrong with the host of a node.
func (w *world) ails(node int32, change func(*ailment)) { w.kafka.ail(w.hostOf(node), change) }

// allow lets full volumes be grown.
func (w *world) allow(maxVolumeGiB int) {
	w.t.Helper()
	_, err := w.records.ChangeCluster(w.t.Context(), clusterID, func(c *cluster.Cluster) error {
		c.Healing.MaxVolumeGiB = maxVolumeGiB
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) isHealing() bool { return w.cluster().State() == cluster.Healing }
