package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestUp_InTheBackgroundAnswersAsSoonAsItReturns(t *testing.T) {
	m := newMachine(t)
	m.up()
	if _, err := m.controlPlane().client().Clusters(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestUp_SaysWhoHasTheDataDirectory(t *testing.T) {
	m := newMachine(t)
	m.up()
	running := m.controlPlane()
	for _, detach := range []string{"--detach=false", "--detach"} {
		said := m.fails(exitFailure, "up", detach, "--listen", "127.0.0.1:0")
		for _, want := range []string{m.data, running.Address, "millrace down"} {
			if !strings.Contains(said, want) {
				t.Errorf("up %s says %q, want it to name %s", detach, said, want)
			}
		}
	}
	if now := m.controlPlane(); now.PID != running.PID {
		t.Errorf("process %d serves the directory, want %d as before", now.PID, running.PID)
	}
}

func TestUp_SaysThatThePortIsTaken(t *testing.T) {
	m := newMachine(t)
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for _, detach := range []string{"--detach=false", "--detach"} {
		said := m.fails(exitFailure, "up", detach, "--listen", other.Addr().String())
		if !strings.Contains(said, other.Addr().String()+" is taken") || !strings.Contains(said, "--listen") {
			t.Errorf("up %s says %q", detach, said)
		}
	}
}

func TestUp_RefusesADirectoryThatHoldsSomethingElse(t *testing.T) {
	m := newMachine(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if said := m.fails(exitFailure, "up", "--data", dir); !strings.Contains(said, "thesis.txt") {
		t.Errorf("up says %q", said)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("up left %v in it", entries)
	}
}

func TestUp_KeepsTheRegionOfItsData(t *testing.T) {
	m := newMachine(t)
	m.succeeds("up", "--detach", "--listen", "127.0.0.1:0", "--region", "eu-west-1")
	m.succeeds("down")
	if said := m.fails(exitFailure, "up", "--listen", "127.0.0.1:0", "--region", "us-west-2"); !strings.Contains(said, "eu-west-1") {
		t.Errorf("with another region it says %q", said)
	}
	m.up()
	if got := m.controlPlane().Region; got != "eu-west-1" {
		t.Errorf("without a region it serves %s, want eu-west-1 as before", got)
	}
}

func TestUp_ServesThisMachineOnly(t *testing.T) {
	m := newMachine(t)
	for _, address := range []string{"0.0.0.0:4600", ":4600", "192.0.2.1:4600", "example.com:4600", "4600"} {
		m.fails(exitUsage, "up", "--listen", address)
	}
}

func TestUp_SaysThatTheAgentIsMissing(t *testing.T) {
	m := newMachine(t)
	said := m.fails(exitFailure, "up", "--agent", filepath.Join(t.TempDir(), "broker-agent"))
	if !strings.Contains(said, "make build") {
		t.Errorf("up says %q", said)
	}
}

func TestUp_InterruptedSaysWhatGoesOn(t *testing.T) {
	m := newMachine(t)
	f := m.upInForeground()
	f.end(unix.SIGINT)
	if !strings.Contains(f.said(), "The control plane has stopped. No broker was running.") {
		t.Errorf("it said:\n%s", f.said())
	}
	m.fails(exitFailure, "env")
}

func TestUp_AfterACrashTakesTheDirectory(t *testing.T) {
	m := newMachine(t)
	m.upInForeground().end(unix.SIGKILL)
	m.fails(exitFailure, "env")
	m.up()
}

func TestUp_DataDirectoriesLiveSideBySide(t *testing.T) {
	first, second := newMachine(t), newMachine(t)
	first.up()
	second.up()
	if first.controlPlane().AccessKeyID == second.controlPlane().AccessKeyID {
		t.Error("two control planes have one access key")
	}
	first.succeeds("down")
	second.succeeds("env")
}

func TestData_IsTheSameByAnyLink(t *testing.T) {
	m := newMachine(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Dir(m.data), link); err != nil {
		t.Fatal(err)
	}
	m.succeeds("up", "--detach", "--listen", "127.0.0.1:0", "--data", filepath.Join(link, "data"))
	if got := m.status(); got.ControlPlane == nil || got.Data != m.data {
		t.Errorf("status says %+v, want a control plane on %s", got, m.data)
	}
}
