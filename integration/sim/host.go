package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/nodespec/tablemailbox"
	"github.com/millrace/millrace/shared/records"
)

// host is an EC2 instance with the agent and the Kafka that run on it. It is guarded by the world's lock.
type host struct {
	w     *World
	id    string
	token cluster.Token
	role  cluster.Role
	state cluster.HostState
	// forgotten says that EC2 does not know it any more.
	forgotten, impaired bool
	volume              *volume   // the first
	further             []*volume // all others that are attached
	launched            time.Time

	agent *agent // nil while none runs
	kafka *process
	ended string // why the last Kafka ended

	silentUntil time.Time // heartbeats and specs do not come through until then
	cutUntil    time.Time // nothing comes through until then
	hurt        time.Time // when something was last done to it
}

func (h *host) gone() bool { return h.state == cluster.HostTerminated }

// on tells whether anything runs on the host.
func (h *host) on() bool {
	return h.state == cluster.HostRunning || h.state == cluster.HostShuttingDown
}

// connected tells whether others reach it.
func (h *host) connected(now time.Time) bool { return h.on() && now.After(h.cutUntil) }

func (h *host) reports(now time.Time) bool { return h.connected(now) && now.After(h.silentUntil) }

// agent is what keeps a host's node as its spec says.
type agent struct {
	h         *host
	mailbox   *tablemailbox.Mailbox
	gone      bool
	looked    time.Time // for a spec
	formatted *volume   // the one that it has formatted
	seen      int64     // revision of the spec that was read last
	spec      nodespec.Spec
	state     nodespec.State
	reason    string
	pause     time.Time // until the next start
	failed    int       // starts in a row
	again     int       // restarts of a Kafka that had been running
	counted   *process  // whose start counts as failed when it ends before it has joined

	sending bool // a heartbeat is on its way
	beaten  time.Time
	told    news // what the last heartbeat said that is worth saying at once
}

const (
	beatInPeace  = 30 * time.Second
	beatOnTheWay = 5 * time.Second
	lookInPeace  = 45 * time.Second
	lookOnTheWay = time.Second
)

// tick lets a moment pass for an agent: it looks for a spec, keeps its Kafka, and reports.
func (a *agent) tick(now time.Time) {
	a.read(now)
	a.keep(now)
	a.report(now)
}

func (a *agent) read(now time.Time) {
	interval := lookOnTheWay
	if a.state == nodespec.Running {
		interval = lookInPeace
	}
	if now.Sub(a.looked) < interval || !a.h.reports(now) {
		return
	}
	a.looked = now
	item, err := a.h.w.table.get(records.Key{Partition: "spec#" + a.h.id, Sort: "only"})
	if err != nil || item.Revision == a.seen {
		return
	}
	a.seen = item.Revision
	var spec nodespec.Spec
	if err := json.Unmarshal(item.Body, &spec); err != nil {
		a.h.w.violateLocked("the spec of host %s can't be read: %v", a.h.id, err)
		return
	}
	if spec.Generation > a.spec.Generation {
		if a.spec.Generation == 0 || spec.Restarts != a.spec.Restarts {
			a.failed, a.pause = 0, time.Time{}
		}
		a.spec = spec
		if a.state == nodespec.Stopped || a.state == nodespec.Failing {
			a.failed, a.pause = 0, time.Time{}
		}
	}
}

// keep does what the spec says.
func (a *agent) keep(now time.Time) {
	h := a.h
	p := h.kafka
	switch {
	case a.spec.Generation == 0:
		a.state, a.reason = nodespec.Waiting, ""
	case p != nil && p.restarts != a.spec.Restarts:
		p.end("stopped to be started again")
		a.counted = nil
		a.state, a.reason = nodespec.Preparing, "Kafka is started again"
	case p == nil && a.counted != nil: // it has ended by itself
		a.failed++
		if a.counted.joined {
			a.failed, a.again = 1, a.again+1
		}
		a.counted = nil
		a.state, a.reason = nodespec.Failing, "Kafka ended: "+h.ended
		a.pause = now.Add(min(time.Second<<min(a.failed-1, 5), 30*time.Second))
	case p == nil && now.Before(a.pause):
	case p == nil:
		a.startKafka(now)
	case p.generation != a.spec.Generation:
		p.generation = a.spec.Generation
	default:
		a.counted = p
		a.watch(p, now)
	}
}

