package xray_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/millrace/millrace/shared/serve"
	"github.com/millrace/millrace/shared/trace"
	"github.com/millrace/millrace/shared/trace/xray"
)

const (
	root    = "1-68ce9d40-4f2a8c1d6b7e9f0a1b2c3d4e"
	sampled = "Root=" + root + ";Parent=53995c3f42cd8ad8;Sampled=1"
)

// invocation is the context that Lambda's runtime makes of a trace header.
func invocation(ctx context.Context, header string) context.Context {
	return context.WithValue(ctx, "x-amzn-trace-id", header) //nolint:staticcheck // the runtime's own key
}

// segment is as much of what the daemon is sent as these tests read.
type segment struct {
	Name        string         `json:"name"`
	ID          string         `json:"id"`
	TraceID     string         `json:"trace_id"`
	ParentID    string         `json:"parent_id"`
	Type        string         `json:"type"`
	Fault       bool           `json:"fault"`
	Annotations map[string]any `json:"annotations"`
	Subsegments []segment      `json:"subsegments"`
}

// daemon stands in for the X-Ray daemon.
type daemon struct {
	t    *testing.T
	conn net.PacketConn
}

func startDaemon(t *testing.T) daemon {
	t.Helper()
	var config net.ListenConfig
	conn, err := config.ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return daemon{t, conn}
}

// next is the next segment that arrives.
func (d daemon) next() segment {
	d.t.Helper()
	if err := d.conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		d.t.Fatal(err)
	}
	packet := make([]byte, 64<<10)
	n, _, err := d.conn.ReadFrom(packet)
	if err != nil {
		d.t.Fatal(err)
	}
	_, document, _ := bytes.Cut(packet[:n], []byte("\n"))
	var s segment
	if err := json.Unmarshal(document, &s); err != nil {
		d.t.Fatalf("%v in %s", err, document)
	}
	return s
}

// machines stands in for Step Functions, and remembers the trace header of the execution that was started.
func machines(t *testing.T) (config aws.Config, header func() string) {
	t.Helper()
	var started struct {
		TraceHeader string `json:"traceHeader"`
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&started); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		if _, err := w.Write([]byte(`{"executionArn":"arn:aws:states:eu-west-1:123456789012:execution:m:1","startDate":1}`)); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	config = aws.Config{
		Region: "eu-west-1", BaseEndpoint: aws.String(server.URL),
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	}
	return config, func() string { return started.TraceHeader }
}

// start is what a function of the API does with a client of Step Functions.
func start(config aws.Config) serve.Function {
	client := sfn.NewFromConfig(config)
	type none struct{}
	return serve.Handle("API", func(ctx context.Context, _ none) (none, error) {
		trace.Annotate(ctx, "operation", "CreateCluster")
		input := &sfn.StartExecutionInput{
			StateMachineArn: aws.String("arn:aws:states:eu-west-1:123456789012:stateMachine:create-cluster"),
		}
		if header := trace.Header(ctx); header != "" {
			input.TraceHeader = &header
		}
		_, err := client.StartExecution(ctx, input)
		return none{}, err
	})
}

var steps = serve.Steps{
	"LaunchHost": serve.New(func(context.Context, struct{}) (struct{}, error) { return struct{}{}, nil }),
	"RetireHost": serve.New(func(context.Context, struct{}) (struct{}, error) { return struct{}{}, errors.New("no such host") }),
}

