package harness

import (
	"os"
	"path/filepath"
)

// tellLogs prints the ends of all logs of a control plane and its hosts, and what it says of its clusters.
func (m *Millrace) tellLogs() {
	if m.up == nil {
		return
	}
	status, err := m.Try("status")
	m.t.Logf("--- millrace status (%v)\n%s", err, status)
	for _, pattern := range []string{"*.log", "hosts/*/logs/agent.log", "hosts/*/logs/kafka.log", "hosts/*/logs/kafka.out"} {
		files, _ := filepath.Glob(filepath.Join(m.Data, pattern))
		for _, file := range files {
			m.t.Logf("--- %s\n%s", file, tail(file))
		}
	}
	for _, p := range m.Processes() {
		m.t.Logf("--- running: %s", p)
	}
}

// tail is the end of a file, as much as one wants to read of it.
func tail(file string) string {
	const enough = 4000
	content, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(content[max(0, len(content)-enough):])
}
