package sim

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/millrace/millrace/shared/cluster"
)

// mishap is something that breaks, on a host or in AWS.
type mishap struct {
	name string
	// weight is how often it is drawn.
	weight int
	// strike lets it happen to a cluster and says what has happened; empty when there was nobody to strike. The world's lock
	// is held.
	strike func(w *World, u customer, k *kafkaCluster) string
}

// mishaps lists all that can break.
func mishaps() []mishap {
	return []mishap{
		{"host death", 5, hostDeath},
		{"host stopped", 1, hostStopped},
		{"host impaired", 1, hostImpaired},
		{"process held", 4, processHeld},
		{"process hung", 2, processHung},
		{"process killed", 2, processKilled},
		{"agent death", 2, agentDeath},
		{"network silence", 4, networkSilence},
		{"network cut", 3, networkCut},
		{"disk full", 2, diskFull},
		{"fetcher died", 4, fetcherDied},
		{"answers lost", 3, spellOf(answerLost, 2, 8)},
		{"throttling", 2, spellOf(throttled, 2, 6)},
		{"slow calls", 3, spellOf(slowed, 2, 8)},
		{"no capacity", 2, spellOf(noCapacity, 1, 2)},
		{"stillborn hosts", 1, spellOf(stillborn, 1, 3)},
		{"bus gone", 1, spellOf(busGone, 1, 2)},
		{"functions cut off", 1, functionsCutOff},
		{"crash", 4, crash},
	}
}

// creationMishaps are those that a create has to end well or in words with, without anybody who heals.
func creationMishaps() []mishap {
	return []mishap{
		{"host death", 2, hostDeath},
		{"host unheard", 2, hostUnheard},
		{"answers lost", 2, spellOf(answerLost, 2, 8)},
		{"throttling", 1, spellOf(throttled, 2, 6)},
		{"slow calls", 1, spellOf(slowed, 2, 8)},
		{"no capacity", 1, spellOf(noCapacity, 1, 2)},
		{"stillborn hosts", 1, spellOf(stillborn, 1, 3)},
		{"crash", 2, crash},
	}
}

// deletionMishaps are those after which nothing may be left all the same.
func deletionMishaps() []mishap {
	return []mishap{
		{"host death", 1, hostDeath},
		{"answers lost", 3, spellOf(answerLost, 2, 8)},
		{"throttling", 1, spellOf(throttled, 2, 6)},
		{"slow calls", 1, spellOf(slowed, 2, 8)},
		{"crash", 3, crash},
	}
}

// disturb lets one of these things happen within the next minute.
func (w *World) disturb(u customer, k *kafkaCluster, among []mishap) {
	m := draw(u, among)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.weather.clear = false
	w.laterLocked("trouble of "+k.name, between(u.a.rng, time.Second, time.Minute), func(_ context.Context, a *actor) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.happenLocked(m, customer{w: w, a: a}, k)
	})
}

func draw(u customer, among []mishap) mishap {
	total := 0
	for _, m := range among {
		total += m.weight
	}
	at := u.a.rng.IntN(total)
	for _, m := range among {
		if at -= m.weight; at < 0 {
			return m
		}
	}
	return among[0]
}

func (w *World) happenLocked(m mishap, u customer, k *kafkaCluster) bool {
	what := m.strike(w, u, k)
	if what == "" {
		return false
	}
	w.stats.Faults++
	w.struck = time.Now()
	w.stats.FaultNames[m.name]++
	w.noteLocked("FAULT", m.name+": "+what)
	return true
}

// mischief lets things break for a while: at least five of them, and at least one that has to be healed.
func (w *World) mischief(u customer, k *kafkaCluster) {
	u.w.pass(u.a, between(u.a.rng, 30*time.Second, 2*time.Minute))
	w.mu.Lock()
	heals := w.stats.Heals
	w.mu.Unlock()
	count := 5 + u.a.rng.IntN(5)
	for n := 0; n < count; {
		m := draw(u, mishaps())
		if n == 0 && odds(u.a.rng, 2) {
			m = mishaps()[0]
		}
		w.mu.Lock()
		if w.happenLocked(m, u, k) {
			n++
		}
		w.mu.Unlock()
		switch u.a.rng.IntN(4) {
		case 0:
			w.pass(u.a, between(u.a.rng, 100*time.Millisecond, 5*time.Second))
		case 1, 2:
			w.pass(u.a, between(u.a.rng, 5*time.Second, 2*time.Minute))
		default:
			w.pass(u.a, between(u.a.rng, 2*time.Minute, 8*time.Minute))
		}
	}
	w.pass(u.a, between(u.a.rng, time.Second, 5*time.Minute))
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stats.Heals == heals {
		w.happenLocked(mishaps()[0], u, k)
	}
}

