package brokeragent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/authority"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
)

func TestAgent_AsksForACertificateBeforeItHasASpec(t *testing.T) {
	bubble(t, func(r *rig) {
		beat := r.wantState(nodespec.Waiting, "waiting for a spec")
		if !strings.HasPrefix(beat.SigningRequest, "-----BEGIN CERTIFICATE REQUEST-----") || beat.HostID != "i-1" {
			t.Errorf("heartbeat = %+v", beat)
		}
		// The request stays the same over the agent's lives, so that nothing has to be signed again.
		r.stop()
		r.startAgent()
		r.after(0)
		if again := r.mailbox.last(); again.SigningRequest != beat.SigningRequest {
			t.Error("a new agent sent another signing request")
		}
	})
}

func TestAgent_StartsKafkaAndReportsAtOnceWhenItWorks(t *testing.T) {
	bubble(t, func(r *rig) {
		r.mailbox.put(spec(1))
		r.after(0).wantState(nodespec.Starting, "Kafka does not listen yet")
		beat := r.after(2100*time.Millisecond).wantState(nodespec.Running, "")
		if beat.Generation != 1 || beat.Process == nil || !slices.Equal(beat.Brokers, []int32{1, 2, 3}) {
			t.Errorf("heartbeat = %+v", beat)
		}
		if beat.Cluster != "orders" || beat.NodeID != 1 || beat.Role != nodespec.Broker || beat.CertificateEnds != nil {
			t.Errorf("a heartbeat that does not say whose it is: %+v", beat)
		}
		r.wantStarts(1)
	})
}

