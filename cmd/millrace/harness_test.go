package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/shared/platform/local"
)

// programs is the directory of the built millrace and broker-agent.
var programs string

func TestMain(m *testing.M) {
	code, err := buildAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func buildAndRun(m *testing.M) (int, error) {
	var err error
	if programs, err = os.MkdirTemp("", "millrace-programs-"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(programs)
	build := exec.Command("go", "build", "-o", programs+"/", ".", "../broker-agent")
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return m.Run(), nil
}

// machine is a user's machine with one data directory, which does not exist yet.
type machine struct {
	t    *testing.T
	data string
}

// newMachine gives a machine on which nothing runs any more when the test is over.
func newMachine(t *testing.T) *machine {
	m := &machine{t, filepath.Join(t.TempDir(), "data")}
	t.Cleanup(func() {
		if r := m.millrace("down"); r.code != 0 {
			t.Errorf("clean up: %s", r)
		}
		if pids := m.processes(); len(pids) > 0 {
			t.Errorf("processes are left behind: %v", pids)
		}
	})
	return m
}

// result is how a run of the program ended.
type result struct {
	stdout, stderr string
	code           int
}

func (r result) String() string {
	return fmt.Sprintf("exit code %d\nstdout: %s\nstderr: %s", r.code, r.stdout, r.stderr)
}

// millrace runs the program to its end.
func (m *machine) millrace(args ...string) result {
	m.t.Helper()
	return m.millraceWith("", args...)
}

// millraceWith runs the program with something to read.
func (m *machine) millraceWith(input string, args ...string) result {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	c := m.command(ctx, args...)
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(input), &stdout, &stderr
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		m.t.Fatalf("millrace %s: %v", strings.Join(args, " "), err)
	}
	return result{stdout.String(), stderr.String(), c.ProcessState.ExitCode()}
}

func (m *machine) command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, filepath.Join(programs, "millrace"), args...)
	c.Env = append(os.Environ(), "MILLRACE_DATA="+m.data, "MILLRACE_ENDPOINT=")
	return c
}

// up starts a control plane in the background, on a free port.
func (m *machine) up() {
	m.t.Helper()
	m.succeeds("up", "--detach", "--listen", "127.0.0.1:0")
}

// succeeds runs the program and gives what it printed.
func (m *machine) succeeds(args ...string) string {
	m.t.Helper()
	r := m.millrace(args...)
	if r.code != 0 {
		m.t.Fatalf("millrace %s: %s", strings.Join(args, " "), r)
	}
	return r.stdout
}

// fails runs the program, which must print nothing but one sentence about why it fails, and gives that sentence.
func (m *machine) fails(code int, args ...string) string {
	m.t.Helper()
	r := m.millrace(args...)
	if r.code != code || r.stdout != "" {
		m.t.Errorf("millrace %s: %s\nwant exit code %d and nothing on stdout", strings.Join(args, " "), r, code)
	}
	if strings.Count(r.stderr, "\n") != 1 || !strings.HasPrefix(r.stderr, "millrace: ") {
		m.t.Errorf("millrace %s says %q, want one sentence", strings.Join(args, " "), r.stderr)
	}
	return r.stderr
}

// status reads what "millrace status" says.
func (m *machine) status() status {
	m.t.Helper()
	var s status
	m.decode(m.succeeds("status", "--output", "json"), &s)
	return s
}

func (m *machine) decode(text string, into any) {
	m.t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		m.t.Fatalf("not the JSON we want: %v\n%s", err, text)
	}
}

// controlPlane finds the control plane that runs.
func (m *machine) controlPlane() controlPlane {
	m.t.Helper()
	c, err := find(local.Layout{Dir: m.data})
	if err != nil {
		m.t.Fatal(err)
	}
	return c
}

// processes are those that have a path in the data directory as an argument.
func (m *machine) processes() []string {
	m.t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		m.t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		commandLine, err := os.ReadFile(file)
		if err == nil && bytes.Contains(commandLine, []byte(m.data)) {
			found = append(found, file+": "+string(bytes.ReplaceAll(commandLine, []byte{0}, []byte{' '})))
		}
	}
	return found
}

// foreground is a control plane in the foreground.
type foreground struct {
	m      *machine
	pid    int
	ended  chan struct{}
	mu     sync.Mutex
	stderr bytes.Buffer
}

func (f *foreground) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stderr.Write(p)
}

func (f *foreground) said() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stderr.String()
}

// upInForeground starts a control plane and waits until it has announced itself.
func (m *machine) upInForeground(args ...string) *foreground {
	m.t.Helper()
	f := &foreground{m: m, ended: make(chan struct{})}
	c := m.command(context.Background(), append([]string{"up", "--listen", "127.0.0.1:0"}, args...)...)
	c.Stderr = f
	if err := c.Start(); err != nil {
		m.t.Fatal(err)
	}
	f.pid = c.Process.Pid
	go func() {
		_ = c.Wait() // what it says is what the tests look at
		close(f.ended)
	}()
	m.t.Cleanup(func() { f.end(unix.SIGKILL) })
	m.waitUntil("the control plane is ready", func() bool {
		running, err := local.Layout{Dir: m.data}.Running()
		return err == nil && running.PID == f.pid
	})
	return f
}

// end sends a signal and waits for the end.
func (f *foreground) end(s unix.Signal) {
	f.m.t.Helper()
	select {
	case <-f.ended:
		return
	default:
	}
	if err := unix.Kill(f.pid, s); err != nil && !errors.Is(err, unix.ESRCH) {
		f.m.t.Error(err)
	}
	select {
	case <-f.ended:
	case <-time.After(patience):
		f.m.t.Errorf("the control plane does not end by signal %v", s)
	}
}

// patience is how long anything may take on a machine that has much else to do: a cluster of real brokers, for instance.
const patience = 5 * time.Minute

// waitUntil asks again and again until the answer is yes, or patience is at its end.
func (m *machine) waitUntil(what string, isTrue func() bool) {
	m.t.Helper()
	for deadline := time.Now().Add(patience); !isTrue(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(local.Layout{Dir: m.data}.LogFile())
			m.t.Fatalf("not within %s: %s\n%s", patience, what, log)
		}
	}
}