func TestTrace_OfAPICallMachineAndStepIsOne(t *testing.T) {
	d := startDaemon(t)
	t.Setenv("AWS_XRAY_DAEMON_ADDRESS", d.conn.LocalAddr().String())
	xray.Enable()
	defer trace.Use(nil)
	config, header := machines(t)
	trace.Instrument(&config)

	if _, err := start(config).Invoke(invocation(t.Context(), sampled), []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	call := d.next()
	if call.Name != "API" || call.TraceID != root || call.ParentID != "53995c3f42cd8ad8" || call.Type != "subsegment" ||
		call.Annotations["operation"] != "CreateCluster" {
		t.Errorf("the API call is traced as %+v", call)
	}
	if len(call.Subsegments) != 1 || call.Subsegments[0].Name != "SFN" {
		t.Errorf("calls of AWS's APIs are traced as %+v", call.Subsegments)
	}
	if want := "Root=" + root + ";Parent=" + call.ID + ";Sampled=1"; header() != want {
		t.Errorf("the execution was started in the trace %q, want %q", header(), want)
	}

	// Step Functions hands its function a header of the same trace.
	ctx := invocation(t.Context(), header())
	payload := `{"step":"LaunchHost","clusterId":"orders-7","operationId":"op-1","nodeId":2}`
	if _, err := steps.Invoke(ctx, []byte(payload)); err != nil {
		t.Fatal(err)
	}
	step := d.next()
	if step.Name != "LaunchHost" || step.TraceID != root || step.ParentID != call.ID || step.Fault {
		t.Errorf("the step is traced as %+v", step)
	}
	for key, want := range map[string]string{"cluster": "orders-7", "operation": "op-1", "node": "2"} {
		if step.Annotations[key] != want {
			t.Errorf("%s is %v, want %s", key, step.Annotations[key], want)
		}
	}

	if _, err := steps.Invoke(ctx, []byte(`{"step":"RetireHost"}`)); err == nil {
		t.Fatal("no error")
	}
	if step := d.next(); step.Name != "RetireHost" || !step.Fault {
		t.Errorf("a step that fails is traced as %+v", step)
	}
}

// What is not sampled is not sent, but the decision is handed on; so the machine of this call isn't traced by itself.
func TestTrace_ThatIsNotSampledIsNotSent(t *testing.T) {
	d := startDaemon(t)
	t.Setenv("AWS_XRAY_DAEMON_ADDRESS", d.conn.LocalAddr().String())
	xray.Enable()
	defer trace.Use(nil)
	config, header := machines(t)
	trace.Instrument(&config)

	const incoming = "Root=1-00000000-000000000000000000000001;Parent=53995c3f42cd8ad8;Sampled=0"
	if _, err := start(config).Invoke(invocation(t.Context(), incoming), []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if header() != incoming {
		t.Errorf("the execution was started in the trace %q, want %q", header(), incoming)
	}
	// Outside any invocation, as in a cold start.
	if _, err := start(config).Invoke(t.Context(), []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	// Whatever had been sent before this would arrive first.
	if _, err := steps.Invoke(invocation(t.Context(), sampled), []byte(`{"step":"LaunchHost"}`)); err != nil {
		t.Fatal(err)
	}
	if s := d.next(); s.TraceID != root || s.Name != "LaunchHost" {
		t.Errorf("%+v was sent", s)
	}
}

// TestTrace_IsSilentWhenItIsOff runs a whole program, because what the library prints it prints to the process's own output.
func TestTrace_IsSilentWhenItIsOff(t *testing.T) {
	const inside = "MILLRACE_TEST_TRACE_OFF"
	if os.Getenv(inside) != "" {
		xray.Enable()
		config, header := machines(t)
		trace.Instrument(&config)
		if len(config.APIOptions) > 0 {
			t.Error("clients are slowed down by tracing that is off")
		}
		for _, ctx := range []context.Context{t.Context(), invocation(t.Context(), sampled)} {
			if _, err := start(config).Invoke(ctx, []byte(`{}`)); err != nil {
				t.Error(err)
			}
			if _, err := steps.Invoke(ctx, []byte(`{"step":"LaunchHost"}`)); err != nil {
				t.Error(err)
			}
		}
		if header() != "" {
			t.Errorf("the execution was started in the trace %q", header())
		}
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTrace_IsSilentWhenItIsOff$")
	cmd.Env = []string{inside + "=yes"}
	output, err := cmd.CombinedOutput()
	if printed := strings.TrimSpace(string(output)); err != nil || printed != "PASS" {
		t.Errorf("%v, printed:\n%s", err, printed)
	}
}