// victim draws one of a cluster's running hosts.
func victim(w *World, u customer, k *kafkaCluster, fits func(h *host) bool) *host {
	var can []*host
	for _, h := range w.cloud.hosts {
		if h.token.ClusterID == k.id && h.state == cluster.HostRunning && fits(h) {
			can = append(can, h)
		}
	}
	if len(can) == 0 {
		return nil
	}
	return can[u.a.rng.IntN(len(can))]
}

func anyHost(*host) bool { return true }

func hasKafka(h *host) bool {
	return h.kafka != nil && h.kafka.heldSince.IsZero() && h.kafka.hungSince.IsZero()
}

func (h *host) name() string { return fmt.Sprintf("%s of node %d", h.id, h.token.NodeID) }

func hostDeath(w *World, u customer, k *kafkaCluster) string {
	h := victim(w, u, k, anyHost)
	if h == nil {
		return ""
	}
	h.hurt = time.Now()
	w.cloud.endLocked(h, "the host has died")
	return h.name()
}

// hostStopped is a host that somebody has powered off, or EC2 has for its own reasons.
func hostStopped(w *World, u customer, k *kafkaCluster) string {
	h := victim(w, u, k, anyHost)
	if h == nil {
		return ""
	}
	h.hurt = time.Now()
	if h.kafka != nil {
		h.kafka.end("the host is powered off")
	}
	h.agent.stop()
	w.cloud.turnLocked(h, cluster.HostStopped)
	return h.name()
}

func (a *agent) stop() {
	if a != nil {
		a.gone = true
		a.h.agent = nil
	}
}

// hostImpaired is a host whose hardware fails: nothing comes through any more, and EC2 sees it.
func hostImpaired(w *World, u customer, k *kafkaCluster) string {
	h := victim(w, u, k, anyHost)
	if h == nil {
		return ""
	}
	h.hurt, h.impaired = time.Now(), true
	h.cutUntil = time.Now().Add(24 * time.Hour)
	return h.name()
}

// processHeld stops a Kafka by a signal. It goes on some time, like nothing had been: as the writer that it was.
func processHeld(w *World, u customer, k *kafkaCluster) string {
	h := victim(w, u, k, hasKafka)
	if h == nil {
		return ""
	}
	p := h.kafka
	h.hurt, p.heldSince = time.Now(), time.Now()
	led := map[*partition]int{} // the epochs of what it leads
	for _, part := range k.partitions {
		if part.leader == p.node && k.broker(p.node).by == p {
			led[part] = part.epoch
		}
	}
	wakes := between(u.a.rng, 5*time.Second, 10*time.Minute)
	w.laterLocked("wake of "+h.id, wakes, func(_ context.Context, _ *actor) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if p.ended {
			return
		}
		w.noteLocked("FAULT", "the held process on "+h.name()+" goes on")
		p.heldSince = time.Time{}
		for _, part := range k.partitions { // what it had in its hands goes to its volume now
			if epoch, ok := led[part]; ok && !p.ended {
				w.kafka.last++
				p.write(part, record{w.kafka.last, epoch})
			}
		}
	})
	return h.name() + " for " + wakes.Round(time.Second).String()
}

func processHung(w *World, u customer, k *kafkaCluster) string {
	h := victim(w, u, k, hasKafka)
	if h == nil {
		return ""
	}
	h.hurt, h.kafka.hungSince = time.Now(), time.Now()
	return h.name()
}

func processKilled(w *World, u customer, k *kafkaCluster) string {
	h := victim(w, u, k, hasKafka)
	if h == nil {
		return ""
	}
	h.hurt = time.Now()
	h.kafka.end("signal: killed")
	return h.name()
}

// agentDeath ends an agent alone. Its host starts another one, which takes the Kafka that runs for its own.
func agentDeath(w *World, u customer, k *kafkaCluster) string {
	h := victim(w, u, k, func(h *host) bool { return h.agent != nil })
	if h == nil {
		return ""
	}
	spec := h.agent.spec
	h.agent.stop()
	w.laterLocked("agent of "+h.id, between(u.a.rng, time.Second, time.Minute), func(_ context.Context, _ *actor) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if h.state == cluster.HostRunning && h.agent == nil {
			h.agent = newAgent(h)
			h.agent.spec = spec
		}
	})
	return h.name()
}

