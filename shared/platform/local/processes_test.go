package local

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

func TestProcessesOf_LeavesThoseAloneWhoOnlyReadAHostsFiles(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "agent.log")
	if err := os.WriteFile(log, []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	reader := exec.CommandContext(t.Context(), "tail", "-f", log)
	if err := reader.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reader.Process.Kill(); _ = reader.Wait() })

	pids, err := processesOf(dir)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(pids, reader.Process.Pid) {
		t.Errorf("the reader of %s would be ended with the host", log)
	}
	if err := kill(dir); err != nil {
		t.Errorf("kill: %v", err)
	}
}
