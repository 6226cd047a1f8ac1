package asl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

func load(t *testing.T, definition string) *Machine {
	t.Helper()
	return machines(t, map[string]string{"m": definition})["m"]
}

func TestRetriesComeWhenTheirRetrierSays(t *testing.T) {
	for _, tt := range []struct {
		name, retry string
		want        []int // seconds from the start to each attempt
	}{
		{"by default three, from a second on, doubling", `{"ErrorEquals":["E"]}`, []int{0, 1, 3, 7}},
		{"never", `{"ErrorEquals":["E"],"MaxAttempts":0}`, []int{0}},
		{"steadily", `{"ErrorEquals":["E"],"IntervalSeconds":5,"BackoffRate":1,"MaxAttempts":2}`, []int{0, 5, 10}},
		{"with a longest delay", `{"ErrorEquals":["E"],"IntervalSeconds":2,"BackoffRate":10,"MaxDelaySeconds":30,"MaxAttempts":3}`, []int{0, 2, 22, 52}},
		{"not for another error", `{"ErrorEquals":["F"]}`, []int{0}},
		{"for any error", `{"ErrorEquals":["States.ALL"],"MaxAttempts":1}`, []int{0, 1}},
		{"for any error of a task", `{"ErrorEquals":["States.TaskFailed"],"MaxAttempts":1}`, []int{0, 1}},
		{"each retrier counts for itself", `{"ErrorEquals":["E"],"MaxAttempts":1},{"ErrorEquals":["States.ALL"],"MaxAttempts":9}`, []int{0, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, _ := attempts(t, tt.retry); !slices.Equal(got, tt.want) {
				t.Errorf("attempts after %v s, want %v", got, tt.want)
			}
		})
	}
}

// attempts runs a task that always fails with E, and gives the seconds from the start to each attempt.
func attempts(t *testing.T, retry string) ([]int, []time.Duration) {
	t.Helper()
	m := load(t, `{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:0:function:f","Retry":[`+retry+`],"End":true}}}`)
	var seconds []int
	var exact []time.Duration
	var b *bench
	b = newBench(t, Config{Machines: map[string]*Machine{"m": m}, Invoker: functions{
		"f": func(context.Context, []byte) ([]byte, error) {
			exact = append(exact, b.clock.Now().Sub(testStart))
			seconds = append(seconds, int(exact[len(exact)-1].Seconds()))
			return nil, functionError{"E", "always"}
		},
	}})
	if end := b.end(b.start("m", "run", `{}`)); end.Status != Failed || end.Error != "E" {
		t.Errorf("got %s %s", end.Status, end.Error)
	}
	return seconds, exact
}

func TestJitterSpreadsRetriesOverTheirDelay(t *testing.T) {
	_, at := attempts(t, `{"ErrorEquals":["E"],"IntervalSeconds":100,"BackoffRate":1,"MaxAttempts":20,"JitterStrategy":"FULL"}`)
	shorter := 0
	for i := 1; i < len(at); i++ {
		d := at[i] - at[i-1]
		if d < 0 || d > 100*time.Second {
			t.Errorf("a delay of %s", d)
		}
		if d < 50*time.Second {
			shorter++
		}
	}
	if len(at) != 21 || shorter < 4 || shorter > 16 {
		t.Errorf("%d of %d delays are in the lower half", shorter, len(at)-1)
	}
}

