package statemachines_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	access "github.com/millrace/millrace/shared/kafka"
	"github.com/millrace/millrace/shared/nodespec"
)

// kafka is the Kafka of the one cluster of a world, as much of it as healing sees: who is a member, who leads and follows which
// partition, and what lies on the volumes.
type kafka struct {
	w *world

	mu         sync.Mutex
	members    map[int32]string // the host that serves a node, while its Kafka is a member of the cluster
	partitions []cluster.Partition
	written    map[int32]string     // by node: the host that last wrote to its volume, while it may still
	formats    map[int32]int        // by node: how often its volume was formatted
	starts     map[int32]int        // by node: how often its Kafka was started
	lag        time.Duration        // until a broker that has started is in sync
	ailments   map[string]*ailment  // by host
	poked      map[string]chan bool // by host: its agent is to look at once
}

// ailment is what is wrong with a host, or with the Kafka on it.
type ailment struct {
	held, silent bool          // until Kafka is started again
	broken       bool          // Kafka does not start
	stuck        bool          // the agent never gets to starting it
	mute         bool          // the agent can't be heard; Kafka goes on
	apart        bool          // nobody reaches the host, and it reaches nobody
	sees         int           // GiB of the volume, however large it gets
	longLog      time.Duration // that Kafka goes through before it runs
}

const (
	startsWithin   = 4 * time.Second  // Kafka
	catchesUp      = 6 * time.Second  // a broker, after it has started
	agentLooks     = 5 * time.Second  // how often an agent writes while something changes
	agentRests     = 15 * time.Second // and in peace, where nothing else is said
	fencedAfter    = 9 * time.Second  // of a broker that says nothing: the quorum's session timeout
	topicMinInSync = 2
)

func newKafka(w *world) *kafka {
	return &kafka{
		w: w, members: map[int32]string{}, written: map[int32]string{}, formats: map[int32]int{}, starts: map[int32]int{}, lag: catchesUp,
		ailments: map[string]*ailment{}, poked: map[string]chan bool{},
	}
}

// ails is what is wrong with a host at the moment.
func (k *kafka) ails(hostID string) ailment {
	k.mu.Lock()
	defer k.mu.Unlock()
	if a := k.ailments[hostID]; a != nil {
		return *a
	}
	return ailment{}
}

// ail changes what is wrong with the host of a node; its agent notices at once, the quorum after a while.
func (k *kafka) ail(hostID string, change func(*ailment)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ailments[hostID] == nil {
		k.ailments[hostID] = &ailment{}
	}
	change(k.ailments[hostID])
	select {
	case k.poke(hostID) <- true:
	default:
	}
}

func (k *kafka) poke(hostID string) chan bool {
	if k.poked[hostID] == nil {
		k.poked[hostID] = make(chan bool, 1)
	}
	return k.poked[hostID]
}

// slowly changes how long a broker takes to be in sync.
func (k *kafka) slowly(lag time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lag = lag
}

// createTopic makes a partition for each broker to lead, on all of them.
func (k *kafka) createTopic(name string, brokers ...int32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, leader := range brokers {
		k.partitions = append(k.partitions, cluster.Partition{
			Topic: name, ID: int32(i), Leader: leader, Replicas: slices.Clone(brokers), InSync: slices.Clone(brokers),
			MinInSync: topicMinInSync,
		})
	}
}

// join makes a node a member.
func (k *kafka) join(node int32, hostID string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.members[node] = hostID
	k.elect()
	k.tellAll()
	k.follow(node, hostID)
}

// follow has a broker fetch from the leaders that there are, until it is in sync. The caller holds mu.
func (k *kafka) follow(node int32, hostID string) {
	time.AfterFunc(k.lag, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.members[node] != hostID {
			return
		}
		for i, p := range k.partitions {
			if p.Leader >= 0 && slices.Contains(p.Replicas, node) && !slices.Contains(p.InSync, node) {
				k.partitions[i].InSync = append(slices.Clone(p.InSync), node)
			}
		}
		k.tellAll()
	})
}

