package health_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/health"
	"github.com/millrace/millrace/shared/nodespec"
)

var noon = time.Date(2026, 9, 20, 12, 0, 0, 0, time.UTC)

// ward is a cluster that is looked at every few seconds. In peace every host speaks and every node lists all others; a test
// says what is different, and since when.
type ward struct {
	t      *testing.T
	c      cluster.Cluster
	hosts  map[string]cluster.Host
	nodes  []cluster.Node
	before cluster.Health
	heals  []cluster.Operation
	rule   *cluster.StorageAutoscaling
	grown  []cluster.Operation
	active *cluster.Operation

	now       time.Time
	started   time.Time // when the control plane began to listen; zero where that does not matter
	every     time.Duration
	said      map[string]nodespec.Heartbeat
	mute      map[int32]bool // nodes whose hosts do not speak
	gone      map[int32]bool // nodes that the others have given up
	different map[int32]func(*nodespec.Heartbeat)
	elsewhere []cluster.Health
	underWay  []cluster.Operation // of other clusters
}

// newWard is a cluster of three brokers and three controllers.
func newWard(t *testing.T) *ward { return newWardOf(t, "orders", 3, 3) }

func newWardOf(t *testing.T, name string, brokers, controllers int) *ward {
	w := &ward{
		t: t, c: cluster.Cluster{ID: "c-" + name, Name: name, Ready: true}, hosts: map[string]cluster.Host{},
		now: noon, every: time.Second, said: map[string]nodespec.Heartbeat{},
		mute: map[int32]bool{}, gone: map[int32]bool{}, different: map[int32]func(*nodespec.Heartbeat){},
	}
	for i := range brokers {
		w.add(int32(i+1), cluster.Broker)
	}
	for i := range controllers {
		w.add(cluster.FirstController+int32(i), cluster.Controller)
	}
	w.every = 5 * time.Second
	w.pass(5 * time.Minute) // of peace
	w.every = time.Second
	return w
}

func (w *ward) add(id int32, role cluster.Role) {
	host := fmt.Sprintf("h-%d", id)
	w.nodes = append(w.nodes, cluster.Node{
		ClusterID: w.c.ID, ID: id, Role: role, Host: &cluster.Host{ID: host}, Launches: 1,
		Volume: &cluster.Volume{ID: fmt.Sprintf("v-%d", id), SizeGiB: 100},
	})
	w.hosts[host] = cluster.Host{ID: host, State: cluster.HostRunning}
}

func (w *ward) host(id int32, state cluster.HostState) {
	h := fmt.Sprintf("h-%d", id)
	w.hosts[h] = cluster.Host{ID: h, State: state}
}

func (w *ward) impaired(id int32) {
	h := fmt.Sprintf("h-%d", id)
	w.hosts[h] = cluster.Host{ID: h, State: cluster.HostRunning, Impaired: true}
}

// dies ends a host: the platform says so, its heartbeats end, the others give the node up.
func (w *ward) dies(ids ...int32) {
	for _, id := range ids {
		w.host(id, cluster.HostTerminated)
		w.vanish(id)
	}
}

// vanish lets hosts fall silent and their nodes be given up by the others.
func (w *ward) vanish(ids ...int32) {
	for _, id := range ids {
		w.mute[id], w.gone[id] = true, true
	}
}

// recover undoes what was said of a node.
func (w *ward) recover(ids ...int32) {
	for _, id := range ids {
		w.host(id, cluster.HostRunning)
		delete(w.mute, id)
		delete(w.gone, id)
		delete(w.different, id)
	}
}

// says changes what the host of a node says from now on.
func (w *ward) says(id int32, change func(*nodespec.Heartbeat)) { w.different[id] = change }

func (w *ward) since() *time.Time { at := w.now; return &at }

// speak is what a host says in peace, every 15 s; in trouble it speaks every 5 s.
func (w *ward) speak() {
	var listed []int32
	for _, n := range w.nodes {
		if n.Role == cluster.Broker && !w.gone[n.ID] {
			listed = append(listed, n.ID)
		}
	}
	for _, n := range w.nodes {
		if w.mute[n.ID] {
			continue
		}
		beat := nodespec.Heartbeat{
			HostID: n.Host.ID, At: w.now.Truncate(15 * time.Second), NodeID: n.ID, Role: n.Role, State: nodespec.Running,
			Process: &nodespec.Process{PID: 100, StartedAt: noon.Add(-time.Hour)},
			Disk:    &nodespec.Disk{TotalBytes: 1000, UsedBytes: 100},
		}
		switch {
		case n.Role == cluster.Broker:
			beat.Brokers, beat.Replication = listed, &nodespec.Replication{Leads: 4}
		case n.ID == w.leader():
			beat.Quorum = w.quorum()
		}
		if change := w.different[n.ID]; change != nil {
			change(&beat)
			if beat.State != nodespec.Running {
				beat.At = w.now.Truncate(5 * time.Second)
				beat.Brokers, beat.Replication, beat.Quorum = nil, nil, nil
			}
		}
		w.said[n.Host.ID] = beat
	}
}

// leader is the first controller that is not given up.
func (w *ward) leader() int32 {
	for _, n := range w.nodes {
		if n.Role == cluster.Controller && !w.gone[n.ID] {
			return n.ID
		}
	}
	return -1
}

