package asl

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
)

var executionName = regexp.MustCompile(`^[A-Za-z0-9+!@.()=_'-]{1,80}$`)

// Start starts a machine and gives the execution's ARN once that is journalled. A name that is taken by an execution of
// the same input, running or ended, gives that execution; with another input it is ErrExecutionAlreadyExists. An empty
// name is replaced by a random one. ErrNotJournalled says that nothing was started.
func (e *Engine) Start(ctx context.Context, machine, name string, input []byte) (string, error) {
	m := e.config.Machines[machine]
	if m == nil {
		return "", fmt.Errorf("%w: %s", ErrMachineDoesNotExist, machine)
	}
	value, err := decode(input)
	if err != nil || len(input) > dataLimit {
		return "", fmt.Errorf("the input of %s is not JSON of at most %d bytes: %w", machine, dataLimit, err)
	}
	if name == "" {
		id, _ := uuid(scope{rand: e.rand}, nil)
		name = id.(string)
	}
	if !executionName.MatchString(name) {
		return "", fmt.Errorf("%q can't be the name of an execution", name)
	}
	x := e.newExecution(Execution{
		ARN:     e.ARN(machine, name),
		Machine: machine, Name: name, Status: Running, Input: encode(value), Started: e.config.Clock.Now(),
	})
	e.mu.Lock()
	other := e.executions[x.info.ARN]
	if e.closed.Load() {
		e.mu.Unlock()
		return "", ErrClosed
	}
	if other == nil {
		e.executions[x.info.ARN] = x
	}
	e.mu.Unlock()
	if other != nil {
		return other.again(ctx, x.info.Input)
	}
	if err := x.begins(m, value); err != nil {
		return "", err
	}
	e.background(x.takeTurns)
	return x.info.ARN, nil
}

// again answers a start under a name that is taken.
func (x *execution) again(ctx context.Context, input json.RawMessage) (string, error) {
	select {
	case <-x.saved:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if x.refused != nil {
		return "", x.refused
	}
	if string(x.info.Input) != string(input) {
		return "", fmt.Errorf("%w: %s", ErrExecutionAlreadyExists, x.info.ARN)
	}
	return x.info.ARN, nil
}

// begins journals that an execution exists and is about to enter its first state.
func (x *execution) begins(m *Machine, input any) error {
	defer close(x.saved)
	x.machine, x.input, x.left = m, input, m.timeout
	x.root = &frame{Phase: queued, sequence: m.sequence}
	x.record(Event{Type: "ExecutionStarted", Input: x.info.Input, Definition: m.definition})
	x.enter(x.root, m.startAt, input)
	x.tell(x.events, false)
	if err := x.engine.config.Journal.Save(x.write()); err != nil {
		x.engine.forget(x)
		x.refused = fmt.Errorf("%w: the start of %s: %w", ErrNotJournalled, x.info.ARN, err)
		return x.refused
	}
	x.watch()
	x.happen()
	return nil
}

// forget makes an execution one that never was.
func (e *Engine) forget(x *execution) {
	x.cancel()
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.executions, x.info.ARN)
}
