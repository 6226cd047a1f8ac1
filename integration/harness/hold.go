package harness

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Gate is what agents of new hosts wait at while it is shut.
type Gate struct {
	t    testing.TB
	open string // a file that is there while the gate is open
}

// GateAgents is a control plane whose hosts are launched and then wait, without an agent, while the gate is shut. It is open at first.
func GateAgents(t testing.TB) (Option, Gate) {
	t.Helper()
	dir := t.TempDir()
	program, g := filepath.Join(dir, "broker-agent"), Gate{t, filepath.Join(dir, "open")}
	script := fmt.Sprintf("#!/bin/sh\nwhile [ ! -e '%s' ]; do sleep 0.1; done\nexec '%s' \"$@\"\n",
		g.open, filepath.Join(programs(t), "broker-agent"))
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	g.Open()
	return Flags("--agent", program), g
}

// Open lets agents in, those that wait first.
func (g Gate) Open() {
	g.t.Helper()
	if err := os.WriteFile(g.open, nil, 0o600); err != nil {
		g.t.Fatal(err)
	}
}

// Shut keeps agents out that have not come yet.
func (g Gate) Shut() {
	g.t.Helper()
	if err := os.Remove(g.open); err != nil && !errors.Is(err, fs.ErrNotExist) {
		g.t.Fatal(err)
	}
}

// HoldAgents is a control plane whose hosts are launched and then wait, without an agent, until release is called. In the
// meantime a test may do what has to be done before any broker starts, however long that takes.
func HoldAgents(t testing.TB) (option Option, release func()) {
	t.Helper()
	option, gate := GateAgents(t)
	gate.Shut()
	return option, gate.Open
}
