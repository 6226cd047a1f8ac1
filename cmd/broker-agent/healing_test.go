package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/brokeragent"
	"github.com/millrace/millrace/shared/nodespec"
)

func TestAgent_DecidesToRestartAKilledKafkaWithinASecond(t *testing.T) {
	c := newCluster(t)
	c.Start()
	killed := time.Now()
	first := c.Broker.Signal(syscall.SIGKILL)
	again := c.Broker.Await("another process", func(b nodespec.Heartbeat) bool { return b.Process != nil && b.Process.PID != first })
	decided := again.Process.StartedAt.Sub(killed)
	if decided > time.Second {
		t.Errorf("Kafka was started again %s after it was killed", decided)
	}
	running := c.Broker.AwaitRunning()
	t.Logf("killed to started: %s, to running: %s", decided.Round(time.Millisecond), running.At.Sub(killed).Round(time.Millisecond))
}

func TestAgent_KillsAHeldKafkaAtOnceWhenItIsToBeRestarted(t *testing.T) {
	c := newCluster(t)
	c.Start()
	held := time.Now()
	old := c.Broker.Signal(syscall.SIGSTOP)
	beat := c.Broker.Await("a held Kafka", nodespec.Heartbeat.Held)
	noticed := time.Since(held)
	if since := beat.Process.HeldSince; since.Before(held.Add(-time.Second)) || since.After(held.Add(5*time.Second)) {
		t.Errorf("held since %v, in truth since %v", since, held)
	}
	c.Broker.Await("a silent Kafka", func(b nodespec.Heartbeat) bool { return b.SilentSince != nil && b.State == nodespec.Starting })
	silent := time.Since(held)

	c.Broker.restarts++
	asked := time.Now()
	c.Broker.Assign()
	again := c.Broker.Await("another process", func(b nodespec.Heartbeat) bool { return b.Process != nil && b.Process.PID != old })
	if took := again.Process.StartedAt.Sub(asked); took > 5*time.Second {
		t.Errorf("the next Kafka was started after %s", took)
	}
	if beat := c.Broker.AwaitRunning(); beat.Held() || beat.SilentSince != nil {
		t.Errorf("a running node: %+v", beat)
	}
	t.Logf("held to noticed: %s, to said to be silent: %s; asked to started again: %s", noticed.Round(time.Millisecond),
		silent.Round(time.Millisecond), again.Process.StartedAt.Sub(asked).Round(time.Millisecond))
}

func TestAgent_RestartsKafkaOnceForEachTimeItIsAskedTo(t *testing.T) {
	c := newCluster(t)
	c.Start()
	first := c.Broker.AwaitRunning().Process.PID
	c.Broker.restarts++
	c.Broker.Assign()
	// The agent that was asked is killed while it stops Kafka; the next one finds Kafka gone, or on its way out.
	c.Broker.Await("the wish", func(b nodespec.Heartbeat) bool { return b.Generation == c.Broker.generation })
	c.Broker.EndAgent(syscall.SIGKILL)
	c.post.forget(c.Broker.id)
	c.Broker.StartAgent()
	second := c.Broker.AwaitRunning().Process.PID
	if second == first {
		t.Error("Kafka was not restarted")
	}
	c.Broker.EndAgent(syscall.SIGKILL)
	c.post.forget(c.Broker.id)
	c.Broker.StartAgent()
	if third := c.Broker.AwaitRunning().Process.PID; third != second {
		t.Error("Kafka was restarted twice")
	}
}