func TestAgent_SaysWhenItsCertificateEnds(t *testing.T) {
	bubble(t, func(r *rig) {
		certificate, key, err := authority.New("orders", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		ca, err := authority.Load(certificate + key)
		if err != nil {
			t.Fatal(err)
		}
		s := spec(1)
		s.Certificate, err = ca.Sign(r.mailbox.last().SigningRequest, authority.Subject{CommonName: "broker 1"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		r.mailbox.put(s)
		beat := r.after(5*time.Second).wantState(nodespec.Running, "")
		leaf, err := leafOf(s.Certificate)
		if err != nil || beat.CertificateEnds == nil || !beat.CertificateEnds.Equal(leaf.NotAfter) {
			t.Errorf("the certificate ends %v, want that of %+v (%v)", beat.CertificateEnds, leaf, err)
		}
	})
}

func TestAgent_SendsHeartbeatsEvery15SecondsInPeaceAndEvery5InTrouble(t *testing.T) {
	bubble(t, func(r *rig) {
		before := r.mailbox.count()
		if sent := r.after(time.Minute).mailbox.count() - before; sent != 12 {
			t.Errorf("%d heartbeats in a minute of waiting, want 12", sent)
		}
		r.mailbox.put(spec(1))
		r.after(10*time.Second).wantState(nodespec.Running, "")
		before = r.mailbox.count()
		if sent := r.after(time.Minute).mailbox.count() - before; sent != 4 {
			t.Errorf("%d heartbeats in a minute of peace, want 4", sent)
		}
	})
}

func TestAgent_WaitsForTheVolume(t *testing.T) {
	bubble(t, func(r *rig) {
		away := r.volume + "-elsewhere"
		if err := os.Rename(r.volume, away); err != nil {
			t.Fatal(err)
		}
		r.mailbox.put(spec(1))
		r.after(10*time.Second).wantState(nodespec.Preparing, "waiting for the volume to be attached")
		r.wantStarts(0)
		if err := os.Rename(away, r.volume); err != nil {
			t.Fatal(err)
		}
		r.after(3*time.Second).wantState(nodespec.Running, "")
	})
}

func TestAgent_WaitsWhileAnotherProcessHasTheVolume(t *testing.T) {
	bubble(t, func(r *rig) {
		other, err := lockDirectory(r.volume)
		if err != nil {
			t.Fatal(err)
		}
		r.mailbox.put(spec(1))
		r.after(10*time.Second).wantState(nodespec.Preparing, "waiting for the lock of the volume; another process has it")
		r.wantStarts(0)
		other.Close()
		r.after(3*time.Second).wantState(nodespec.Running, "")
	})
}

func TestAgent_WaitsForItsCertificate(t *testing.T) {
	bubble(t, func(r *rig) {
		s := spec(1)
		s.Properties["listener.name.client.ssl.keystore.location"] = nodespec.KeystorePath
		r.mailbox.put(s)
		r.after(time.Second).wantState(nodespec.Preparing, "waiting for a certificate")
		r.wantStarts(0)
	})
}

func TestAgent_RestartsACrashedKafkaWithinASecond(t *testing.T) {
	bubble(t, func(r *rig) {
		r.mailbox.put(spec(1))
		r.after(5 * time.Minute)
		r.machine.kafka().die("signal: killed")
		r.after(0).wantState(nodespec.Failing, "Kafka ended (signal: killed)")
		r.after(time.Second).wantStarts(2)
		beat := r.after(2*time.Second).wantState(nodespec.Running, "")
		if beat.Restarts != 1 || beat.FailedStarts != 0 {
			t.Errorf("restarts = %d, failed starts = %d", beat.Restarts, beat.FailedStarts)
		}
	})
}

func TestAgent_TriesACrashLoopLessAndLessOften(t *testing.T) {
	bubble(t, func(r *rig) {
		r.machine.change(func(m *fakeMachine) { m.broken = true })
		r.mailbox.put(spec(1))
		beat := r.after(3*time.Minute).wantState(nodespec.Failing, "Kafka ended (exit status 1)")
		// One second of life each, and pauses of 0.5 s, 1 s, 2 s … 30 s.
		if want := []int{1, 2, 3, 5, 9, 17, 31, 31, 31, 31}; !slices.Equal(r.machine.pauses(), want) {
			t.Errorf("seconds between starts: %v, want %v", r.machine.pauses(), want)
		}
		if beat.FailedStarts != 11 || beat.Restarts != 0 {
			t.Errorf("failed starts = %d, restarts = %d", beat.FailedStarts, beat.Restarts)
		}

		r.machine.change(func(m *fakeMachine) { m.broken = false })
		if beat := r.after(40*time.Second).wantState(nodespec.Running, ""); beat.FailedStarts != 0 {
			t.Errorf("failed starts of a running node = %d", beat.FailedStarts)
		}
	})
}

func TestAgent_SlowsDownAlsoWhenKafkaCrashesRightAfterItWorked(t *testing.T) {
	bubble(t, func(r *rig) {
		r.mailbox.put(spec(1))
		for range 2400 { // two minutes, in which every Kafka dies once it works
			r.after(50 * time.Millisecond)
			if r.mailbox.last().State == nodespec.Running {
				r.machine.kafka().die("exit status 1")
			}
		}
		if got := r.machine.startCount(); got > 9 {
			t.Errorf("%d starts in two minutes", got)
		}
	})
}

// Whoever kills a Kafka that works is not Kafka itself.
func TestAgent_RestartsWithinASecondAlsoAKafkaThatIsKilledAgainAndAgain(t *testing.T) {
	bubble(t, func(r *rig) {
		r.mailbox.put(spec(1))
		for kill := range 20 {
			r.after(3*time.Second).wantState(nodespec.Running, "")
			r.machine.kafka().die("signal: killed")
			r.after(time.Second).wantStarts(kill + 2)
		}
	})
}

// A crash now and then is made up for by the time that lies between.
func TestAgent_RestartsWithinASecondAKafkaThatCrashesOnceInHalfAMinute(t *testing.T) {
	bubble(t, func(r *rig) {
		r.mailbox.put(spec(1))
		for crash := range 20 {
			r.after(30 * time.Second)
			r.machine.kafka().die("exit status 1")
			r.after(time.Second).wantStarts(crash + 2)
		}
	})
}

func TestAgent_ReportsNeighboursAtOnceThatJoinAfterItsOwnBroker(t *testing.T) {
	bubble(t, func(r *rig) {
		r.machine.change(func(m *fakeMachine) { m.alone = true })
		r.mailbox.put(spec(1))
		beat := r.after(6*time.Second).wantState(nodespec.Running, "")
		if !slices.Equal(beat.Brokers, []int32{1}) {
			t.Fatalf("brokers = %v", beat.Brokers)
		}
		r.machine.change(func(m *fakeMachine) { m.alone = false })
		beat = r.after(100*time.Millisecond).wantState(nodespec.Running, "")
		if !slices.Equal(beat.Brokers, []int32{1, 2, 3}) {
			t.Errorf("brokers after a tenth of a second = %v", beat.Brokers)
		}
	})
}

func TestAgent_ReportsANodeThatIsFenced(t *testing.T) {
	bubble(t, func(r *rig) {
		r.mailbox.put(spec(1))
		r.after(time.Minute)
		r.machine.change(func(m *fakeMachine) { m.fenced = true })
		beat := r.after(6*time.Second).wantState(nodespec.Starting, "Kafka does not list broker 1")
		if !slices.Equal(beat.Brokers, []int32{2, 3}) {
			t.Errorf("brokers = %v", beat.Brokers)
		}
		r.wantStarts(1) // it is alive; a restart would only cost more
		r.machine.change(func(m *fakeMachine) { m.fenced = false })
		r.after(time.Second).wantState(nodespec.Running, "")
	})
}

func TestAgent_RestartsKafkaForChangedFilesOnly(t *testing.T) {
	bubble(t, func(r *rig) {
		r.mailbox.put(spec(1))
		r.after(time.Minute)
		first := r.machine.kafka()

		r.mailbox.put(spec(2)) // the same under a new number
		if beat := r.after(time.Second).wantState(nodespec.Running, ""); beat.Generation != 2 || r.machine.kafka() != first {
			t.Errorf("generation = %d", beat.Generation)
		}

		changed := spec(3)
		changed.Properties["num.io.threads"] = "16"
		r.mailbox.put(changed)
		r.after(0).wantState(nodespec.Preparing, "stopping Kafka, to start it again as generation 3 says")
		beat := r.after(4*time.Second).wantState(nodespec.Running, "")
		if beat.Generation != 3 || r.machine.kafka() == first || first.signalled() != "[terminated]" {
			t.Errorf("generation = %d, the old process got %s", beat.Generation, first.signalled())
		}
	})
}

func TestAgent_StaysRunningUnderASpecThatChangesNothingForKafka(t *testing.T) {
	bubble(t, func(r *rig) {
		r.mailbox.put(spec(1))
		r.after(time.Minute)
		sealed := spec(2)
		sealed.Volume.New = false
		r.mailbox.put(sealed)
		r.after(time.Minute)
		for _, beat := range r.mailbox.beats {
			if beat.Generation == 2 && beat.State != nodespec.Running {
				t.Fatalf("a node that goes on running is said to be %s: %s", beat.State, beat.Reason)
			}
		}
		r.machine.change(func(m *fakeMachine) { m.fenced = true })
		r.after(time.Minute).wantState(nodespec.Starting, "Kafka does not list broker 1") // it is still watched
	})
}

func TestAgent_NeverSaysRunningForAGenerationThatDoesNotRunYet(t *testing.T) {
	bubble(t, func(r *rig) {
		r.mailbox.put(spec(1))
		r.after(time.Minute)
		old := r.machine.kafka().pid()
		changed := spec(2)
		changed.Properties["num.io.threads"] = "16"
		r.mailbox.put(changed)
		r.after(time.Minute)
		for _, beat := range r.mailbox.beats {
			if beat.Generation == 2 && beat.State == nodespec.Running && beat.Process.PID == old {
				t.Fatalf("a heartbeat takes the old process for the new generation: %+v", beat)
			}
		}
	})
}

func TestAgent_KillsAKafkaThatDoesNotStop(t *testing.T) {
	bubble(t, func(r *rig) {
		r.mailbox.put(spec(1))
		r.after(time.Minute)
		r.machine.change(func(m *fakeMachine) { m.deaf = true })
		r.stop()
		if got := r.machine.kafka().signalled(); got != "[terminated killed]" || r.machine.kafka().alive() {
			t.Errorf("Kafka got %s", got)
		}
		r.wantState(nodespec.Stopped, "the agent was told to end")
	})
}

func TestAgent_KeepsKafkaWhileTheControlPlaneIsAway(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
	}{
		{"it does not answer", errAway},
		{"it does not know the host any more", fault.New(fault.NotFound, "host i-1 does not exist")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.mailbox.put(spec(1))
				r.after(time.Minute)
				r.mailbox.goAway(tt.err)
				r.after(time.Hour)
				r.wantStarts(1)
				r.machine.kafka().die("exit status 1")
				r.after(time.Minute)
				r.wantStarts(2)

				r.mailbox.goAway(nil)
				if beat := r.after(2*time.Second).wantState(nodespec.Running, ""); beat.Restarts != 1 {
					t.Errorf("restarts = %d", beat.Restarts)
				}
				if lines := strings.Count(r.log.String(), "keeping"); lines != 1 {
					t.Errorf("%d lines about one silence", lines)
				}
			})
		})
	}
}

