package harness

import (
	"fmt"
	"testing"
	"time"
)

// NodeHealth is the verdict over a node, as `millrace health` tells it.
type NodeHealth struct{ Condition, Reason, Remedy, Waits, Advice string }

// Health is the verdict over the nodes of a cluster, by their ids.
func (m *Millrace) Health(t testing.TB, arn string) map[int32]NodeHealth {
	t.Helper()
	told := Decode[struct {
		Nodes []struct {
			ID     int32
			Health NodeHealth
		}
	}](t, m.Command("health", arn, "--output", "json"))
	verdicts := map[int32]NodeHealth{}
	for _, n := range told.Nodes {
		verdicts[n.ID] = n.Health
	}
	return verdicts
}

// WaitUntilFound waits until the verdict over a node is as wanted.
func (m *Millrace) WaitUntilFound(t testing.TB, arn string, node int32, what string, wanted func(NodeHealth) bool) (found NodeHealth) {
	t.Helper()
	Until(t, fmt.Sprintf("node %d is found %s", node, what), 3*time.Minute, func() (bool, string) {
		found = m.Health(t, arn)[node]
		return wanted(found), fmt.Sprintf("%+v", found)
	})
	return found
}
