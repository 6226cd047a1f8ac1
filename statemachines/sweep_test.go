package statemachines_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/events"
	"github.com/millrace/millrace/functions/operations"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/local/asl"
	"github.com/millrace/millrace/shared/platform/platformtest"
)

// startAs starts an execution of an operation's machine under a name of its own, as an operator may by hand.
func (w *world) startAs(op cluster.Operation, name string) string {
	w.t.Helper()
	input := op.Input()
	if err := w.workflows.Start(w.t.Context(), op.Machine(), name, input); err != nil {
		w.t.Fatal(err)
	}
	return w.engine.ARN(op.Machine(), name)
}

func (w *world) abort(op cluster.Operation, name string) {
	w.t.Helper()
	if err := w.engine.Stop(w.engine.ARN(op.Machine(), name), "Aborted", "stopped by hand"); err != nil {
		w.t.Fatal(err)
	}
	time.Sleep(time.Second)
}

// waitFor waits until an execution has ended.
func (w *world) waitFor(arn string) asl.Execution {
	w.t.Helper()
	for range 3 * 60 * 60 {
		x, err := w.engine.Describe(arn)
		if err != nil {
			w.t.Fatal(err)
		}
		if x.Status != asl.Running {
			return x
		}
		time.Sleep(time.Second)
	}
	w.t.Fatalf("%s has not ended within three hours", arn)
	return asl.Execution{}
}

func TestClaim_IsRefusedWhileItsHolderLives(t *testing.T) {
	inBubble(t, func(w *world) {
		op := w.create(small(1))
		time.Sleep(time.Second)
		x := w.waitFor(w.startAs(op, "by-hand"))
		if x.Status != asl.Failed || x.Error != string(fault.Conflict) || !strings.Contains(x.Cause, "is at work on operation") {
			t.Errorf("the second execution: %s, %s: %s", x.Status, x.Error, x.Cause)
		}
		if got := w.operation(op); got.State != cluster.InProgress || got.Failure != nil {
			t.Errorf("it has changed the operation of the first: %+v", got)
		}
		w.wait(op)
		w.wantActive(op)
	})
}

func TestClaim_IsTakenOverFromAnExecutionThatHasEnded(t *testing.T) {
	inBubble(t, func(w *world) {
		op := w.create(small(1))
		time.Sleep(time.Second)
		w.abort(op, op.ExecutionName())
		if x := w.waitFor(w.startAs(op, "by-hand")); x.Status != asl.Succeeded {
			t.Fatalf("%s: %s", x.Error, x.Cause)
		}
		w.wantActive(op)
	})
}

func TestSweep_StartsWhatWasRecordedRightBeforeACrash(t *testing.T) {
	inBubble(t, func(w *world) {
		op := w.recordCreate(small(1))
		if got := w.sweep(); got.Started != 1 || got.Ended != 0 {
			t.Errorf("%+v", got)
		}
		w.wait(op)
		w.wantActive(op)
		if got := w.sweep(); got != (operations.SweepOperationsOutput{}) {
			t.Errorf("a sweep over nothing: %+v", got)
		}
	})
}

func TestSweep_LeavesALivingExecutionAlone(t *testing.T) {
	inBubble(t, func(w *world) {
		op := w.create(small(1))
		for range 5 {
			time.Sleep(time.Second)
			if got := w.sweep(); got != (operations.SweepOperationsOutput{}) {
				t.Errorf("%+v", got)
			}
		}
		w.wait(op)
		w.wantActive(op)
	})
}

func TestSweep_EndsWhatNobodyWorksOnAnyMore(t *testing.T) {
	inBubble(t, func(w *world) {
		op := w.create(small(1))
		time.Sleep(7 * time.Second)
		w.abort(op, op.ExecutionName())
		if got := w.sweep(); got.Started != 0 || got.Ended != 1 {
			t.Errorf("%+v", got)
		}
		w.wantFailed(op, "stopped by hand")

		op = w.resume(op)
		w.wait(op)
		w.wantActive(op)
	})
}