func TestAgent_StartsFromItsLastSpecWhileTheControlPlaneIsAway(t *testing.T) {
	bubble(t, func(r *rig) {
		r.mailbox.put(spec(1))
		r.after(time.Minute)
		r.stop()
		r.mailbox.goAway(errAway)
		r.startAgent()
		r.after(time.Minute)
		r.wantStarts(2)
	})
}

func TestAgent_TakesUpAKafkaThatRunsAlready(t *testing.T) {
	for _, tt := range []struct {
		name       string
		digest     func(string) string
		wantStarts int
	}{
		{"started with the same files", func(d string) string { return d }, 1},
		{"started with other files", func(string) string { return "other" }, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.mailbox.put(spec(1))
				r.after(time.Minute)
				// An agent that ends takes its Kafka along; what a killed one leaves behind is put there by hand.
				left := r.machine.kafka().marked
				r.stop()
				left.digest = tt.digest(left.digest)
				r.machine.change(func(m *fakeMachine) {
					m.current = &fakeProcess{machine: m, number: 77, started: time.Now(), marked: left, ended: make(chan struct{})}
				})
				held, err := lockDirectory(r.volume) // Kafka has it
				if err != nil {
					t.Fatal(err)
				}
				orphan := r.machine.kafka()
				go func() { <-orphan.done(); held.Close() }()

				r.startAgent()
				beat := r.after(10*time.Second).wantState(nodespec.Running, "")
				r.wantStarts(tt.wantStarts)
				if same := beat.Process.PID == 77; same != (tt.wantStarts == 1) {
					t.Errorf("process %d", beat.Process.PID)
				}
				orphan.die("")
				r.after(time.Minute).wantState(nodespec.Running, "")
				if now := r.machine.kafka(); now == orphan || !now.alive() {
					t.Error("what was adopted is not kept like what was started")
				}
			})
		})
	}
}