// watch tells how a Kafka fares that runs.
func (a *agent) watch(p *process, now time.Time) {
	member := false
	if b := p.cluster.broker(p.node); b != nil {
		member = b.by == p && !b.fenced && p.works(now)
	} else {
		member = p.works(now) && p.cluster.active != 0
	}
	switch {
	case member:
		a.state, a.reason, a.failed, p.joined = nodespec.Running, "", 0, true
		if p.cluster.active != 0 {
			p.listed = p.cluster.alive()
		}
	case p.joined && !p.heldSince.IsZero():
		a.state, a.reason = nodespec.Starting, "a signal has stopped the Kafka process"
	case p.joined:
		a.state, a.reason = nodespec.Starting, "Kafka does not answer in time"
	default:
		a.state, a.reason = nodespec.Starting, "Kafka is starting"
	}
}

// alive are the brokers that the quorum knows as alive.
func (c *kafkaCluster) alive() []int32 {
	var ids []int32
	for _, b := range c.brokers {
		if !b.fenced {
			ids = append(ids, b.id)
		}
	}
	return ids
}

// startKafka formats the volume if, and only if, it is empty and said to be new, looks whose it is, and starts Kafka.
func (a *agent) startKafka(now time.Time) {
	h, v := a.h, a.h.volume
	c := h.w.kafka.of(a.spec.ClusterID)
	switch {
	case v == nil:
		a.state, a.reason = nodespec.Preparing, "waiting for the log volume"
		return
	case v.missing(h) != nil:
		a.state, a.reason = nodespec.Preparing, "waiting for the log volume: it is not whole without "+v.missing(h).id
		return
	case c == nil:
		a.state, a.reason = nodespec.Stopped, "no such cluster"
		return
	case v.formattedFor == "" && !a.spec.Volume.New:
		a.state, a.reason = nodespec.Stopped, "the log volume is empty and not new: its data is lost"
		return
	case v.formattedFor == "", a.spec.Volume.New && h.w.reckless && a.formatted != v:
		h.w.format(h, c)
		a.formatted = v
	case v.formattedFor != c.kafkaID || v.node != a.spec.NodeID:
		a.state, a.reason = nodespec.Stopped, fmt.Sprintf("the log volume belongs to node %d", v.node)
		return
	}
	p := &process{
		host: h, cluster: c, node: a.spec.NodeID, volume: v, since: now, generation: a.spec.Generation, restarts: a.spec.Restarts,
		release: a.spec.Release, ready: now.Add(between(h.w.cloud.rng, 3*time.Second, 8*time.Second)),
	}
	for _, part := range c.partitions {
		delete(part.stuck, p.node)
	}
	h.kafka, a.counted = p, p
	a.state, a.reason = nodespec.Starting, "Kafka is starting"
	if p.owns() && v.full() {
		p.end("No space left on device")
	}
}

// format makes a volume the log volume of a node.
func (w *World) format(h *host, c *kafkaCluster) {
	v, node := h.volume, h.token.NodeID
	if v.everFormatted {
		w.violateLocked("volume %s of %s, node %d, is formatted again", v.id, c.name, node)
	}
	*v = volume{
		id: v.id, token: v.token, sizeGiB: v.sizeGiB, host: v.host, formattedFor: c.kafkaID, node: node, everFormatted: true,
		logs: map[*partition][]record{},
	}
	v.extents, v.raw = v.sizeGiB, c.raw
	v.free()
	if node >= cluster.FirstController && !slices.Contains(c.voters, node) {
		c.voters = append(c.voters, node)
		slices.Sort(c.voters)
	}
	if node < cluster.FirstController && c.broker(node) == nil {
		c.brokers = append(c.brokers, &broker{id: node, fenced: true})
		slices.SortFunc(c.brokers, func(a, b *broker) int { return int(a.id - b.id) })
	}
}

