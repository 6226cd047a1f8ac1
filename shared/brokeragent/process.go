package brokeragent

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/shared/nodespec"
)

// processes starts Kafka processes and finds those that are there.
type processes interface {
	// start starts a command as the Kafka of a host directory; the process inherits the lock.
	start(cmd *exec.Cmd, mark mark, lock *os.File) (process, error)
	// find gives the Kafka process of a host directory that runs already; nil when there is none.
	find(hostDir string) (process, error)
}

// process is one Kafka process, started by this agent or by one before it.
type process interface {
	pid() int
	startedAt() time.Time
	mark() mark
	done() <-chan struct{} // closed when it has ended
	exit() string          // how it ended, once it has; empty where only its parent could know
	signal(syscall.Signal) error
	held() bool // whether a signal (SIGSTOP) or a tracer keeps it from running
}

// mark is what a Kafka process carries in its command line. The process table is the one record of what runs: unlike a
// file, it can't be stale.
type mark struct {
	hostDir string // which agent's it is
	release string
	digest  string // what it was started with; see files.digest
}

const (
	hostDirFlag = "-Dmillrace.host="
	releaseFlag = "-Dmillrace.release="
	digestFlag  = "-Dmillrace.files="
)

func (m mark) arguments() []string {
	return []string{hostDirFlag + m.hostDir, releaseFlag + m.release, digestFlag + m.digest}
}

// parseMark reads the mark from a command line; ok is false for any other process.
func parseMark(arguments []string) (m mark, ok bool) {
	for _, argument := range arguments {
		if v, found := strings.CutPrefix(argument, hostDirFlag); found {
			m.hostDir = v
		}
		if v, found := strings.CutPrefix(argument, releaseFlag); found {
			m.release = v
		}
		if v, found := strings.CutPrefix(argument, digestFlag); found {
			m.digest = v
		}
	}
	// A whole mark: somebody who looks for a host's processes by one of the flags is none of them.
	return m, m.hostDir != "" && m.release != "" && m.digest != ""
}

// KafkaOf gives the Kafka process that runs for a host directory, whether or not its agent lives. Whoever ends a host has
// to end this process too: one that a new agent adopted is not in that agent's process group.
func KafkaOf(hostDir string) (p nodespec.Process, found bool, err error) {
	dir, err := filepath.Abs(hostDir)
	if err != nil {
		return nodespec.Process{}, false, err
	}
	kafka, err := findMarked(dir)
	if err != nil || kafka == nil {
		return nodespec.Process{}, false, err
	}
	defer kafka.pidfd.Close()
	return *describe(kafka), true, nil
}

func describe(p process) *nodespec.Process {
	return &nodespec.Process{PID: p.pid(), Release: p.mark().release, StartedAt: p.startedAt().UTC()}
}

// processTable is the machine's own.
type processTable struct{}

// start puts the process into the agent's own process group, so that whoever ends a host by its group ends both.
func (processTable) start(cmd *exec.Cmd, m mark, lock *os.File) (process, error) {
	cmd.Args = append([]string{cmd.Args[0]}, append(m.arguments(), cmd.Args[1:]...)...)
	cmd.ExtraFiles = []*os.File{lock}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start Kafka: %w", err)
	}
	c := &child{cmd: cmd, started: time.Now(), marked: m, ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		_ = cmd.Wait() // what it says is in ProcessState as well
	}()
	return c, nil
}

func (processTable) find(hostDir string) (process, error) {
	kafka, err := findMarked(hostDir)
	if err != nil || kafka == nil {
		return nil, err
	}
	go kafka.watch()
	return kafka, nil
}

// child is a process that this agent started.
type child struct {
	cmd     *exec.Cmd
	started time.Time
	marked  mark
	ended   chan struct{}
}

func (c *child) pid() int              { return c.cmd.Process.Pid }
func (c *child) startedAt() time.Time  { return c.started }
func (c *child) mark() mark            { return c.marked }
func (c *child) done() <-chan struct{} { return c.ended }
func (c *child) exit() string          { return c.cmd.ProcessState.String() }

func (c *child) held() bool { return isHeld(c.pid()) }

func (c *child) signal(s syscall.Signal) error {
	err := c.cmd.Process.Signal(s)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// adopted is a process that an earlier agent started. It is held by a pidfd, which stands for this one process even after
// its number has gone to another.
type adopted struct {
	number  int
	started time.Time
	marked  mark
	pidfd   *os.File
	ended   chan struct{}
}

func (a *adopted) pid() int              { return a.number }
func (a *adopted) startedAt() time.Time  { return a.started }
func (a *adopted) mark() mark            { return a.marked }
func (a *adopted) done() <-chan struct{} { return a.ended }
func (a *adopted) exit() string          { return "" }

func (a *adopted) held() bool { return isHeld(a.number) }

func (a *adopted) signal(s syscall.Signal) error {
	connection, err := a.pidfd.SyscallConn()
	if err != nil {
		return nil // closed, because the process has ended
	}
	var sent error
	err = connection.Control(func(fd uintptr) { sent = unix.PidfdSendSignal(int(fd), s, nil, 0) })
	if err != nil || errors.Is(sent, unix.ESRCH) {
		return nil // it ended meanwhile
	}
	return sent
}

// watch closes ended when the process ends. A pidfd becomes readable then, so the runtime's poller can wait for it.
func (a *adopted) watch() {
	defer close(a.ended)
	defer a.pidfd.Close()
	connection, err := a.pidfd.SyscallConn()
	if err != nil {
		return
	}
	_ = connection.Read(func(fd uintptr) bool { return hasEnded(int(fd)) })
}

func hasEnded(pidfd int) bool {
	poll := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(poll, 0)
	return err == nil && n > 0
}
