package asl

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// everything is a machine with a bit of all that has to survive: variables, a nested Map with a limit, Parallel, Wait,
// Retry, Catch, a child execution, an execution-wide variable set from a result.
const everything = `{
  "StartAt": "Begin", "TimeoutSeconds": 40,
  "States": {
    "Begin": {"Type": "Pass", "Assign": {"cluster.$": "$.cluster", "big": 12345678901234567}, "Next": "Both"},
    "Both": {"Type": "Parallel", "Next": "Child", "ResultPath": "$.both", "Branches": [
      {"StartAt": "Each", "States": {
        "Each": {"Type": "Map", "ItemsPath": "$.nodes", "MaxConcurrency": 2, "End": true,
          "ItemSelector": {"node.$": "$$.Map.Item.Value", "index.$": "$$.Map.Item.Index"},
          "ItemProcessor": {"StartAt": "Inner", "States": {
            "Inner": {"Type": "Parallel", "Next": "Pause", "ResultSelector": {"doubled.$": "$[0].Payload"}, "ResultPath": "$.inner", "Branches": [
              {"StartAt": "Double", "States": {"Double": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
                "Parameters": {"FunctionName": "double", "Payload.$": "$.index"}, "TimeoutSeconds": 60, "End": true}}},
              {"StartAt": "Short", "States": {"Short": {"Type": "Wait", "Seconds": 5, "End": true}}}]},
            "Pause": {"Type": "Wait", "Seconds": 10, "Assign": {"seen.$": "$.inner.doubled"}, "Next": "Tell"},
            "Tell": {"Type": "Pass", "Parameters": {"cluster.$": "$cluster", "seen.$": "$seen", "node.$": "$.node"}, "End": true}}}}}},
      {"StartAt": "Flaky", "States": {
        "Flaky": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:000000000000:function:flaky", "End": true,
          "Retry": [{"ErrorEquals": ["Unavailable"], "IntervalSeconds": 2, "MaxAttempts": 5}]}}}]},
    "Child": {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2",
      "Parameters": {"StateMachineArn": "arn:aws:states:us-east-1:000000000000:stateMachine:child", "Input": {"n": 1}},
      "ResultSelector": {"output.$": "$.Output"}, "ResultPath": "$.child", "Next": "Broken"},
    "Broken": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:000000000000:function:broken", "End": true,
      "Catch": [{"ErrorEquals": ["Invalid"], "ResultPath": "$.caught", "Assign": {"error.$": "$.Error"}, "Next": "Done"}]},
    "Done": {"Type": "Pass", "Parameters": {"both.$": "$.both", "child.$": "$.child.output", "big.$": "$big", "error.$": "$error"}, "End": true}
  }
}`

const child = `{"StartAt":"Rest","States":{"Rest":{"Type":"Wait","Seconds":3,"Next":"Give"},"Give":{"Type":"Pass","Result":{"x":1},"End":true}}}`

const everythingGives = `{"big":12345678901234567,"both":[[` +
	`{"cluster":"c","node":"a","seen":0},{"cluster":"c","node":"b","seen":2},{"cluster":"c","node":"c","seen":4}],"calm"],` +
	`"child":{"x":1},"error":"Invalid"}`

func everythingFunctions() functions {
	var calls atomic.Int32
	return functions{
		"double": func(_ context.Context, payload []byte) ([]byte, error) {
			n, err := decode(payload)
			if err != nil {
				return nil, err
			}
			return encode(n.(int64) * 2), nil
		},
		"flaky": func(context.Context, []byte) ([]byte, error) {
			if calls.Add(1) < 3 {
				return nil, functionError{"Unavailable", "later"}
			}
			return []byte(`"calm"`), nil
		},
		"broken": func(context.Context, []byte) ([]byte, error) { return nil, functionError{"Invalid", "never"} },
	}
}

// mortal is a journal that stops working before its n-th write, as the process would that dies there.
type mortal struct {
	Journal
	left atomic.Int32
}

var errDead = errors.New("the process is dead")

func (j *mortal) Save(w Write) error {
	if j.left.Add(-1) < 0 {
		return errDead
	}
	return j.Journal.Save(w)
}

// unsynced is a journal in a file that no power cut threatens: a thousand syncs would take their time.
func unsynced(t testing.TB) Journal {
	j := openBolt(t)
	j.db.NoSync = true
	return j
}

// outage is longer than any time-out of everything.
const outage = 5 * time.Hour