func (w *ward) quorum() *nodespec.Quorum {
	var q nodespec.Quorum
	for _, n := range w.nodes {
		switch {
		case n.Role != cluster.Controller:
		case w.gone[n.ID]:
			q.Behind = append(q.Behind, n.ID)
		default:
			q.CaughtUp = append(q.CaughtUp, n.ID)
		}
	}
	return &q
}

func (w *ward) sees() health.Look {
	l := health.Look{Cluster: w.c, Before: w.before, Heals: w.heals, Autoscaling: w.rule, Growths: w.grown}
	if w.active != nil {
		l.Cluster.Active = &cluster.ActiveOperation{ID: w.active.ID, Type: w.active.Type}
	}
	for _, n := range w.nodes {
		o := health.Observed{Node: n}
		if h, known := w.hosts[n.Host.ID]; known {
			o.Host = &h
		}
		if beat, ok := w.said[n.Host.ID]; ok {
			o.Beat = &beat
		}
		l.Nodes = append(l.Nodes, o)
	}
	return l
}

func (w *ward) deployment(others ...*ward) health.Deployment {
	d := health.Deployment{Now: w.now, ListeningSince: w.started, Elsewhere: w.elsewhere, Healing: slices.Clone(w.underWay)}
	for _, each := range append([]*ward{w}, others...) {
		d.Looks = append(d.Looks, each.sees())
		if each.active != nil && each.active.Heal != nil {
			d.Healing = append(d.Healing, *each.active)
		}
	}
	return d
}

// look lets a moment pass and judges.
func (w *ward) look() health.Verdict {
	w.now = w.now.Add(w.every)
	w.speak()
	v := health.Judge(w.deployment(), health.Tolerated())[0]
	w.before = v.Health
	return v
}

// pass looks for some time, and fails the test when anything would be done.
func (w *ward) pass(d time.Duration) {
	w.t.Helper()
	for end := w.now.Add(d); w.now.Before(end); {
		if v := w.look(); v.Heal != nil {
			w.t.Fatalf("%s after noon: %s of %s: %s", w.now.Sub(noon), v.Heal.Remedy, v.Heal, v.Heal.Reason)
		}
	}
}

// heals looks until something is to be done, and tells what, and how long it took; else what was found at the end.
func (w *ward) healsWithin(d time.Duration) string {
	w.t.Helper()
	began, every := w.now, w.every
	defer func() { w.every = every }()
	for w.now.Sub(began) < d {
		if w.now.Sub(began) > 12*time.Minute {
			w.every = 5 * time.Second // nothing of these cases is counted in seconds any more
		}
		if v := w.look(); v.Heal != nil {
			proven := ""
			if v.Heal.Proven {
				proven = ", proven"
			}
			return fmt.Sprintf("%s %s after %s%s: %s", v.Heal.Remedy, v.Heal, w.now.Sub(began), proven, w.short(v.Heal.Reason))
		}
	}
	return w.describe()
}

// describe tells of every node that is not well.
func (w *ward) describe() string {
	var told []string
	for _, f := range w.before.Findings {
		if f.Condition == cluster.Well && f.Advice == "" {
			continue
		}
		text := fmt.Sprintf("%s %d is %s: %s", f.Role, f.NodeID, f.Condition, w.short(f.Reason))
		if f.Remedy != cluster.NoRemedy {
			text += fmt.Sprintf("; %s waits: %s", f.Remedy, w.short(f.Waits))
		} else if f.Waits != "" {
			text += "; waits: " + w.short(f.Waits)
		}
		if f.Advice != "" {
			text += "; advice"
		}
		told = append(told, text)
	}
	if len(told) == 0 {
		return "all are well"
	}
	return strings.Join(told, "\n")
}

// short writes times as they are after the peace that a ward begins with.
func (w *ward) short(text string) string {
	const layout = "2006-01-02 15:04:05 UTC"
	for i := 0; i+len(layout) <= len(text); i++ {
		if at, err := time.Parse(layout, text[i:i+len(layout)]); err == nil {
			text = text[:i] + at.Sub(noon.Add(5*time.Minute)).String() + text[i+len(layout):]
		}
	}
	return text
}

// does carries out a heal by record alone: it began when it was due, and ended so much later.
func (w *ward) does(heal *cluster.Heal, state cluster.OperationState, took time.Duration) {
	op := cluster.Operation{
		ID: fmt.Sprintf("op-%d", len(w.heals)+1), Type: cluster.HealBroker, State: state, CreatedAt: w.now, EndedAt: w.now.Add(took), Heal: heal,
	}
	w.heals = append(w.heals, op)
	w.now = w.now.Add(took)
}

// replaced gives a node another host, which does its work.
func (w *ward) replaced(id int32) {
	i := slices.IndexFunc(w.nodes, func(n cluster.Node) bool { return n.ID == id })
	n := &w.nodes[i]
	n.Launches++
	n.Host = &cluster.Host{ID: fmt.Sprintf("h-%d-%d", id, n.Launches)}
	w.hosts[n.Host.ID] = cluster.Host{ID: n.Host.ID, State: cluster.HostRunning}
	delete(w.mute, id)
	delete(w.gone, id)
	delete(w.different, id)
	maps.DeleteFunc(w.said, func(h string, _ nodespec.Heartbeat) bool { return h == fmt.Sprintf("h-%d", id) })
}
