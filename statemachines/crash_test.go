package statemachines_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/platform/local/asl"
)

// mortal is a journal that keeps so many steps of executions, and then nothing any more: for whoever writes it, the
// power is out.
type mortal struct {
	asl.Journal
	left int
	out  chan struct{} // closed when it is
}

func (j *mortal) Save(w asl.Write) error {
	if j.left == 0 {
		select {
		case <-j.out:
		default:
			close(j.out)
		}
		return errors.New("the power is out")
	}
	j.left--
	return j.Journal.Save(w)
}

// A control plane may die at any moment, and the next one goes on: what was made is found, nothing is made twice.
func TestEveryOperation_GoesOnAfterACrashAtAnyStep(t *testing.T) {
	tiny := small(1)
	tiny.Brokers = 1
	for _, o := range underTest {
		t.Run(o.String(), func(t *testing.T) {
			crashes := 0
			for survived := false; !survived; crashes++ {
				inBubble(t, func(w *world) {
					journal := &mortal{Journal: w.journal, left: crashes, out: make(chan struct{})}
					w.beforeStart = func(op cluster.Operation) {
						if op.Machine() == o.machine {
							w.beforeStart = nil
							w.restart(journal)
						}
					}
					w.spec, w.powerMayBeOut = tiny, true
					op := o.begin(w)
					survived = !w.diesWithin(op, journal)
					w.restart(w.journal)
					if !survived {
						w.sweep() // it may have died before the execution was on record
						w.wait(op)
					}
					o.wantDone(w, op)
				})
				if t.Failed() {
					t.Fatalf("after a crash at step %d", crashes)
				}
			}
			t.Logf("went through %d crashes", crashes-1)
		})
	}
}

// restart ends the control plane and starts it over a journal.
func (w *world) restart(journal asl.Journal) {
	w.t.Helper()
	if err := w.engine.Close(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	w.powerOn(journal)
}

// diesWithin waits until the power is out; false when the operation has ended before.
func (w *world) diesWithin(op cluster.Operation, journal *mortal) bool {
	w.t.Helper()
	for range 60 * 60 {
		select {
		case <-journal.out:
			return true
		case <-time.After(time.Second):
		}
		x, err := w.engine.Describe(w.engine.ARN(op.Machine(), op.ExecutionName()))
		if err == nil && x.Status != asl.Running {
			return false
		}
	}
	w.t.Fatalf("%s has neither ended nor died", op.ExecutionName())
	return false
}