func TestAgent_RefusesASpecThatWouldPutDataElsewhere(t *testing.T) {
	bubble(t, func(r *rig) {
		for i, tt := range []struct{ property, value, want string }{
			{"log.dirs", "/tmp/logs", `log.dirs has to be ${host.volume}, not "/tmp/logs"`},
			{"log.dir", "/tmp/log", `log.dirs is the one place for data; log.dir is "/tmp/log", metadata.log.dir is ""`},
			{"metadata.log.dir", "/tmp/m", `log.dirs is the one place for data; log.dir is "", metadata.log.dir is "/tmp/m"`},
		} {
			s := spec(int64(i + 1))
			s.Properties[tt.property] = tt.value
			r.mailbox.put(s)
			r.after(time.Minute).wantState(nodespec.Failing, fmt.Sprintf("generation %d can't be run: %s", i+1, tt.want))
			r.wantStarts(0)
		}
		r.mailbox.put(spec(9))
		r.after(time.Minute).wantState(nodespec.Running, "")
	})
}

func TestAgent_SaysWhatItPreparesAndWhyItCannot(t *testing.T) {
	bubble(t, func(r *rig) {
		r.machine.change(func(m *fakeMachine) { m.noSoftware = errors.New("no route to Maven Central") })
		r.mailbox.put(spec(1))
		beat := r.after(time.Second).wantState(nodespec.Failing, "prepare Kafka 4.1.2: no route to Maven Central")
		if beat.FailedStarts == 0 {
			t.Error("not counted as a failed start")
		}
		r.machine.change(func(m *fakeMachine) { m.noSoftware = nil })
		r.after(time.Minute).wantState(nodespec.Running, "")
	})
}

func TestAgent_DoesNotReportWithoutAPause(t *testing.T) {
	agent := Agent{HostID: "i-1", Dir: t.TempDir()}
	if err := agent.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "need an interval") {
		t.Errorf("Run = %v", err)
	}
}

func TestAgent_IsTheOnlyOneOfItsDirectory(t *testing.T) {
	bubble(t, func(r *rig) {
		err := (&Agent{HostID: "i-1", Dir: r.dir, HeartbeatInterval: time.Second}).Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "another agent works in") {
			t.Errorf("err = %v", err)
		}
	})
}

func TestAgent_FormatsANewVolumeOnce(t *testing.T) {
	bubble(t, func(r *rig) {
		r.mailbox.put(spec(1))
		r.after(time.Minute).wantState(nodespec.Running, "")
		meta, err := os.ReadFile(filepath.Join(r.volume, "meta.properties"))
		if err != nil {
			t.Fatal(err)
		}
		r.machine.kafka().die("exit status 1")
		r.after(time.Minute).wantState(nodespec.Running, "")
		if again, err := os.ReadFile(filepath.Join(r.volume, "meta.properties")); err != nil || string(again) != string(meta) {
			t.Errorf("meta.properties changed: %v", err)
		}
	})
}

func TestAgent_KeepsTheOldKafkaUntilTheNextReleaseIsThere(t *testing.T) {
	bubble(t, func(r *rig) {
		r.mailbox.put(spec(1))
		r.after(time.Minute)
		old := r.machine.kafka()
		r.machine.change(func(m *fakeMachine) { m.noSoftware = errors.New("no route to Maven Central") })
		upgrade := spec(2)
		upgrade.Release = "4.2.1"
		r.mailbox.put(upgrade)
		r.after(time.Minute)
		if !old.alive() {
			t.Error("the old Kafka was stopped for a release that is not there")
		}
		r.machine.change(func(m *fakeMachine) { m.noSoftware = nil })
		if beat := r.after(time.Minute).wantState(nodespec.Running, ""); beat.Process.Release != "4.2.1" {
			t.Errorf("release %s runs", beat.Process.Release)
		}
	})
}
