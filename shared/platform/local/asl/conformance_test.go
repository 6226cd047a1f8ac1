package asl

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The corpus holds recordings of the real service: definitions, inputs, what the functions do, and the histories that
// AWS made of them. It is not part of the repository.
const corpusVariable = "MILLRACE_ASL_CORPUS"

type corpusCase struct {
	ID            string
	StateMachines map[string]struct{ Name, Definition string }
	Executions    []struct {
		StateMachine string
		Input        *string
	}
	Lambdas  map[string]string // what each function does, in words
	Expected []struct{ Events []map[string]any }
}

type choiceCase struct {
	ID            string
	StateMachines map[string]struct{ Definition string }
	Cases         []struct{ Input, Output map[string]any }
}

func readCorpus(t *testing.T, file string, into any) {
	t.Helper()
	dir := os.Getenv(corpusVariable)
	if dir == "" {
		t.Skipf("the recordings of Step Functions are not present: set %s to their directory", corpusVariable)
	}
	text, err := os.ReadFile(filepath.Join(dir, file)) //nolint:gosec // named by whoever runs the test
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

func TestBehavesAsStepFunctionsRecorded(t *testing.T) {
	var cases []corpusCase
	readCorpus(t, "cases.json", &cases)
	accepted, right := 0, 0
	for _, c := range cases {
		machines, err := c.load()
		if err != nil {
			t.Logf("refused %s: %v", c.ID, err)
			continue
		}
		accepted++
		if t.Run(c.ID, func(t *testing.T) { c.run(t, machines) }) {
			right++
		}
	}
	t.Logf("%d of %d recorded cases accepted, %d of them behave as recorded", accepted, len(cases), right)
	if accepted < 95 {
		t.Errorf("only %d cases accepted, 95 wanted", accepted)
	}
}

func (c corpusCase) load() (map[string]*Machine, error) {
	if len(c.StateMachines) == 0 {
		return nil, fmt.Errorf("the recording holds no definition")
	}
	machines := map[string]*Machine{}
	for _, m := range c.StateMachines {
		loaded, err := Load(m.Name, []byte(m.Definition))
		if err != nil {
			return nil, err
		}
		machines[m.Name] = loaded
	}
	return machines, nil
}

func (c corpusCase) run(t *testing.T, machines map[string]*Machine) {
	clock := NewVirtualTime(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC))
	e, err := New(Config{
		Machines: machines, Invoker: emulated{c.Lambdas, clock}, Journal: NewMemoryJournal(), Clock: clock,
		Account: "111111111111", RoleARN: "snf_role_arn",
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, ex := range c.Executions {
		input := "{}"
		if ex.Input != nil {
			input = *ex.Input
		}
		machine := ex.StateMachine[strings.LastIndexByte(ex.StateMachine, ':')+1:]
		arn, err := e.Start(context.Background(), machine, fmt.Sprintf("run-%d", i), []byte(input))
		if err != nil {
			t.Fatal(err)
		}
		if !clock.Run(func() bool { return describe(t, e, arn).Status != Running }) {
			t.Fatal("the execution waits for nothing")
		}
		history, err := e.History(arn)
		if err != nil {
			t.Fatal(err)
		}
		compareHistories(t, c.Expected[i].Events, history, describe(t, e, arn))
	}
	if err := e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// compareHistories checks the data of each state entered and exited, in order, and the end.
func compareHistories(t *testing.T, recorded []map[string]any, history []Event, end Execution) {
	t.Helper()
	var ours []Event
	for _, e := range history {
		if strings.HasSuffix(e.Type, "StateEntered") || strings.HasSuffix(e.Type, "StateExited") {
			ours = append(ours, e)
		}
	}
	for _, r := range recorded {
		kind := r["type"].(string)
		switch {
		case strings.HasSuffix(kind, "StateEntered"), strings.HasSuffix(kind, "StateExited"):
			if len(ours) == 0 {
				t.Fatalf("recorded %v, got nothing", r)
			}
			compareEvent(t, kind, r, ours[0])
			ours = ours[1:]
		case kind == "ExecutionSucceeded":
			details := r["executionSucceededEventDetails"].(map[string]any)
			if end.Status != Succeeded || !matches(details["output"], parsed(end.Output)) {
				t.Errorf("recorded success with %v, got %s with %s %s %s", details["output"], end.Status, end.Output, end.Error, end.Cause)
			}
		case kind == "ExecutionFailed":
			details, _ := r["executionFailedEventDetails"].(map[string]any)
			name, _ := details["error"].(string)
			if end.Status != Failed || end.Error != name {
				t.Errorf("recorded failure %v, got %s with %s %s", details, end.Status, end.Error, end.Cause)
			}
		}
	}
	for _, e := range ours {
		t.Errorf("not recorded: %s %s", e.Type, e.State)
	}
}

func compareEvent(t *testing.T, kind string, r map[string]any, e Event) {
	t.Helper()
	details, _ := r["stateEnteredEventDetails"].(map[string]any)
	want, got := details["input"], e.Input
	if details == nil {
		details = r["stateExitedEventDetails"].(map[string]any)
		want, got = details["output"], e.Output
	}
	if kind != e.Type || details["name"] != e.State || !matches(want, parsed(got)) {
		t.Errorf("recorded %s of %v with %s, got %s of %s with %s", kind, details["name"], encode(want), e.Type, e.State, got)
	}
	if variables := details["assignedVariables"]; variables != nil && !matches(variables, parsed(e.Assigned)) {
		t.Errorf("recorded variables %s, got %s", encode(variables), e.Assigned)
	}
}

func parsed(text []byte) any {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return string(text)
	}
	return v
}

var (
	maskedPart = regexp.MustCompile(`<[A-Za-z0-9_:-]+>`)
	masks      = []string{"timestamp", "date", "start-date", "generated-uuid", "RandomNumberGenerated", "lambda_function_name"}
	transport  = []string{"SdkHttpMetadata", "SdkResponseMetadata"} // of the HTTP call that AWS made; there is none here
)

// matches compares with a recording, in which parts in <…> and some words stand for anything, and in which JSON may
// stand in a string.
func matches(want, got any) bool {
	want, got = unpacked(want), unpacked(got)
	switch want := want.(type) {
	case map[string]any:
		got, ok := got.(map[string]any)
		for _, name := range transport {
			delete(want, name)
		}
		if !ok || len(want) != len(got) {
			return false
		}
		for k := range want {
			if v, ok := got[k]; !ok || !matches(want[k], v) {
				return false
			}
		}
		return true
	case []any:
		got, ok := got.([]any)
		if !ok || len(want) != len(got) {
			return false
		}
		for i := range want {
			if !matches(want[i], got[i]) {
				return false
			}
		}
		return true
	case string:
		for _, mask := range masks {
			if want == mask {
				return true
			}
		}
		pattern := maskedPart.ReplaceAllString(regexp.QuoteMeta(want), ".*")
		text, ok := got.(string)
		return ok && regexp.MustCompile("(?s)^"+pattern+"$").MatchString(text)
	}
	return want == got
}

func unpacked(v any) any {
	if text, ok := v.(string); ok {
		if inner := parsed([]byte(text)); inner != v {
			return unpacked(inner)
		}
	}
	return v
}

// emulated does what the recordings say of each function.
type emulated struct {
	functions map[string]string
	clock     *VirtualTime
}

func (l emulated) Invoke(ctx context.Context, function string, payload []byte) ([]byte, error) {
	switch does := l.functions[function]; does {
	case "":
		return nil, functionError{"Lambda.ResourceNotFoundException", "Function not found: " + function}
	case "return the event":
		return payload, nil
	case `return {"Return":"HelloWorld"}`:
		return []byte(`{"Return":"HelloWorld"}`), nil
	case `return the bytes "HelloWorld!" (JSON text)`:
		return []byte(`"HelloWorld!"`), nil
	case `return a string of 257*1024 letters "a"`:
		return []byte(`"` + strings.Repeat("a", 257*1024) + `"`), nil
	case `raise Exception("Some exception was raised.")`:
		return nil, functionError{"Exception", `{"errorMessage":"Some exception was raised.","errorType":"Exception",` +
			`"requestId":"a-request","stackTrace":["  File \"/var/task/handler.py\", line 2, in handler\n` +
			`    raise Exception(\"Some exception was raised.\")\n"]}`}
	case "sleep 60 s, then return the event":
		return payload, l.clock.Sleep(ctx, time.Minute)
	default:
		panic("no emulation of a function that does: " + does)
	}
}

type functionError struct{ name, cause string }

func (e functionError) Error() string      { return e.cause }
func (e functionError) ErrorType() string  { return e.name }
func (e functionError) ErrorCause() string { return e.cause }

func TestComparesAsStepFunctionsRecorded(t *testing.T) {
	var groups []choiceCase
	readCorpus(t, "choice.json", &groups)
	right, all, masked := 0, 0, 0
	for _, g := range groups {
		for i, c := range g.Cases {
			all++
			if c.Input["Variable"] == "date" && strings.Contains(g.ID, "timestamp") {
				masked++ // the recording does not say which date it was
				continue
			}
			if got := g.run(t, i); matches(c.Output, got) {
				right++
			} else {
				t.Errorf("%s: %v gave %v, recorded %v", g.ID, c.Input, got, c.Output)
			}
		}
	}
	t.Logf("%d of %d recorded comparisons right; %d can't be asked, their dates are masked", right, all, masked)
}

// run gives the output of one comparison, by the machine that has its constant.
func (g choiceCase) run(t *testing.T, i int) any {
	t.Helper()
	input := encode(g.Cases[i].Input)
	value := string(encode(g.Cases[i].Input["Value"]))
	for _, m := range g.StateMachines {
		if !strings.Contains(m.Definition, "Path\": \"$.Value\"") && value != `"date"` &&
			!strings.Contains(m.Definition, "Equals\": "+value+",") && !strings.Contains(m.Definition, "Than\": "+value+",") &&
			!regexp.MustCompile(`"Is\w+": `+regexp.QuoteMeta(value)+",").MatchString(m.Definition) {
			continue
		}
		machine, err := Load("m", []byte(m.Definition))
		if err != nil {
			t.Fatal(err)
		}
		end := runOnce(t, machine, string(input), nil)
		return parsed(end.Output)
	}
	t.Fatalf("%s: no machine compares with %s", g.ID, value)
	return nil
}