// leave ends the membership that a host has given a node.
func (k *kafka) leave(node int32, hostID string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.members[node] != hostID {
		return
	}
	delete(k.members, node)
	for i, p := range k.partitions {
		if len(p.InSync) > 1 { // the last one stays in, for it alone may lead again
			k.partitions[i].InSync = slices.DeleteFunc(slices.Clone(p.InSync), func(id int32) bool { return id == node })
		}
	}
	k.elect()
	k.tellAll()
}

// tellAll has every agent look at once: members see each other come and go. The caller holds mu.
func (k *kafka) tellAll() {
	for _, poked := range k.poked {
		select {
		case poked <- true:
		default:
		}
	}
}

// elect gives every partition a leader that is in sync and there, if there is one. Whoever has waited for a leader follows it.
// The caller holds mu.
func (k *kafka) elect() {
	returned := false
	for i, p := range k.partitions {
		if _, there := k.members[p.Leader]; there {
			continue
		}
		k.partitions[i].Leader = -1
		for _, id := range p.InSync {
			if _, there := k.members[id]; there {
				k.partitions[i].Leader = id
				break
			}
		}
		returned = returned || p.Leader < 0 && k.partitions[i].Leader >= 0
	}
	if returned {
		for node, hostID := range k.members {
			k.follow(node, hostID)
		}
	}
}

// alive are the brokers that are members.
func (k *kafka) alive() (brokers []int32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(k.members)) {
		if id < cluster.FirstController {
			brokers = append(brokers, id)
		}
	}
	return brokers
}

// Partitions are the partitions as the brokers see them. Only who has shown a certificate is told.
func (k *kafka) Partitions(_ context.Context, a access.Access) ([]cluster.Partition, error) {
	if a.Authority == "" || a.Certificate == "" || a.Key == "" {
		return nil, fault.New(fault.Internal, "nobody knows a client without a certificate")
	}
	if len(k.alive()) == 0 {
		return nil, fault.New(fault.Unavailable, "no broker answers")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	partitions := slices.Clone(k.partitions)
	for i, p := range partitions {
		partitions[i].InSync = slices.Clone(p.InSync)
	}
	return partitions, nil
}

// wantInSync checks that every partition has all its replicas in sync, and that nobody's data was put at risk on the way.
func (k *kafka) wantInSync() {
	k.w.t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range k.partitions {
		if len(p.InSync) != len(p.Replicas) || p.Leader < 0 {
			k.w.t.Errorf("%s has the leader %d and in sync %v of %v", p, p.Leader, p.InSync, p.Replicas)
		}
	}
	for node, times := range k.formats {
		if times != 1 {
			k.w.t.Errorf("the volume of node %d was formatted %d times", node, times)
		}
	}
}

// mount begins to use a node's volume. Nobody else may be using it, and nobody formats it but on the first day.
func (k *kafka) mount(node int32, hostID string, spec nodespec.Spec) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if other := k.written[node]; other != "" && other != hostID {
		k.w.t.Errorf("host %s writes to the volume of node %d while host %s does", hostID, node, other)
	}
	k.written[node] = hostID
	k.starts[node]++
	if k.formats[node] == 0 {
		if !spec.Volume.New {
			k.w.t.Errorf("the volume of node %d is empty, and may not be formatted", node)
		}
		k.formats[node]++
		return
	}
	if spec.Volume.New && k.w.sealed(node) {
		k.w.t.Errorf("host %s may format the volume of node %d, on which there is data", hostID, node)
	}
}

func (k *kafka) unmount(node int32, hostID string) {
	k.leave(node, hostID)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.written[node] == hostID {
		k.written[node] = ""
	}
}

// recovered is said of a host that has ended: nothing ails it any more, nor another one that gets its name.
func (k *kafka) recovered(hostID string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.ailments, hostID)
}

// sealed tells whether a node has run on its volume, as far as the records know.
func (w *world) sealed(node int32) bool {
	n, err := w.records.Node(context.Background(), clusterID, node)
	return err == nil && n.Formatted
}

