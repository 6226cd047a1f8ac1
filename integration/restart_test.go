package integration

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/integration/harness"
)

func TestRestart_ProducersDoNotNoticeThatTheControlPlaneWasKilled(t *testing.T) {
	stayUnnoticed(t, func(m *harness.Millrace) { m.Kill() })
}

func TestRestart_CtrlCLeavesTheBrokersRunningAndSaysSo(t *testing.T) {
	stayUnnoticed(t, func(m *harness.Millrace) {
		if printed := m.Interrupt(); !strings.Contains(printed, "go on running") {
			t.Errorf("Ctrl-C made it print, in all:\n%s", printed)
		}
	})
}

// stayUnnoticed ends a control plane while a producer is at work, and starts it again.
func stayUnnoticed(t *testing.T, end func(*harness.Millrace)) {
	m := harness.StartMillrace(t)
	arn := m.CreateCluster(t, "orders")
	m.WaitUntilActive(t, arn)
	before := m.Kafkas()
	client := m.TLSClient(t, arn)
	client.CreateTopic("payments", 3)
	producer := client.StartProducing("payments", "payment")
	producer.WaitForMore(100)

	end(m)
	producer.WaitForMore(100)
	m.ForbidTwins()
	m.Up()
	producer.WaitForMore(100)

	m.WaitUntilActive(t, arn)
	if after := m.Kafkas(); !maps.Equal(before, after) {
		t.Errorf("Kafka ran as the processes %v, and runs as %v after the restart", before, after)
	}
	acknowledged, failures := producer.Stop()
	if len(failures) > 0 {
		t.Errorf("%d sends failed, the first with: %v", len(failures), failures[0])
	}
	if got := client.Consume("payments", acknowledged); !slices.Equal(got, harness.Values("payment", acknowledged)) {
		t.Errorf("%d records were acknowledged, and others are there: %d", acknowledged, len(got))
	}
}

func TestRestart_KafkaRunsOnWhenControlPlaneAndAgentsAreKilled(t *testing.T) {
	stayUnnoticed(t, func(m *harness.Millrace) {
		m.Kill()
		m.KillAll(harness.Agent)
	})
}

func TestRestart_RecordsAndAddressesSurviveDownAndUp(t *testing.T) {
	comeBack(t, func(m *harness.Millrace) { m.Down() })
}

func TestRestart_RecordsAndAddressesSurviveTheEndOfEveryProcess(t *testing.T) {
	comeBack(t, func(m *harness.Millrace) {
		m.Kill()
		m.KillAll(harness.Agent, harness.Kafka)
	})
}

// comeBack ends everything that runs and starts it again.
func comeBack(t *testing.T, end func(*harness.Millrace)) {
	m := harness.StartMillrace(t)
	arn := m.CreateCluster(t, "orders")
	m.WaitUntilActive(t, arn)
	before := m.TLSClient(t, arn)
	before.CreateTopic("payments", 3)
	before.Produce("payments", "payment", 500)
	bootstrap, _ := m.Bootstrap(t, arn)

	end(m)
	if left := m.Processes(); len(left) != 0 {
		t.Errorf("these still run: %v", left)
	}
	m.ForbidTwins()
	m.Up()

	if now, _ := m.Bootstrap(t, arn); now != bootstrap {
		t.Errorf("the brokers were at %s and are at %s", bootstrap, now)
	}
	after := m.TLSClient(t, arn)
	after.WaitUntilInSync()
	if got := after.Consume("payments", 500); !slices.Equal(got, harness.Values("payment", 500)) {
		t.Errorf("%d records came back", len(got))
	}
	after.Produce("payments", "later", 100)
}
