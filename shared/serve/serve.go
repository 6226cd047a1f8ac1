// Package serve runs plain Go functions as the steps of one Lambda function: it finds the step that a payload names,
// decodes its input, encodes its output, and translates errors once, at this edge.
package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/trace"
)

// Step is one step as it is served. [New] makes one.
type Step struct {
	// Input is the type that payloads are decoded into.
	Input reflect.Type
	run   func(ctx context.Context, payload []byte) (any, error)
}

// New makes a step of a function.
func New[I, O any](run func(context.Context, I) (O, error)) Step {
	return Step{
		Input: reflect.TypeFor[I](),
		run: func(ctx context.Context, payload []byte) (any, error) {
			var in I
			if err := json.Unmarshal(payload, &in); err != nil {
				return nil, fault.New(fault.Invalid, "decode input: %w", err)
			}
			return run(ctx, in)
		},
	}
}

// Steps are the steps of one function, by the name that state machines call them.
type Steps map[string]Step

// Error is a step's error as a state machine sees it: the name is one of fault's codes. Lambda would name an error after
// its outermost Go type otherwise.
type Error struct {
	Code    fault.Code
	Message string
}

func (e *Error) Error() string { return e.Message }

// ErrorType names the error for Catch and Retry.
func (e *Error) ErrorType() string { return string(e.Code) }

// ErrorCause is the error as Lambda reports it to a state machine.
func (e *Error) ErrorCause() string {
	cause, _ := json.Marshal(map[string]string{"errorType": string(e.Code), "errorMessage": e.Message}) // strings always encode
	return string(cause)
}

// Invoke runs the step that the payload names. Every error is an *Error, and is logged here, once.
func (s Steps) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var call struct {
		Step        string `json:"step"`
		ClusterID   string `json:"clusterId"`
		OperationID string `json:"operationId"`
		NodeID      int32  `json:"nodeId"`
	}
	if err := json.Unmarshal(payload, &call); err != nil {
		return nil, &Error{fault.Invalid, fmt.Sprintf("decode payload: %v", err)}
	}
	began := time.Now()
	var output []byte
	err := trace.In(ctx, call.Step, func(ctx context.Context) (err error) {
		trace.Annotate(ctx, "cluster", call.ClusterID)
		trace.Annotate(ctx, "operation", call.OperationID)
		if call.NodeID != 0 {
			trace.Annotate(ctx, "node", strconv.Itoa(int(call.NodeID)))
		}
		output, err = s.run(ctx, call.Step, payload)
		return err
	})
	log := slog.With("step", call.Step, "cluster", call.ClusterID, "ms", time.Since(began).Milliseconds())
	if call.NodeID != 0 {
		log = log.With("node", call.NodeID)
	}
	switch {
	case err == nil:
		log.DebugContext(ctx, "step ended")
		return output, nil
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		log.InfoContext(ctx, "step interrupted")
	default:
		log.ErrorContext(ctx, "step failed", "code", fault.CodeOf(err), "error", err)
	}
	return nil, &Error{fault.CodeOf(err), err.Error()}
}

func (s Steps) run(ctx context.Context, name string, payload []byte) (output []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("step %s panicked: %v\n%s", name, p, debug.Stack())
		}
	}()
	step, ok := s[name]
	if !ok {
		return nil, fault.New(fault.Invalid, "there is no step %q here", name)
	}
	result, err := step.run(ctx, payload)
	if err != nil {
		return nil, err
	}
	return json.Marshal(result)
}
