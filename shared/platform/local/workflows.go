package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/local/asl"
	"github.com/millrace/millrace/shared/serve"
)

// Workflows are the state machines that run in this process.
type Workflows struct {
	Engine *asl.Engine
}

// Start starts an execution of a machine, once for each name: a name that was used is success, as on AWS.
func (w Workflows) Start(ctx context.Context, machine, name string, input any) error {
	body, err := json.Marshal(input)
	if err != nil {
		return fmt.Errorf("start %s: %w", machine, err)
	}
	if _, err := w.Engine.Start(ctx, machine, name, body); err != nil && !errors.Is(err, asl.ErrExecutionAlreadyExists) {
		if errors.Is(err, asl.ErrClosed) || errors.Is(err, asl.ErrNotJournalled) {
			return fault.New(fault.Unavailable, "start %s: %w", machine, err)
		}
		return fmt.Errorf("start %s: %w", machine, err)
	}
	return nil
}

// Execution tells of an execution by its id; known is false when there is no trace of it.
func (w Workflows) Execution(_ context.Context, id string) (e cluster.Execution, known bool, err error) {
	found, err := w.Engine.Describe(id)
	if errors.Is(err, asl.ErrExecutionDoesNotExist) {
		return cluster.Execution{}, false, nil
	}
	if err != nil {
		return cluster.Execution{}, false, err
	}
	e = cluster.Execution{ID: found.ARN, Running: found.Status == asl.Running}
	if found.Status != asl.Running && found.Status != asl.Succeeded {
		e.Failure = &cluster.Failure{Code: found.Error, Message: found.Cause}
	}
	return e, true, nil
}

// ExecutionNamed tells of an execution by its name; known is false when there is none.
func (w Workflows) ExecutionNamed(ctx context.Context, machine, name string) (e cluster.Execution, known bool, err error) {
	return w.Execution(ctx, w.Engine.ARN(machine, name))
}

// Functions are the Lambda functions of a control plane that runs in one process, by their names.
type Functions map[string]interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

// Invoke implements [asl.Invoker].
func (f Functions) Invoke(ctx context.Context, function string, payload []byte) ([]byte, error) {
	called, ok := f[function]
	if !ok {
		return nil, fault.New(fault.Internal, "there is no function %q", function)
	}
	return called.Invoke(ctx, payload)
}

// Call implements [errand.Caller]: what functions say in codes of fault stays so.
func (f Functions) Call(ctx context.Context, function string, payload []byte) ([]byte, error) {
	answer, err := f.Invoke(ctx, function, payload)
	var said *serve.Error
	if errors.As(err, &said) {
		return nil, fault.New(said.Code, "%s", said.Message)
	}
	return answer, err
}