// A host is replaced while its agent is dead and its Kafka is held: both hosts have the same volume, and the old Kafka wakes.
func TestAgent_NoSecondKafkaWritesToAVolumeWhoseFirstOneSleeps(t *testing.T) {
	c := newCluster(t)
	c.Start()
	old := c.Broker.AwaitRunning().Process.PID
	// In this order: a held process that loses its agent is told by the kernel to hang up, and ends.
	c.Broker.EndAgent(syscall.SIGKILL)
	c.Broker.Signal(syscall.SIGSTOP)

	next := c.newHost("i-next", brokerID, nodespec.Broker, c.Broker.address)
	next.takeVolumeOf(c.Broker)
	next.StartAgent()
	next.Assign()
	const waits = "waiting for the lock of the volume; another process has it"
	next.Await("a wait for the lock", func(b nodespec.Heartbeat) bool { return b.Reason == waits })
	onlyWriter := func(what string) {
		t.Helper()
		// The agent looks for the lock a dozen times a second.
		for until := time.Now().Add(2 * time.Second); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
			if found := kafkasOf(t, next.dir); len(found) != 0 {
				t.Fatalf("%s, and %v runs on the same volume", what, found)
			}
		}
	}
	onlyWriter("the first Kafka sleeps")
	c.Broker.Signal(syscall.SIGCONT)
	onlyWriter("the first Kafka has woken")

	// No file in the volume is the lock.
	for _, name := range []string{".lock", ".kafka_cleanshutdown"} {
		if err := os.Remove(filepath.Join(c.Broker.volume, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	onlyWriter("the first Kafka has lost its lock file")

	if found := kafkasOf(t, c.Broker.dir); !slices.Equal(found, []int{old}) {
		t.Fatalf("the first host runs %v, not %d", found, old)
	}
	c.Broker.Signal(syscall.SIGKILL)
	beat := next.AwaitRunning()
	if beat.Process.PID == old || !slices.Equal(kafkasOf(t, next.dir), []int{beat.Process.PID}) {
		t.Errorf("process %d of the next host, and the old one was %d", beat.Process.PID, old)
	}
}

// takeVolumeOf attaches another host's volume, which is formatted, to this host.
func (h *host) takeVolumeOf(other *host) {
	h.t.Helper()
	description, err := brokeragent.ReadHost(h.dir)
	if err != nil {
		h.t.Fatal(err)
	}
	h.volume, description.Volume, h.volumeIsNew = other.volume, other.volume, false
	if err := description.Write(h.dir); err != nil {
		h.t.Fatal(err)
	}
}

func TestAgents_TellWhatTheirKafkaKnowsOfOthers(t *testing.T) {
	c := newClusterOf(t, 3)
	c.Start()
	beat := c.Broker.Await("word of partitions", func(b nodespec.Heartbeat) bool { return b.Replication != nil })
	if beat.Replication.UnderReplicated != 0 || beat.Replication.Offline != 0 {
		t.Errorf("replication of a broker without topics: %+v", beat.Replication)
	}
	if beat := c.Broker.Await("a timed write", func(b nodespec.Heartbeat) bool { return b.Disk.WriteMillis > 0 }); beat.DiskSlow() {
		t.Errorf("disk %+v", beat.Disk)
	}

	caughtUp := func(ids ...int32) func(nodespec.Heartbeat) bool {
		return func(b nodespec.Heartbeat) bool { return b.Quorum != nil && slices.Equal(b.Quorum.CaughtUp, ids) }
	}
	leader := c.awaitController("with all voters", caughtUp(101, 102, 103))
	for _, h := range c.Controllers {
		if beat, _ := c.post.beat(h.id); h != leader && beat.Quorum != nil {
			t.Errorf("%s follows, and says %+v of the quorum", h.id, beat.Quorum)
		}
	}

	var sleeper *host
	var others []int32
	for _, h := range c.Controllers {
		if h != leader && sleeper == nil {
			sleeper = h
		} else {
			others = append(others, h.nodeID)
		}
	}
	asleep := time.Now()
	sleeper.Signal(syscall.SIGSTOP)
	beat = leader.Await("a voter behind", caughtUp(others...))
	if !slices.Equal(beat.Quorum.Behind, []int32{sleeper.nodeID}) {
		t.Errorf("quorum %+v, and %d sleeps", beat.Quorum, sleeper.nodeID)
	}
	t.Logf("held to said to be behind: %s", time.Since(asleep).Round(time.Millisecond))
	sleeper.Signal(syscall.SIGCONT)
	leader.Await("a voter that has caught up again", caughtUp(101, 102, 103))

	// The next active controller tells the same, of the one that is gone too.
	lost := time.Now()
	leader.Signal(syscall.SIGSTOP)
	var rest []int32
	for _, h := range c.Controllers {
		if h != leader {
			rest = append(rest, h.nodeID)
		}
	}
	c.awaitController("without the one before it", caughtUp(rest...))
	t.Logf("active controller held to said to be behind: %s", time.Since(lost).Round(time.Millisecond))
}

// awaitController gives the controller that is the first to send a heartbeat as wished.
func (c *testCluster) awaitController(what string, isIt func(nodespec.Heartbeat) bool) (found *host) {
	c.t.Helper()
	waitUntil(c.t, "a controller "+what, func() bool {
		for _, h := range c.Controllers {
			if beat, _ := c.post.beat(h.id); isIt(beat) {
				found = h
			}
		}
		return found != nil
	})
	return found
}

func TestAgent_ComesBackByItselfOnceAFullDiskHasRoom(t *testing.T) {
	c := newCluster(t)
	c.Broker.makeVolumeSmall("64m")
	c.Start()
	c.Broker.AwaitRunning()

	// Somebody else's file takes what is left, and Kafka has to start again without any room.
	ballast := filepath.Join(c.Broker.volume, "ballast")
	fill(t, ballast)
	c.Broker.Signal(syscall.SIGKILL)
	beat := c.Broker.Await("a full disk", func(b nodespec.Heartbeat) bool { return b.State == nodespec.Failing && b.FailedStarts > 3 })
	if !strings.HasPrefix(beat.Reason, "the volume's disk is full (") || !beat.DiskFull() {
		t.Errorf("reason %q, disk %+v", beat.Reason, beat.Disk)
	}
	t.Log(beat.Reason)

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	freed := time.Now()
	c.Broker.AwaitRunning()
	t.Logf("room to running, after %d failed starts: %s", beat.FailedStarts, time.Since(freed).Round(time.Millisecond))
}

// fill writes a file that takes all the room that its disk has.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 64<<10); len(block) > 0; {
		_, err := f.Write(block)
		if errors.Is(err, syscall.ENOSPC) {
			block = block[:len(block)/2]
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
