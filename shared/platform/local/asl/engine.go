package asl

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
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
	hooks      []func(Execution)            // OnEnd
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

// load takes one execution out of the journal.
func (e *Engine) load(arn string, text []byte) error {
	var p position
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	if err := d.Decode(&p); err != nil {
		return fmt.Errorf("%s: %w", arn, err)
	}
	x := e.newExecution(p.Execution)
	close(x.saved)
	x.root, x.tickets, x.recorded, x.announced = p.Root, p.Tickets, p.Events, p.Announced
	e.executions[arn] = x
	if x.ended() {
		e.ended = append(e.ended, arn)
	}
	return nil
}

func (e *Engine) newExecution(info Execution) *execution {
	x := &execution{engine: e, info: info, published: info, saved: make(chan struct{}), busy: true}
	x.ctx, x.cancel = context.WithCancel(e.ctx)
	return x
}

func (e *Engine) machineARN(machine string) string {
	return fmt.Sprintf("arn:aws:states:%s:%s:stateMachine:%s", e.config.Region, e.config.Account, machine)
}

// ARN is that of the execution of a machine under a name, whether there is one or not.
func (e *Engine) ARN(machine, name string) string { return e.executionARN(machine, name) }

func (e *Engine) executionARN(machine, name string) string {
	return fmt.Sprintf("arn:aws:states:%s:%s:execution:%s:%s", e.config.Region, e.config.Account, machine, name)
}

var executionName = regexp.MustCompile(`^[A-Za-z0-9+!@.()=_'-]{1,80}$`)

// Start starts a machine and gives the execution's ARN once that is journalled. A name that is taken by an execution of
// the same input, running or ended, gives that execution; with another input it is ErrExecutionAlreadyExists. An empty
// name is replaced by a random one.
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
		ARN:     e.executionARN(machine, name),
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
	if string(x.info.Input) != string(input) {
		return "", fmt.Errorf("%w: %s", ErrExecutionAlreadyExists, x.info.ARN)
	}
	return x.info.ARN, nil
}

// begins journals that an execution exists and is about to enter its first state.
func (x *execution) begins(m *Machine, input any) error {
	defer close(x.saved)
	x.machine, x.input = m, input
	x.root = &frame{Phase: queued, sequence: m.sequence}
	x.record(Event{Type: "ExecutionStarted", Input: x.info.Input, Definition: m.definition})
	x.enter(x.root, m.startAt, input)
	events, armed := x.events, x.armed
	x.events, x.armed = nil, nil
	x.tell(events, false)
	if err := x.save(events); err != nil {
		x.halt()
		x.engine.forget(x.info.ARN)
		return fmt.Errorf("journal the start of %s: %w", x.info.ARN, err)
	}
	x.tell(events, true)
	x.watch()
	for _, f := range armed {
		x.arm(f)
	}
	return nil
}

func (e *Engine) forget(arn string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.executions, arn)
}

// Describe gives an execution as it is journalled, or ErrExecutionDoesNotExist.
func (e *Engine) Describe(arn string) (Execution, error) {
	x, err := e.find(arn)
	if err != nil {
		return Execution{}, err
	}
	return x.description(), nil
}

func (x *execution) description() Execution {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.published
}

func (e *Engine) find(arn string) (*execution, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if x := e.executions[arn]; x != nil {
		return x, nil
	}
	return nil, fmt.Errorf("%w: %s", ErrExecutionDoesNotExist, arn)
}

// List gives all executions that are kept, the latest first.
func (e *Engine) List() []Execution {
	var out []Execution
	for _, x := range e.all() {
		out = append(out, x.description())
	}
	slices.SortFunc(out, func(a, b Execution) int {
		if c := b.Started.Compare(a.Started); c != 0 {
			return c
		}
		return strings.Compare(a.ARN, b.ARN)
	})
	return out
}

func (e *Engine) all() []*execution {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]*execution, 0, len(e.executions))
	for _, x := range e.executions {
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b *execution) int { return strings.Compare(a.info.ARN, b.info.ARN) })
	return out
}

