package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/platform/local"
)

// Millrace is a control plane on a data directory of its own. It can end and be started again; its brokers live on.
type Millrace struct {
	t   testing.TB
	bin string // directory of the programs
	// Data is the data directory.
	Data string

	environment []string // of every program
	flags       []string // of every `millrace up`, beside those for directory and port
	listen      string   // of the next start
	up          *process // the latest `millrace up`
}

// process is a program that runs, or ran.
type process struct {
	cmd   *exec.Cmd
	log   string // file with everything it has printed
	ended chan struct{}
}

// Option changes how a control plane is started.
type Option func(*Millrace)

// Env sets a variable of the environment that the control plane, and so its agents, are started with.
func Env(name, value string) Option {
	return func(m *Millrace) { m.environment = append(m.environment, name+"="+value) }
}

// Data puts the data directory somewhere. Without it, it is a temporary one of the test.
func Data(dir string) Option {
	return func(m *Millrace) { m.Data = dir }
}

// Flags adds flags to `millrace up`.
func Flags(flags ...string) Option {
	return func(m *Millrace) { m.flags = append(m.flags, flags...) }
}

// StartMillrace runs `millrace up` on a free port, until the test is over.
func StartMillrace(t testing.TB, options ...Option) *Millrace {
	t.Helper()
	m := NewMillrace(t, options...)
	m.Up()
	return m
}

// NewMillrace prepares a control plane that is not started yet. Tests without Kafka need it as little as those with it
// are short, so it skips both in short mode.
func NewMillrace(t testing.TB, options ...Option) *Millrace {
	t.Helper()
	if testing.Short() {
		t.Skip("runs whole control planes")
	}
	m := &Millrace{t: t, bin: programs(t), listen: "127.0.0.1:0", environment: withoutAWS(os.Environ())}
	for _, o := range options {
		o(m)
	}
	if m.Data == "" {
		m.Data = filepath.Join(t.TempDir(), "data")
	}
	guardian := m.guard()
	t.Cleanup(func() {
		m.cleanUp()
		if err := guardian.dismiss(); err != nil {
			t.Errorf("dismiss the guardian: %v", err)
		}
	})
	return m
}

// withoutAWS drops what the user set for AWS clients, such as a profile or a session.
func withoutAWS(environ []string) []string {
	var kept []string
	for _, e := range environ {
		if !strings.HasPrefix(e, "AWS_") {
			kept = append(kept, e)
		}
	}
	return kept
}

// Begin runs `millrace up` and returns at once. A start that is not the first gets the port of the one before.
func (m *Millrace) Begin(options ...Option) {
	m.t.Helper()
	once := *m // the options of one start are forgotten after it
	for _, o := range options {
		o(&once)
	}
	if err := os.MkdirAll(filepath.Dir(m.Data), 0o700); err != nil {
		m.t.Fatal(err)
	}
	logFile := filepath.Join(m.t.TempDir(), "up.log")
	log, err := os.Create(logFile)
	if err != nil {
		m.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(m.bin, "millrace"), append([]string{"up", "--data", m.Data, "--listen", m.listen}, once.flags...)...)
	cmd.Env = once.environment
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that Interrupt can do what a terminal does
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.up = &process{cmd: cmd, log: logFile, ended: make(chan struct{})}
	go func(p *process) {
		defer close(p.ended)
		_ = p.cmd.Wait()
	}(m.up)
}

// Up runs `millrace up` until it is ready.
func (m *Millrace) Up(options ...Option) {
	m.t.Helper()
	m.Begin(options...)
	Until(m.t, "millrace up is ready", time.Minute, func() (bool, string) {
		if m.Ended() {
			m.t.Fatalf("millrace up ended (%s):\n%s", m.up.cmd.ProcessState, tail(m.up.log))
		}
		return m.ready(), tail(m.up.log)
	})
}

