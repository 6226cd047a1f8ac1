package sim

import (
	"context"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/millrace/millrace/functions/topicadmin"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	access "github.com/millrace/millrace/shared/kafka"
)

// kafka is a model of Kafka's replication, as exact as the promises need that are checked by it: partitions with replicas,
// in-sync replicas, leaders and their epochs, a quorum of controllers that has to agree to every change of those, and a
// producer that writes with acks=all all the time. Everything a node knows for good is on its volume, and it gets there only
// through a process whose host has the volume. It is guarded by the world's lock.
type kafka struct {
	w        *World
	clusters []*kafkaCluster
	last     int64 // id of the last record
}

// kafkaCluster is one cluster, as it would be without anybody looking after it.
type kafkaCluster struct {
	id, kafkaID, name string
	brokers           []*broker // by id
	voters            []int32
	partitions        []*partition
	topics            map[string]*topic    // beside that of the partitions
	touched           map[string]time.Time // when somebody else than the control plane last changed a topic
	owner             *owner               // of the topics
	raw               bool                 // its volumes can't be made of several
	told              map[int32]*told      // of the volumes, by the brokers' hosts
	grower            *grower              // of the volumes
	fills             *filling             // of the volumes, which grow by themselves; nil where they do not
	// version counts the changes that the quorum has agreed to; each is on the volumes of a majority of the voters.
	version int
	active  int32 // the active controller; 0 while there is none
	// deleting says that its owner has asked for its end: what it holds is not needed any more.
	deleting bool
	// thinSince is since when the quorum can't do without any of the voters it has; zero while it can.
	thinSince time.Time
	// fullSince is since when every replica is in sync; zero while one is not.
	fullSince time.Time
}

// broker is a broker as the quorum knows it.
type broker struct {
	id     int32
	fenced bool
	heard  time.Time
	by     *process // the process that is registered
	// outSince is since when the broker is missing among some in-sync replicas, inSince since when it is missing nowhere; one
	// of them is zero.
	outSince, inSince time.Time
	// stopped is when it was stopped on purpose; zero once it is in sync again.
	stopped time.Time
}

type partition struct {
	name      string
	id        int32
	replicas  []int32
	inSync    []int32
	leader    int32 // -1 while there is none
	epoch     int
	minimum   int // min.insync.replicas
	acked     []ack
	high      int                 // high watermark
	behind    map[int32]time.Time // since when an in-sync replica has not caught up
	thinSince time.Time           // since when it can't do without any of its in-sync replicas
	joined    map[int32]time.Time // when each replica was last in sync again
	stuck     map[int32]bool      // replicas whose fetcher has died, until their process is started again
}

// record is what a producer has written.
type record struct {
	id    int64
	epoch int
}

// ack is a record that the producer was told is safe, at its place in the log.
type ack struct {
	at int
	id int64
}

const (
	sessionTimeout = 9 * time.Second  // broker.session.timeout.ms
	lagTime        = 30 * time.Second // replica.lag.time.max.ms
	fetches        = 40               // records that a follower can fetch in one tick
)

func (k *kafka) of(kafkaID string) *kafkaCluster {
	for _, c := range k.clusters {
		if c.kafkaID == kafkaID {
			return c
		}
	}
	return nil
}

func (k *kafka) ofCluster(id string) *kafkaCluster {
	for _, c := range k.clusters {
		if c.id == id {
			return c
		}
	}
	return nil
}

func (c *kafkaCluster) broker(id int32) *broker {
	for _, b := range c.brokers {
		if b.id == id {
			return b
		}
	}
	return nil
}

// makeTopics gives the cluster its partitions, once it has all of its brokers.
func (c *kafkaCluster) makeTopics(count int) {
	ids := make([]int32, len(c.brokers))
	for i, b := range c.brokers {
		ids[i] = b.id
	}
	for i := range count {
		replicas := make([]int32, min(3, len(ids)))
		for r := range replicas {
			replicas[r] = ids[(i+r)%len(ids)]
		}
		c.partitions = append(c.partitions, &partition{
			name: fmt.Sprintf("orders-%d", i), id: int32(i), replicas: replicas, inSync: slices.Clone(replicas), leader: replicas[0], epoch: 1,
			minimum: min(2, len(replicas)), behind: map[int32]time.Time{}, joined: map[int32]time.Time{}, stuck: map[int32]bool{},
		})
	}
}

