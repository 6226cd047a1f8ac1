package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
)

// FirstController is the node id of a cluster's first controller.
const FirstController = cluster.FirstController

// nodeOfCluster is how processes name a node of a cluster; see Process.Node.
func nodeOfCluster(arn string, node int32) string {
	return cluster.Token{ClusterID: arn[strings.LastIndexByte(arn, '/')+1:], NodeID: node}.String()
}

// ProcessesOf are the processes of some kinds of a cluster's node, of all kinds when none is named.
func (m *Millrace) ProcessesOf(arn string, node int32, kinds ...Kind) (found []Process) {
	for _, p := range m.Processes() {
		if p.Node == nodeOfCluster(arn, node) && (len(kinds) == 0 || slices.Contains(kinds, p.Kind)) {
			found = append(found, p)
		}
	}
	return found
}

// Serving is what serves a node at the moment: the id of its host, which launch of the node that was, and the volume that the
// host has.
type Serving struct {
	Host   string
	Launch int
	Volume string
}

// Serving tells what serves a node; it is the zero value while no Kafka runs for it.
func (m *Millrace) Serving(arn string, node int32) (s Serving) {
	m.t.Helper()
	for _, p := range m.ProcessesOf(arn, node, Kafka) {
		volume, err := os.Readlink(filepath.Join(p.Host, "volume"))
		if err != nil {
			m.t.Fatal(err)
		}
		s = Serving{filepath.Base(p.Host), p.Launch, filepath.Base(volume)}
	}
	return s
}

// LoseHosts ends the hosts of nodes as a power cut does: agents and Kafkas, all at the same moment.
func (m *Millrace) LoseHosts(arn string, nodes ...int32) {
	m.t.Helper()
	var hosts []string
	for _, node := range nodes {
		lost := m.Serving(arn, node).Host
		if lost == "" {
			m.t.Fatalf("node %d has no host to lose", node)
		}
		hosts = append(hosts, lost)
	}
	m.t.Logf("losing the hosts %v of the nodes %v", hosts, nodes)
	m.killAll(fmt.Sprintf("nothing runs of the hosts %v", hosts), func(p Process) bool {
		return slices.Contains(hosts, filepath.Base(p.Host))
	})
}

// KillKafka ends the Kafka of a node as kill -9 does, and leaves its agent alone.
func (m *Millrace) KillKafka(arn string, node int32) { m.signal(arn, node, syscall.SIGKILL, Kafka) }

// KillAgent ends the agent of a node as kill -9 does, and leaves its Kafka alone.
func (m *Millrace) KillAgent(arn string, node int32) { m.signal(arn, node, syscall.SIGKILL, Agent) }

// Hold stops processes of a node as Ctrl-Z does: they are there, and do nothing. LetGo lets those go on that still live.
func (m *Millrace) Hold(arn string, node int32, kinds ...Kind) (held []Process) {
	m.t.Helper()
	return m.signal(arn, node, syscall.SIGSTOP, kinds...)
}

// LetGo lets processes go on that were held; one that has ended meanwhile is passed over.
func (m *Millrace) LetGo(held []Process) {
	for _, p := range held {
		if m.Lives(p) {
			_ = syscall.Kill(p.PID, syscall.SIGCONT)
		}
	}
}

func (m *Millrace) signal(arn string, node int32, s syscall.Signal, kinds ...Kind) []Process {
	m.t.Helper()
	found := m.ProcessesOf(arn, node, kinds...)
	if len(found) == 0 {
		m.t.Fatalf("no %v of node %d runs", kinds, node)
	}
	for _, p := range found {
		m.t.Logf("sending %s to %s", s, p)
		if err := syscall.Kill(p.PID, s); err != nil {
			m.t.Fatalf("%s: %v", p, err)
		}
	}
	return found
}

// killAll ends all processes that are meant, as kill -9 does, and waits until there are none.
func (m *Millrace) killAll(what string, meant func(Process) bool) {
	m.t.Helper()
	Until(m.t, what, time.Minute, func() (bool, string) {
		var left []Process
		for _, p := range m.Processes() {
			if meant(p) {
				left = append(left, p)
				p.kill()
			}
		}
		return len(left) == 0, fmt.Sprint(left)
	})
}

// Lives tells whether a process that was seen before still runs.
func (m *Millrace) Lives(p Process) bool {
	now, alive := m.look(p.PID)
	return alive && now.Kind == p.Kind && now.Host == p.Host
}

// WaitUntilServed waits until a Kafka runs for every node named, and gives what serves them.
func (m *Millrace) WaitUntilServed(t testing.TB, arn string, nodes ...int32) (by map[int32]Serving) {
	t.Helper()
	Until(t, fmt.Sprintf("a Kafka runs for each of the nodes %v", nodes), 3*time.Minute, func() (bool, string) {
		by = map[int32]Serving{}
		for _, node := range nodes {
			if s := m.Serving(arn, node); s.Host != "" {
				by[node] = s
			}
		}
		return len(by) == len(nodes), fmt.Sprint(by)
	})
	return by
}