// networkSilence keeps a host's heartbeats from the table, and nothing else: its Kafka works.
func networkSilence(w *World, u customer, k *kafkaCluster) string {
	h := victim(w, u, k, anyHost)
	if h == nil {
		return ""
	}
	d := between(u.a.rng, 30*time.Second, 15*time.Minute)
	if odds(u.a.rng, 3) { // all of them: nobody is left to say anything
		for _, h := range w.cloud.hosts {
			if h.token.ClusterID == k.id {
				h.silentUntil = time.Now().Add(d)
			}
		}
		return "all hosts for " + d.Round(time.Second).String()
	}
	h.silentUntil = time.Now().Add(d)
	return h.name() + " for " + d.Round(time.Second).String()
}

// hostUnheard keeps what a host says from the table for so long that whoever waits for it has to give up.
func hostUnheard(w *World, u customer, k *kafkaCluster) string {
	h := victim(w, u, k, anyHost)
	if h == nil {
		return ""
	}
	d := between(u.a.rng, 5*time.Minute, 45*time.Minute)
	h.silentUntil = time.Now().Add(d)
	return h.name() + " for " + d.Round(time.Second).String()
}

func networkCut(w *World, u customer, k *kafkaCluster) string {
	h := victim(w, u, k, anyHost)
	if h == nil {
		return ""
	}
	d := between(u.a.rng, 5*time.Second, 10*time.Minute)
	h.hurt, h.cutUntil = time.Now(), time.Now().Add(d)
	return h.name() + " for " + d.Round(time.Second).String()
}

func diskFull(w *World, u customer, k *kafkaCluster) string {
	h := victim(w, u, k, func(h *host) bool { return h.volume != nil && h.token.NodeID < cluster.FirstController })
	if h == nil {
		return ""
	}
	h.hurt, h.volume.holdsGiB = time.Now(), float64(h.volume.roomGiB())
	k.fills.excuse(h.volume)
	return h.name()
}

// fetcherDied is a broker that works but for one partition, of which it fetches nothing any more.
func fetcherDied(w *World, u customer, k *kafkaCluster) string {
	h := victim(w, u, k, func(h *host) bool { return hasKafka(h) && h.token.NodeID < cluster.FirstController })
	if h == nil {
		return ""
	}
	for _, p := range k.partitions {
		if len(p.stuck) > 0 {
			// Each of two such brokers is needed by what the other lacks: nobody can start either of them again.
			return ""
		}
	}
	for _, p := range k.partitions {
		if p.leader != h.token.NodeID && slices.Contains(p.replicas, h.token.NodeID) {
			h.hurt = time.Now()
			p.stuck[h.token.NodeID] = true
			return h.name() + ", " + p.name
		}
	}
	return ""
}

// spellOf is bad weather of a kind, that meets one in oneIn calls or fewer, of one kind of call or of all.
func spellOf(kind trouble, oneIn, upTo int) func(*World, customer, *kafkaCluster) string {
	return func(w *World, u customer, _ *kafkaCluster) string {
		targets := []string{"", "table", "functions", "Kafka", "LaunchHost", "RetireHost", "AttachVolume", "Host", "HostStates"}
		s := spell{
			kind: kind, oneIn: oneIn + u.a.rng.IntN(upTo-oneIn+1), target: targets[u.a.rng.IntN(len(targets))],
			until: time.Now().Add(between(u.a.rng, 20*time.Second, 6*time.Minute)),
			slow:  between(u.a.rng, 2*time.Second, 80*time.Second),
		}
		w.weather.beginLocked(s)
		return s.String()
	}
}

// functionsCutOff keeps the functions that talk to Kafka from every broker, and nobody else.
func functionsCutOff(w *World, u customer, _ *kafkaCluster) string {
	d := between(u.a.rng, 20*time.Second, 10*time.Minute)
	w.cutOffUntil = time.Now().Add(d)
	return "for " + d.Round(time.Second).String()
}

// crash kills the control plane at one of the next writes of its journal.
func crash(w *World, u customer, _ *kafkaCluster) string {
	if w.crashIn > 0 {
		return ""
	}
	w.crashIn = 1 + u.a.rng.IntN(40)
	return fmt.Sprintf("at write %d of the journal from now", w.crashIn)
}

// endFaultsLocked mends what only people mend, when the mischief is over: who has filled a disk frees it.
func (w *World) endFaultsLocked(k *kafkaCluster) {
	w.crashIn, w.cutOffUntil = 0, time.Time{}
	for _, h := range w.cloud.hosts {
		if h.token.ClusterID != k.id || h.gone() {
			continue
		}
		h.silentUntil = time.Time{}
		if !h.impaired {
			h.cutUntil = time.Time{}
		}
	}
	for _, v := range slices.SortedFunc(maps.Values(w.cloud.volumes), func(a, b *volume) int { return cmp.Compare(a.id, b.id) }) {
		if v.token.ClusterID == k.id && v.full() {
			v.free()
			w.noteLocked("customer", "frees the disk of "+v.id)
		}
	}
}
