package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/shared/fault"
)

// stopsWithin is what a control plane gets to end in an orderly way. After that it is ended: it is made to go on from
// wherever it was.
const stopsWithin = time.Second

// Stop ends the control plane that serves the data directory, and returns when its process is gone. Hosts go on running.
// It returns NotFound when none runs.
func (l Layout) Stop() (Running, error) {
	r, err := l.Running()
	if err != nil {
		return r, err
	}
	// The descriptor pins the process: from here on its number can't become another's.
	fd, err := unix.PidfdOpen(r.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return r, fault.New(fault.Conflict, "another control plane starts on %s right now", l.Dir)
	}
	if err != nil {
		return r, fmt.Errorf("open process %d: %w", r.PID, err)
	}
	defer unix.Close(fd)
	if !l.isHeldBy(r.PID) {
		return r, fault.New(fault.Conflict, "process %d does not have %s: another control plane starts or ends right now", r.PID, l.Dir)
	}
	for _, s := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		if err := unix.PidfdSendSignal(fd, s, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
			return r, fmt.Errorf("stop process %d: %w", r.PID, err)
		}
		ended, err := waitForEnd(fd, stopsWithin)
		if err != nil {
			return r, fmt.Errorf("wait for the end of process %d: %w", r.PID, err)
		}
		if ended {
			return r, l.Depart() // a process that was killed could not say good-bye
		}
	}
	return r, fault.New(fault.Unavailable, "process %d does not end", r.PID)
}

// isHeldBy tells whether a process has the lock file open. The announcement alone may be of a control plane that has
// crashed, while the next one has the lock already and has not announced itself yet.
func (l Layout) isHeldBy(pid int) bool {
	lock, err := os.Stat(l.lock())
	if err != nil {
		return false
	}
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	descriptors, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, d := range descriptors {
		opened, err := os.Stat(filepath.Join(dir, d.Name()))
		if err == nil && os.SameFile(lock, opened) {
			return true
		}
	}
	return false
}

// waitForEnd waits until the process behind a pidfd has ended; false when it still lives after the time given.
func waitForEnd(fd int, atMost time.Duration) (bool, error) {
	deadline := time.Now().Add(atMost)
	for {
		left := max(0, time.Until(deadline))
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return n > 0, err
	}
}
