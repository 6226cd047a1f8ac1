package local

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/shared/brokeragent"
)

// The processes of a host are those that say so in their command lines: the agent's names the host's directory, and so
// does Kafka's. That is the whole record of what runs. It can't be lost in a crash between a start and the writing down of
// a number, and it can't name a stranger that got the number of a process that has ended.

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

// names tells whether a process of this user belongs to the host of a directory, or to any host below it.
func names(pid int, dir string) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	var stat unix.Stat_t
	if err := unix.Stat(proc, &stat); err != nil || int(stat.Uid) != os.Getuid() {
		return false
	}
	hostDir, ok := brokeragent.HostDirOf(commandLine(pid))
	return ok && (hostDir == dir || strings.HasPrefix(hostDir, dir+"/"))
}

// commandLine is empty for a process that has ended, also while its parent has not collected it.
func commandLine(pid int) []string {
	content, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(content), "\x00"), "\x00")
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
