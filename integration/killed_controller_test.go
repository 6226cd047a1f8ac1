package integration

import (
	"testing"
	"time"

	"github.com/millrace/millrace/integration/harness"
)

func TestKilledController_LeavesNoTopicHalfMade(t *testing.T) {
	const pause, times = 5 * time.Second, 24
	m := harness.StartMillrace(t, harness.Flags("--controllers", "3"))
	arn := m.CreateCluster(t, "orders")
	m.WaitUntilActive(t, arn)
	m.ForbidTwins()
	client := m.TLSClient(t, arn)
	l := client.StartLoad(harness.UsualLoad("payments"))
	topics := client.StartMakingTopics("made")
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for range times {
		<-ticker.C
		l.KillActiveController(m, arn)
	}
	last := time.Now()
	l.WaitUntilInSync()
	l.WaitUntilItFlows(last)
	made := topics.Verify()
	t.Logf("%d topics were asked for, %d said to be made, %d are there", made.Asked, made.Answered, made.Existing)
	if made.Answered < times {
		t.Errorf("only %d topics were made in all that time", made.Answered)
	}
	if gap := l.Verify().LongestGap; gap >= 5*time.Second {
		t.Errorf("brokers go on without controllers, and yet a partition could not be written to for %s", gap)
	}
	m.WaitUntilActive(t, arn)
	if heals := m.HealingOf(t, arn).Heals(); len(heals) > 0 {
		t.Errorf("agents bring their Kafkas back by themselves, and yet:\n%s", harness.Tell(heals))
	}
}