func TestTimeouts(t *testing.T) {
	slow := func(b **bench) functions {
		return functions{"slow": func(ctx context.Context, _ []byte) ([]byte, error) {
			return []byte(`"late"`), (*b).clock.Sleep(ctx, time.Hour)
		}}
	}
	task := `"Type":"Task","Resource":"arn:aws:lambda:us-east-1:0:function:slow","End":true`
	for _, tt := range []struct{ name, definition, want string }{
		{"a task takes too long", `{"StartAt":"T","States":{"T":{` + task + `,"TimeoutSeconds":7}}}`, "FAILED States.Timeout 7s"},
		{"by a path", `{"StartAt":"T","States":{"T":{` + task + `,"TimeoutSecondsPath":"$.limit"}}}`, "FAILED States.Timeout 9s"},
		{"without a heartbeat", `{"StartAt":"T","States":{"T":{` + task + `,"TimeoutSeconds":7,"HeartbeatSeconds":3}}}`, "FAILED States.HeartbeatTimeout 3s"},
		{"a timeout is caught as one", `{"StartAt":"T","States":{"T":{` + task + `,"HeartbeatSeconds":3,"Catch":[{"ErrorEquals":["States.Timeout"],"Next":"C"}]},"C":{"Type":"Succeed"}}}`, "SUCCEEDED  3s"},
		{"a timeout is no failure of the task", `{"StartAt":"T","States":{"T":{` + task + `,"TimeoutSeconds":3,"Catch":[{"ErrorEquals":["States.TaskFailed"],"Next":"C"}]},"C":{"Type":"Succeed"}}}`, "FAILED States.Timeout 3s"},
		{"the timeout starts anew with each attempt", `{"StartAt":"T","States":{"T":{` + task + `,"TimeoutSeconds":3,"Retry":[{"ErrorEquals":["States.Timeout"],"MaxAttempts":1}]}}}`, "FAILED States.Timeout 7s"},
		{"the whole execution takes too long, and nothing catches that", `{"TimeoutSeconds":11,"StartAt":"T","States":{"T":{` + task + `,"Catch":[{"ErrorEquals":["States.ALL"],"Next":"C"}]},"C":{"Type":"Succeed"}}}`, "TIMED_OUT States.Timeout 11s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b *bench
			b = newBench(t, Config{Machines: map[string]*Machine{"m": load(t, tt.definition)}, Invoker: slow(&b)})
			end := b.end(b.start("m", "run", `{"limit":9}`))
			if got := fmt.Sprintf("%s %s %s", end.Status, end.Error, end.Stopped.Sub(testStart)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestVariables(t *testing.T) {
	for _, tt := range []struct{ name, definition, want string }{
		{
			"a state sees the values from before its own Assign",
			`{"StartAt":"A","States":{"A":{"Type":"Pass","Assign":{"x":1},"Next":"B"},"B":{"Type":"Pass","Parameters":{"x.$":"$x"},` +
				`"Assign":{"x":2,"y.$":"$x"},"Next":"C"},"C":{"Type":"Pass","Parameters":{"x.$":"$x","y.$":"$y","was.$":"$.x"},"End":true}}}`,
			`{"was":1,"x":2,"y":1}`,
		},
		{
			"branches see what is around them, and what they set stays inside",
			`{"StartAt":"A","States":{"A":{"Type":"Pass","Assign":{"x":1},"Next":"P"},"P":{"Type":"Parallel","Branches":[` +
				`{"StartAt":"B","States":{"B":{"Type":"Pass","Assign":{"inner.$":"$x"},"Next":"B2"},"B2":{"Type":"Pass","Parameters":{"i.$":"$inner"},"End":true}}}],` +
				`"Next":"C"},"C":{"Type":"Pass","Parameters":{"i.$":"$inner"},"End":true}}}`,
			"FAILED States.Runtime",
		},
		{
			"Assign reads the raw result, before ResultSelector, ResultPath and OutputPath",
			`{"StartAt":"P","States":{"P":{"Type":"Parallel","Branches":[{"StartAt":"B","States":{"B":{"Type":"Pass","Result":7,"End":true}}}],` +
				`"ResultSelector":{"r.$":"$[0]"},"ResultPath":"$.p","OutputPath":"$.p.r","Assign":{"raw.$":"$[0]"},"Next":"C"},` +
				`"C":{"Type":"Pass","Parameters":{"raw.$":"$raw","out.$":"$"},"End":true}}}`,
			`{"out":7,"raw":7}`,
		},
		{
			"a rule of a Choice assigns its own, the Default the state's",
			`{"StartAt":"A","States":{"A":{"Type":"Choice","Choices":[{"Variable":"$.n","IsNull":true,"Assign":{"v":"rule"},"Next":"C"}],` +
				`"Assign":{"v":"default"},"Default":"C"},"C":{"Type":"Pass","Parameters":{"v.$":"$v"},"End":true}}}`,
			`{"v":"default"}`,
		},
		{
			"variables of an iteration are its own",
			`{"StartAt":"M","States":{"M":{"Type":"Map","ItemsPath":"$.items","ItemProcessor":{"StartAt":"A","States":{` +
				`"A":{"Type":"Pass","Assign":{"mine.$":"$"},"Next":"B"},"B":{"Type":"Wait","Seconds":1,"Next":"C"},` +
				`"C":{"Type":"Pass","Parameters":{"v.$":"$mine","i.$":"$$.Map.Item.Index"},"End":true}}},"End":true}}}`,
			`[{"i":0,"v":"a"},{"i":1,"v":"b"}]`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			end := runOnce(t, load(t, tt.definition), `{"n":1,"items":["a","b"]}`, nil)
			got := string(end.Output)
			if end.Status != Succeeded {
				got = string(end.Status) + " " + end.Error
			}
			if got != tt.want {
				t.Errorf("got %s (%s), want %s", got, end.Cause, tt.want)
			}
		})
	}
}

func TestStartingAgainUnderTheSameNameIsTheSameExecution(t *testing.T) {
	m := load(t, `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":1,"End":true}}}`)
	b := newBench(t, Config{Machines: map[string]*Machine{"m": m}})
	first := b.start("m", "run", `{"a":1,"b":2}`)
	if again := b.start("m", "run", `{ "b": 2, "a": 1 }`); again != first {
		t.Errorf("while it runs: got %s", again)
	}
	b.end(first)
	if again := b.start("m", "run", `{"a":1,"b":2}`); again != first {
		t.Errorf("once it ended: got %s", again)
	}
	if _, err := b.Start(context.Background(), "m", "run", []byte(`{}`)); !errors.Is(err, ErrExecutionAlreadyExists) {
		t.Errorf("with another input: got %v", err)
	}
	if _, err := b.Start(context.Background(), "none", "run", []byte(`{}`)); !errors.Is(err, ErrMachineDoesNotExist) {
		t.Errorf("of no machine: got %v", err)
	}
	if len(b.List()) != 1 {
		t.Errorf("%d executions, want 1", len(b.List()))
	}
}

func TestStartingAtTheSameTimeUnderTheSameNameIsOneExecution(t *testing.T) {
	m := load(t, `{"StartAt":"S","States":{"S":{"Type":"Succeed"}}}`)
	b := newBench(t, Config{Machines: map[string]*Machine{"m": m}})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := b.Start(context.Background(), "m", "run", []byte(`{}`)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	arn := b.start("m", "run", `{}`)
	b.end(arn)
	if history, err := b.History(arn); err != nil || len(history) != 4 {
		t.Errorf("%d events %v, want start, entered, exited, end", len(history), err)
	}
}

func TestAFailedBranchGivesItsSiblingsUp(t *testing.T) {
	var b *bench
	cancelled := make(chan struct{})
	m := load(t, `{"StartAt":"P","States":{"P":{"Type":"Parallel","Branches":[
		{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:0:function:slow","End":true}}},
		{"StartAt":"B","States":{"B":{"Type":"Wait","Seconds":5,"Next":"F"},"F":{"Type":"Fail","Error":"Oops","Cause":"why"}}}],
		"Catch":[{"ErrorEquals":["Oops"],"ResultPath":"$.error","Next":"C"}],"End":true},"C":{"Type":"Pass","End":true}}}`)
	b = newBench(t, Config{Machines: map[string]*Machine{"m": m}, Invoker: functions{
		"slow": func(ctx context.Context, _ []byte) ([]byte, error) {
			defer close(cancelled)
			return nil, b.clock.Sleep(ctx, time.Hour)
		},
	}})
	end := b.end(b.start("m", "run", `{"a":1}`))
	if want := `{"a":1,"error":{"Cause":"why","Error":"Oops"}}`; string(end.Output) != want {
		t.Errorf("got %s %s, want %s", end.Status, end.Output, want)
	}
	select {
	case <-cancelled:
	case <-time.After(10 * time.Second):
		t.Error("the invocation of the sibling was not cancelled")
	}
}

func TestStopEndsAnExecutionAndTheChildItWaitsFor(t *testing.T) {
	b := newBench(t, Config{Machines: machines(t, map[string]string{
		"parent": `{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync:2",
			"Parameters":{"StateMachineArn":"child","Name":"c"},"End":true}}}`,
		"child": `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":100,"End":true}}}`,
	})})
	parent := b.start("parent", "p", `{}`)
	child := b.ARN("child", "c")
	b.clock.Run(func() bool { _, err := b.Describe(child); return err == nil })
	if err := b.Stop(parent, "Enough", "of this"); err != nil {
		t.Fatal(err)
	}
	if end := b.end(parent); end.Status != Aborted || end.Error != "Enough" || end.Cause != "of this" {
		t.Errorf("parent: %+v", end)
	}
	if end := b.end(child); end.Status != Aborted || !end.Stopped.Equal(testStart) {
		t.Errorf("child: %+v", end)
	}
}

func TestAMapKeepsItsOrderAndItsLimit(t *testing.T) {
	var b *bench
	var mu sync.Mutex
	running, most := 0, 0
	m := load(t, `{"StartAt":"M","States":{"M":{"Type":"Map","MaxConcurrency":3,"ItemProcessor":{"StartAt":"T","States":{
		"T":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:0:function:f","End":true}}},"End":true}}}`)
	b = newBench(t, Config{Machines: map[string]*Machine{"m": m}, Invoker: functions{
		"f": func(ctx context.Context, payload []byte) ([]byte, error) {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			n, _ := decode(payload)
			err := b.clock.Sleep(ctx, time.Duration(10-n.(int64))*time.Second)
			mu.Lock()
			running--
			mu.Unlock()
			return payload, err
		},
	}})
	if end := b.end(b.start("m", "run", `[1,2,3,4,5,6,7]`)); string(end.Output) != `[1,2,3,4,5,6,7]` || most != 3 {
		t.Errorf("got %s with %d at a time", end.Output, most)
	}
	if end := b.end(b.start("m", "none", `[]`)); string(end.Output) != `[]` {
		t.Errorf("of no items: got %s", end.Output)
	}
}

func TestNoMoreEndedExecutionsAreKeptThanAskedFor(t *testing.T) {
	m := load(t, `{"StartAt":"S","States":{"S":{"Type":"Succeed"}}}`)
	journal := NewMemoryJournal()
	b := newBench(t, Config{Machines: map[string]*Machine{"m": m}, Journal: journal, KeepCount: 3})
	for i := range 5 {
		b.end(b.start("m", fmt.Sprint(i), `{}`))
	}
	b.clock.Run(func() bool { return len(b.List()) == 3 })
	if len(b.List()) != 3 || len(journal.positions) != 3 || len(journal.events) != 3 {
		t.Errorf("%d executions, %d positions, %d histories", len(b.List()), len(journal.positions), len(journal.events))
	}
}

func TestALoopWithoutEndIsStoppedByTheLimitOfItsHistory(t *testing.T) {
	m := load(t, `{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Choice","Choices":[{"Variable":"$.x","IsPresent":true,"Next":"C"}],"Default":"A"},"C":{"Type":"Succeed"}}}`)
	if end := runOnce(t, m, `{}`, nil); end.Status != Failed || end.Error != "States.Runtime" {
		t.Errorf("got %s %s", end.Status, end.Error)
	}
}

func TestIntrinsicFunctions(t *testing.T) {
	for _, tt := range []struct{ call, want string }{
		{`States.ArrayRange(1, 9, 2)`, `[1,3,5,7,9]`},
		{`States.ArrayRange(3, 1, -1)`, `[3,2,1]`},
		{`States.ArrayRange(0, 5, 0)`, "States.IntrinsicFailure"},
		{`States.ArrayUnique(States.Array(1, 1.0, 'a', 'a', null))`, `[1,"a",null]`},
		{`States.ArrayGetItem(States.Array(1), 1)`, "States.IntrinsicFailure"},
		{`States.ArrayPartition($.list, 2)`, `[[1,2],[3]]`},
		{`States.Base64Encode('Data to encode')`, `"RGF0YSB0byBlbmNvZGU="`},
		{`States.MathAdd(1.5, -1.5)`, `1`},
		{`States.MathRandom(3, 3)`, "States.IntrinsicFailure"},
		{`States.Format('a\'b \{{}\} {}', 1, $.name)`, `"a'b {1} n"`},
		{`States.Format('{} {}', 1)`, "States.IntrinsicFailure"},
		{`States.Hash($.list, 'MD4')`, "States.IntrinsicFailure"},
		{`States.JsonMerge($, $.list, false)`, "States.IntrinsicFailure"},
		{`States.StringToJson('{')`, "States.IntrinsicFailure"},
		{`States.ArrayLength($.list[?(@ > 1)])`, `2`},
		{`States.StringSplit('a,b(c', ',(')`, `["a","b","c"]`},
	} {
		t.Run(tt.call, func(t *testing.T) {
			m := load(t, `{"StartAt":"P","States":{"P":{"Type":"Pass","Parameters":{"v.$":`+string(encode(tt.call))+`},"OutputPath":"$.v","End":true}}}`)
			end := runOnce(t, m, `{"list":[1,2,3],"name":"n"}`, nil)
			if got := string(end.Output) + end.Error; got != tt.want {
				t.Errorf("got %s (%s), want %s", got, end.Cause, tt.want)
			}
		})
	}
}

func TestTimestampsAndPatternsInChoices(t *testing.T) {
	for _, tt := range []struct {
		rule, value string
		want        bool
	}{
		{`"TimestampLessThan":"2025-01-01T00:00:00Z"`, `"2024-12-31T23:59:59.999Z"`, true},
		{`"TimestampEquals":"2025-01-01T00:00:00Z"`, `"2025-01-01T01:00:00+01:00"`, true},
		{`"TimestampGreaterThanEquals":"2025-01-01T00:00:00Z"`, `"2024-12-31T23:59:59Z"`, false},
		{`"TimestampGreaterThan":"2025-01-01T00:00:00Z"`, `"later"`, false},
		{`"IsTimestamp":true`, `"2025-01-01 00:00:00Z"`, false},
		{`"StringMatches":"log-*.txt"`, `"log-1.txt"`, true},
		{`"StringMatches":"log-*.txt"`, `"log-1.txt2"`, false},
		{`"StringMatches":"a\\*b"`, `"a*b"`, true},
		{`"StringMatches":"a\\*b"`, `"axb"`, false},
		{`"IsNumeric":false`, `"1"`, true},
	} {
		t.Run(tt.rule+" of "+tt.value, func(t *testing.T) {
			m := load(t, `{"StartAt":"C","States":{"C":{"Type":"Choice","Choices":[{"Not":{"Or":[{"Variable":"$.v",`+tt.rule+`}]},"Next":"No"}],"Default":"Yes"},`+
				`"No":{"Type":"Pass","Result":false,"End":true},"Yes":{"Type":"Pass","Result":true,"End":true}}}`)
			if end := runOnce(t, m, `{"v":`+tt.value+`}`, nil); string(end.Output) != fmt.Sprint(tt.want) {
				t.Errorf("got %s %s", end.Output, end.Cause)
			}
		})
	}
}

func TestTransitionsAreShownRightBeforeAndRightAfterTheyAreJournalled(t *testing.T) {
	journal := NewMemoryJournal()
	m := load(t, `{"StartAt":"A","States":{"A":{"Type":"Wait","Seconds":1,"Next":"B"},"B":{"Type":"Fail"}}}`)
	var seen []string
	b := newBench(t, Config{Machines: map[string]*Machine{"m": m}, Journal: journal, OnTransition: func(tr Transition) {
		events, err := journal.Events(tr.Execution)
		if err != nil || (len(events) >= tr.Number) != tr.Journaled {
			t.Errorf("%+v while %d events are journalled", tr, len(events))
		}
		seen = append(seen, fmt.Sprint(tr.Phase, " ", tr.State, " ", tr.Journaled))
	}})
	b.end(b.start("m", "run", `{}`))
	want := []string{
		"entered A false", "entered A true", "exited A false", "entered B false", "exited A true", "entered B true",
	}
	if !slices.Equal(seen, want) {
		t.Errorf("got %q, want %q", seen, want)
	}
}

func TestCloseLeavesExecutionsRunning(t *testing.T) {
	started := make(chan struct{})
	m := load(t, `{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:0:function:f",
		"Catch":[{"ErrorEquals":["States.ALL"],"Next":"C"}],"End":true},"C":{"Type":"Succeed"}}}`)
	e, err := New(Config{Machines: map[string]*Machine{"m": m}, Journal: NewMemoryJournal(), Invoker: functions{
		"f": func(ctx context.Context, _ []byte) ([]byte, error) {
			close(started)
			<-ctx.Done()
			return nil, ctx.Err()
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	arn, err := e.Start(context.Background(), "m", "run", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	<-started
	if err := e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if x := describe(t, e, arn); x.Status != Running {
		t.Errorf("got %+v", x)
	}
	if _, err := e.Start(context.Background(), "m", "other", []byte(`{}`)); !errors.Is(err, ErrClosed) {
		t.Errorf("a start after Close: got %v", err)
	}
}
