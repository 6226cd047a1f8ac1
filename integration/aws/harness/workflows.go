package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/integration/aws/iam"
	"github.com/millrace/millrace/integration/lambdaruntime"
	"github.com/millrace/millrace/shared/platform/local/asl"
)

// workflows stand for Step Functions: the engine with the template's machines, and Step Functions' protocol before it.
type workflows struct {
	config asl.Config

	mu     sync.Mutex
	engine *asl.Engine
	traces map[string]string // by ARN of the execution: the header that it was started with
}

// addWorkflows loads every state machine of the template, with its substitutions, and makes sure that its role may call
// what the definition calls.
func (d *Deployment) addWorkflows() error {
	machines := map[string]*asl.Machine{}
	for _, logical := range d.resources.resolver.Template.Names("AWS::StepFunctions::StateMachine") {
		p, err := d.resources.resolver.Properties(logical)
		if err != nil {
			return err
		}
		name := properties(p).text("StateMachineName")
		values := map[string]string{}
		substitutions, _ := p["DefinitionSubstitutions"].(map[string]any)
		role := iam.Principal{Name: name, Policies: d.resources.policies[properties(p).text("RoleArn")]}
		for placeholder, value := range substitutions {
			values[placeholder] = fmt.Sprint(value)
			if err := role.Demand(iam.Check{Action: "lambda:InvokeFunction", Resource: values[placeholder]}); err != nil {
				return err
			}
		}
		definition, err := asl.Substitute([]byte(properties(p).text("DefinitionString")), values)
		if err != nil {
			return fmt.Errorf("state machine %s: %w", name, err)
		}
		if machines[name], err = asl.Load(name, definition); err != nil {
			return fmt.Errorf("state machine %s: %w", name, err)
		}
	}
	d.workflows = &workflows{traces: map[string]string{}, config: asl.Config{
		Machines: machines, Journal: asl.NewMemoryJournal(), Region: d.resources.region, Account: d.resources.account,
		Invoker: invoker(func(ctx context.Context, function string, payload []byte) ([]byte, error) {
			if header := d.workflows.trace(asl.ExecutionOf(ctx)); header != "" {
				ctx = lambdaruntime.WithTrace(ctx, header)
			}
			return d.invoke(ctx, function, payload)
		}),
	}}
	return d.workflows.begin(d.ctx)
}

type invoker func(ctx context.Context, function string, payload []byte) ([]byte, error)

func (f invoker) Invoke(ctx context.Context, function string, payload []byte) ([]byte, error) {
	return f(ctx, function, payload)
}

// begin makes an engine that goes on from where the journal is.
func (w *workflows) begin(ctx context.Context) error {
	engine, err := asl.New(w.config)
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.engine = engine
	w.mu.Unlock()
	return engine.Resume(ctx)
}

// end stops the engine where it is.
func (w *workflows) end() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return w.running().Close(ctx)
}

func (w *workflows) running() *asl.Engine {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.engine
}

func (w *workflows) trace(execution string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.traces[execution]
}

// ServeHTTP speaks the part of Step Functions' protocol that functions use.
func (w *workflows) ServeHTTP(out http.ResponseWriter, h *http.Request) {
	_, action, _ := strings.Cut(h.Header.Get("X-Amz-Target"), ".")
	body, err := io.ReadAll(h.Body)
	if err != nil {
		http.Error(out, err.Error(), http.StatusBadRequest)
		return
	}
	var answer any
	switch action {
	case "StartExecution":
		answer, err = w.startExecution(h.Context(), body)
	case "DescribeExecution":
		answer, err = w.describeExecution(body)
	default:
		err = &stateError{"UnknownOperationException", "there is no " + action}
	}
	out.Header().Set("Content-Type", "application/x-amz-json-1.0")
	var refused *stateError
	switch {
	case errors.As(err, &refused):
		out.WriteHeader(http.StatusBadRequest)
		answer = map[string]string{"__type": refused.code, "message": refused.message}
	case err != nil:
		out.WriteHeader(http.StatusInternalServerError)
		answer = map[string]string{"__type": "InternalFailure", "message": err.Error()}
	}
	_ = json.NewEncoder(out).Encode(answer) // a caller that is gone asks again
}

// stateError is one of Step Functions' own.
type stateError struct{ code, message string }

func (e *stateError) Error() string { return e.code + ": " + e.message }

// startExecution gives a name once: again with the same input while the execution runs, and never again once it has ended.
func (w *workflows) startExecution(ctx context.Context, body []byte) (any, error) {
	var in struct{ StateMachineARN, Name, Input, TraceHeader string }
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, &stateError{"ValidationException", err.Error()}
	}
	machine := in.StateMachineARN[strings.LastIndex(in.StateMachineARN, ":")+1:]
	if in.Input == "" {
		in.Input = "{}"
	}
	engine := w.running()
	if in.Name != "" {
		if old, err := engine.Describe(engine.ARN(machine, in.Name)); err == nil && old.Status != asl.Running {
			return nil, &stateError{"ExecutionAlreadyExists", "Execution Already Exists: '" + old.ARN + "'"}
		}
	}
	if in.TraceHeader != "" {
		w.mu.Lock()
		w.traces[engine.ARN(machine, in.Name)] = in.TraceHeader
		w.mu.Unlock()
	}
	arn, err := engine.Start(ctx, machine, in.Name, []byte(in.Input))
	switch {
	case errors.Is(err, asl.ErrMachineDoesNotExist):
		return nil, &stateError{"StateMachineDoesNotExist", err.Error()}
	case errors.Is(err, asl.ErrExecutionAlreadyExists):
		return nil, &stateError{"ExecutionAlreadyExists", err.Error()}
	case err != nil:
		return nil, err
	}
	started, err := engine.Describe(arn)
	if err != nil {
		return nil, err
	}
	return map[string]any{"executionArn": arn, "startDate": epoch(started.Started)}, nil
}

func (w *workflows) describeExecution(body []byte) (any, error) {
	var in struct{ ExecutionARN string }
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, &stateError{"ValidationException", err.Error()}
	}
	found, err := w.running().Describe(in.ExecutionARN)
	if err != nil {
		return nil, &stateError{"ExecutionDoesNotExist", "Execution Does Not Exist: '" + in.ExecutionARN + "'"}
	}
	answer := map[string]any{
		"executionArn": found.ARN, "stateMachineArn": machineOf(found.ARN), "name": found.Name,
		"status": found.Status, "startDate": epoch(found.Started), "input": string(found.Input),
	}
	if found.Status != asl.Running {
		answer["stopDate"] = epoch(found.Stopped)
	}
	for name, value := range map[string]string{"output": string(found.Output), "error": found.Error, "cause": found.Cause} {
		if value != "" {
			answer[name] = value
		}
	}
	return answer, nil
}

// machineOf is the ARN of an execution's machine.
func machineOf(execution string) string {
	return strings.Replace(execution[:strings.LastIndex(execution, ":")], ":execution:", ":stateMachine:", 1)
}

func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
