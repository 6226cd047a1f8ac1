// Package lambdaruntime runs the built programs of Lambda functions as Lambda does: it serves Lambda's runtime API to them,
// one invocation at a time to each process, and starts more processes while all are busy.
//
// It freezes no processes between invocations, and keeps every process until the function is stopped.
package lambdaruntime

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// Config says what a function is.
type Config struct {
	// Binary is the path of the program.
	Binary string
	// Environment is what the function's configuration sets, as KEY=value, with credentials. Lambda's own variables come by
	// themselves; nothing of this process's environment does.
	Environment []string
	// Name is the function's name; "function" when it is empty.
	Name string
	// Timeout is how long an invocation may take; a minute when it is zero.
	Timeout time.Duration
	// Output gets what the processes print, as they print it. It may be nil; Logs has it all.
	Output io.Writer
}

// Function is a function that can be invoked. It is safe for concurrent use.
type Function struct {
	config Config
	output output

	mu       sync.Mutex
	idle     []*process
	all      []*process
	stopped  bool
	stopping chan struct{}
}

// New makes a function. Its first process starts with the first invocation, as on Lambda; Stop ends them all.
func New(c Config) *Function {
	if c.Name == "" {
		c.Name = "function"
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	return &Function{config: c, output: output{also: c.Output}, stopping: make(chan struct{})}
}

// A T is what of a testing.T is needed to run a function in a test.
type T interface {
	Helper()
	Cleanup(f func())
	Failed() bool
	Logf(format string, args ...any)
}

// Start makes a function that ends with a test. A test that fails shows what the function has printed.
func Start(t T, c Config) *Function {
	t.Helper()
	f := New(c)
	t.Cleanup(func() {
		f.Stop()
		if t.Failed() {
			t.Logf("%s printed:\n%s", f.config.Name, f.Logs())
		}
	})
	return f
}

// Error is what an invocation failed with, as Lambda reports it. Its name is what the function called the error, or one of
// Lambda's own, such as Sandbox.Timedout.
type Error struct {
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
}

func (e *Error) Error() string { return e.Type + ": " + e.Message }

// ErrorType names the error for Catch and Retry of a state machine.
func (e *Error) ErrorType() string { return e.Type }

// ErrorCause is the error as a state machine is told it.
func (e *Error) ErrorCause() string {
	cause, _ := json.Marshal(e) // strings always encode
	return string(cause)
}

// ErrStopped is what invocations end with when the function is stopped.
var ErrStopped = errors.New("the function has been stopped")

type traceKey struct{}

// WithTrace makes the invocations of a context part of a trace. The header is one of X-Ray's, X-Amzn-Trace-Id.
func WithTrace(ctx context.Context, header string) context.Context {
	return context.WithValue(ctx, traceKey{}, header)
}

// Invoke has the function answer a payload. An error is an *Error, the context's, or ErrStopped.
//
// An invocation whose context ends goes on, as on Lambda when a caller goes away.
func (f *Function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	p, err := f.take()
	if err != nil {
		return nil, err
	}
	header, _ := ctx.Value(traceKey{}).(string)
	call := &invocation{
		id: newID(), payload: payload, trace: header, deadline: time.Now().Add(f.config.Timeout),
		ended: make(chan struct{}),
	}
	go f.attend(p, call)
	select {
	case <-call.ended:
		return call.answer, call.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// attend sees an invocation through: the process has its time, and is used again when it asks for more.
func (f *Function) attend(p *process, call *invocation) {
	timeout := time.NewTimer(time.Until(call.deadline))
	defer timeout.Stop()
	defer close(call.ended)
	p.calls <- call
	select {
	case <-p.ready: // it has answered, and asks for the next one
		f.release(p)
	case <-p.exited:
		p.conclude(call, p.whyItEnded(call))
		f.forget(p)
	case <-timeout.C:
		p.end()
		p.conclude(call, &Error{"Sandbox.Timedout", fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds",
			call.id, f.config.Timeout.Seconds())})
		f.forget(p)
	case <-f.stopping:
		p.end()
		p.conclude(call, ErrStopped)
	}
}

// take gives a process that is idle, or a new one.
func (f *Function) take() (*process, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopped {
		return nil, ErrStopped
	}
	for last := len(f.idle) - 1; last >= 0; last-- {
		p := f.idle[last]
		f.idle = f.idle[:last]
		if !p.hasEnded() { // one that was killed while it was idle is missed by nobody
			return p, nil
		}
		f.all = slices.DeleteFunc(f.all, func(one *process) bool { return one == p })
	}
	p, err := f.newProcess()
	if err != nil {
		return nil, &Error{"Runtime.InvalidEntrypoint", fmt.Sprintf("start %s: %v", f.config.Binary, err)}
	}
	f.all = append(f.all, p)
	return p, nil
}

func (f *Function) release(p *process) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = append(f.idle, p)
}

// forget gives a process up that has ended.
func (f *Function) forget(p *process) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, one := range f.all {
		if one == p {
			f.all = append(f.all[:i], f.all[i+1:]...)
			return
		}
	}
}

// Processes counts those that run.
func (f *Function) Processes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	running := 0
	for _, p := range f.all {
		if !p.hasEnded() {
			running++
		}
	}
	return running
}

// Logs is what all processes have printed so far.
func (f *Function) Logs() string { return f.output.String() }

// Stop ends all processes, at once, and with them what they are at. It may be called again.
func (f *Function) Stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopped {
		return
	}
	f.stopped = true
	close(f.stopping)
	for _, p := range f.all {
		p.end()
	}
}

// output collects lines of several processes.
type output struct {
	also io.Writer
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.also != nil {
		if _, err := o.also.Write(b); err != nil {
			return 0, err
		}
	}
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func newID() string {
	return strings.ToLower(rand.Text())
}
