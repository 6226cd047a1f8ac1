package harness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/millrace/millrace/shared/cluster"
)

// Kind is what a process of a control plane is.
type Kind string

const (
	ControlPlane Kind = "control plane"
	Agent        Kind = "agent"
	Kafka        Kind = "Kafka"
)

// Process is one that names a data directory in its command line.
type Process struct {
	PID  int
	Kind Kind
	// Host is the directory of its host; empty for the control plane.
	Host string
	// Node is what the host was launched for: unique in a control plane. Role is its role, Launch the number of the launch.
	Node   string
	Role   cluster.Role
	Launch int
}

func (p Process) String() string {
	return fmt.Sprintf("process %d: %s of %s %s (%s)", p.PID, p.Kind, p.Role, p.Node, filepath.Base(p.Host))
}

// kill ends a process for certain. It is for what should not be there any more.
func (p Process) kill() { _ = syscall.Kill(p.PID, syscall.SIGKILL) }

// Processes are all processes on this machine that name the data directory, in the order of their numbers.
func (m *Millrace) Processes() []Process {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		m.t.Fatal(err)
	}
	var found []Process
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			if p, ok := m.look(pid); ok {
				found = append(found, p)
			}
		}
	}
	return found
}

// look tells what a process is; ok is false for one that has nothing to do with the data directory, or has ended.
func (m *Millrace) look(pid int) (p Process, ok bool) {
	commandLine, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil || !bytes.Contains(commandLine, []byte(m.Data)) {
		return p, false
	}
	p = Process{PID: pid, Kind: ControlPlane}
	for argument := range strings.SplitSeq(string(commandLine), "\x00") {
		if dir, is := strings.CutPrefix(argument, "-Dmillrace.host="); is {
			p.Kind, p.Host = Kafka, dir
		}
	}
	if before, dir, is := strings.Cut(strings.TrimSuffix(string(commandLine), "\x00"), "\x00--host-dir\x00"); is && p.Kind != Kafka {
		if filepath.Base(strings.Split(before, "\x00")[0]) == "broker-agent" {
			p.Kind, p.Host = Agent, dir
		}
	}
	p.Node, p.Role, p.Launch = nodeOf(p.Host)
	return p, true
}

// nodeOf reads what a host was launched for; empty when its directory is gone.
func nodeOf(hostDir string) (node string, role cluster.Role, launch int) {
	content, err := os.ReadFile(filepath.Join(hostDir, "launch.json"))
	if err != nil {
		return "", "", 0
	}
	var launched cluster.HostRequest
	if err := json.Unmarshal(content, &launched); err != nil {
		return "", "", 0
	}
	token := launched.Token
	token.Attempt = 0
	return token.String(), launched.Role, launched.Token.Attempt
}

// Kafkas are the Kafka processes of a control plane, by what they are: node to process number.
func (m *Millrace) Kafkas() map[string]int {
	found := map[string]int{}
	for _, p := range m.Processes() {
		if p.Kind == Kafka {
			found[p.Node] = p.PID
		}
	}
	return found
}

// KillOneKafka ends the Kafka process of one node of a role as kill -9 does.
func (m *Millrace) KillOneKafka(role cluster.Role) {
	m.t.Helper()
	for _, p := range m.Processes() {
		if p.Kind == Kafka && p.Role == role {
			m.t.Logf("killing %s", p)
			p.kill()
			return
		}
	}
	m.t.Fatalf("no %s runs", role)
}

// KillAll ends all processes of some kinds as kill -9 does, and waits until they are gone.
func (m *Millrace) KillAll(kinds ...Kind) {
	m.t.Helper()
	m.killAll(fmt.Sprintf("no %v runs any more", kinds), func(p Process) bool { return slices.Contains(kinds, p.Kind) })
}