// process is a host's agent with the Kafka that it runs.
type process struct {
	w      *world
	hostID string
	node   int32

	spec         nodespec.Spec
	started      int64 // the spec's count of restarts that Kafka was started under
	startedAt    time.Time
	up           bool // Kafka runs; a process that is held does, too
	failedStarts int
	heldSince    *time.Time
	silentSince  *time.Time
}

// healthyAgent says hello and does as it is told by the specs that it reads, whatever ails it.
func (w *world) healthyAgent(ctx context.Context, hostID string, node int32) {
	p := &process{w: w, hostID: hostID, node: node}
	defer w.kafka.recovered(hostID)
	defer w.kafka.unmount(node, hostID)
	w.hello(ctx, hostID)
	changed, stop := w.records.WatchSpec(hostID)
	defer stop()
	w.kafka.mu.Lock()
	poked := w.kafka.poke(hostID)
	w.kafka.mu.Unlock()
	for {
		if spec, err := w.records.Spec(ctx, hostID); err == nil && spec.Generation > p.spec.Generation {
			p.spec, p.failedStarts = spec, 0
		}
		if !p.act(ctx) {
			return
		}
		p.beat(ctx)
		rest := w.rests
		if !p.working() || !w.kafka.has(node, hostID) {
			rest = agentLooks
		}
		select {
		case <-changed:
		case <-poked:
		case <-time.After(rest):
		case <-ctx.Done():
			return
		}
	}
}

func (p *process) working() bool { return p.up && p.heldSince == nil && p.silentSince == nil }

// act brings the node to where its spec wants it; false when the host ends meanwhile.
func (p *process) act(ctx context.Context) bool {
	k := p.w.kafka
	if p.spec.Generation == 0 {
		return ctx.Err() == nil
	}
	if p.up && p.spec.Restarts > p.started {
		k.unmount(p.node, p.hostID)
		p.up, p.heldSince, p.silentSince = false, nil, nil
		k.ail(p.hostID, func(a *ailment) { a.held, a.silent = false, false })
	}
	ails := k.ails(p.hostID)
	if p.up && p.isFull() {
		k.unmount(p.node, p.hostID)
		p.up = false
	}
	if !p.up {
		if ails.stuck {
			return ctx.Err() == nil
		}
		if p.w.platform.AttachedTo(cluster.Token{ClusterID: clusterID, NodeID: p.node}) != p.hostID {
			return ctx.Err() == nil
		}
		for left := startsWithin + ails.longLog; left > 0; left -= agentLooks {
			p.beatAs(ctx, nodespec.Starting, "Kafka is starting")
			if !pause(ctx, min(left, agentLooks)) {
				return false
			}
		}
		if ails.broken || p.isFull() {
			p.failedStarts++
			return true
		}
		k.mount(p.node, p.hostID, p.spec)
		p.up, p.started, p.failedStarts, p.startedAt = true, p.spec.Restarts, 0, time.Now()
	}
	p.notice(ails)
	return ctx.Err() == nil
}

// notice sees what has happened to a Kafka that runs, and has the quorum see it.
func (p *process) notice(ails ailment) {
	now := time.Now()
	for _, trouble := range []struct {
		is    bool
		since **time.Time
	}{{ails.held, &p.heldSince}, {ails.silent, &p.silentSince}} {
		switch {
		case !trouble.is:
			*trouble.since = nil
		case *trouble.since == nil:
			*trouble.since = &now
		}
	}
	if ails.held || ails.silent || ails.apart {
		time.AfterFunc(fencedAfter, func() {
			if now := p.w.kafka.ails(p.hostID); now.held || now.silent || now.apart {
				p.w.kafka.leave(p.node, p.hostID)
			}
		})
		return
	}
	if !p.w.kafka.has(p.node, p.hostID) && (p.spec.Role == nodespec.Controller || p.w.kafka.quorate()) {
		p.w.kafka.join(p.node, p.hostID)
	}
}

func (k *kafka) has(node int32, hostID string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.members[node] == hostID
}

// quorate tells whether a majority of the controllers is there: without it no broker becomes a member.
func (k *kafka) quorate() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	caughtUp, _ := k.voters()
	return 2*len(caughtUp) > k.w.spec.Controllers
}

