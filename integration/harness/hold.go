package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// HoldAgents is a control plane whose hosts are launched and then wait, without an agent, until release is called. In the
// meantime a test may do what has to be done before any broker starts, however long that takes.
func HoldAgents(t testing.TB) (option Option, release func()) {
	t.Helper()
	dir := t.TempDir()
	program, released := filepath.Join(dir, "broker-agent"), filepath.Join(dir, "released")
	script := fmt.Sprintf("#!/bin/sh\nwhile [ ! -e '%s' ]; do sleep 0.1; done\nexec '%s' \"$@\"\n",
		released, filepath.Join(programs(t), "broker-agent"))
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return Flags("--agent", program), func() {
		t.Helper()
		if err := os.WriteFile(released, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
