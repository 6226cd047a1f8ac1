package brokeragent

import (
	"errors"
	"os"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/shared/nodespec"
)

func restarted(generation, restarts int64) nodespec.Spec {
	s := spec(generation)
	s.Restarts = restarts
	return s
}

func TestAgent_RestartsKafkaOnceForEachTimeItIsAskedTo(t *testing.T) {
	bubble(t, func(r *rig) {
		r.mailbox.put(spec(1))
		r.after(time.Minute)
		first := r.machine.kafka()
		r.mailbox.put(restarted(2, 1))
		beat := r.after(10*time.Second).wantState(nodespec.Running, "")
		if beat.Generation != 2 || first.signalled() != "[terminated]" {
			t.Errorf("generation %d, the old process got %s", beat.Generation, first.signalled())
		}
		r.wantStarts(2)
		r.mailbox.put(restarted(3, 1)) // the same wish in another spec
		r.after(time.Minute)
		r.wantStarts(2)
		r.mailbox.put(restarted(4, 2))
		r.after(time.Minute).wantState(nodespec.Running, "")
		r.wantStarts(3)
	})
}

func TestAgent_RestartsKafkaOnceAlsoWhenTheAgentIsRestartedInBetween(t *testing.T) {
	for _, tt := range []struct {
		name string
		// wait is how long the agent lives after it was asked: Kafka takes a second to stop.
		wait time.Duration
	}{
		{"before Kafka has stopped", 500 * time.Millisecond},
		{"once Kafka runs again", 10 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.mailbox.put(spec(1))
				r.after(time.Minute)
				old := r.machine.kafka()
				r.mailbox.put(restarted(2, 1))
				r.after(tt.wait)
				r.killAgent()
				r.startAgent()
				r.after(time.Minute).wantState(nodespec.Running, "")
				r.wantStarts(2)
				if r.machine.kafka() == old {
					t.Error("Kafka was not restarted at all")
				}
			})
		})
	}
}

func TestAgent_RestartIsDoneByACrashInBetween(t *testing.T) {
	bubble(t, func(r *rig) {
		r.mailbox.put(spec(1))
		r.after(time.Minute)
		r.machine.kafka().die("signal: killed")
		r.mailbox.put(restarted(2, 1))
		r.after(time.Minute).wantState(nodespec.Running, "")
		r.wantStarts(2)
	})
}

func TestAgent_SaysSinceWhenSomebodyHoldsKafka(t *testing.T) {
	bubble(t, func(r *rig) {
		r.mailbox.put(spec(1))
		r.after(time.Minute)
		held := time.Now()
		r.signal(syscall.SIGSTOP)
		beat := r.after(heldPoll).mailbox.last()
		if since := beat.Process.HeldSince; since == nil || since.Sub(held) > heldPoll {
			t.Errorf("held since %v, want %v", since, held)
		}
		again := r.after(time.Minute).wantState(nodespec.Starting, "Kafka does not answer in time")
		if again.Process == nil || !again.Process.HeldSince.Equal(*beat.Process.HeldSince) {
			t.Errorf("a minute later: %+v", again.Process)
		}
		r.signal(syscall.SIGCONT)
		if beat := r.after(2*time.Second).wantState(nodespec.Running, ""); beat.Process.HeldSince != nil {
			t.Errorf("still held: %+v", beat.Process)
		}
		r.wantStarts(1)
	})
}

func TestAgent_KillsAtOnceWhatIsHeldAndHasToStop(t *testing.T) {
	for _, tt := range []struct {
		name  string
		delay time.Duration // between the wish and the hold
		want  string
	}{
		{"held before", -time.Minute, "[stopped (signal) killed]"},
		{"held while it stops", 200 * time.Millisecond, "[terminated stopped (signal) killed]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.machine.change(func(m *fakeMachine) { m.shutDown = 10 * time.Second })
				r.mailbox.put(spec(1))
				r.after(time.Minute)
				old := r.machine.kafka()
				if tt.delay < 0 {
					r.signal(syscall.SIGSTOP)
					r.after(-tt.delay)
				}
				r.mailbox.put(restarted(2, 1))
				if tt.delay > 0 {
					r.after(tt.delay).signal(syscall.SIGSTOP)
				}
				r.after(2 * heldPoll)
				r.wantStarts(2)
				if got := old.signalled(); got != tt.want {
					t.Errorf("Kafka got %s, want %s", got, tt.want)
				}
			})
		})
	}
}

