package main

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/nodespec"
)

func TestAgents_BringUpABrokerAndAController(t *testing.T) {
	c := newCluster(t)
	began := time.Now()
	c.Start()
	took := time.Since(began)

	broker := c.Broker.AwaitRunning()
	if !slices.Equal(broker.Brokers, []int32{brokerID}) {
		t.Errorf("the broker lists %v", broker.Brokers)
	}
	if broker.Process == nil || broker.Process.Release != release || broker.Process.PID != kafkasOf(t, c.Broker.dir)[0] {
		t.Errorf("process = %+v, want %v", broker.Process, kafkasOf(t, c.Broker.dir))
	}
	if broker.Disk == nil || broker.Disk.TotalBytes <= broker.Disk.UsedBytes || broker.Disk.UsedBytes <= 0 {
		t.Errorf("disk = %+v", broker.Disk)
	}
	t.Logf("agents' start to both nodes running: %s; memory: agent %.1f MiB, broker %.0f MiB", took.Round(time.Millisecond),
		residentMiB(t, c.Broker.agent.Process.Pid), residentMiB(t, broker.Process.PID))
}

func TestAgent_KeepsSecretsToItsUser(t *testing.T) {
	c := newCluster(t)
	c.Controller.StartAgent()
	c.Controller.Assign()
	kafka := c.Controller.AwaitRunning().Process

	private := filepath.Join(c.Controller.dir, "private")
	info, err := os.Stat(private)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%s: %v, %v", private, info.Mode(), err)
	}
	for path := range contents(t, private) {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	for _, pid := range []int{kafka.PID, c.Controller.agent.Process.Pid} {
		for _, file := range []string{"cmdline", "environ"} {
			content, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
			if err != nil || strings.Contains(string(content), "token of") || strings.Contains(string(content), "PRIVATE KEY") {
				t.Errorf("a secret in %s of process %d (%v)", file, pid, err)
			}
		}
	}
}

func TestAgent_RestartsAKilledKafka(t *testing.T) {
	c := newCluster(t)
	c.Start()
	first := c.Broker.AwaitRunning().Process.PID

	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	again := c.Broker.Await("another process running", func(b nodespec.Heartbeat) bool {
		return b.State == nodespec.Running && b.Process != nil && b.Process.PID != first
	})
	if again.Restarts != 1 || again.FailedStarts != 0 {
		t.Errorf("restarts = %d, failed starts = %d; want 1, 0", again.Restarts, again.FailedStarts)
	}
	t.Logf("killed to running: %s", time.Since(killed).Round(time.Millisecond))
}

