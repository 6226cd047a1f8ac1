package brokeragent

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/kafkaformat"
	"github.com/millrace/millrace/shared/nodespec"
)

// linkVolume makes the volume's place a link to it, and gives another volume for it to lead to.
func (r *rig) linkVolume() (volume, other string) {
	r.t.Helper()
	volume, other = r.volume, r.t.TempDir()
	r.stop()
	r.volume = filepath.Join(r.t.TempDir(), "link")
	r.lead(volume)
	r.startAgent()
	return volume, other
}

// lead makes the volume's place lead to a directory.
func (r *rig) lead(to string) {
	r.t.Helper()
	next := r.volume + ".next"
	if err := errors.Join(os.Symlink(to, next), os.Rename(next, r.volume)); err != nil {
		r.t.Fatal(err)
	}
}

func TestAgent_GivesKafkaTheVolumeThatIsLockedAndNotALinkToIt(t *testing.T) {
	bubble(t, func(r *rig) {
		volume, other := r.linkVolume()
		r.mailbox.put(spec(1))
		r.after(time.Minute).wantState(nodespec.Running, "")
		properties, err := os.ReadFile(home{r.dir}.properties())
		if err != nil || !strings.Contains(string(properties), "log.dirs="+volume+"\n") {
			t.Errorf("Kafka was given %s (%v), want log.dirs=%s", properties, err, volume)
		}
		// The link leads elsewhere from now on: Kafka's next life is not on the locked volume, and it has to be locked first.
		taken, err := lockDirectory(other)
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		r.lead(other)
		r.machine.kafka().die("signal: killed")
		r.after(time.Minute).wantState(nodespec.Preparing, "waiting for the lock of the volume; another process has it")
		r.wantStarts(1)
	})
}

func TestAgent_StartsNothingOnAVolumeThatWasExchangedWhileSoftwareWasFetched(t *testing.T) {
	bubble(t, func(r *rig) {
		_, other := r.linkVolume()
		r.machine.change(func(m *fakeMachine) {
			m.fetching = func() {
				m.fetching = nil
				r.lead(other)
			}
		})
		r.mailbox.put(spec(1))
		r.after(0).wantState(nodespec.Failing, "the volume was taken away before Kafka was started")
		r.wantStarts(0)
		if entries, err := os.ReadDir(other); err != nil || len(entries) != 0 {
			t.Errorf("the other volume holds %v (%v)", entries, err)
		}
		r.after(time.Minute).wantState(nodespec.Running, "") // on the other one, which is new and locked by then
	})
}

func TestAgent_LooksAtWhoseTheVolumeIsBeforeEachStart(t *testing.T) {
	bubble(t, func(r *rig) {
		_, other := r.linkVolume()
		foreign := kafkaformat.Node{
			Identity: kafkaformat.Identity{ClusterID: spec(1).ClusterID, NodeID: 2, DirectoryID: "CCCCCCCCCCCCCCCCCCCCCA"}, Role: nodespec.Broker,
		}
		if err := kafkaformat.Format(other, foreign); err != nil {
			t.Fatal(err)
		}
		r.mailbox.put(spec(1))
		r.after(time.Minute)
		r.lead(other)
		r.machine.kafka().die("signal: killed")
		r.after(time.Minute).wantState(nodespec.Stopped, "the volume belongs to node 2 of orders, not to node 1: it is left alone")
		r.wantStarts(1)
	})
}