func TestAgent_SaysSinceWhenKafkaIsSilentOnceItWasAMember(t *testing.T) {
	bubble(t, func(r *rig) {
		r.machine.change(func(m *fakeMachine) { m.mute = true })
		r.mailbox.put(spec(1))
		if beat := r.after(time.Minute).mailbox.last(); beat.SilentSince != nil {
			t.Errorf("silent since %v before it ever answered", beat.SilentSince)
		}
		r.machine.change(func(m *fakeMachine) { m.mute = false })
		r.after(time.Minute).wantState(nodespec.Running, "")

		silent := time.Now()
		r.machine.change(func(m *fakeMachine) { m.mute = true })
		beat := r.after(10*time.Second).wantState(nodespec.Starting, "Kafka does not answer in time")
		if beat.SilentSince == nil || beat.SilentSince.Sub(silent) > peacePoll {
			t.Errorf("silent since %v, want %v", beat.SilentSince, silent)
		}
		// A new agent has not heard it answer, and knows that it did.
		r.killAgent()
		r.startAgent()
		if beat := r.after(10 * time.Second).mailbox.last(); beat.SilentSince == nil {
			t.Errorf("the next agent says %+v", beat)
		}
		r.machine.change(func(m *fakeMachine) { m.mute = false })
		if beat := r.after(2*time.Second).wantState(nodespec.Running, ""); beat.SilentSince != nil {
			t.Errorf("silent since %v while it answers", beat.SilentSince)
		}
		r.wantStarts(1)
	})
}

func TestAgent_AFencedKafkaIsNotSilent(t *testing.T) {
	bubble(t, func(r *rig) {
		r.mailbox.put(spec(1))
		r.after(time.Minute)
		r.machine.change(func(m *fakeMachine) { m.fenced = true })
		if beat := r.after(time.Minute).wantState(nodespec.Starting, "Kafka does not list broker 1"); beat.SilentSince != nil {
			t.Errorf("silent since %v", beat.SilentSince)
		}
	})
}

func TestAgent_AsksSeldomAboutPartitionsInOrderAndOftenAboutOthers(t *testing.T) {
	bubble(t, func(r *rig) {
		r.machine.change(func(m *fakeMachine) { m.knows.replication = &nodespec.Replication{Leads: 5} })
		r.mailbox.put(spec(1))
		beat := r.after(time.Minute).wantState(nodespec.Running, "")
		if beat.Replication == nil || beat.Replication.Leads != 5 {
			t.Fatalf("replication = %+v", beat.Replication)
		}
		asked, beats := r.machine.surveyCount(), r.mailbox.count()
		r.after(time.Minute)
		if n := r.machine.surveyCount() - asked; n < 3 || n > 5 {
			t.Errorf("%d questions in a minute in order, want one for each heartbeat", n)
		}
		if n := r.mailbox.count() - beats; n != 4 {
			t.Errorf("%d heartbeats in a minute of peace", n)
		}

		lags := &nodespec.Replication{Leads: 5, UnderReplicated: 2, OutOfSync: map[int32]int{2: 2}}
		r.machine.change(func(m *fakeMachine) { m.knows.replication = lags })
		beat = r.after(16 * time.Second).mailbox.last()
		if beat.Replication.OutOfSync[2] != 2 {
			t.Errorf("replication = %+v", beat.Replication)
		}
		asked = r.machine.surveyCount()
		r.after(time.Minute)
		if n := r.machine.surveyCount() - asked; n < 19 || n > 21 {
			t.Errorf("%d questions in a minute while a broker is out of sync, want 20", n)
		}

		r.machine.change(func(m *fakeMachine) { m.mute = true })
		if beat := r.after(time.Minute).mailbox.last(); beat.Replication != nil {
			t.Errorf("a silent broker still says %+v of others", beat.Replication)
		}
	})
}