func TestAgent_LeavesKafkaRunningWhenKilledAndTakesItUpAgain(t *testing.T) {
	c := newCluster(t)
	began := time.Now()
	c.Start()
	before := c.Broker.AwaitRunning().Process
	ran := time.Now()

	c.Broker.EndAgent(syscall.SIGKILL)
	c.StopControlPlane() // the new agent has only what the old one left on disk
	c.post.forget(c.Broker.id)
	c.Broker.StartAgent()
	c.StartControlPlane()

	after := c.Broker.AwaitRunning().Process
	if after.PID != before.PID {
		t.Errorf("Kafka was process %d and is %d", before.PID, after.PID)
	}
	// The first agent tells the time it started Kafka at; the second has it from the kernel, which tells when the machine
	// started in whole seconds.
	const coarse = 2 * time.Second
	for _, started := range []time.Time{before.StartedAt, after.StartedAt} {
		if started.Before(began.Add(-coarse)) || started.After(ran.Add(coarse)) {
			t.Errorf("Kafka started at %v, says an agent; it was between %v and %v", started, began, ran)
		}
	}
	if found := kafkasOf(t, c.Broker.dir); !slices.Equal(found, []int{before.PID}) {
		t.Errorf("Kafka's processes: %v", found)
	}

	// What was adopted is kept like what was started.
	if err := syscall.Kill(after.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	c.Broker.Await("another process running", func(b nodespec.Heartbeat) bool {
		return b.State == nodespec.Running && b.Process != nil && b.Process.PID != after.PID
	})
}

func TestAgent_StopsKafkaWhenToldToEnd(t *testing.T) {
	c := newCluster(t)
	c.Start()
	c.Broker.EndAgent(syscall.SIGTERM)
	if found := kafkasOf(t, c.Broker.dir); len(found) != 0 {
		t.Errorf("still there: %v", found)
	}
	if beat, _ := c.post.beat(c.Broker.id); beat.State != nodespec.Stopped || beat.Process != nil {
		t.Errorf("the last heartbeat says %s, process %+v", beat.State, beat.Process)
	}
}

func TestAgent_KeepsKafkaWhileTheControlPlaneIsAway(t *testing.T) {
	c := newCluster(t)
	c.Start()
	before := c.Broker.AwaitRunning().Process.PID
	c.StopControlPlane()

	// Also a crash in the meantime is healed.
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	address := net.JoinHostPort(c.Broker.address, "9094")
	waitUntil(t, "a new Kafka that listens", func() bool {
		found := kafkasOf(t, c.Broker.dir)
		connection, err := net.Dial("tcp", address)
		if err == nil {
			connection.Close()
		}
		return err == nil && len(found) == 1 && found[0] != before
	})
	c.post.forget(c.Broker.id)
	c.StartControlPlane() // on another port
	if beat := c.Broker.AwaitRunning(); beat.Restarts != 1 {
		t.Errorf("restarts = %d, want 1", beat.Restarts)
	}
}

func TestAgent_RestartsKafkaForASpecThatChangesItsFiles(t *testing.T) {
	c := newCluster(t)
	c.Start()
	first := c.Broker.AwaitRunning().Process.PID

	c.Broker.more = map[string]string{"num.io.threads": "5"}
	c.Broker.volumeIsNew = false
	c.Broker.Assign()
	second := c.Broker.AwaitRunning().Process.PID
	if second == first {
		t.Error("Kafka runs on with its old files")
	}
	if found := kafkasOf(t, c.Broker.dir); !slices.Equal(found, []int{second}) {
		t.Errorf("Kafka's processes: %v", found)
	}

	// The same spec under a new number is no reason to restart.
	spec := c.post.specs[c.Broker.id]
	c.Broker.generation++
	spec.Generation = c.Broker.generation
	c.post.put(c.Broker.id, spec)
	if third := c.Broker.AwaitRunning().Process.PID; third != second {
		t.Error("Kafka was restarted for nothing")
	}
}

func TestAgent_SaysThatThePortIsTaken(t *testing.T) {
	c := newCluster(t)
	taken, err := net.Listen("tcp", net.JoinHostPort(c.Broker.address, "9094"))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, h := range []*host{c.Controller, c.Broker} {
		h.StartAgent()
		h.Assign()
	}
	beat := c.Broker.AwaitState(nodespec.Failing)
	if !strings.Contains(beat.Reason, "Address already in use") || !strings.Contains(beat.Reason, c.Broker.address+":9094") {
		t.Errorf("reason = %q", beat.Reason)
	}
	if beat.FailedStarts < 1 {
		t.Errorf("failed starts = %d", beat.FailedStarts)
	}
	t.Log(beat.Reason)

	taken.Close()
	c.Broker.AwaitRunning()
}

func TestAgent_SaysThatJavaCannotStart(t *testing.T) {
	c := newCluster(t)
	c.Controller.javaHeapInMiB = 1
	c.Controller.StartAgent()
	c.Controller.Assign()
	beat := c.Controller.AwaitState(nodespec.Failing)
	if !strings.Contains(beat.Reason, "heap") {
		t.Errorf("reason = %q", beat.Reason)
	}
	t.Log(beat.Reason)
}

func TestAgent_SaysWhichPropertyIsWrong(t *testing.T) {
	c := newCluster(t)
	c.Controller.more = map[string]string{"num.io.threads": "0"}
	c.Controller.StartAgent()
	c.Controller.Assign()
	beat := c.Controller.AwaitState(nodespec.Failing)
	if !strings.Contains(beat.Reason, "num.io.threads") {
		t.Errorf("reason = %q", beat.Reason)
	}
	t.Log(beat.Reason)
}

func TestAgent_SaysThatTheDiskIsFull(t *testing.T) {
	c := newCluster(t)
	// Room for the few files of a new broker's volume, and none for what Kafka adds.
	c.Broker.makeVolumeSmall("12k")
	for _, h := range []*host{c.Controller, c.Broker} {
		h.StartAgent()
		h.Assign()
	}
	beat := c.Broker.AwaitState(nodespec.Failing)
	if !strings.Contains(beat.Reason, "o space left on device") {
		t.Errorf("reason = %q", beat.Reason)
	}
	t.Log(beat.Reason)
}

func TestAgent_LeavesForeignVolumesAlone(t *testing.T) {
	meta := func(cluster string, node int) string {
		return fmt.Sprintf("version=1\ncluster.id=%s\nnode.id=%d\ndirectory.id=%s\n", cluster, node, newID(t))
	}
	for _, tt := range []struct {
		name    string
		fill    func(h *host) map[string]string
		wantOne string
	}{
		{"another cluster's", func(*host) map[string]string {
			return map[string]string{"meta.properties": meta(newID(t), controllerID)}
		}, "belongs to the cluster with id"},
		{"another node's", func(h *host) map[string]string {
			return map[string]string{"meta.properties": meta(h.clusterID, 7)}
		}, "belongs to node 7 of orders, not to node 101"},
		{"somebody's photos", func(*host) map[string]string {
			return map[string]string{"holiday.jpg": "sunset"}
		}, "holds files of somebody else"},
		{"empty, and not called new", func(h *host) map[string]string {
			h.volumeIsNew = false
			return nil
		}, "is not formatted"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t)
			h := c.Controller
			for name, content := range tt.fill(h) {
				write(t, filepath.Join(h.volume, name), content)
			}
			before := contents(t, h.volume)
			h.StartAgent()
			h.Assign()
			beat := h.AwaitState(nodespec.Stopped)
			if !strings.Contains(beat.Reason, tt.wantOne) {
				t.Errorf("reason = %q", beat.Reason)
			}
			if after := contents(t, h.volume); !maps.Equal(before, after) {
				t.Errorf("the volume changed from %v to %v", before, after)
			}
			if found := kafkasOf(t, h.dir); len(found) != 0 {
				t.Errorf("Kafka runs: %v", found)
			}
		})
	}
}

func waitUntil(t *testing.T, what string, isTrue func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !isTrue(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}