func TestAnExecutionKilledAtAnyTransitionEndsAsIfItWereNot(t *testing.T) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // each death is reported
	defined := machines(t, map[string]string{"everything": everything, "child": child})
	for _, tt := range []struct {
		name    string
		journal func(t testing.TB) Journal
		outage  time.Duration
	}{
		{"resumed at once", func(testing.TB) Journal { return NewMemoryJournal() }, 0},
		{"resumed after all of its time-outs", func(testing.TB) Journal { return NewMemoryJournal() }, outage},
		{"resumed after all of its time-outs, from a file", unsynced, outage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for n, survived := 0, false; !survived; n++ {
				t.Run(fmt.Sprintf("killed before write %d", n+1), func(t *testing.T) {
					journal := &mortal{Journal: tt.journal(t)}
					journal.left.Store(int32(n)) //nolint:gosec // small
					survived = killedAndResumed(t, defined, journal, tt.outage)
				})
				if n > 500 {
					t.Fatal("the machine never runs through")
				}
			}
		})
	}
}

// killedAndResumed runs the machine until the journal dies, then again, later, on what the journal holds. It is true when
// the journal never died.
func killedAndResumed(t *testing.T, defined map[string]*Machine, journal *mortal, outage time.Duration) bool {
	t.Helper()
	f := everythingFunctions()
	first := newBench(t, Config{Machines: defined, Invoker: f, Journal: journal, Rand: rand.NewPCG(1, 2)})
	arn, err := first.Start(context.Background(), "everything", "run", []byte(`{"cluster":"c","nodes":["a","b","c"]}`))
	if err == nil {
		first.clock.Run(func() bool { return journal.left.Load() < 0 || describe(t, first.Engine, arn).Status != Running })
	}
	if err := first.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if journal.left.Load() >= 0 {
		return true
	}
	second := newBench(t, Config{Machines: defined, Invoker: f, Journal: journal.Journal})
	second.clock.now = first.clock.Now().Add(outage)
	if err := second.Resume(context.Background()); err != nil {
		t.Fatal(err)
	}
	arn = second.start("everything", "run", `{"cluster":"c","nodes":["a","b","c"]}`)
	end := second.end(arn)
	if end.Status != Succeeded || string(end.Output) != everythingGives {
		t.Fatalf("%s %s %s\n got %s\nwant %s", end.Status, end.Error, end.Cause, end.Output, everythingGives)
	}
	children := 0
	for _, x := range second.List() {
		if x.Machine == "child" {
			children++
		}
	}
	if children != 1 {
		t.Errorf("%d children were started, want 1", children)
	}
	return false
}