// The execution that has taken an operation over is not the one of the attempt's name.
func TestSweep_FollowsAClaimThatWasTakenOver(t *testing.T) {
	inBubble(t, func(w *world) {
		op := w.create(small(1))
		time.Sleep(time.Second)
		w.abort(op, op.ExecutionName())
		w.startAs(op, "by-hand")
		time.Sleep(time.Second)
		if got := w.sweep(); got != (operations.SweepOperationsOutput{}) {
			t.Errorf("the one that took over lives, and the sweep did %+v", got)
		}
		w.abort(op, "by-hand")
		if got := w.sweep(); got.Ended != 1 {
			t.Errorf("the one that took over has ended, and the sweep did %+v", got)
		}
		w.wantFailed(op, "stopped by hand")
	})
}

func TestSweep_MayRunTwiceAtOnce(t *testing.T) {
	inBubble(t, func(w *world) {
		op := w.recordCreate(small(1))
		var sweeps sync.WaitGroup
		for range 2 {
			sweeps.Go(func() { w.sweep() })
		}
		sweeps.Wait()
		w.wait(op)
		w.wantActive(op)
		if executions := w.engine.List(); len(executions) != 1 {
			t.Errorf("%d executions", len(executions))
		}
	})
}

// A delete removes the operations that a sweep is just about to look at.
func TestSweep_MeetsADeleteThatEnds(t *testing.T) {
	inBubble(t, func(w *world) {
		w.wait(w.create(small(1)))
		op := w.delete("delete")
		ended := make(chan struct{})
		go func() {
			w.wait(op)
			close(ended)
		}()
		for {
			if got := w.sweep(); got.Ended != 0 || got.Started != 0 {
				t.Errorf("%+v", got)
			}
			select {
			case <-ended:
				w.wantNothingLeft()
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
}

// sample is the input that a trigger starts us with.
func sample[Event any](t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "events", "samples", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var event Event
	if err := decoder.Decode(&event); err != nil {
		t.Fatalf("the sample is not a %T: %v", event, err)
	}
	return text
}

func TestSweep_ComesByItsScheduleAndEndsWhatNobodyWorksOn(t *testing.T) {
	input := sample[events.Schedule](t, "schedule")
	inBubble(t, func(w *world) {
		op := w.create(small(1))
		time.Sleep(7 * time.Second)
		w.abort(op, op.ExecutionName())
		arn, err := w.engine.Start(t.Context(), "operations-sweep", "minute-1", input)
		if err != nil {
			t.Fatal(err)
		}
		x := w.waitFor(arn)
		if x.Status != asl.Succeeded || string(x.Output) != `{"ended":1,"started":0}` {
			t.Errorf("the sweep: %s, %s: %s %s", x.Status, x.Error, x.Cause, x.Output)
		}
		w.wantFailed(op, "stopped by hand")
	})
}

func TestSweep_IsCalledWhenAnExecutionWasCutOff(t *testing.T) {
	payload := sample[events.ExecutionEnded](t, "execution_ended")
	inBubble(t, func(w *world) {
		op := w.create(small(1))
		time.Sleep(7 * time.Second)
		w.abort(op, op.ExecutionName())
		if _, err := w.functions.Invoke(t.Context(), "operations", payload); err != nil {
			t.Fatal(err)
		}
		w.wantFailed(op, "stopped by hand")
	})
}

func TestSweep_ThatCannotLookFailsInWordsAndTheNextOneLooks(t *testing.T) {
	inBubble(t, func(w *world) {
		w.trouble("SweepOperations", &platformtest.Trouble{Times: -1, Err: unavailable()})
		arn, err := w.engine.Start(t.Context(), "operations-sweep", "minute-1", []byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		if x := w.waitFor(arn); x.Status != asl.Failed || x.Error != string(fault.Unavailable) || !strings.Contains(x.Cause, excuse) {
			t.Errorf("the sweep: %s, %s: %s", x.Status, x.Error, x.Cause)
		}
		w.trouble("SweepOperations", &platformtest.Trouble{Times: 1, Err: unavailable()}) // is tried again
		if arn, err = w.engine.Start(t.Context(), "operations-sweep", "minute-2", []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		if x := w.waitFor(arn); x.Status != asl.Succeeded {
			t.Errorf("the next sweep: %s, %s: %s", x.Status, x.Error, x.Cause)
		}
	})
}
