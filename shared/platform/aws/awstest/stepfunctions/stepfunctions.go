// Package stepfunctions is Step Functions for tests, which moto's is not: its protocol, and behind it the engine that runs
// state machines on one machine.
package stepfunctions

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/millrace/millrace/shared/platform/local/asl"
)

// Server answers StartExecution and DescribeExecution. The engine's machines have the names that they have in their ARNs.
type Server struct {
	Engine *asl.Engine
	// Started, where it is set, is told of each request that started an execution.
	Started func(StartExecution)
}

// StartExecution is a request.
type StartExecution struct {
	StateMachineARN string `json:"stateMachineArn"`
	Name            string `json:"name"`
	Input           string `json:"input"`
	TraceHeader     string `json:"traceHeader"`
}

// refusal is an error by the name that Step Functions gives it.
type refusal struct{ code, message string }

func (r refusal) Error() string { return r.code + ": " + r.message }

func (s Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	answer, err := s.answer(r)
	if err != nil {
		status, refused := http.StatusBadRequest, refusal{}
		if !errors.As(err, &refused) {
			status, refused = http.StatusInternalServerError, refusal{"InternalFailure", err.Error()}
		}
		w.WriteHeader(status)
		answer = map[string]string{"__type": refused.code, "message": refused.message}
	}
	_ = json.NewEncoder(w).Encode(answer) // who does not listen any more misses nothing
}

func (s Server) answer(r *http.Request) (any, error) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch operation {
	case "StartExecution":
		var in StartExecution
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			return nil, err
		}
		return s.start(r, in)
	case "DescribeExecution":
		var in struct {
			ExecutionARN string `json:"executionArn"`
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			return nil, err
		}
		return s.describe(in.ExecutionARN)
	}
	return nil, refusal{"UnknownOperationException", operation}
}

func (s Server) start(r *http.Request, in StartExecution) (any, error) {
	machine := in.StateMachineARN[strings.LastIndex(in.StateMachineARN, ":")+1:]
	if e, err := s.Engine.Describe(s.Engine.ARN(machine, in.Name)); err == nil && e.Status != asl.Running {
		// Its input may be the same: that helps only while an execution runs.
		return nil, refusal{"ExecutionAlreadyExists", "Execution Already Exists: '" + e.ARN + "'"}
	}
	arn, err := s.Engine.Start(r.Context(), machine, in.Name, []byte(in.Input))
	switch {
	case errors.Is(err, asl.ErrMachineDoesNotExist):
		return nil, refusal{"StateMachineDoesNotExist", "State Machine Does Not Exist: '" + in.StateMachineARN + "'"}
	case errors.Is(err, asl.ErrExecutionAlreadyExists):
		return nil, refusal{"ExecutionAlreadyExists", err.Error()}
	case errors.Is(err, asl.ErrClosed), errors.Is(err, asl.ErrNotJournalled):
		return nil, err
	case err != nil:
		return nil, refusal{"ValidationException", err.Error()}
	}
	if s.Started != nil {
		s.Started(in)
	}
	return map[string]any{"executionArn": arn, "startDate": epoch(time.Now())}, nil
}

func (s Server) describe(arn string) (any, error) {
	e, err := s.Engine.Describe(arn)
	if errors.Is(err, asl.ErrExecutionDoesNotExist) {
		return nil, refusal{"ExecutionDoesNotExist", "Execution Does Not Exist: '" + arn + "'"}
	}
	if err != nil {
		return nil, err
	}
	answer := map[string]any{
		"executionArn": e.ARN, "name": e.Name, "status": e.Status, "startDate": epoch(e.Started),
		"stateMachineArn": strings.TrimSuffix(strings.Replace(e.ARN, ":execution:", ":stateMachine:", 1), ":"+e.Name),
		"input":           string(e.Input),
	}
	switch e.Status {
	case asl.Running:
		return answer, nil
	case asl.Succeeded:
		answer["output"] = string(e.Output)
	case asl.Failed, asl.Aborted:
		answer["error"], answer["cause"] = e.Error, e.Cause
	case asl.TimedOut: // Step Functions gives no error then
	}
	answer["stopDate"] = epoch(e.Stopped)
	return answer, nil
}

func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