func TestTimeInWhichNobodyWasAtWorkDoesNotCount(t *testing.T) {
	const task = `"Type":"Task","Resource":"arn:aws:lambda:us-east-1:0:function:slow"`
	for _, tt := range []struct {
		name, definition string
		killed, works    time.Duration // since the start; at each invocation
		want             string        // the end, and when it is after the resume
	}{
		{
			"a task is invoked again with its full time", `{"StartAt":"T","States":{"T":{` + task + `,"TimeoutSeconds":60,"End":true}}}`,
			30 * time.Second, 59 * time.Second, "SUCCEEDED  59s",
		},
		{
			"and with no more than that", `{"StartAt":"T","States":{"T":{` + task + `,"TimeoutSeconds":60,"End":true}}}`,
			30 * time.Second, time.Hour, "FAILED States.Timeout 1m0s",
		},
		{
			"nor is a heartbeat missed", `{"StartAt":"T","States":{"T":{` + task + `,"HeartbeatSeconds":60,"End":true}}}`,
			30 * time.Second, 59 * time.Second, "SUCCEEDED  59s",
		},
		{
			"a machine keeps the time that it had left at its last position", `{"TimeoutSeconds":100,"StartAt":"W","States":{` +
				`"W":{"Type":"Wait","Seconds":30,"Next":"T"},"T":{` + task + `,"End":true}}}`,
			40 * time.Second, time.Hour, "TIMED_OUT States.Timeout 1m10s",
		},
		{
			"a pause before a retry begins anew", `{"StartAt":"T","States":{"T":{` + task + `,"TimeoutSeconds":10,` +
				`"Retry":[{"ErrorEquals":["States.Timeout"],"IntervalSeconds":20,"MaxAttempts":1}],"End":true}}}`,
			15 * time.Second, time.Hour, "FAILED States.Timeout 30s",
		},
		{
			"a wait ends when it was meant to, which was meanwhile", `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":600,"End":true}}}`,
			30 * time.Second, 0, "SUCCEEDED  0s",
		},
		{
			"or is yet to come", `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":18030,"End":true}}}`,
			29 * time.Second, 0, "SUCCEEDED  1s",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			journal := NewMemoryJournal()
			run := func(now time.Time) (b *bench) {
				b = newBench(t, Config{Machines: machines(t, map[string]string{"m": tt.definition}), Journal: journal, Invoker: functions{
					"slow": func(ctx context.Context, payload []byte) ([]byte, error) {
						return payload, b.clock.Sleep(ctx, tt.works)
					},
				}})
				b.clock.now = now
				return b
			}
			first := run(testStart)
			arn := first.start("m", "run", `{}`)
			killed := false
			first.clock.AfterFunc(tt.killed, func() { killed = true })
			if !first.clock.Run(func() bool { return killed }) {
				t.Fatal("it ended before it could be killed")
			}
			if err := first.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
			resumed := first.clock.Now().Add(outage)
			second := run(resumed)
			if err := second.Resume(context.Background()); err != nil {
				t.Fatal(err)
			}
			end := second.end(arn)
			if got := fmt.Sprintf("%s %s %s", end.Status, end.Error, end.Stopped.Sub(resumed)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestAnExecutionEndsByTheDefinitionItBeganWith(t *testing.T) {
	journal := NewMemoryJournal()
	define := func(result string) map[string]*Machine {
		return machines(t, map[string]string{"m": `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":9,"Next":"R` + result +
			`"},"R` + result + `":{"Type":"Pass","Result":` + result + `,"End":true}}}`})
	}
	first := newBench(t, Config{Machines: define("1"), Journal: journal})
	arn := first.start("m", "run", `{}`)
	if err := first.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	second := newBench(t, Config{Machines: define("2"), Journal: journal})
	if err := second.Resume(context.Background()); err != nil {
		t.Fatal(err)
	}
	if end := second.end(arn); string(end.Output) != "1" {
		t.Errorf("got %s, want what the first definition gives", end.Output)
	}
}

// A real process, killed for real in the middle of a machine, on a real file.
func TestAProcessKilledAtATransitionResumes(t *testing.T) {
	if file := os.Getenv("ASL_TEST_JOURNAL"); file != "" {
		runInChildProcess(t, file)
		return
	}
	file := filepath.Join(t.TempDir(), "journal.db")
	for deaths := 0; ; deaths++ {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		command := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestAProcessKilledAtATransitionResumes$") //nolint:gosec // this test
		command.Env = append(os.Environ(), "ASL_TEST_JOURNAL="+file)
		out, err := command.CombinedOutput()
		cancel()
		if err == nil {
			if deaths != 2 {
				t.Errorf("it died %d times, want 2", deaths)
			}
			return
		}
		if command.ProcessState.ExitCode() != -1 || deaths > 20 {
			t.Fatalf("%v\n%s", err, out)
		}
	}
}

// runInChildProcess resumes or starts the machine, and dies by SIGKILL after a few more states.
func runInChildProcess(t *testing.T, file string) {
	db, err := bbolt.Open(file, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	journal, err := NewBoltJournal(db, "executions")
	if err != nil {
		t.Fatal(err)
	}
	const echo = `"Type":"Task","Resource":"arn:aws:lambda:us-east-1:0:function:f",`
	var entries atomic.Int32
	e, err := New(Config{
		Machines: machines(t, map[string]string{"m": `{"StartAt":"A","States":{"A":{` + echo + `"Next":"B"},"B":{` + echo + `"Next":"C"},"C":{` +
			echo + `"Next":"D"},"D":{` + echo + `"Next":"E"},"E":{` + echo + `"End":true}}}`}),
		Invoker: functions{"f": func(_ context.Context, payload []byte) ([]byte, error) { return payload, nil }},
		Journal: journal,
		OnTransition: func(tr Transition) {
			if tr.Journaled && tr.Phase == entered && entries.Add(1) == 2 {
				self, _ := os.FindProcess(os.Getpid())
				_ = self.Kill()
				select {}
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan Execution, 1)
	if err := e.Resume(context.Background()); err != nil {
		t.Fatal(err)
	}
	arn, err := e.Start(context.Background(), "m", "run", []byte(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	e.whenEnded(arn, func(x Execution) { ended <- x })
	select {
	case x := <-ended:
		if x.Status != Succeeded || string(x.Output) != `{"a":1}` {
			t.Fatalf("%+v", x)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the execution did not end")
	}
	if err := e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}
