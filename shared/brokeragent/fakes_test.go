package brokeragent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
)

// rig is an agent in a bubble of virtual time, on a real directory, with a fake machine and a fake control plane.
type rig struct {
	t       *testing.T
	dir     string
	volume  string
	mailbox *fakeMailbox
	machine *fakeMachine
	log     *bytes.Buffer
	write   func(dir string) error // to the disk; nil for the real thing
	limit   VolumeLimit            // nil where the file system has the size
	parts   VolumeParts            // nil where nobody says them
	finder  VolumeFinder           // nil for the volume's directory
	stop    func()
	// killAgent ends the agent as SIGKILL does: Kafka lives on, with the volume's lock.
	killAgent func()
}

func newRig(t *testing.T) *rig {
	return &rig{
		t: t, dir: t.TempDir(), volume: t.TempDir(),
		mailbox: &fakeMailbox{changed: make(chan struct{})},
		machine: &fakeMachine{startUp: 2 * time.Second, shutDown: time.Second},
		log:     &bytes.Buffer{},
	}
}

// startAgent runs an agent until the returned function, which is also run at the end of the test, tells it to end.
func (r *rig) startAgent() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	agent := Agent{
		HostID: "i-1", Dir: r.dir, Mailbox: r.mailbox, Volume: r.finder, Software: r.machine,
		HeartbeatInterval: 15 * time.Second,

		Log:       slog.New(slog.NewTextHandler(r.log, nil)),
		processes: r.machine,
		newProbe:  func(nodespec.Spec, keyPair) (probe, error) { return r.machine, nil },
		write:     r.write,
		Limit:     r.limit,
		Parts:     r.parts,
	}
	if agent.Volume == nil {
		agent.Volume = VolumeAt(r.volume)
	}
	go func() {
		defer close(ended)
		if err := agent.Run(ctx); err != nil {
			r.t.Error(err)
		}
	}()
	r.stop = func() { cancel(); <-ended }
	r.killAgent = func() {
		let := r.machine.silence()
		cancel()
		let()
		<-ended
	}
}

// bubble runs a test in virtual time, with an agent at its start and none at its end.
func bubble(t *testing.T, test func(*rig)) {
	var r *rig
	synctest.Test(t, func(t *testing.T) {
		r = newRig(t)
		r.startAgent()
		defer func() { r.stop() }()
		synctest.Wait()
		test(r)
	})
	if t.Failed() {
		t.Log(r.log.String())
	}
}

// after lets virtual time pass, and everything that is due by then happen.
func (r *rig) after(d time.Duration) *rig {
	time.Sleep(d)
	synctest.Wait()
	return r
}

func (r *rig) wantState(want nodespec.State, reason string) nodespec.Heartbeat {
	r.t.Helper()
	beat := r.mailbox.last()
	if beat.State != want || beat.Reason != reason {
		r.t.Errorf("state %s (%q), want %s (%q)", beat.State, beat.Reason, want, reason)
	}
	return beat
}

func (r *rig) wantStarts(want int) {
	r.t.Helper()
	if got := r.machine.startCount(); got != want {
		r.t.Errorf("Kafka was started %d times, want %d", got, want)
	}
}

func spec(generation int64) nodespec.Spec {
	return nodespec.Spec{
		Generation: generation, Cluster: "orders", ClusterID: "AAAAAAAAAAAAAAAAAAAAAA", NodeID: 1, Role: nodespec.Broker,
		Release: "4.1.2",
		Volume:  nodespec.Volume{New: true, DirectoryID: "BBBBBBBBBBBBBBBBBBBBBA"},
		Properties: map[string]string{
			"node.id": "1", "process.roles": "broker", "log.dirs": nodespec.VolumePath, "listeners": "CLIENT://127.0.0.1:9092",
		},
	}
}

// fakeMailbox holds one spec and every heartbeat. While away it answers nothing.
type fakeMailbox struct {
	mu      sync.Mutex
	spec    nodespec.Spec
	failing error
	beats   []nodespec.Heartbeat
	changed chan struct{}
}