func TestSurvey_TakesATwentiethOfTheTimeAtMost(t *testing.T) {
	troubled := survey{replication: &nodespec.Replication{UnderReplicated: 1}}
	if pause := troubled.pause(500*time.Millisecond, 15*time.Second); pause != 10*time.Second {
		t.Errorf("after half a second it is asked again %s later", pause)
	}
	if pause := troubled.pause(time.Millisecond, 15*time.Second); pause > peacePoll {
		t.Errorf("a quick one is asked again %s later", pause)
	}
	inOrder := survey{replication: &nodespec.Replication{Leads: 1}}
	if pause := inOrder.pause(time.Millisecond, 30*time.Second); pause <= 30*time.Second-peacePoll || pause > 30*time.Second {
		t.Errorf("one in order is asked again %s later", pause)
	}
	if pause := (survey{quorum: &nodespec.Quorum{}}).pause(time.Millisecond, 30*time.Second); pause > peacePoll {
		t.Errorf("the active controller is asked again %s later", pause)
	}
}

func TestReplicationOf_CountsWhatTheBrokerLeads(t *testing.T) {
	partition := func(leader int32, replicas, isr []int32) kmsg.MetadataResponseTopicPartition {
		return kmsg.MetadataResponseTopicPartition{Leader: leader, Replicas: replicas, ISR: isr}
	}
	answer := &kmsg.MetadataResponse{Topics: []kmsg.MetadataResponseTopic{
		{Partitions: []kmsg.MetadataResponseTopicPartition{
			partition(1, []int32{1, 2, 3}, []int32{3, 2, 1}),
			partition(1, []int32{1, 2, 3}, []int32{1, 3}),
			partition(2, []int32{1, 2, 3}, []int32{2}),
		}},
		{Partitions: []kmsg.MetadataResponseTopicPartition{
			partition(1, []int32{1, 2, 4}, []int32{1}),
			partition(-1, []int32{2}, []int32{2}),
		}},
	}}
	got := replicationOf(1, answer)
	if got.Leads != 3 || got.UnderReplicated != 2 || got.Offline != 1 || len(got.OutOfSync) != 2 || got.OutOfSync[2] != 2 || got.OutOfSync[4] != 1 {
		t.Errorf("replication = %+v", got)
	}
}

func TestQuorumOf_ComparesVotersByTheLeadersClock(t *testing.T) {
	// The leader's clock is years behind: what the agent's own says does not matter.
	const now = 1_000_000
	voter := func(id int32, caughtUp int64) kmsg.DescribeQuorumResponseTopicPartitionReplicaState {
		return kmsg.DescribeQuorumResponseTopicPartitionReplicaState{ReplicaID: id, LastCaughtUpTimestamp: caughtUp}
	}
	partition := kmsg.DescribeQuorumResponseTopicPartition{
		LeaderID: 102,
		CurrentVoters: []kmsg.DescribeQuorumResponseTopicPartitionReplicaState{
			voter(105, now-400), voter(101, now-4_900), voter(102, now), voter(104, now-5_001), voter(103, -1),
		},
	}
	got := quorumOf(102, partition)
	if got == nil || !slices.Equal(got.CaughtUp, []int32{101, 102, 105}) || !slices.Equal(got.Behind, []int32{103, 104}) {
		t.Errorf("quorum = %+v", got)
	}
	if got := quorumOf(101, partition); got != nil {
		t.Errorf("a follower knows %+v of the quorum", got)
	}
}

