package integration

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/integration/harness"
)

// kills is how often a broker is killed. It is what the promise says, and takes four minutes.
const kills = 30

func TestKilledBroker_NoAcknowledgedRecordIsLostAndAllReplicasComeBack(t *testing.T) {
	m := harness.StartMillrace(t)
	arn := m.CreateCluster(t, "orders")
	m.WaitUntilActive(t, arn)
	m.ForbidTwins()
	l := m.TLSClient(t, arn).StartLoad(harness.UsualLoad("payments"))
	l.WaitUntilInSync()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))

	var gaps, whole []time.Duration
	for range kills {
		killed, broker := time.Now(), 1+dice.Int32N(3)
		m.KillKafka(arn, broker)
		l.WaitUntilOutOfSync()
		l.WaitUntilInSync()
		whole = append(whole, time.Since(killed))
		l.WaitUntilItFlows(killed)
		gaps = append(gaps, l.LongestGap(killed, time.Now()))
		t.Logf("broker %d, killed at %s: all replicas in sync after %.2f s, write gap %.2f s",
			broker, killed.UTC().Format("15:04:05.000"), whole[len(whole)-1].Seconds(), gaps[len(gaps)-1].Seconds())
	}
	// How long is good enough is the bench's to say: it depends on what else the machine does.
	t.Logf("write gap: %s", spread(gaps))
	t.Logf("kill until all replicas are in sync: %s", spread(whole))

	agents := m.ProcessesOf(arn, 2, harness.Agent)
	kafkas := m.Kafkas()
	m.KillAgent(arn, 2)
	harness.Until(t, "the agent runs again", time.Minute, func() (bool, string) {
		now := m.ProcessesOf(arn, 2, harness.Agent)
		return len(now) == 1 && now[0].PID != agents[0].PID, fmt.Sprint(now)
	})
	m.WaitUntilActive(t, arn)
	for node, pid := range m.Kafkas() {
		if kafkas[node] != pid {
			t.Errorf("the Kafka of %s was started again", node)
		}
	}
	if heals := m.HealingOf(t, arn).Heals(); len(heals) > 0 {
		t.Errorf("agents bring their Kafkas back by themselves, and yet:\n%s", harness.Tell(heals))
	}
	l.Verify()
}

// spread tells durations in three figures.
func spread(d []time.Duration) string {
	at := func(percent int) float64 { return percentile(d, percent).Seconds() }
	return fmt.Sprintf("p50 %.2f s, p95 %.2f s, max %.2f s of %d", at(50), at(95), at(100), len(d))
}

func percentile(d []time.Duration, percent int) time.Duration {
	return slices.Sorted(slices.Values(d))[(len(d)-1)*percent/100]
}
