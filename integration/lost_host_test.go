package integration

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/integration/harness"
)

var stepsOfReplacement = []string{"JUDGE", "FENCE_HOST", "LAUNCH_HOST", "START_KAFKA", "CATCH_UP", "FINALIZE"}

func TestLostHost_TheClusterHealsAndNoRecordIsLost(t *testing.T) {
	m := harness.StartMillrace(t)
	w, other := admit(t, m, "orders", 3, 1), admit(t, m, "frozen", 2, 1, harness.Small)
	m.ForbidTwins()
	// That a host is silent shows only after minutes: they pass while the first cluster comes to all kinds of harm.
	other.look(t)
	held := m.Hold(other.arn, 2, harness.Agent, harness.Kafka)

	w.run(t, "a broker comes back on another host, with its id, address and volume", func(t *testing.T, w *ward) {
		m.LoseHosts(w.arn, 2)
		w.healing.WaitUntilBegun(w.heals + 1)
		for _, heal := range w.healed(t, 1) {
			consistsOf(t, heal, stepsOfReplacement...)
		}
		w.replaced(t, 2)
	})
	w.run(t, "two of three brokers at once come back, one after the other", func(t *testing.T, w *ward) {
		m.LoseHosts(w.arn, 1, 3)
		w.healed(t, 2)
		w.replaced(t, 1, 3)
	})
	w.run(t, "the only controller comes back", func(t *testing.T, w *ward) {
		m.LoseHosts(w.arn, harness.FirstController)
		w.healed(t, 1)
		w.replaced(t, harness.FirstController)
	})
	w.run(t, "a broker that is killed while another is replaced is its agent's business", func(t *testing.T, w *ward) {
		m.LoseHosts(w.arn, 2)
		w.healing.WaitUntilBegun(w.heals + 1)
		m.KillKafka(w.arn, 3)
		w.healed(t, 1)
		w.replaced(t, 2)
	})
	w.run(t, "an agent that is lost alone is started again", func(t *testing.T, w *ward) {
		m.KillAgent(w.arn, 1)
		harness.Until(t, "broker 1 has an agent", time.Minute, func() (bool, string) {
			return len(m.ProcessesOf(w.arn, 1, harness.Agent)) == 1, ""
		})
		w.healed(t, 0)
		w.replaced(t)
	})
	w.run(t, "maintenance keeps healing away until it ends", func(t *testing.T, w *ward) {
		m.Command("maintenance", "on", w.arn, "3", "--for", "1h", "--reason", "a new disk")
		m.LoseHosts(w.arn, 3)
		m.WaitUntilFound(t, w.arn, 3, "dead, and in maintenance", func(h harness.NodeHealth) bool {
			return h.Condition == "host dead" && strings.Contains(h.Waits, "maintenance")
		})
		if state := w.healing.State(); state != types.ClusterStateActive || len(w.healing.Heals()) != w.heals {
			t.Errorf("the cluster is %s, and was healed:\n%s", state, harness.Tell(w.healing.Heals()))
		}
		m.Command("maintenance", "off", w.arn, "3")
		w.healed(t, 1)
		w.replaced(t, 3)
	})
	w.run(t, "a Kafka that is stopped by a signal is started again, and it is said why", func(t *testing.T, w *ward) {
		held := m.Hold(w.arn, 1, harness.Kafka)
		for _, heal := range w.healed(t, 1) {
			consistsOf(t, heal, "JUDGE", "RESTART_KAFKA", "CATCH_UP", "FINALIZE")
		}
		w.replaced(t)
		if slices.ContainsFunc(held, m.Lives) {
			t.Errorf("one of %v lives", held)
		}
		if history := m.Command("heal", "history", w.arn); !strings.Contains(history, "kafka held") {
			t.Errorf("the history does not say why:\n%s", history)
		}
	})
	t.Run("an agent and a Kafka that wake up after their replacement find nothing to write to", func(t *testing.T) {
		other.healed(t, 1)
		m.LetGo(held)
		other.replaced(t, 2)
		if slices.ContainsFunc(held, m.Lives) {
			t.Errorf("one of %v lives", held)
		}
		other.discharge(t)
	})
	w.run(t, "what was lost and found while no control plane ran is not replaced", func(t *testing.T, w *ward) {
		m.Kill()
		m.LoseHosts(w.arn, 2)
		w.load.WaitUntilOutOfSync()
		m.LoseHosts(w.arn, harness.FirstController)
		m.Up()
		w.healed(t, 0)
		w.replaced(t)
	})
	w.run(t, "a control plane that is killed over and over finishes what it has begun", func(t *testing.T, w *ward) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		moments := rand.New(rand.NewPCG(seed, 0))
		m.LoseHosts(w.arn, 1)
		w.healing.WaitUntilBegun(w.heals + 1)
		for i := range 8 {
			if i == 4 {
				m.Down() // and all hosts with it
			} else {
				m.Kill()
			}
			m.Up()
			time.Sleep(time.Duration(moments.Int64N(int64(time.Second))))
		}
		w.healed(t, 1)
		w.replaced(t, 1)
	})
	w.discharge(t)
}

func TestLostHost_AControllerOfThreeComesBack(t *testing.T) {
	m := harness.StartMillrace(t, harness.Flags("--controllers", "3"))
	w := admit(t, m, "orders", 2, 3, harness.Small)
	m.ForbidTwins()
	w.run(t, "it comes back on another host, with its volume", func(t *testing.T, w *ward) {
		m.LoseHosts(w.arn, harness.FirstController+1)
		for _, heal := range w.healed(t, 1) {
			consistsOf(t, heal, stepsOfReplacement...)
		}
		w.replaced(t, harness.FirstController+1)
	})
	w.discharge(t)
}
