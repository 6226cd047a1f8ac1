package lambdaruntime_test

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/integration/account"
	"github.com/millrace/millrace/integration/lambdaruntime"
	"github.com/millrace/millrace/shared/platform/aws/awstest"
)

// The tests of this file run every function as it is built for Lambda, with moto for AWS.

const top = "../.." // of the module

// function is a function with something small to ask it.
type function struct {
	name string
	// event is a file of events/samples, or else payload is what is asked.
	event, payload string
	// answer is a part of what it says to that.
	answer string
	// refused is asked for in vain: the error has the code and the words.
	refused, code, words string
}

var functions = []function{
	{
		name: "api", event: "api_request_iam", answer: `\"clusterInfoList\":[]`,
		refused: `{"path":7}`, code: "Invalid", words: "decode input",
	},
	{
		name: "brokerreplacement", payload: `{"step":"StayConnected"}`, answer: `{}`,
		refused: `{"step":"JudgeReplacement","clusterId":"c-1","operationId":"op-1","nodeId":1}`, code: "NotFound", words: "c-1",
	},
	{
		name: "healthsweep", payload: `{"step":"SweepHealth"}`, answer: `"started":[]`,
		refused: `{"step":"SweepHealth","startedAt":"yesterday"}`, code: "Invalid", words: "yesterday",
	},
	{
		name: "hostevents", event: "heartbeat_news", answer: `"batchItemFailures":`,
		refused: `{"Records":7}`, code: "Invalid", words: "decode input",
	},
	{
		name: "operations", event: "execution_ended", answer: `{"started":0,"ended":0}`,
		refused: `{"step":"BeginOperation","clusterId":"c-1","operationId":"op-1"}`, code: "NotFound", words: "op-1",
	},
	{
		name: "provisioning", payload: `{"step":"SealVolumes","clusterId":"c-1","operationId":"op-1"}`, answer: `{}`,
		refused: `{"step":"PlanTeardown","clusterId":"c-1","operationId":"op-1"}`, code: "NotFound", words: "c-1",
	},
	{
		name: "storageautoscaling", payload: `{"step":"ScaleStorage"}`, answer: `"started":[]`,
		refused: `{"step":"ScaleStorage","cluster":7}`, code: "Invalid", words: "cluster",
	},
	{
		name: "topicadmin", payload: `{"step":"ListTopics","clusterId":"c-1"}`, answer: `"no":{"code":"NotFound"`, // which is an answer
		refused: `{"step":"ListTopics","clusterId":7}`, code: "Invalid", words: "clusterId",
	},
}

// asked is the payload that a function answers.
func (f function) asked(t *testing.T) []byte {
	t.Helper()
	if f.event == "" {
		return []byte(f.payload)
	}
	text, err := os.ReadFile(filepath.Join(top, "events", "samples", f.event+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func build(t *testing.T, name string) string {
	t.Helper()
	program, err := lambdaruntime.Build(t.Context(), top, t.TempDir(), name, lambdaruntime.Host)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

func TestFunctions_AreAllUnderTest(t *testing.T) {
	all, err := lambdaruntime.Functions(top)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range functions {
		names = append(names, f.name)
	}
	if !slices.Equal(names, all) {
		t.Errorf("under test are %v, of %v", names, all)
	}
}

func TestFunctions_StartAndAnswer(t *testing.T) {
	on, err := account.Prepare(t.Context(), awstest.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range functions {
		t.Run(tt.name, func(t *testing.T) {
			program := build(t, tt.name)
			f := lambdaruntime.Start(t, lambdaruntime.Config{Binary: program, Environment: on.Environment()})
			answer, err := f.Invoke(t.Context(), tt.asked(t))
			if err != nil || !strings.Contains(string(answer), tt.answer) {
				t.Errorf("answered %s, %v", answer, err)
			}
			wantError(t, f, tt.refused, tt.code, tt.words)
			if f.Processes() != 1 {
				t.Errorf("%d processes", f.Processes())
			}
			f.Stop() // what it has printed may come after its answers
			for _, secret := range []string{on.Credentials.SecretAccessKey, "AWS4-HMAC-SHA256"} {
				if strings.Contains(f.Logs(), secret) {
					t.Errorf("a secret is in the log: %s", f.Logs())
				}
			}
			wantEveryVariableNeeded(t, program, on.Environment(), tt.asked(t))
		})
	}
}

// wantEveryVariableNeeded checks that a function without one of its variables does not start, and names it to whoever asks.
func wantEveryVariableNeeded(t *testing.T, program string, environment []string, payload []byte) {
	t.Helper()
	needed := 0
	for i, variable := range environment {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, "MILLRACE_") {
			continue
		}
		f := lambdaruntime.New(lambdaruntime.Config{Binary: program, Environment: slices.Delete(slices.Clone(environment), i, i+1)})
		_, err := f.Invoke(t.Context(), payload)
		f.Stop()
		if err == nil {
			continue // it needs another's
		}
		needed++
		if want := "Invalid: environment: " + name + " is not set"; err.Error() != want {
			t.Errorf("without %s: %v, want %s", name, err, want)
		}
		if !strings.Contains(f.Logs(), name+" is not set") {
			t.Errorf("without %s it logs %s", name, f.Logs())
		}
	}
	if needed == 0 {
		t.Error("it needs no variable at all")
	}
}

// A function that is traced tells X-Ray's daemon, in the trace that its invocation belongs to.
func TestFunctions_AreTraced(t *testing.T) {
	on, err := account.Prepare(t.Context(), awstest.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	var config net.ListenConfig
	daemon, err := config.ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.Close()
	f := lambdaruntime.Start(t, lambdaruntime.Config{
		Binary:      build(t, "operations"),
		Environment: append(on.Environment(), "AWS_XRAY_DAEMON_ADDRESS="+daemon.LocalAddr().String()),
	})
	const root = "1-68ce9d40-4f2a8c1d6b7e9f0a1b2c3d4e"
	ctx := lambdaruntime.WithTrace(t.Context(), "Root="+root+";Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:1")
	if _, err := f.Invoke(ctx, []byte(`{"step":"SweepOperations"}`)); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	packet := make([]byte, 64<<10)
	for !names["SweepOperations"] { // which ends last
		if err := daemon.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, _, err := daemon.ReadFrom(packet)
		if err != nil {
			t.Fatal(err)
		}
		var sent struct {
			subsegment
			TraceID string `json:"trace_id"`
		}
		_, document, _ := bytes.Cut(packet[:n], []byte("\n"))
		if err := json.Unmarshal(document, &sent); err != nil || sent.TraceID != root {
			t.Errorf("%s, %v", document, err)
		}
		sent.name(names)
	}
	if !names["DynamoDB"] {
		t.Errorf("traced are %v", names)
	}
}

// subsegment is a part of a trace, with its own parts.
type subsegment struct {
	Name  string       `json:"name"`
	Parts []subsegment `json:"subsegments"`
}

func (s subsegment) name(names map[string]bool) {
	names[s.Name] = true
	for _, part := range s.Parts {
		part.name(names)
	}
}

// A library that looks up methods by a name that the linker can't see makes it keep every method of every client of AWS: some
// 30 MB more. How large functions are to the byte is a matter for the figures of `make bench`.
func TestFunctions_CarryNoMoreOfAWSsClientsThanTheyCall(t *testing.T) {
	const most = 25 << 20
	for _, f := range functions {
		program, err := os.Stat(build(t, f.name))
		if err != nil {
			t.Fatal(err)
		}
		if program.Size() > most {
			t.Errorf("functions/%s has %d MB, more than %d", f.name, program.Size()>>20, most>>20)
		}
	}
}
