package integration

import (
	"slices"
	"testing"

	"github.com/millrace/millrace/integration/harness"
)

func TestSideBySide_TwoClustersOfOneControlPlaneKeepTheirRecordsApart(t *testing.T) {
	m := harness.StartMillrace(t)
	arns := []string{m.CreateCluster(t, "left", harness.Small), m.CreateCluster(t, "right", harness.Small)}
	keepRecordsApart(t, []*harness.Millrace{m, m}, arns)

	m.DeleteCluster(t, arns[0])
	m.WaitUntilGone(t, arns[0])
	m.TLSClient(t, arns[1]).Produce("same-name", "after", 10) // the other did not notice
}

func TestSideBySide_TwoControlPlanesOfOneMachineDoNotMeet(t *testing.T) {
	left, right := harness.StartMillrace(t), harness.StartMillrace(t)
	arns := []string{left.CreateCluster(t, "same-name", harness.Small), right.CreateCluster(t, "same-name", harness.Small)}
	keepRecordsApart(t, []*harness.Millrace{left, right}, arns)

	left.Down()
	if left := left.Processes(); len(left) != 0 {
		t.Errorf("these are left: %v", left)
	}
	right.TLSClient(t, arns[1]).Produce("same-name", "after", 10) // the other did not notice
}

// keepRecordsApart sees that what is written to one of two clusters is not read from the other.
func keepRecordsApart(t *testing.T, planes []*harness.Millrace, arns []string) {
	t.Helper()
	prefixes := []string{"left", "right"}
	for i, m := range planes {
		m.WaitUntilActive(t, arns[i])
		client := m.TLSClient(t, arns[i])
		client.CreateTopic("same-name", 1)
		client.Produce("same-name", prefixes[i], 10)
	}
	for i, m := range planes {
		if got := m.TLSClient(t, arns[i]).Consume("same-name", 10); !slices.Equal(got, harness.Values(prefixes[i], 10)) {
			t.Errorf("the cluster on the %s holds %v", prefixes[i], got)
		}
	}
}
