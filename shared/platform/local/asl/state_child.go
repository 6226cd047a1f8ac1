package asl

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

var startParameters = []string{"StateMachineArn", "Input", "Name"}

// prepareStart reads what startExecution needs. An execution without a name gets one that a repeated start after a
// crash gives again, so that it finds the same execution.
func prepareStart(x *execution, f *frame, input any) (*work, error) {
	parameters := input.(map[string]any)
	machine, ok := parameters["StateMachineArn"].(string)
	if !ok {
		return nil, fmt.Errorf("the parameter StateMachineArn is not a string: %s", encode(parameters["StateMachineArn"]))
	}
	w := &work{Machine: machine, Payload: json.RawMessage("{}")}
	if in := parameters["Input"]; in != nil {
		w.Payload = encode(in)
	}
	if w.Name, ok = parameters["Name"].(string); !ok {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s#%d", x.info.ARN, f.Ticket))
		w.Name = hex.EncodeToString(sum[:16])
	}
	return w, nil
}

// childMachine is the name of the machine to start.
func (x *execution) childMachine(w work) string {
	return strings.TrimPrefix(w.Machine, x.engine.machineARN(""))
}

// startChild starts the execution in the background, or finds it again, and hands it on. While the journal can't be
// written, it is tried again.
func (x *execution) startChild(ctx context.Context, w work, then func(Execution, *failure)) {
	var arn string
	var err error
	start := func() error {
		if ctx.Err() != nil {
			return nil // given up before it began: stopChild found nothing to stop
		}
		arn, err = x.engine.Start(ctx, x.childMachine(w), w.Name, w.Payload)
		if errors.Is(err, ErrNotJournalled) {
			return err
		}
		return nil
	}
	answer := func() {
		if ctx.Err() == nil {
			then(x.started(w, arn, err))
		}
	}
	x.engine.background(func() {
		if why := start(); why != nil {
			x.engine.persevere(x.info.ARN, why, start, answer)
			return
		}
		answer()
	})
}

// started is what came of starting a child.
func (x *execution) started(w work, arn string, err error) (Execution, *failure) {
	switch {
	case errors.Is(err, ErrMachineDoesNotExist):
		return Execution{}, fail("StepFunctions.StateMachineDoesNotExistException", "State Machine Does Not Exist: '%s'", w.Machine)
	case errors.Is(err, ErrExecutionAlreadyExists):
		return Execution{}, fail("StepFunctions.ExecutionAlreadyExistsException", "Execution Already Exists: '%s'", w.Name)
	case err != nil:
		return Execution{}, fail("StepFunctions.AWSStepFunctionsException", "%v", err)
	}
	child, err := x.engine.Describe(arn)
	if err != nil {
		return Execution{}, asFailure(err)
	}
	return child, nil
}

func doStart(ctx context.Context, x *execution, w work, done func(any, *failure)) {
	x.startChild(ctx, w, func(child Execution, err *failure) {
		if err != nil {
			done(nil, err)
			return
		}
		done(map[string]any{"ExecutionArn": child.ARN, "StartDate": contextTime(child.Started)}, nil)
	})
}

// doStartAndWait starts a child and waits for its end.
func doStartAndWait(ctx context.Context, x *execution, w work, done func(any, *failure)) {
	x.startChild(ctx, w, func(child Execution, err *failure) {
		if err != nil {
			done(nil, err)
			return
		}
		x.engine.whenEnded(child.ARN, func(end Execution) {
			done(childResult(w, end, x.engine.machineARN(end.Machine)))
		})
	})
}

// stopChild stops a child whose parent's task timed out or was given up with its siblings, as Step Functions does.
func stopChild(x *execution, w work) {
	x.engine.background(func() {
		// It may not have been started, or have ended by now: both are as good.
		_ = x.engine.Stop(x.engine.ARN(x.childMachine(w), w.Name), "", "given up by "+x.info.ARN)
	})
}

// childResult is what a task that waited for an execution gives: its description, or States.TaskFailed with the
// description as the cause.
func childResult(w work, end Execution, machineARN string) (any, *failure) {
	description := map[string]any{
		"ExecutionArn":    end.ARN,
		"StateMachineArn": machineARN,
		"Name":            end.Name,
		"Status":          string(end.Status),
		"StartDate":       end.Started.UnixMilli(),
		"StopDate":        end.Stopped.UnixMilli(),
		"Input":           string(end.Input),
		"InputDetails":    map[string]any{"Included": true},
	}
	if end.Status != Succeeded {
		description["Error"], description["Cause"] = end.Error, end.Cause
		return nil, &failure{Name: errTaskFailed, Cause: string(encode(description))}
	}
	description["OutputDetails"] = map[string]any{"Included": true}
	description["Output"] = string(end.Output)
	if w.Resource == resourceStartJSON {
		input, errIn := decode(end.Input)
		output, errOut := decode(end.Output)
		if err := errors.Join(errIn, errOut); err != nil {
			return nil, asFailure(err)
		}
		description["Input"], description["Output"] = input, output
	}
	return description, nil
}