// voters are the controllers that are there, and those that are not. The caller holds mu.
func (k *kafka) voters() (caughtUp, behind []int32) {
	for i := range k.w.spec.Controllers {
		id := cluster.FirstController + int32(i)
		if _, there := k.members[id]; there {
			caughtUp = append(caughtUp, id)
		} else {
			behind = append(behind, id)
		}
	}
	return caughtUp, behind
}

// isFull tells whether there is no room left on the node's volume.
func (p *process) isFull() bool {
	d := p.w.disk(p.node, p.hostID)
	return d != nil && d.UsedBytes >= d.TotalBytes
}

// disk is a node's log volume as its host finds it, with as much on it as the test says. Where hosts are of an older kind, they can't
// join anything to it.
func (w *world) disk(node int32, hostID string) *nodespec.Disk {
	const gib = 1 << 30
	volumes, left, size, complete := w.platform.LogVolume(cluster.Token{ClusterID: clusterID, NodeID: node}, hostID)
	if !complete {
		return nil
	}
	if w.older {
		volumes, left = nil, nil
	}
	total := int64(size) * gib
	if sees := w.kafka.ails(hostID).sees; sees > 0 {
		total = int64(sees) * gib
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return &nodespec.Disk{TotalBytes: total, UsedBytes: min(w.usedGiB[node]*gib, total), Volumes: volumes, Left: left}
}

func (p *process) beat(ctx context.Context) {
	switch {
	case p.spec.Generation == 0:
		p.beatAs(ctx, nodespec.Waiting, "")
	case !p.up && p.failedStarts == 0:
		p.beatAs(ctx, nodespec.Preparing, "waits for its volume")
	case !p.up && p.isFull():
		p.beatAs(ctx, nodespec.Failing, "no space left on device")
	case !p.up:
		p.beatAs(ctx, nodespec.Failing, "Kafka ended with status 1")
	case p.working() && !p.w.kafka.has(p.node, p.hostID):
		p.beatAs(ctx, nodespec.Starting, "waits for the quorum")
	default:
		p.beatAs(ctx, nodespec.Running, "")
	}
}

func (p *process) beatAs(ctx context.Context, state nodespec.State, reason string) {
	ails := p.w.kafka.ails(p.hostID)
	if ails.mute || ails.apart {
		return
	}
	beat := nodespec.Heartbeat{
		Cluster: "orders", NodeID: p.node, Role: p.spec.Role,
		Generation: p.spec.Generation, State: state, Reason: reason, FailedStarts: p.failedStarts, Disk: p.w.disk(p.node, p.hostID),
	}
	if p.up {
		beat.Process = &nodespec.Process{PID: 1, Release: p.spec.Release, StartedAt: p.startedAt, HeldSince: p.heldSince}
		beat.SilentSince = p.silentSince
	}
	if p.working() && p.w.kafka.has(p.node, p.hostID) {
		beat.Brokers = p.w.kafka.alive()
		p.w.kafka.describe(p.node, &beat)
	}
	p.w.beat(ctx, p.hostID, beat)
}

// describe adds what a node knows of its cluster to its heartbeat: a broker of the partitions that it leads, the active
// controller (the first that is there) of the quorum.
func (k *kafka) describe(node int32, beat *nodespec.Heartbeat) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if beat.Role == nodespec.Broker {
		r := &nodespec.Replication{OutOfSync: map[int32]int{}}
		for _, p := range k.partitions {
			switch {
			case p.Leader < 0:
				r.Offline++
			case p.Leader == node:
				r.Leads++
				if len(p.InSync) < len(p.Replicas) {
					r.UnderReplicated++
				}
				for _, id := range p.Replicas {
					if !slices.Contains(p.InSync, id) {
						r.OutOfSync[id]++
					}
				}
			}
		}
		beat.Replication = r
		return
	}
	caughtUp, behind := k.voters()
	if 2*len(caughtUp) > k.w.spec.Controllers && caughtUp[0] == node {
		beat.Quorum = &nodespec.Quorum{CaughtUp: caughtUp, Behind: behind}
	}
}
