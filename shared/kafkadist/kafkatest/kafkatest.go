// Package kafkatest runs real Kafka nodes in tests. Every process it starts is gone when the test is over, and tells its
// log when the test has failed.
package kafkatest

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/kafkadist"
	"github.com/millrace/millrace/shared/nodespec"
)

// Installed gives a release of Kafka from the user's store, so that it is fetched once for all tests and the product. It
// skips the test in short mode.
func Installed(t testing.TB, release string) kafkadist.Installation {
	t.Helper()
	if testing.Short() {
		t.Skip("runs real Kafka")
	}
	store, err := kafkadist.UserStore()
	if err != nil {
		t.Fatal(err)
	}
	i, err := store.Ensure(t.Context(), release, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// Address is a loopback address that no other test is likely to use.
func Address() string {
	return fmt.Sprintf("127.77.%d.%d", rand.IntN(256), 1+rand.IntN(254))
}

// Node is a running Kafka process.
type Node struct {
	t     testing.TB
	log   string
	pid   int
	ended chan struct{}
}

// Start runs a node with the given properties. Its files go into a directory of the test.
func Start(t testing.TB, i kafkadist.Installation, properties map[string]string) *Node {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "server.properties")
	var text bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		fmt.Fprintf(&text, "%s=%s\n", key, properties[key])
	}
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := i.Command(kafkadist.ProcessSettings{
		Properties: file,
		LogFile:    filepath.Join(dir, "kafka.log"),
		JVM:        nodespec.JVM{HeapMiB: 256, Lean: true},
	})
	output, err := os.Create(filepath.Join(dir, "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n := &Node{t: t, log: filepath.Join(dir, "kafka.log"), pid: cmd.Process.Pid, ended: make(chan struct{})}
	go func() {
		cmd.Wait()
		close(n.ended)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-n.ended
		if t.Failed() {
			printed, _ := os.ReadFile(output.Name())
			logged, _ := os.ReadFile(n.log)
			t.Logf("node %s printed:\n%s\nand logged:\n%s", properties["node.id"], printed, tail(string(logged), 60))
		}
	})
	return n
}

// Running tells whether the process is still there.
func (n *Node) Running() bool {
	select {
	case <-n.ended:
		return false
	default:
		return true
	}
}

// Freeze stops the process where it is: its connections stay, and it answers nobody.
func (n *Node) Freeze() {
	n.t.Helper()
	if err := syscall.Kill(n.pid, syscall.SIGSTOP); err != nil {
		n.t.Fatal(err)
	}
}

// CPU is the processor time the node has used so far, user and system.
func (n *Node) CPU() time.Duration {
	n.t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.pid))
	if err != nil {
		n.t.Fatal(err)
	}
	_, afterName, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(afterName)
	const utime, stime, tick = 11, 12, 10 * time.Millisecond
	user, _ := strconv.Atoi(fields[utime])
	system, _ := strconv.Atoi(fields[stime])
	return time.Duration(user+system) * tick
}

// MemoryMiB is the memory the node occupies (resident set).
func (n *Node) MemoryMiB() int {
	n.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.pid))
	if err != nil {
		n.t.Fatal(err)
	}
	_, rss, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(rss)[0])
	if err != nil {
		n.t.Fatal(err)
	}
	return kib / 1024
}

// WaitUntil asks again and again until the answer is yes, and fails the test when that takes longer than three minutes or the
// node has ended.
func (n *Node) WaitUntil(what string, isTrue func() bool) {
	n.t.Helper()
	const pause, patience = 20 * time.Millisecond, 3 * time.Minute // a loaded machine of two cores has needed one
	for deadline := time.Now().Add(patience); !isTrue(); time.Sleep(pause) {
		if !n.Running() {
			n.t.Fatalf("the node has ended before %s", what)
		}
		if time.Now().After(deadline) {
			n.t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

func tail(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
