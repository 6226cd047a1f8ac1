package brokeragent

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// findMarked looks for this user's process whose command line names the host directory; nil when there is none.
func findMarked(hostDir string) (*adopted, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("process table: %w", err)
	}
	for _, entry := range entries {
		number, err := strconv.Atoi(entry.Name())
		if err != nil || !isMarkedFor(number, hostDir) {
			continue
		}
		p, err := adopt(number, hostDir)
		if err != nil || p != nil {
			return p, err
		}
	}
	return nil, nil
}

// adopt takes hold of a process by its number. Nil means that it ended meanwhile, or that the number is another's now:
// the command line is read again once the pidfd pins the process.
func adopt(number int, hostDir string) (*adopted, error) {
	fd, err := unix.PidfdOpen(number, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("take hold of process %d: %w", number, err)
	}
	pidfd := os.NewFile(uintptr(fd), "pidfd")
	started, err := startTime(number)
	if err != nil || hasEnded(fd) || !isMarkedFor(number, hostDir) {
		pidfd.Close()
		return nil, nil
	}
	m, _ := parseMark(commandLine(number))
	return &adopted{number: number, started: started, marked: m, pidfd: pidfd, ended: make(chan struct{})}, nil
}

func isMarkedFor(number int, hostDir string) bool {
	m, ok := parseMark(commandLine(number))
	return ok && m.hostDir == hostDir && isOurs(number)
}

// commandLine is empty for a process that has ended, also while its parent has not collected it.
func commandLine(number int) []string {
	content, err := os.ReadFile(procPath(number, "cmdline"))
	if err != nil {
		return nil
	}
	return strings.Split(string(bytes.TrimSuffix(content, []byte{0})), "\x00")
}

// isOurs keeps another user's process with the same arguments from being taken for Kafka.
func isOurs(number int) bool {
	info, err := os.Stat(procPath(number, ""))
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid()
}

// statFields are what /proc tells of a process after its command, which stands in parentheses and may hold anything: the
// state comes first, the start time is the 20th.
func statFields(number int) ([]string, error) {
	content, err := os.ReadFile(procPath(number, "stat"))
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(content[bytes.LastIndexByte(content, ')')+1:]))
	if len(fields) < 20 {
		return nil, fmt.Errorf("process %d: %s is too short", number, procPath(number, "stat"))
	}
	return fields, nil
}

// isHeld tells whether a process is stopped, by a signal (T) or by a tracer (t).
func isHeld(number int) bool {
	fields, err := statFields(number)
	return err == nil && strings.EqualFold(fields[0], "T")
}

// startTime reads when a process started, to the hundredth of a second.
func startTime(number int) (time.Time, error) {
	fields, err := statFields(number)
	if err != nil {
		return time.Time{}, err
	}
	ticks, err := strconv.ParseInt(fields[19], 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	boot, err := bootTime()
	if err != nil {
		return time.Time{}, err
	}
	const tick = time.Second / 100 // USER_HZ, the same on all of Linux's architectures that run Kafka
	return boot.Add(time.Duration(ticks) * tick), nil
}

func bootTime() (time.Time, error) {
	content, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}, err
	}
	lines := strings.Split(string(content), "\n")
	i := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "btime ") })
	if i < 0 {
		return time.Time{}, errors.New("/proc/stat does not tell when the machine started")
	}
	seconds, err := strconv.ParseInt(strings.TrimPrefix(lines[i], "btime "), 10, 64)
	return time.Unix(seconds, 0), err
}

func procPath(number int, file string) string {
	return filepath.Join("/proc", strconv.Itoa(number), file)
}
