package integration

import (
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/integration/harness"
	"github.com/millrace/millrace/shared/cluster"
)

func TestKilledKafka_ProducersFailNothingAndItsAgentBringsItBack(t *testing.T) {
	m := harness.StartMillrace(t, harness.Flags("--controllers", "3"))
	arn := m.CreateCluster(t, "orders")
	m.WaitUntilActive(t, arn)
	if n := len(m.Kafkas()); n != 6 {
		t.Fatalf("3 brokers and 3 controllers are %d processes", n)
	}
	m.ForbidTwins()
	client := m.TLSClient(t, arn)
	client.CreateTopic("payments", 3)
	producer := client.StartProducing("payments", "payment")
	producer.WaitForMore(50)

	for _, role := range []cluster.Role{cluster.Controller, cluster.Broker} {
		m.KillOneKafka(role)
		producer.WaitForMore(50)
		harness.Until(t, "the agent has started it again", 3*time.Minute, func() (bool, string) {
			return len(m.Kafkas()) == 6, ""
		})
		client.WaitUntilInSync()
	}

	acknowledged, failures := producer.Stop()
	if len(failures) > 0 {
		t.Errorf("%d sends failed, the first with: %v", len(failures), failures[0])
	}
	if got := client.Consume("payments", acknowledged); !slices.Equal(got, harness.Values("payment", acknowledged)) {
		t.Errorf("%d records were acknowledged, and others are there: %d", acknowledged, len(got))
	}
}
