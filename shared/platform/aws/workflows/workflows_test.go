package workflows_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/millrace/millrace/shared/fault"
	platform "github.com/millrace/millrace/shared/platform/aws"
	"github.com/millrace/millrace/shared/platform/aws/awstest"
	"github.com/millrace/millrace/shared/platform/aws/awstest/stepfunctions"
	"github.com/millrace/millrace/shared/platform/aws/workflows"
	"github.com/millrace/millrace/shared/platform/local/asl"
	"github.com/millrace/millrace/shared/platform/platformtest"
)

const prefix = "arn:aws:states:eu-west-1:123456789012:stateMachine:blue-"

// serve gives a configuration of a Step Functions that has the machines of the deployment blue.
func serve(t *testing.T, started func(stepfunctions.StartExecution)) (aws.Config, *asl.Engine) {
	t.Helper()
	machines := map[string]*asl.Machine{}
	for name, definition := range platformtest.Machines() {
		machine, err := asl.Load("blue-"+name, []byte(definition))
		if err != nil {
			t.Fatal(err)
		}
		machines["blue-"+name] = machine
	}
	engine, err := asl.New(asl.Config{
		Machines: machines, Journal: asl.NewMemoryJournal(), Invoker: noFunctions{}, Region: "eu-west-1", Account: "123456789012",
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(stepfunctions.Server{Engine: engine, Started: started})
	t.Cleanup(func() {
		server.Close()
		if err := engine.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	loaded, err := platform.Load(t.Context(), config.WithRegion("eu-west-1"), config.WithBaseEndpoint(server.URL),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("test", "test", "")))
	if err != nil {
		t.Fatal(err)
	}
	return loaded, engine
}

type noFunctions struct{}

func (noFunctions) Invoke(context.Context, string, []byte) ([]byte, error) {
	return nil, fault.New(fault.Internal, "there are no functions")
}

func TestWorkflows_Conform(t *testing.T) {
	platformtest.WorkflowsSuite(t, func(t *testing.T) platformtest.Workflows {
		loaded, _ := serve(t, nil)
		return workflows.New(loaded, workflows.Config{Prefix: prefix})
	})
}

func TestStart_PassesTheTraceOn(t *testing.T) {
	var headers []string
	loaded, _ := serve(t, func(in stepfunctions.StartExecution) { headers = append(headers, in.TraceHeader) })
	header := ""
	w := workflows.New(loaded, workflows.Config{Prefix: prefix, TraceHeader: func(context.Context) string { return header }})
	for _, name := range []string{"untraced", "traced"} {
		if err := w.Start(t.Context(), "succeed", name, nil); err != nil {
			t.Fatal(err)
		}
		header = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"
	}
	if len(headers) != 2 || headers[0] != "" || headers[1] != header {
		t.Errorf("headers %q", headers)
	}
}

func TestExecution_ThatWasAbortedSaysSo(t *testing.T) {
	loaded, engine := serve(t, nil)
	w := workflows.New(loaded, workflows.Config{Prefix: prefix})
	if err := w.Start(t.Context(), "wait", "op-1", nil); err != nil {
		t.Fatal(err)
	}
	arn := engine.ARN("blue-wait", "op-1")
	if err := engine.Stop(arn, "", ""); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithTimeout(t.Context(), time.Minute)
	defer end()
	for {
		e, known, err := w.Execution(ctx, arn)
		if err != nil || !known {
			t.Fatalf("%+v, known: %t, %v", e, known, err)
		}
		if !e.Running {
			if e.Failure == nil || e.Failure.Code != "ABORTED" {
				t.Errorf("failure %+v", e.Failure)
			}
			return
		}
	}
}

func TestWorkflows_InTroubleSayWhichAndWhetherToTryAgain(t *testing.T) {
	loaded, _ := serve(t, nil)
	for _, tt := range []struct {
		name   string
		status int
		code   string
		want   fault.Code
	}{
		{"too many executions", http.StatusBadRequest, "ExecutionLimitExceeded", fault.Unavailable},
		{"throttled", http.StatusBadRequest, "ThrottlingException", fault.Unavailable},
		{"a machine that is being deleted", http.StatusBadRequest, "StateMachineDeleting", fault.Unavailable},
		{"broken", http.StatusInternalServerError, "InternalFailure", fault.Unavailable},
		{"an input that is no input", http.StatusBadRequest, "InvalidExecutionInput", fault.Internal},
		{"not allowed", http.StatusBadRequest, "AccessDeniedException", fault.Internal},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // the SDK waits for seconds when it is throttled
			w := workflows.New(awstest.Intercept(loaded, func(string, *http.Request, awstest.Next) (*http.Response, error) {
				return awstest.Refuse(tt.status, tt.code, "said by the test", nil)
			}), workflows.Config{Prefix: prefix})
			startErr := w.Start(t.Context(), "succeed", "op-1", nil)
			_, _, lookErr := w.ExecutionNamed(t.Context(), "succeed", "op-1")
			for what, err := range map[string]error{"StartExecution": startErr, "DescribeExecution": lookErr} {
				if fault.CodeOf(err) != tt.want || !strings.Contains(err.Error(), "succeed") {
					t.Errorf("%s: %v, want %s", what, err, tt.want)
				}
				if tt.name == "not allowed" && !strings.Contains(err.Error(), "states:"+what+" is not allowed") {
					t.Errorf("%v does not name states:%s", err, what)
				}
			}
		})
	}
}

func TestStart_WhoseAnswerIsLostStartsOnce(t *testing.T) {
	loaded, _ := serve(t, nil)
	attempts := 0
	w := workflows.New(awstest.Intercept(loaded, func(_ string, _ *http.Request, next awstest.Next) (*http.Response, error) {
		if attempts++; attempts == 1 {
			return awstest.Lose(next)
		}
		return next()
	}), workflows.Config{Prefix: prefix})
	if err := w.Start(t.Context(), "succeed", "op-1", nil); err != nil {
		t.Fatal(err)
	}
	if attempts != 2 {
		t.Errorf("%d attempts", attempts)
	}
	if _, known, err := w.ExecutionNamed(t.Context(), "succeed", "op-1"); err != nil || !known {
		t.Errorf("known: %t, %v", known, err)
	}
}