func TestDiskMeter_TellsTheMedianOfAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		writes := 0
		m := newDiskMeter()
		m.write = func(string) error {
			if writes++; writes == 2 {
				time.Sleep(40 * time.Second)
			}
			time.Sleep(3 * time.Millisecond)
			return nil
		}
		go m.run(t.Context())
		m.watch(t.TempDir())
		time.Sleep(time.Minute)
		synctest.Wait()
		if disk := m.disk(); disk == nil || disk.WriteMillis != 0 || writes != 0 {
			t.Errorf("before Kafka runs on it: %+v", disk)
		}
		m.use(&fakeProcess{})
		time.Sleep(50 * time.Second) // 3 ms, and thirty seconds into the slow one
		if got := m.disk().WriteMillis; got < 25_000 {
			t.Errorf("a write that hangs for half a minute counts as %d ms", got)
		}
		time.Sleep(70 * time.Second)
		if got := m.disk().WriteMillis; got != 3 {
			t.Errorf("median %d ms with one slow write", got)
		}
	})
}

func TestDiskMeter_ADiskThatRefusesSaysNothingOfItsSpeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newDiskMeter()
		m.write = func(string) error { return errors.New("no space left on device") }
		go m.run(t.Context())
		m.watch(t.TempDir())
		m.use(&fakeProcess{})
		time.Sleep(time.Minute)
		if disk := m.disk(); disk == nil || disk.WriteMillis != 0 {
			t.Errorf("disk = %+v", disk)
		}
	})
}

func TestAgent_ADiskThatHangsHoldsNoneOfItsLoops(t *testing.T) {
	bubble(t, func(r *rig) {
		hangs := make(chan struct{})
		r.after(0)
		r.stop()
		r.write = func(string) error { <-hangs; return nil }
		r.startAgent()
		r.mailbox.put(spec(1))
		r.after(2*time.Minute).wantState(nodespec.Running, "")
		before := r.mailbox.count()
		beat := r.after(time.Minute).mailbox.last()
		if sent := r.mailbox.count() - before; sent != 4 || !beat.DiskSlow() {
			t.Errorf("%d heartbeats in a minute, disk %+v", sent, beat.Disk)
		}
		r.machine.kafka().die("signal: killed")
		r.after(10*time.Second).wantState(nodespec.Running, "")
		r.wantStarts(2)
		r.stop() // while the write still hangs
		close(hangs)
	})
}

func TestWriteSomething_LeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	if err := writeSomething(dir); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left: %v (%v)", entries, err)
	}
	if err := writeSomething(dir + "/gone"); err == nil {
		t.Error("a directory that is not there took a write")
	}
}

func TestBefore_TellsATimeByHowLongAgoItWas(t *testing.T) {
	if before(time.Now(), nil) != nil {
		t.Error("a time from nothing")
	}
	synctest.Test(t, func(t *testing.T) {
		since := time.Now()
		time.Sleep(time.Hour)
		// What a clock that was set back by a day shows now.
		now := time.Now()
		if got := before(now, &since); now.Sub(*got) != time.Hour {
			t.Errorf("an hour ago is %v before %v", got, now)
		}
	})
}

// What a survey costs the agent in a cluster of 10,000 partitions; Kafka's own part is bounded by surveyShare.
func BenchmarkSurvey_TenThousandPartitions(b *testing.B) {
	answer := kmsg.NewPtrMetadataResponse()
	answer.Version = 12
	for range 500 {
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic = kmsg.StringPtr("a-topic-with-a-usual-name")
		for i := range int32(20) {
			p := kmsg.NewMetadataResponseTopicPartition()
			p.Partition, p.Leader, p.Replicas, p.ISR = i, 1+i%3, []int32{1, 2, 3}, []int32{1, 2, 3}
			topic.Partitions = append(topic.Partitions, p)
		}
		answer.Topics = append(answer.Topics, topic)
	}
	document := answer.AppendTo(nil)
	b.ReportAllocs()
	for b.Loop() {
		read := kmsg.NewPtrMetadataResponse()
		read.Version = answer.Version
		if err := read.ReadFrom(document); err != nil {
			b.Fatal(err)
		}
		if r := replicationOf(1, read); r.Leads != 3500 {
			b.Fatalf("leads %d", r.Leads)
		}
	}
	b.ReportMetric(float64(len(document)), "bytes/answer")
}
