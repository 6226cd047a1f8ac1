package aws

import (
	"slices"
	"testing"

	"github.com/millrace/millrace/integration/aws/harness"
)

func TestHosts_ReachTheirOwnMailboxAndNothingElse(t *testing.T) {
	d := harness.Start(t)
	one, other := d.HostRole("i-0aaaaaaaaaaaaaaaa"), d.HostRole("i-0bbbbbbbbbbbbbbbb")
	for _, tt := range []struct {
		name    string
		do      func() error
		allowed bool
	}{
		{"reads its own spec", func() error { return one.Get("spec#"+one.Identity(), "only") }, true},
		{"reads another's spec", func() error { return one.Get("spec#"+other.Identity(), "only") }, false},
		{"reads its own heartbeat", func() error { return one.Get("beat#"+one.Identity(), "last") }, false},
		{"reads a cluster", func() error { return one.Get("clusters", "orders") }, false},
		{"writes its own heartbeat", func() error { return one.Update("beat#"+one.Identity(), "last") }, true},
		{"writes another's heartbeat", func() error { return one.Update("beat#"+other.Identity(), "last") }, false},
		{"writes its own spec", func() error { return one.Update("spec#"+one.Identity(), "only") }, false},
		{"writes a spec in a transaction", func() error { return one.Transact("beat#"+one.Identity(), "spec#"+other.Identity()) }, false},
		{"looks through the table", one.Scan, false},
		{"asks EC2", one.DescribeInstances, false},
		{"reads secrets", one.ReadSecret, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.do(); (err == nil) != tt.allowed {
				t.Errorf("answered: %v", err)
			}
		})
	}
	d.ExpectRefusals(func(caller, _, _ string) bool { return slices.Contains([]string{one.Name(), other.Name()}, caller) })
}