// report sends a heartbeat when it is time for one, or when there is something to tell.
func (a *agent) report(now time.Time) {
	interval := beatOnTheWay
	if a.state == nodespec.Running {
		interval = beatInPeace
	}
	if a.sending || !a.h.reports(now) {
		return
	}
	says := a.news()
	if says == a.told && now.Sub(a.beaten) < interval {
		return
	}
	a.sending, a.beaten, a.told = true, now, says
	beat := a.heartbeat(now)
	h := a.h
	h.w.laterLocked("host "+h.id, between(h.w.cloud.rng, time.Millisecond, 30*time.Millisecond), func(ctx context.Context, _ *actor) {
		err := a.mailbox.Beat(ctx, beat)
		h.w.mu.Lock()
		defer h.w.mu.Unlock()
		a.sending = false
		if err != nil {
			a.told = news{}
		}
	})
}

// news is what is worth a heartbeat at once.
type news struct {
	generation       int64
	state            nodespec.State
	reason           string
	held, hung, full bool
	listed           [9]int32
	used             int // in steps
	parts            int // volumes that it is made of, and that have left
}

func (a *agent) news() news {
	n := news{generation: a.spec.Generation, state: a.state, reason: a.reason}
	if p := a.h.kafka; p != nil {
		n.held, n.hung = !p.heldSince.IsZero(), !p.hungSince.IsZero()
		copy(n.listed[:], p.listed)
	}
	if v := a.h.volume; v != nil {
		n.full, n.used = v.full(), int(v.percent()/nodespec.UseStepPercent)
		n.parts = 10*len(v.group) + len(a.h.left())
	}
	return n
}

func (a *agent) heartbeat(now time.Time) nodespec.Heartbeat {
	h := a.h
	beat := nodespec.Heartbeat{
		HostID: h.id, At: now, Generation: a.spec.Generation, State: a.state, Reason: a.reason,
		FailedStarts: a.failed, Restarts: a.again, SigningRequest: signingRequest(),
	}
	if a.spec.Generation > 0 {
		beat.Cluster, beat.NodeID, beat.Role = a.spec.Cluster, a.spec.NodeID, a.spec.Role
	}
	if v := h.volume; v != nil && v.formattedFor != "" && v.missing(h) == nil {
		beat.Disk = &nodespec.Disk{TotalBytes: int64(v.roomGiB()) << 30, UsedBytes: v.used(), Volumes: v.parts(), Left: h.left()}
	}
	p := h.kafka
	if p == nil {
		return beat
	}
	beat.Process = &nodespec.Process{PID: 1000 + int(p.since.Unix()%1000), Release: p.release, StartedAt: p.since}
	if !p.heldSince.IsZero() {
		held := p.heldSince
		beat.Process.HeldSince = &held
	}
	if p.joined && (!p.hungSince.IsZero() || !p.heldSince.IsZero()) {
		silent := p.hungSince
		if silent.IsZero() {
			silent = p.heldSince
		}
		beat.SilentSince = &silent
	}
	if a.state != nodespec.Running {
		return beat
	}
	c := p.cluster
	if b := c.broker(p.node); b != nil {
		beat.Brokers = slices.Clone(p.listed)
		beat.Replication = c.replication(p.node)
	} else if c.active == p.node {
		beat.Quorum = h.w.kafka.quorum(c, now)
	}
	return beat
}

// replication is what a broker knows of the partitions that it leads.
func (c *kafkaCluster) replication(id int32) *nodespec.Replication {
	r := &nodespec.Replication{}
	for _, p := range c.partitions {
		if p.leader < 0 {
			r.Offline++
		}
		if p.leader != id {
			continue
		}
		r.Leads++
		if len(p.inSync) == len(p.replicas) {
			continue
		}
		r.UnderReplicated++
		for _, other := range p.replicas {
			if !slices.Contains(p.inSync, other) {
				if r.OutOfSync == nil {
					r.OutOfSync = map[int32]int{}
				}
				r.OutOfSync[other]++
			}
		}
	}
	return r
}

func (k *kafka) quorum(c *kafkaCluster, now time.Time) *nodespec.Quorum {
	q := &nodespec.Quorum{}
	for _, id := range c.voters {
		if p := k.voter(c, id, now); p != nil && p.volume.metadata == c.version {
			q.CaughtUp = append(q.CaughtUp, id)
		} else {
			q.Behind = append(q.Behind, id)
		}
	}
	return q
}