// ready tells whether the control plane that was started last listens.
func (m *Millrace) ready() bool {
	running, err := local.Layout{Dir: m.Data}.Running()
	if err != nil || running.PID != m.up.cmd.Process.Pid {
		return false
	}
	m.listen = running.Address
	return true
}

// Ended tells whether the process of the control plane is gone.
func (m *Millrace) Ended() bool {
	select {
	case <-m.up.ended:
		return true
	default:
		return false
	}
}

// WaitUntilEnded waits for the end of the control plane's process, and gives what it printed.
func (m *Millrace) WaitUntilEnded(atMost time.Duration) (printed string, state *os.ProcessState) {
	m.t.Helper()
	select {
	case <-m.up.ended:
	case <-time.After(atMost):
		m.t.Fatalf("the control plane does not end within %s:\n%s", atMost, tail(m.up.log))
	}
	content, err := os.ReadFile(m.up.log)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(content), m.up.cmd.ProcessState
}

// ends is how long a process may take to end, on a machine that has much else to do. How fast it is on a quiet one is a
// matter for the figures of `make bench`.
const ends = 30 * time.Second

// Kill ends the control plane as kill -9 does. Its hosts are not touched.
func (m *Millrace) Kill() {
	m.t.Helper()
	if err := m.up.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		m.t.Fatal(err)
	}
	m.WaitUntilEnded(ends)
}

// Interrupt does what Ctrl-C in a terminal does: every process of the foreground group gets SIGINT. It gives what the
// control plane printed in all.
func (m *Millrace) Interrupt() string {
	m.t.Helper()
	if err := syscall.Kill(-m.up.cmd.Process.Pid, syscall.SIGINT); err != nil {
		m.t.Fatal(err)
	}
	printed, state := m.WaitUntilEnded(ends)
	if !state.Success() {
		m.t.Errorf("Ctrl-C made millrace up end with %s", state)
	}
	return printed
}

// Restart kills the control plane and starts it again.
func (m *Millrace) Restart(options ...Option) {
	m.t.Helper()
	m.Kill()
	m.Up(options...)
}

// Down runs `millrace down`: control plane and hosts.
func (m *Millrace) Down() {
	m.t.Helper()
	m.Command("down")
	m.WaitUntilEnded(ends)
}

// Command runs a millrace command on the data directory and gives what it printed; the test fails when it does.
func (m *Millrace) Command(args ...string) string {
	m.t.Helper()
	out, err := m.Try(args...)
	if err != nil {
		m.t.Fatalf("millrace %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// Try runs a millrace command on the data directory. The error holds what it printed to its standard error.
func (m *Millrace) Try(args ...string) (string, error) {
	m.t.Helper()
	return run(m.context(), m.environment, filepath.Join(m.bin, "millrace"), append(args, "--data", m.Data)...)
}

// context ends with the test; a command in a clean-up, when the test's own context is over, gets one that does not.
func (m *Millrace) context() context.Context {
	if ctx := m.t.Context(); ctx.Err() == nil {
		return ctx
	}
	return context.Background()
}

// run runs a program to its end, two minutes at most.
func run(ctx context.Context, environment []string, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = environment
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%w\n%s", err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// cleanUp ends everything and looks whether that is true.
func (m *Millrace) cleanUp() {
	if m.t.Failed() {
		m.tellLogs()
	}
	if m.up == nil {
		return
	}
	if _, err := m.Try("down"); err != nil && !m.nothingRuns() {
		m.t.Errorf("millrace down: %v", err)
	}
	for _, p := range m.Processes() {
		m.t.Errorf("still there after millrace down: %s", p)
		p.kill()
	}
	<-m.up.ended
	if m.t.Failed() {
		m.t.Logf("--- control plane, all of it\n%s", tail(m.up.log))
	}
}

// nothingRuns tells whether there was nothing for `millrace down` to stop.
func (m *Millrace) nothingRuns() bool { return len(m.Processes()) == 0 }
