package integration

import (
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/integration/harness"
)

func TestHeldProcess_IsRestartedOrReplacedAndNeverWritesAgain(t *testing.T) {
	m := harness.StartMillrace(t)
	w := admit(t, m, "orders", 3, 1)
	m.ForbidTwins()

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
	w.run(t, "an agent and a Kafka that wake up after their replacement find nothing to write to", func(t *testing.T, w *ward) {
		held := m.Hold(w.arn, 2, harness.Agent, harness.Kafka)
		w.healing.WaitUntilBegun(w.heals + 1)
		w.healed(t, 1)
		m.LetGo(held)
		w.replaced(t, 2)
		if slices.ContainsFunc(held, m.Lives) {
			t.Errorf("one of %v lives", held)
		}
	})
	w.discharge(t)
}