// tick lets a moment pass for every cluster.
func (k *kafka) tick(now time.Time) {
	for _, c := range k.clusters {
		k.elect(c, now)
		if c.active != 0 {
			k.hear(c, now)
		}
		for _, p := range c.partitions {
			k.produce(c, p)
			k.replicate(c, p, now)
		}
		voters := 0
		for _, id := range c.voters {
			if k.voter(c, id, now) != nil {
				voters++
			}
		}
		c.fills.tick(now)
		c.look(now)
		c.thin(voters, now)
	}
}

// look keeps since when brokers are out of sync, for those who judge what was done to them.
func (c *kafkaCluster) look(now time.Time) {
	full := len(c.partitions) > 0
	for _, b := range c.brokers {
		out := b.fenced
		for _, p := range c.partitions {
			if slices.Contains(p.replicas, b.id) && (!slices.Contains(p.inSync, b.id) || p.leader < 0) {
				out = true
			}
		}
		since(&b.outSince, out, now)
		since(&b.inSince, !out, now)
		if !out && now.Sub(b.stopped) > sessionTimeout { // before that nobody has missed it yet
			b.stopped = time.Time{}
		}
		full = full && !out
	}
	since(&c.fullSince, full, now)
}

// voter gives the process of a controller that takes part in the quorum; nil while it does not.
func (k *kafka) voter(c *kafkaCluster, id int32, now time.Time) *process {
	for _, h := range k.w.cloud.hosts {
		if p := h.kafka; p != nil && p.node == id && p.cluster == c && p.works(now) {
			return p
		}
	}
	return nil
}

// elect finds an active controller among the voters that are there, if they are a majority. What a majority has agreed to
// must be known to one of any majority.
func (k *kafka) elect(c *kafkaCluster, now time.Time) {
	if len(c.voters) == 0 {
		return
	}
	var there []*process
	for _, id := range c.voters {
		if p := k.voter(c, id, now); p != nil {
			there = append(there, p)
		}
	}
	if 2*len(there) <= len(c.voters) {
		c.active = 0
		return
	}
	best := there[0]
	for _, p := range there[1:] {
		if p.volume.metadata > best.volume.metadata {
			best = p
		}
	}
	if best.volume.metadata < c.version {
		k.w.violateLocked("%s lost acknowledged metadata: %d of %d changes are known to the voters that are left", c.name,
			best.volume.metadata, c.version)
		c.version = best.volume.metadata
	}
	if !slices.ContainsFunc(there, func(p *process) bool { return p.node == c.active }) {
		if c.active != 0 { // the session of the former one has to end first
			c.active = 0
			return
		}
		c.active = best.node
		k.commit(c, there)
		return
	}
	for _, p := range there {
		p.store(c.version)
	}
}

// commit makes one more change of the metadata durable on the voters that are there.
func (k *kafka) commit(c *kafkaCluster, there []*process) {
	c.version++
	for _, p := range there {
		p.store(c.version)
	}
}

// leads tells whether an active controller can change anything: a moment after its host has gone nobody may have noticed, and yet
// nothing is agreed to any more.
func (k *kafka) leads(c *kafkaCluster, now time.Time) bool {
	there := 0
	for _, id := range c.voters {
		if k.voter(c, id, now) != nil {
			there++
		}
	}
	return c.active != 0 && 2*there > len(c.voters)
}

// change is a change of the metadata that the active controller makes.
func (k *kafka) change(c *kafkaCluster, now time.Time) {
	var there []*process
	for _, id := range c.voters {
		if p := k.voter(c, id, now); p != nil {
			there = append(there, p)
		}
	}
	k.commit(c, there)
}

// hear is the active controller's work: brokers that are heard are unfenced, those that are not for long are fenced.
func (k *kafka) hear(c *kafkaCluster, now time.Time) {
	for _, h := range k.w.cloud.hosts {
		p := h.kafka
		if p == nil || p.cluster != c || !p.works(now) {
			continue
		}
		b := c.broker(p.node)
		if b == nil {
			continue // a controller
		}
		switch {
		case b.by == p:
		case b.by != nil && !b.fenced && now.Sub(b.heard) < sessionTimeout:
			continue // the session of the former process has not ended
		case b.by != nil && b.by.since.After(p.since):
			continue // its own registration is older than the one that holds
		default:
			b.by = p
		}
		b.heard = now
		if b.fenced {
			b.fenced = false
			k.change(c, now)
			for _, part := range c.partitions {
				if part.leader < 0 && slices.Contains(part.inSync, b.id) {
					k.lead(c, part, now)
				}
			}
		}
	}
	for _, b := range c.brokers {
		if b.fenced || now.Sub(b.heard) < sessionTimeout {
			continue
		}
		k.fence(c, b, now)
	}
}