// History gives what happened in an execution so far, as it is journalled.
func (e *Engine) History(arn string) ([]Event, error) {
	texts, err := e.config.Journal.Events(arn)
	if err != nil {
		return nil, fmt.Errorf("read the history of %s: %w", arn, err)
	}
	events := make([]Event, len(texts))
	for i, text := range texts {
		if err := json.Unmarshal(text, &events[i]); err != nil {
			return nil, fmt.Errorf("read the history of %s: %w", arn, err)
		}
	}
	return events, nil
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

// OnEnd asks to be told of every end of an execution, at least once, even if the process dies in between: hooks are to
// be registered before Resume. They run in the background, one execution's after another.
func (e *Engine) OnEnd(hook func(Execution)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hooks = append(e.hooks, hook)
}

// Resume lets every execution that was running go on from its journalled position. A task that was in flight is invoked
// again. Ends that nobody was told of are told now.
func (e *Engine) Resume(ctx context.Context) error {
	for _, x := range e.all() {
		if err := ctx.Err(); err != nil {
			return err
		}
		switch {
		case x.machine != nil: // started since
		case !x.ended():
			if err := e.revive(x); err != nil {
				return fmt.Errorf("resume %s: %w", x.info.ARN, err)
			}
			e.background(x.resume)
		case !x.announced:
			e.background(func() { e.announce(x) })
		}
	}
	return nil
}

// revive loads the definition that the execution began with, and finds every frame's place in it.
func (e *Engine) revive(x *execution) error {
	events, err := e.History(x.info.ARN)
	if err != nil {
		return err
	}
	if len(events) == 0 {
		return errors.New("its history is empty")
	}
	if x.machine, err = Load(x.info.Machine, events[0].Definition); err != nil {
		return err
	}
	if x.input, err = decode(x.info.Input); err != nil {
		return err
	}
	x.root.restore(nil, x.machine.sequence)
	return nil
}

// finished tells the end of an execution to those who wait for it.
func (e *Engine) finished(x *execution) {
	e.mu.Lock()
	e.ended = append(e.ended, x.info.ARN)
	waiters := e.waiters[x.info.ARN]
	delete(e.waiters, x.info.ARN)
	e.mu.Unlock()
	x.cancel()
	for _, w := range waiters {
		w(x.info)
	}
	e.background(func() { e.announce(x) })
}

// announce runs the hooks, journals that it did, and forgets executions that ended long ago.
func (e *Engine) announce(x *execution) {
	e.mu.Lock()
	hooks := slices.Clone(e.hooks)
	e.mu.Unlock()
	for _, hook := range hooks {
		hook(x.info)
	}
	var err error
	if x.announced = len(hooks) > 0; x.announced {
		err = x.save(nil)
	}
	err = errors.Join(err, e.prune())
	if err != nil {
		slog.Error("journal the end of an execution", "execution", x.info.ARN, "error", err)
	}
}

// prune deletes the oldest ended executions beyond what is kept.
func (e *Engine) prune() error {
	oldest := e.config.Clock.Now().Add(-e.config.KeepFor)
	e.mu.Lock()
	n := max(0, len(e.ended)-e.config.KeepCount)
	for n < len(e.ended) && e.executions[e.ended[n]].info.Stopped.Before(oldest) {
		n++
	}
	drop := slices.Clone(e.ended[:n])
	e.ended = e.ended[n:]
	for _, arn := range drop {
		delete(e.executions, arn)
	}
	e.mu.Unlock()
	if n == 0 {
		return nil
	}
	return e.config.Journal.Delete(drop...)
}

// whenEnded calls f with the execution's end, at once when it has ended.
func (e *Engine) whenEnded(arn string, f func(Execution)) {
	e.mu.Lock()
	x := e.executions[arn]
	if d := x.description(); d.Status != Running {
		e.mu.Unlock()
		f(d)
		return
	}
	e.waiters[arn] = append(e.waiters[arn], f)
	e.mu.Unlock()
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
