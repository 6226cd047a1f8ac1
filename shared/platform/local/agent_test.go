package local_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/brokeragent"
)

// The test's own program is the agent of its hosts, too, and their Kafka: called as one, it behaves as one.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "run" && os.Args[2] == brokeragent.HostDirFlag {
		runAgent(os.Args[3])
		return
	}
	if dir, ok := brokeragent.HostDirOf(os.Args); ok {
		runOn(dir)
		return
	}
	os.Exit(m.Run())
}

// withoutKafka is a file in a data directory whose agents start no Kafka.
const withoutKafka = "without-kafka"

// runAgent is an agent with a process of its own, as Kafka is: each in a session of its own, deaf to SIGTERM.
func runAgent(dir string) {
	if _, err := os.Stat(filepath.Join(dir, "..", "..", withoutKafka)); err != nil {
		kafka := exec.Command(os.Args[0], "-Dmillrace.host="+dir, "-Dmillrace.release=4.3.1", "-Dmillrace.files=digest")
		kafka.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := kafka.Start(); err != nil {
			fmt.Println("start Kafka:", err)
			os.Exit(1)
		}
		go func() { _ = kafka.Wait() }()
	}
	runOn(dir)
}

// runOn runs until it is killed or, should a test have forgotten it, its directory is gone.
func runOn(dir string) {
	note(dir, "started")
	for {
		if _, err := os.Stat(filepath.Join(dir, "host.json")); err != nil {
			os.Exit(0)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// note adds this process to a list in the host's directory.
func note(dir, list string) {
	f, err := os.OpenFile(filepath.Join(dir, list), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = fmt.Fprintln(f, os.Getpid())
	}
	if err != nil {
		fmt.Println("note:", err)
		os.Exit(1)
	}
	f.Close()
}

// started are the processes that a host has had, once there are at least so many.
func started(t *testing.T, dir string, atLeast int) []int {
	t.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	for {
		var pids []int
		content, _ := os.ReadFile(filepath.Join(dir, "started"))
		for line := range strings.Lines(string(content)) {
			pid, err := strconv.Atoi(strings.TrimSpace(line))
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
		if len(pids) >= atLeast {
			return pids
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d processes of %s have started, not %d", len(pids), dir, atLeast)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// lives tells whether a process of a host still runs. One that has ended has no command line, even before it is collected.
func lives(pid int, dir string) bool {
	commandLine, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && strings.Contains(string(commandLine), dir)
}