func (m *fakeMailbox) Spec(ctx context.Context, above int64) (nodespec.Spec, bool, error) {
	timeout := time.After(20 * time.Second)
	for {
		m.mu.Lock()
		spec, failing, changed := m.spec, m.failing, m.changed
		m.mu.Unlock()
		switch {
		case failing != nil:
			return nodespec.Spec{}, false, failing
		case spec.Generation > above:
			return spec, true, nil
		}
		select {
		case <-changed:
		case <-timeout:
			return nodespec.Spec{}, false, nil
		case <-ctx.Done():
			return nodespec.Spec{}, false, ctx.Err()
		}
	}
}

func (m *fakeMailbox) Beat(_ context.Context, beat nodespec.Heartbeat) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failing != nil {
		return m.failing
	}
	m.beats = append(m.beats, beat)
	return nil
}

func (m *fakeMailbox) put(spec nodespec.Spec) { m.set(func() { m.spec = spec }) }

// goAway makes every request fail until it is called with nil.
func (m *fakeMailbox) goAway(err error) { m.set(func() { m.failing = err }) }

func (m *fakeMailbox) set(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *fakeMailbox) last() nodespec.Heartbeat {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.beats[len(m.beats)-1]
}

func (m *fakeMailbox) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.beats)
}

var errAway = fault.New(fault.Unavailable, "connection refused")

// fakeMachine is a process table with at most one Kafka, the software to start it, and what it answers.
type fakeMachine struct {
	mu                sync.Mutex
	startUp, shutDown time.Duration
	deaf              bool // to SIGTERM
	broken            bool // Kafka ends right after its start
	starts            []time.Time
	current           *fakeProcess
	fenced            bool // Kafka lists other brokers only
	alone             bool // Kafka lists no other broker
	noSoftware        error
	second            bool   // somebody wanted to start a Kafka beside a living one
	fetching          func() // what happens meanwhile
	mute              bool   // Kafka answers nothing
	knows             survey // what Kafka says of others
	surveys           []time.Time
	handles           []*handle
}

func (m *fakeMachine) Command(_ context.Context, release string, _ ProcessSettings, say func(string, ...any)) (*exec.Cmd, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	say("downloading Kafka %s", release)
	if m.fetching != nil {
		m.fetching()
	}
	return exec.Command("java"), m.noSoftware
}

func (m *fakeMachine) start(_ *exec.Cmd, marked mark, lock *os.File) (process, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if lock == nil {
		return nil, errors.New("a Kafka without the volume's lock")
	}
	if m.current != nil && m.current.alive() {
		m.second = true
		return nil, errors.New("a second Kafka")
	}
	m.starts = append(m.starts, time.Now())
	p := &fakeProcess{machine: m, number: 1000 + len(m.starts), started: time.Now(), marked: marked, ended: make(chan struct{})}
	m.current = p
	inherited, err := unix.Dup(int(lock.Fd()))
	if err != nil {
		return nil, err
	}
	p.release = func() { _ = unix.Close(inherited) }
	if m.broken {
		time.AfterFunc(time.Second, func() { p.die("exit status 1") })
	}
	return m.handle(p), nil
}

// handle is an agent's hold on a process, until the process ends or the agent does.
type handle struct {
	*fakeProcess
	silenced  atomic.Bool // the agent's signals don't arrive any more
	let, gone chan struct{}
}

func (m *fakeMachine) handle(p *fakeProcess) *handle {
	h := &handle{fakeProcess: p, let: make(chan struct{}), gone: make(chan struct{})}
	m.handles = append(m.handles, h)
	go func() {
		defer close(h.gone)
		select {
		case <-p.ended:
		case <-h.let:
		}
	}()
	return h
}

func (h *handle) done() <-chan struct{} { return h.gone }

// exit is told by the process once it has ended; an agent that let go of it knows nothing.
func (h *handle) exit() string {
	if h.alive() {
		return ""
	}
	return h.fakeProcess.exit()
}