func (k *kafka) fence(c *kafkaCluster, b *broker, now time.Time) {
	b.fenced = true
	k.change(c, now)
	for _, p := range c.partitions {
		if at := slices.Index(p.inSync, b.id); at >= 0 && len(p.inSync) > 1 {
			p.inSync = slices.Delete(slices.Clone(p.inSync), at, at+1)
		}
		if p.leader == b.id {
			k.lead(c, p, now)
		}
	}
}

// lead gives a partition a leader out of its in-sync replicas, or none. Whoever leads must have every acknowledged record.
func (k *kafka) lead(c *kafkaCluster, p *partition, now time.Time) {
	p.leader = -1
	p.epoch++
	clear(p.behind)
	k.change(c, now)
	for _, id := range p.replicas {
		b := c.broker(id)
		if b.fenced || b.by == nil || !slices.Contains(p.inSync, id) {
			continue
		}
		p.leader = id
		log := b.by.volume.logs[p]
		k.checkAcked(c, p, id, log)
		p.high = min(p.high, len(log))
		return
	}
}

func (k *kafka) checkAcked(c *kafkaCluster, p *partition, id int32, log []record) {
	for _, a := range p.acked {
		if a.at >= len(log) || log[a.at].id != a.id {
			k.w.violateLocked("%s: acknowledged record %d of %s is lost: broker %d leads with %d records", c.name, a.id, p.name,
				id, len(log))
			p.acked = nil // once is enough
			return
		}
	}
}

// live gives the process of a broker when it can do its work for a partition.
func (c *kafkaCluster) live(id int32, now time.Time) *process {
	if id < 0 {
		return nil
	}
	b := c.broker(id)
	if b.fenced || b.by == nil || !b.by.works(now) {
		return nil
	}
	return b.by
}

// produce writes one record to the partition's leader, as clients do that know the metadata.
func (k *kafka) produce(c *kafkaCluster, p *partition) {
	if c.deleting || len(p.inSync) < p.minimum {
		return
	}
	leader := c.live(p.leader, time.Now())
	if leader == nil || k.w.cloud.rng.IntN(3) > 0 {
		return
	}
	k.last++
	leader.write(p, record{k.last, p.epoch})
}

// replicate lets followers fetch, and the leader count who is in sync.
func (k *kafka) replicate(c *kafkaCluster, p *partition, now time.Time) {
	leader := c.live(p.leader, now)
	if leader == nil {
		return
	}
	for _, id := range p.replicas {
		if id == p.leader {
			continue
		}
		follower := c.live(id, now)
		if follower == nil || p.stuck[id] || !follower.fetch(p, leader) {
			continue
		}
		if len(follower.volume.logs[p]) == len(leader.volume.logs[p]) {
			delete(p.behind, id)
			if !slices.Contains(p.inSync, id) && c.active != 0 {
				p.inSync = append(slices.Clone(p.inSync), id)
				slices.Sort(p.inSync)
				p.joined[id] = now
				k.change(c, now)
			}
		}
	}
	high := len(leader.volume.logs[p])
	for _, id := range slices.Clone(p.inSync) {
		if id == p.leader {
			continue
		}
		reached := 0
		if b := c.broker(id); b.by != nil {
			reached = len(b.by.volume.logs[p])
		}
		if reached < len(leader.volume.logs[p]) {
			since, known := p.behind[id]
			if !known {
				p.behind[id] = now
			} else if now.Sub(since) > lagTime && c.active != 0 {
				at := slices.Index(p.inSync, id)
				p.inSync = slices.Delete(slices.Clone(p.inSync), at, at+1)
				delete(p.behind, id)
				k.change(c, now)
				continue
			}
		}
		high = min(high, reached)
	}
	for ; p.high < high; p.high++ {
		if len(p.inSync) >= p.minimum {
			p.acked = append(p.acked, ack{p.high, leader.volume.logs[p][p.high].id})
		}
	}
}

// process is one run of Kafka on a host.
type process struct {
	host    *host
	cluster *kafkaCluster
	node    int32
	volume  *volume
	since   time.Time
	ready   time.Time // from when on it can do its work
	ended   bool
	// generation and restarts are those of the spec that it was started under.
	generation, restarts int64
	release              string

	heldSince time.Time // stopped by a signal
	hungSince time.Time // runs, and does nothing
	listed    []int32   // the brokers that it knew as alive when it last knew
	joined    bool      // it has been a member of its cluster
}

