package local

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The processes of a host are those whose command line names the host's directory: the agent's does, and so does Kafka's.
// That is the whole record of what runs. It can't be lost in a crash between a start and the writing down of a number, and
// it can't name a stranger that got the number of a process that has ended.

// processesOf finds this user's processes that name a directory.
func processesOf(dir string) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if names(pid, dir) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// names tells whether a process of this user has an argument that is a path in dir, alone or after an equals sign.
func names(pid int, dir string) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	var stat unix.Stat_t
	if err := unix.Stat(proc, &stat); err != nil || int(stat.Uid) != os.Getuid() {
		return false
	}
	commandLine, err := os.ReadFile(filepath.Join(proc, "cmdline"))
	if err != nil {
		return false
	}
	for argument := range bytes.SplitSeq(commandLine, []byte{0}) {
		text := string(argument)
		if _, value, ok := strings.Cut(text, "="); ok {
			text = value
		}
		if text == dir || strings.HasPrefix(text, dir+"/") {
			return true
		}
	}
	return false
}

// signal sends a signal to a process that still names dir. The pidfd pins the process, so that the number can't become
// another's between the look and the signal.
func signal(pid int, dir string, s unix.Signal) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if !names(pid, dir) {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, s, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}

// signalAll sends a signal to every process that names dir.
func signalAll(dir string, s unix.Signal) error {
	pids, err := processesOf(dir)
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if err := signal(pid, dir, s); err != nil {
			return err
		}
	}
	return nil
}

// waitUntilGone waits until no process names dir; false when some still do after the time given.
func waitUntilGone(dir string, atMost time.Duration) (bool, error) {
	deadline := time.Now().Add(atMost)
	for {
		pids, err := processesOf(dir)
		if err != nil || len(pids) == 0 {
			return err == nil, err
		}
		if time.Now().After(deadline) {
			return false, nil
		}
		time.Sleep(5 * time.Millisecond)
	}
}