func TestAgent_SurvivesAFullDiskUnderItsOwnDirectory(t *testing.T) {
	bubble(t, func(r *rig) {
		r.stop()
		if err := syscall.Mount("tmpfs", r.dir, "tmpfs", 0, "size=256k"); err != nil {
			r.startAgent() // for the end of the test to stop
			t.Skipf("needs to mount a small file system: %v", err)
		}
		r.t.Cleanup(func() {
			if err := syscall.Unmount(r.dir, 0); err != nil {
				t.Error(err)
			}
		})
		r.startAgent()
		r.mailbox.put(spec(1))
		r.after(time.Minute).wantState(nodespec.Running, "")

		ballast := filepath.Join(r.dir, "ballast")
		content := make([]byte, 1<<20)
		if err := os.WriteFile(ballast, content, 0o600); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("the disk is not full: %v", err)
		}
		// What Kafka was started with is there already.
		r.machine.kafka().die("signal: killed")
		r.after(time.Minute).wantState(nodespec.Running, "")
		r.wantStarts(2)

		changed := spec(2)
		changed.Properties["num.io.threads"] = strings.Repeat("1", 8<<10)
		r.mailbox.put(changed)
		beat := r.after(time.Minute).mailbox.last()
		if beat.State != nodespec.Failing || beat.Generation != 2 || !strings.HasPrefix(beat.Reason, "write Kafka's files: ") ||
			!strings.Contains(beat.Reason, "no space left on device") {
			t.Errorf("%s: %q", beat.State, beat.Reason)
		}
		if halves, err := filepath.Glob(filepath.Join(r.dir, "private", "*.new")); err != nil || len(halves) != 0 {
			t.Errorf("half a file takes room: %v (%v)", halves, err)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		r.after(longestPause+10*time.Second).wantState(nodespec.Running, "")
	})
}

// The agent is killed at every tenth of a second of a node's first start and of a restart that it is asked for.
func TestAgent_KilledAtAnyMomentStartsNoSecondKafkaAndLosesNoWish(t *testing.T) {
	const asked, over = 3 * time.Second, 7 * time.Second
	for moment := time.Duration(0); moment < over; moment += 100 * time.Millisecond {
		t.Run(moment.String(), func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.mailbox.put(spec(1))
				time.AfterFunc(asked, func() { r.mailbox.put(restarted(2, 1)) })
				r.after(moment)
				r.killAgent()
				r.after(time.Second)
				r.startAgent()
				beat := r.after(time.Minute).wantState(nodespec.Running, "")
				r.wantStarts(2)
				if beat.Generation != 2 || beat.Process == nil || beat.Process.PID != r.machine.kafka().pid() || r.machine.second {
					t.Errorf("heartbeat %+v, a second Kafka: %t", beat, r.machine.second)
				}
			})
		})
	}
}

func TestAgent_ToldToEndWhileItRestartsKafkaStartsNoneForAMoment(t *testing.T) {
	bubble(t, func(r *rig) {
		r.mailbox.put(spec(1))
		r.after(time.Minute)
		r.mailbox.put(restarted(2, 1))
		r.after(500 * time.Millisecond) // Kafka takes a second to stop
		r.stop()
		r.wantStarts(1)
		r.startAgent()
		r.after(time.Minute).wantState(nodespec.Running, "")
		r.wantStarts(2)
	})
}

func TestParseMark_TakesNobodyForKafkaWhoOnlyNamesItsHost(t *testing.T) {
	for _, arguments := range [][]string{
		{"grep", "-Dmillrace.host=/srv/host 1"},
		{"java", "-Dmillrace.host=/srv/host 1", "-Dmillrace.release=4.1.2"},
		{"java", "-Dmillrace.release=4.1.2", "-Dmillrace.files=abc"},
	} {
		if m, ok := parseMark(arguments); ok {
			t.Errorf("%q was taken for %+v", arguments, m)
		}
	}
}

func TestLock_IsHeldByAProcessThatInheritedItUntilThatEnds(t *testing.T) {
	dir := t.TempDir()
	lock, err := lockDirectory(dir)
	if err != nil {
		t.Fatal(err)
	}
	holder := exec.CommandContext(t.Context(), "sleep", "60")
	holder.ExtraFiles = []*os.File{lock}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = holder.Process.Kill(); _ = holder.Wait() })
	lock.Close()
	if _, err := lockDirectory(dir); !errors.Is(err, errLocked) {
		t.Errorf("the lock of a living process was given away: %v", err)
	}
	if err := errors.Join(holder.Process.Signal(syscall.SIGSTOP), holder.Process.Kill()); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait()
	again, err := lockDirectory(dir)
	if err != nil {
		t.Fatalf("the lock of a dead process is still taken: %v", err)
	}
	again.Close()
}
