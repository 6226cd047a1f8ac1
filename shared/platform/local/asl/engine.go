package asl

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Invoker invokes Lambda functions by name. An error that has ErrorType() string gives the state machine its name,
// every other is Lambda.Unknown; ErrorCause() string, where there is one, is the whole cause. The context ends when
// nobody waits for the answer any more.
type Invoker interface {
	Invoke(ctx context.Context, function string, payload []byte) ([]byte, error)
}

// Config is what an Engine needs. Journal and Invoker have no default.
type Config struct {
	Machines map[string]*Machine // by name
	Invoker  Invoker
	Journal  Journal
	Clock    Clock       // RealTime by default
	Rand     rand.Source // for jitter, States.MathRandom and States.UUID; seeded by the system by default
	Region   string      // of the ARNs; us-east-1 by default
	Account  string      // of the ARNs; 000000000000 by default
	RoleARN  string      // $$.Execution.RoleArn
	// KeepFor and KeepCount bound the ended executions that are kept: 90 days and 1,000 by default.
	KeepFor   time.Duration
	KeepCount int
	// OnTransition is told of each state entered and exited, right before and right after it is journalled. It may end
	// the process.
	OnTransition func(Transition)
}

// Status is that of an execution.
type Status string

const (
	Running   Status = "RUNNING"
	Succeeded Status = "SUCCEEDED"
	Failed    Status = "FAILED"
	TimedOut  Status = "TIMED_OUT"
	Aborted   Status = "ABORTED"
)

// Execution describes one run of a machine, as it is journalled.
type Execution struct {
	ARN     string          `json:"arn"`
	Machine string          `json:"machine"`
	Name    string          `json:"name"`
	Status  Status          `json:"status"`
	Input   json.RawMessage `json:"input"`
	Output  json.RawMessage `json:"output,omitempty"` // once SUCCEEDED
	Error   string          `json:"error,omitempty"`
	Cause   string          `json:"cause,omitempty"`
	Started time.Time       `json:"started"`
	Stopped time.Time       `json:"stopped,omitzero"`
}

var (
	ErrMachineDoesNotExist    = errors.New("state machine does not exist")
	ErrExecutionDoesNotExist  = errors.New("execution does not exist")
	ErrExecutionAlreadyExists = errors.New("execution already exists with another input")
	ErrClosed                 = errors.New("the engine is closed")
	// ErrNotJournalled comes with the journal's own error.
	ErrNotJournalled = errors.New("the journal can't be written")
)

// Engine runs executions. All its methods may be called at the same time.
type Engine struct {
	config Config
	rand   *rand.Rand
	ctx    context.Context
	cancel func()
	work   sync.WaitGroup // everything in the background

	closed     atomic.Bool                  // written under mu
	mu         sync.Mutex                   // taken before an execution's, never after
	executions map[string]*execution        // by ARN
	ended      []string                     // ARNs, oldest end first
	waiters    map[string][]func(Execution) // by ARN
}

// New reads the journal. Executions that were running wait for Resume.
func New(c Config) (*Engine, error) {
	if c.Journal == nil || c.Invoker == nil {
		return nil, errors.New("asl: a journal and an invoker are needed")
	}
	if c.Clock == nil {
		c.Clock = RealTime{}
	}
	c.Region, c.Account = orElse(c.Region, "us-east-1"), orElse(c.Account, "000000000000")
	c.RoleARN = orElse(c.RoleARN, "arn:aws:iam::"+c.Account+":role/state-machines")
	if c.KeepFor == 0 {
		c.KeepFor = 90 * 24 * time.Hour
	}
	if c.KeepCount == 0 {
		c.KeepCount = 1000
	}
	if c.Rand == nil {
		var seed [8]byte
		_, _ = crand.Read(seed[:]) // it never fails
		c.Rand = rand.NewPCG(binary.BigEndian.Uint64(seed[:]), 0)
	}
	e := &Engine{
		config:     c,
		rand:       rand.New(&lockedSource{source: c.Rand}), //nolint:gosec // not for secrets
		executions: map[string]*execution{},
		waiters:    map[string][]func(Execution){},
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	if err := c.Journal.Load(e.load); err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	slices.SortFunc(e.ended, func(a, b string) int {
		return e.executions[a].info.Stopped.Compare(e.executions[b].info.Stopped)
	})
	return e, nil
}

func (e *Engine) newExecution(info Execution) *execution {
	x := &execution{engine: e, info: info, published: info, saved: make(chan struct{}), busy: true}
	x.ctx, x.cancel = context.WithCancel(e.ctx)
	return x
}

func (e *Engine) machineARN(machine string) string {
	return fmt.Sprintf("arn:aws:states:%s:%s:stateMachine:%s", e.config.Region, e.config.Account, machine)
}

// ARN is that of a machine's execution under a name, whether there is one or not.
func (e *Engine) ARN(machine, name string) string {
	return fmt.Sprintf("arn:aws:states:%s:%s:execution:%s:%s", e.config.Region, e.config.Account, machine, name)
}

// Stop ends a running execution as ABORTED. One that has ended stays as it is.
func (e *Engine) Stop(arn, errorName, cause string) error {
	x, err := e.find(arn)
	if err != nil {
		return err
	}
	x.post(message{kind: stopped, err: &failure{Name: errorName, Cause: cause}})
	return nil
}

// background runs f, unless the engine is closed. Close waits for it.
func (e *Engine) background(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed.Load() {
		return
	}
	e.work.Add(1)
	e.config.Clock.Go(func() {
		defer e.work.Done()
		f()
	})
}

// Close stops everything without ending any execution: they go on at the next start. Invocations in flight have their
// context ended, and are waited for until ctx is.
func (e *Engine) Close(ctx context.Context) error {
	e.mu.Lock()
	e.closed.Store(true)
	e.mu.Unlock()
	e.cancel()
	idle := make(chan struct{})
	go func() {
		e.work.Wait()
		close(idle)
	}()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close the engine: %w", ctx.Err())
	}
}

// lockedSource lets several executions draw from one source.
type lockedSource struct {
	mu     sync.Mutex
	source rand.Source
}

func (s *lockedSource) Uint64() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.source.Uint64()
}