func (h *handle) signal(s syscall.Signal) error {
	if h.silenced.Load() {
		return nil // by an agent that is no more
	}
	return h.fakeProcess.signal(s)
}

// silence takes from the agent its power over the processes, and let then its hold on them.
func (m *fakeMachine) silence() (let func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	handles := m.handles
	m.handles = nil
	for _, h := range handles {
		h.silenced.Store(true)
	}
	return func() {
		for _, h := range handles {
			close(h.let)
		}
	}
}

func (m *fakeMachine) find(hostDir string) (process, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current == nil || !m.current.alive() || m.current.marked.hostDir != hostDir {
		return nil, nil
	}
	return m.handle(m.current), nil
}

func (m *fakeMachine) ask(context.Context) membership {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.mute || m.current != nil && m.current.stopped:
		return membership{why: "Kafka does not answer in time", silent: true}
	case m.current == nil || !m.current.alive() || time.Since(m.current.started) < m.startUp:
		return membership{why: "Kafka does not listen yet"}
	case m.fenced:
		return membership{brokers: []int32{2, 3}, why: "Kafka does not list broker 1"}
	}
	if m.alone {
		return membership{member: true, brokers: []int32{1}}
	}
	return membership{member: true, brokers: []int32{1, 2, 3}}
}

func (m *fakeMachine) survey(context.Context) (survey, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.surveys = append(m.surveys, time.Now())
	return m.knows, nil
}

func (m *fakeMachine) close() {}

// change alters the machine under its lock.
func (m *fakeMachine) change(change func(*fakeMachine)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

func (m *fakeMachine) kafka() *fakeProcess {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.current
}

func (m *fakeMachine) surveyCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.surveys)
}

// signal is somebody's, not the agent's.
func (r *rig) signal(s syscall.Signal) {
	if err := r.machine.kafka().signal(s); err != nil {
		r.t.Error(err)
	}
}

func (m *fakeMachine) startCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.starts)
}

// pauses are the times between the starts, in whole seconds and rounded down.
func (m *fakeMachine) pauses() (pauses []int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := 1; i < len(m.starts); i++ {
		pauses = append(pauses, int(m.starts[i].Sub(m.starts[i-1])/time.Second))
	}
	return pauses
}

type fakeProcess struct {
	machine *fakeMachine
	number  int
	started time.Time
	marked  mark
	once    sync.Once
	how     string
	ended   chan struct{}
	signals []syscall.Signal
	stopped bool   // by SIGSTOP
	release func() // what it inherited; nil when that is nothing
}

func (p *fakeProcess) pid() int              { return p.number }
func (p *fakeProcess) startedAt() time.Time  { return p.started }
func (p *fakeProcess) mark() mark            { return p.marked }
func (p *fakeProcess) done() <-chan struct{} { return p.ended }
func (p *fakeProcess) exit() string          { return p.how }

func (p *fakeProcess) die(how string) {
	p.once.Do(func() {
		if p.release != nil {
			p.release()
		}
		p.how = how
		close(p.ended)
	})
}

func (p *fakeProcess) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

func (p *fakeProcess) signal(s syscall.Signal) error {
	p.machine.mu.Lock()
	defer p.machine.mu.Unlock()
	p.signals = append(p.signals, s)
	switch {
	case s == syscall.SIGKILL:
		p.die("signal: killed")
	case s == syscall.SIGSTOP || s == syscall.SIGCONT:
		p.stopped = s == syscall.SIGSTOP
	case !p.machine.deaf && !p.stopped:
		time.AfterFunc(p.machine.shutDown, func() { p.die("exit status 143") })
	}
	return nil
}

func (p *fakeProcess) held() bool {
	p.machine.mu.Lock()
	defer p.machine.mu.Unlock()
	return p.stopped
}

func (p *fakeProcess) signalled() string {
	p.machine.mu.Lock()
	defer p.machine.mu.Unlock()
	return fmt.Sprint(p.signals)
}
