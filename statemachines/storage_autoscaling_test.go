package statemachines_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/events"
	"github.com/millrace/millrace/functions/storageautoscaling"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/local/asl"
	"github.com/millrace/millrace/shared/platform/platformtest"
)

// follow makes the storage of the world's cluster grow by itself.
func (w *world) follow(percent float64, maxGiB int) {
	w.t.Helper()
	_, err := w.records.ChangeStorageScaling(w.t.Context(), clusterID, func(s *cluster.StorageScaling) error {
		s.Target = &cluster.ScalableTarget{MaxGiB: maxGiB}
		s.PutPolicy(cluster.StoragePolicy{Name: "p", TargetPercent: percent, Configuration: json.RawMessage("{}")})
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// scaleStorage runs the machine with an input, and gives the operations that it has begun.
func (w *world) scaleStorage(input []byte) (ops []cluster.Operation) {
	w.t.Helper()
	w.growths++
	arn, err := w.engine.Start(w.t.Context(), "storage-autoscaling", "look-"+strings.Repeat("i", w.growths), input)
	if err != nil {
		w.t.Fatal(err)
	}
	x := w.waitFor(arn)
	var out storageautoscaling.ScaleStorageOutput
	if err := json.Unmarshal(x.Output, &out); x.Status != asl.Succeeded || err != nil {
		w.t.Fatalf("%s: %s %s %s", x.Status, x.Error, x.Cause, x.Output)
	}
	for _, id := range out.Started {
		op, err := w.records.Operation(w.t.Context(), clusterID, id)
		if err != nil {
			w.t.Fatal(err)
		}
		ops = append(ops, op)
	}
	return ops
}

func TestStorageAutoscaling_GrowsEveryBrokerWhateverWakesIt(t *testing.T) {
	for name, input := range map[string][]byte{
		"an event about a disk":                sample[events.StorageWake](t, "storage_wake"),
		"an alarm":                             []byte(`{}`),
		"an event that names no cluster":       []byte(`{"cluster":null}`),
		"an event about another, that is gone": []byte(`{"cluster":"payments"}`),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.serving()
				w.follow(60, 500)
				w.fill(2, 61)
				time.Sleep(time.Minute)
				ops := w.scaleStorage(input)
				if strings.Contains(name, "gone") {
					if len(ops) != 0 {
						t.Errorf("begun were %+v", ops)
					}
					return
				}
				if len(ops) != 1 {
					t.Fatalf("begun were %+v", ops)
				}
				if x := w.wait(ops[0]); x.Status != asl.Succeeded {
					t.Fatalf("%s: %s", x.Error, x.Cause)
				}
				w.wantAllOf(cluster.VolumeShape{SizeGiB: 110})
				time.Sleep(time.Minute)
				if again := w.scaleStorage(input); len(again) != 0 { // what comes twice, or late, grows nothing
					t.Errorf("begun once more were %+v", again)
				}
			})
		})
	}
}

// The net: no event and no alarm has told of the volume.
func TestHealthSweep_HasSomebodyLookAtStorageWhereABrokerIsAtItsTarget(t *testing.T) {
	for name, tt := range map[string]struct {
		used  int64
		fails int
		calls int
		grown bool
	}{
		"a broker is at its target":   {used: 61, calls: 1, grown: true},
		"none is":                     {used: 59},
		"the look fails once":         {used: 61, fails: 1, calls: 2, grown: true},
		"the look fails all the time": {used: 61, fails: -1, calls: 4},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.serving()
				w.follow(60, 500)
				w.fill(2, tt.used)
				time.Sleep(time.Minute)
				if tt.fails != 0 {
					w.trouble("ScaleStorage", &platformtest.Trouble{Times: tt.fails, Err: unavailable()})
				}
				w.steps = nil
				arn, err := w.engine.Start(t.Context(), "health-sweep", "minute", []byte(`{}`))
				if err != nil {
					t.Fatal(err)
				}
				if x := w.waitFor(arn); x.Status != asl.Succeeded {
					t.Errorf("the look at health: %s, %s: %s", x.Status, x.Error, x.Cause)
				}
				if calls := w.calls("ScaleStorage"); calls != tt.calls {
					t.Errorf("storage was looked at %d times, want %d", calls, tt.calls)
				}
				if growing := w.cluster().Growing != nil; growing != tt.grown {
					t.Errorf("volumes grow: %v, want %v", growing, tt.grown)
				}
			})
		})
	}
}

func TestStorageAutoscaling_ThatCannotLookFailsInWordsAndTheNextLookGrows(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		w.follow(60, 500)
		w.fill(2, 61)
		time.Sleep(time.Minute)
		w.trouble("ScaleStorage", &platformtest.Trouble{Times: -1, Err: unavailable()})
		arn, err := w.engine.Start(t.Context(), "storage-autoscaling", "minute-1", []byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		if x := w.waitFor(arn); x.Status != asl.Failed || x.Error != string(fault.Unavailable) || !strings.Contains(x.Cause, excuse) {
			t.Errorf("the look: %s, %s: %s", x.Status, x.Error, x.Cause)
		}
		w.trouble("ScaleStorage", &platformtest.Trouble{Times: 1, Err: unavailable()}) // is tried again
		if ops := w.scaleStorage([]byte(`{}`)); len(ops) != 1 {
			t.Errorf("begun were %+v", ops)
		}
	})
}