// works tells whether the process does anything for anybody else.
func (p *process) works(now time.Time) bool {
	return !p.ended && !now.Before(p.ready) && p.heldSince.IsZero() && p.hungSince.IsZero() && p.host.connected(now)
}

// owns tells whether what the process writes arrives on its volume. One that finds that it does not, ends.
func (p *process) owns() bool {
	if p.ended {
		return false
	}
	if p.volume.host != p.host || p.host.gone() {
		p.end("its volume is gone")
		return false
	}
	if m := p.volume.missing(p.host); m != nil {
		p.host.w.violateLocked("host %s works with a log volume that is not whole without %s", p.host.id, m.id)
		p.end("a part of its volume is gone")
		return false
	}
	for _, other := range p.host.w.cloud.hosts {
		if q := other.kafka; q != nil && q != p && !q.ended && q.volume == p.volume {
			p.host.w.violateLocked("volume %s has two writers: hosts %s and %s", p.volume.id, p.host.id, other.id)
		}
	}
	return true
}

func (p *process) end(why string) {
	if p.ended {
		return
	}
	p.ended = true
	if p.host.kafka == p {
		p.host.kafka = nil
	}
	p.host.ended = why
}

// write appends one record. A volume without room ends the process.
func (p *process) write(to *partition, r record) {
	if !p.owns() {
		return
	}
	if p.volume.full() {
		p.end("No space left on device")
		return
	}
	p.volume.logs[to] = append(p.volume.logs[to], r)
}

func (p *process) store(version int) {
	if p.volume.metadata != version && p.owns() {
		p.volume.metadata = version
	}
}

// fetch takes what the leader has and the follower has not, after dropping what the leader never had.
func (p *process) fetch(from *partition, leader *process) bool {
	mine, theirs := p.volume.logs[from], leader.volume.logs[from]
	same := min(len(mine), len(theirs))
	for same > 0 && mine[same-1] != theirs[same-1] {
		same--
	}
	if same == len(theirs) && same == len(mine) {
		return !p.ended
	}
	if !p.owns() {
		return false
	}
	if p.volume.full() {
		p.end("No space left on device")
		return false
	}
	p.volume.logs[from] = append(mine[:same], theirs[same:min(len(theirs), same+fetches)]...)
	return true
}

// admin is the admin protocol of the clusters' brokers.
type admin struct {
	w *World
	groups
}

// groups are of no cluster: nobody consumes.
type groups = topicadmin.Groups

// Partitions asks the brokers that are named. It takes long to find that none of them answers.
func (k admin) Partitions(ctx context.Context, asked access.Access) ([]cluster.Partition, error) {
	w, a := k.w, actorOf(ctx)
	w.pass(a, w.weather.takes(a, "Partitions", between(a.rng, 20*time.Millisecond, 500*time.Millisecond)))
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w.mu.Lock()
	c := w.kafka.reachLocked(asked.Brokers)
	var partitions []cluster.Partition
	if c != nil {
		partitions = make([]cluster.Partition, len(c.partitions))
		for i, p := range c.partitions {
			partitions[i] = cluster.Partition{
				Topic: "orders", ID: p.id, Leader: p.leader, Replicas: slices.Clone(p.replicas), InSync: slices.Clone(p.inSync),
				MinInSync: p.minimum,
			}
		}
	}
	w.mu.Unlock()
	if c == nil {
		w.pass(a, between(a.rng, 2*time.Second, 8*time.Second))
		return nil, fault.New(fault.Unavailable, "no broker answers")
	}
	if err := w.weather.strike(a, "Partitions"); err != nil {
		return nil, err
	}
	w.note(a.name, "asks for partitions")
	return partitions, nil
}

// reachLocked gives the cluster of the first of these brokers that answers; nil when none does.
func (k *kafka) reachLocked(addresses []string) *kafkaCluster {
	now := time.Now()
	if now.Before(k.w.cutOffUntil) {
		return nil
	}
	for _, address := range addresses {
		ip, _, err := net.SplitHostPort(address)
		if err != nil {
			continue
		}
		for token, known := range k.w.cloud.addresses {
			if known.IP != ip {
				continue
			}
			c := k.ofCluster(token.ClusterID)
			if c != nil && c.broker(token.NodeID) != nil && c.live(token.NodeID, now) != nil {
				return c
			}
		}
	}
	return nil
}
