package health_test

import (
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/nodespec"
)

// What brokers lack that find no quorum says nothing about them: counted as sick they would keep the breaker open, and the
// breaker the controller from being replaced without which they never come up.
func TestJudge_BrokersThatFindNoQuorumWaitForTheController(t *testing.T) {
	w := newWardOf(t, "orders", 3, 1)
	w.impaired(1001)
	w.vanish(1001)
	for _, broker := range []int32{1, 3} {
		w.says(broker, func(b *nodespec.Heartbeat) {
			b.State, b.Reason, b.FailedStarts, b.Process, b.Brokers = nodespec.Failing, "no quorum", 5, nil, nil
		})
	}
	w.pass(time.Minute) // two brokers are sick, and nobody knows yet of whom that comes
	if got := w.describe(); !strings.Contains(got, "the circuit breaker is open") {
		t.Errorf("got\n%s", got)
	}
	if got := w.healsWithin(time.Hour); !strings.HasPrefix(got, "replace controller 1001 after ") {
		t.Errorf("got\n%s", got)
	}
	if got := w.describe(); !strings.Contains(got, "replace waits: no broker can start without a quorum, so the controllers are healed first") {
		t.Errorf("got\n%s", got)
	}
}

// A controller that works is no lost quorum, whatever its disk is like: brokers would wait for it for as long as that lasts.
func TestJudge_NoBrokerWaitsForAControllerThatWorksOnASlowOrFullDisk(t *testing.T) {
	for name, disk := range map[string]func(*nodespec.Heartbeat){"slow": disk(100, 2000), "full": disk(990, 0)} {
		t.Run(name, func(t *testing.T) {
			w := newWardOf(t, "orders", 3, 1)
			w.says(1001, disk)
			w.pass(10 * time.Minute)
			w.says(2, failing(5, "an index is broken"))
			if got := w.healsWithin(time.Hour); !strings.HasPrefix(got, "replace broker 2 after 1s") {
				t.Errorf("got\n%s", got)
			}
			w.says(1001, func(b *nodespec.Heartbeat) { disk(b); failing(1, "No space left on device")(b) })
			if name == "full" && !w.look().Health.QuorumIsLost(w.now) {
				t.Error("a controller that has ended is no quorum")
			}
		})
	}
}

// What a broker missed while its disk was full it has yet to catch up on: it is not held against it that it lacks that for long.
func TestJudge_ABrokerThatWasAwayHasItsTimeToCatchUp(t *testing.T) {
	w := newWard(t)
	w.says(1, missing(2, 3))
	w.says(2, func(b *nodespec.Heartbeat) {
		failing(1, "No space left on device")(b)
		disk(1000, 0)(b)
	})
	w.pass(20 * time.Minute)
	started := w.now
	w.says(2, func(b *nodespec.Heartbeat) { b.Process.StartedAt = started })
	if got := w.healsWithin(9 * time.Minute); !strings.HasPrefix(got, "broker 2 is out of sync") {
		t.Errorf("got\n%s", got)
	}
	if got := w.healsWithin(5 * time.Minute); !strings.HasPrefix(got, "restart broker 2 after 1m") {
		t.Errorf("got\n%s", got)
	}
}
