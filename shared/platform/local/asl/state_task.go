package asl

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// dataLimit is the largest input or result of a state on AWS, in bytes.
const dataLimit = 256 * 1024

// work is what a task asks for. It is journalled, so that a task in flight when the process died is asked for again in
// the same words.
type work struct {
	Resource string          `json:"resource"`
	Function string          `json:"function,omitempty"` // a Lambda function's name
	Machine  string          `json:"machine,omitempty"`  // to start
	Name     string          `json:"name,omitempty"`     // of the execution to start
	Payload  json.RawMessage `json:"payload,omitempty"`
}

// integration is a kind of Resource.
type integration struct {
	// parameters it takes, the one it needs first; nil when the input is all it takes.
	parameters []string
	// prepare makes the work out of the effective input.
	prepare func(x *execution, f *frame, input any) (*work, error)
	// do asks for the work in the background, and calls done once.
	do func(ctx context.Context, x *execution, w work, done func(any, *failure))
	// giveUp, where there is one, undoes what was asked for when nobody waits for it any more.
	giveUp func(x *execution, w work)
}

const (
	resourceInvoke    = "arn:aws:states:::lambda:invoke"
	resourceStart     = "arn:aws:states:::states:startExecution"
	resourceStartSync = "arn:aws:states:::states:startExecution.sync" // the child's output comes as text
	resourceStartJSON = "arn:aws:states:::states:startExecution.sync:2"
)

// integrationOf finds the integration behind a Resource; the ARN of a function is one too.
func integrationOf(resource string) (i integration, known bool) {
	switch resource {
	case resourceInvoke:
		return integration{parameters: []string{"FunctionName", "Payload"}, prepare: prepareInvoke, do: doInvoke}, true
	case resourceStart:
		return integration{parameters: startParameters, prepare: prepareStart, do: doStart}, true
	case resourceStartSync, resourceStartJSON:
		return integration{parameters: startParameters, prepare: prepareStart, do: doStartAndWait, giveUp: stopChild}, true
	}
	if strings.HasPrefix(resource, "arn:aws:lambda:") && strings.Contains(resource, ":function:") {
		return integration{prepare: prepareFunction, do: doInvoke}, true
	}
	return integration{}, false
}

func (x *execution) beginTask(f *frame) error {
	s := f.state()
	input, err := s.inputPath.value(x.scope(f, f.Input))
	if err != nil {
		return err
	}
	in := x.scope(f, input)
	if f.Span, f.Silent, err = taskLimit(s.task, in); err != nil {
		return err
	}
	if s.parameters != nil {
		if input, err = s.parameters.value(in); err != nil {
			return err
		}
	}
	i, _ := integrationOf(s.task.resource)
	x.wait(f, running) // the ticket names what the work starts
	if f.Work, err = i.prepare(x, f, input); err != nil {
		x.stop(f)
		return err
	}
	f.Work.Resource = s.task.resource
	return nil
}

// taskLimit is what a task may take, 0 for any time; silent when it then fails for want of a heartbeat. No task here can
// send one, so the heartbeat is a second, shorter timeout.
func taskLimit(t *task, in scope) (limit time.Duration, silent bool, err error) {
	timeout, heartbeat := t.timeout, t.heartbeat
	if t.timeoutPath != nil {
		if timeout, err = secondsAt(t.timeoutPath, in, 1); err != nil {
			return 0, false, err
		}
	}
	if t.heartbeatPath != nil {
		if heartbeat, err = secondsAt(t.heartbeatPath, in, 1); err != nil {
			return 0, false, err
		}
	}
	if heartbeat > 0 && (timeout == 0 || heartbeat < timeout) {
		return heartbeat, true, nil
	}
	return timeout, false, nil
}

// ask lets the work of a task happen. The function it gives tells the work that nobody waits for it any more.
func (x *execution) ask(w work, done func(any, *failure)) (giveUp func()) {
	ctx, cancel := context.WithCancel(x.ctx)
	i, _ := integrationOf(w.Resource)
	var answered atomic.Bool
	i.do(ctx, x, w, func(v any, err *failure) {
		if ctx.Err() == nil { // an answer after that is an answer to being given up
			answered.Store(true)
			done(v, err)
		}
	})
	return func() {
		cancel()
		if i.giveUp != nil && !answered.Load() {
			i.giveUp(x, w)
		}
	}
}

func prepareFunction(_ *execution, f *frame, input any) (*work, error) {
	return &work{Function: functionName(f.state().task.resource), Payload: encode(input)}, nil
}

// prepareInvoke reads FunctionName and Payload. A Payload that is text is sent as it stands, without quotes, as the
// SDK sends it.
func prepareInvoke(_ *execution, _ *frame, input any) (*work, error) {
	parameters := input.(map[string]any)
	name, ok := parameters["FunctionName"].(string)
	if !ok {
		return nil, fmt.Errorf("the parameter FunctionName is not a string: %s", encode(parameters["FunctionName"]))
	}
	w := &work{Function: functionName(name)}
	switch payload := parameters["Payload"].(type) {
	case nil:
		w.Payload = json.RawMessage("{}")
	case string:
		if !json.Valid([]byte(payload)) {
			return nil, fail("Lambda.InvalidRequestContentException", "Could not parse request body into json: %s", payload)
		}
		w.Payload = json.RawMessage(payload)
	default:
		w.Payload = encode(payload)
	}
	return w, nil
}

// functionName is the name in a function's ARN, or the name itself; a version or alias is dropped.
func functionName(arn string) string {
	if _, name, isARN := strings.Cut(arn, ":function:"); isARN {
		arn = name
	}
	name, _, _ := strings.Cut(arn, ":")
	return name
}

type executionKey struct{}

// ExecutionOf gives the ARN of the execution that an [Invoker] is called for; empty in any other context.
func ExecutionOf(ctx context.Context) string {
	arn, _ := ctx.Value(executionKey{}).(string)
	return arn
}

func doInvoke(ctx context.Context, x *execution, w work, done func(any, *failure)) {
	ctx = context.WithValue(ctx, executionKey{}, x.info.ARN)
	x.engine.background(func() {
		answer, err := x.engine.config.Invoker.Invoke(ctx, w.Function, w.Payload)
		if err != nil {
			done(nil, fromFunction(err))
			return
		}
		if len(answer) > dataLimit {
			done(nil, dataLimitExceeded(w.Resource))
			return
		}
		v, err := decode(answer)
		if err != nil {
			done(nil, fail(errRuntime, "%s did not answer in JSON: %v", w.Function, err))
			return
		}
		if w.Resource == resourceInvoke {
			v = map[string]any{"ExecutedVersion": "$LATEST", "Payload": v, "StatusCode": int64(200)}
		}
		done(v, nil)
	})
}
