package asl

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
	"time"
)

var testStart = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// functions is an Invoker made of Go functions.
type functions map[string]func(ctx context.Context, payload []byte) ([]byte, error)

func (f functions) Invoke(ctx context.Context, function string, payload []byte) ([]byte, error) {
	return f[function](ctx, payload)
}

// bench is an engine on a virtual clock.
type bench struct {
	*Engine
	t     *testing.T
	clock *VirtualTime
}

func newBench(t *testing.T, c Config) *bench {
	t.Helper()
	clock := NewVirtualTime(testStart)
	c.Clock = clock
	if c.Journal == nil {
		c.Journal = NewMemoryJournal()
	}
	if c.Invoker == nil {
		c.Invoker = functions{}
	}
	if c.Rand == nil {
		c.Rand = rand.NewPCG(1, 2)
	}
	e, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &bench{e, t, clock}
}

func machines(t *testing.T, definitions map[string]string) map[string]*Machine {
	t.Helper()
	out := map[string]*Machine{}
	for name, definition := range definitions {
		m, err := Load(name, []byte(definition))
		if err != nil {
			t.Fatal(err)
		}
		out[name] = m
	}
	return out
}

func (b *bench) start(machine, name, input string) string {
	b.t.Helper()
	arn, err := b.Start(context.Background(), machine, name, []byte(input))
	if err != nil {
		b.t.Fatal(err)
	}
	return arn
}

// end lets time pass until the execution has ended.
func (b *bench) end(arn string) Execution {
	b.t.Helper()
	if !b.clock.Run(func() bool { return describe(b.t, b.Engine, arn).Status != Running }) {
		b.t.Fatalf("%s waits for nothing", arn)
	}
	return describe(b.t, b.Engine, arn)
}

func describe(t *testing.T, e *Engine, arn string) Execution {
	t.Helper()
	x, err := e.Describe(arn)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// runOnce runs one machine to its end.
func runOnce(t *testing.T, m *Machine, input string, f functions) Execution {
	t.Helper()
	b := newBench(t, Config{Machines: map[string]*Machine{m.Name: m}, Invoker: f})
	return b.end(b.start(m.Name, "run", input))
}

// TestMain fails when anything still runs once all engines are closed.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s", stacks[:runtime.Stack(stacks, true)])
			code = 1
			break
		}
	}
	os.Exit(code)
}
