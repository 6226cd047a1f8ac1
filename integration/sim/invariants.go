package sim

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/records"
)

// grace is how long something has to be so before it is held against those who act as if it were not: a judgement and what
// follows from it are some moments apart, and things break in between.
const grace = 2 * time.Minute

// fresh is how old a judgement may be that is acted on: a broker that came back since then was not there when it was asked for.
const fresh = 70 * time.Second

// peace is how long nothing may have happened to a host for it to count as healthy without doubt.
const peace = 20 * time.Minute

// judgeStopLocked judges that something stops a node on purpose: is it sick at all, and can it be done without?
func (w *World) judgeStopLocked(h *host, why string) {
	c := w.kafka.ofCluster(h.token.ClusterID)
	p := h.kafka
	now := time.Now()
	if c == nil || c.deleting || p == nil || !p.works(now) || len(c.partitions) == 0 {
		return
	}
	if now.Sub(h.hurt) > peace && now.Sub(h.launched) > peace && !c.ails(p) {
		w.violateLocked("node %d of %s is healthy on host %s, and %s", p.node, c.name, h.id, why)
	}
	b := c.broker(p.node)
	if b == nil {
		w.judgeVoterLocked(c, p, now, why)
		return
	}
	if b.by != p || b.fenced {
		return
	}
	for _, other := range c.brokers {
		if other != b && !other.stopped.IsZero() && now.Sub(other.outSince) > grace && !other.outSince.IsZero() {
			w.violateLocked("broker %d of %s works and %s, while broker %d is down on purpose", b.id, c.name, why, other.id)
		}
	}
	for _, part := range c.partitions {
		joined := part.joined[b.id]
		if slices.Contains(part.inSync, b.id) && now.Sub(joined) > fresh && part.leader >= 0 &&
			!part.thinSince.IsZero() && now.Sub(part.thinSince) > grace {
			w.violateLocked("broker %d of %s works and %s, while %s needs each of %v in sync", b.id, c.name, why, part.name, part.inSync)
			break
		}
	}
	b.stopped = now
}

// ails tells whether something is the matter with a process that works, or was a moment ago.
func (c *kafkaCluster) ails(p *process) bool {
	for _, part := range c.partitions {
		if part.stuck[p.node] {
			return true
		}
	}
	b := c.broker(p.node)
	return p.host.impaired || b != nil && (b.inSince.IsZero() || time.Since(b.inSince) < grace)
}

func (w *World) judgeVoterLocked(c *kafkaCluster, p *process, now time.Time, why string) {
	if len(c.voters) == 1 {
		return
	}
	there := 0
	for _, id := range c.voters {
		if id != p.node && w.kafka.voter(c, id, now) != nil {
			there++
		}
	}
	if 2*there <= len(c.voters) && now.Sub(c.thinSince) > grace && !c.thinSince.IsZero() {
		w.violateLocked("controller %d of %s works and %s, while %d of the others do", p.node, c.name, why, there)
	}
}

// thin keeps since when a partition, or the quorum, can't do without any of those it has.
func (c *kafkaCluster) thin(voters int, now time.Time) {
	for _, p := range c.partitions {
		since(&p.thinSince, len(p.inSync) <= p.minimum, now)
	}
	since(&c.thinSince, 2*(voters-1) <= len(c.voters), now)
}

// since keeps since when something is so.
func since(at *time.Time, so bool, now time.Time) {
	switch {
	case !so:
		*at = time.Time{}
	case at.IsZero():
		*at = now
	}
}

// watchOperations sees that no cluster has two operations at once, of those that hold it and of those that hold its topics.
func (w *World) watchOperations(key records.Key, after []byte) {
	if !strings.HasPrefix(key.Partition, "operations#") {
		return
	}
	var op cluster.Operation
	if err := json.Unmarshal(after, &op); err != nil {
		w.violate("operation %s can't be read: %v", key.Sort, err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := w.begun[op.ExecutionName()]; !known && op.State == cluster.InProgress {
		w.begun[op.ExecutionName()] = time.Now()
	}
	if op.Type == cluster.ApplyTopics {
		w.watchApplicationLocked(op)
	}
	held := holder(op)
	running := w.running[held]
	switch {
	case op.Ended() && running == op.ID:
		delete(w.running, held)
		w.watchGrowthLocked(op)
	case op.Ended():
	case running == "":
		w.running[held] = op.ID
		w.stats.Operations++
		w.judgeAutomaticLocked(op)
		if op.Type == cluster.HealBroker {
			w.stats.Heals++
			w.noteLocked("heal", op.Heal.String()+": "+string(op.Heal.Remedy)+", because "+op.Heal.Reason)
		}
	case running != op.ID:
		w.violateLocked("two operations hold %s at once: %s and %s", held, running, op.ID)
	}
}

// watchRestarts judges every restart that an agent is told to make. It is made when the agent next looks for its spec: half a
// minute later in peace.
func (w *World) watchRestarts(key records.Key, before, after []byte) {
	id, ok := strings.CutPrefix(key.Partition, "spec#")
	if !ok || before == nil {
		return
	}
	var old, spec nodespec.Spec
	if json.Unmarshal(before, &old) != nil || json.Unmarshal(after, &spec) != nil {
		w.violate("the spec of host %s can't be read", id)
		return
	}
	if spec.Restarts == old.Restarts {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if h := w.cloud.host(id); h != nil {
		w.judgeStopLocked(h, "its Kafka is started again")
	}
}

// judgeOperations judges every operation of a cluster by its record.
func (w *World) judgeOperations(clusterID string) {
	now := time.Now()
	for _, item := range w.table.query("operations#"+clusterID, "", "", 1000) {
		var op cluster.Operation
		if err := json.Unmarshal(item.Body, &op); err != nil {
			w.violate("operation %s can't be read: %v", item.Sort, err)
			continue
		}
		w.judgeOperation(op, now)
	}
}

func (w *World) judgeOperation(op cluster.Operation, now time.Time) {
	ended := op.EndedAt
	if !op.Ended() {
		ended = now
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	away := w.downFor
	began, begun := w.begun[op.ExecutionName()]
	switch {
	case begun:
	case op.Attempt > 1:
		began = now // it is asked for again, and nobody has begun yet
	default:
		began = op.CreatedAt
	}
	if took := ended.Sub(began); took > 2*op.Type.Budget()+away && !w.judged[op.ID] {
		w.judged[op.ID] = true
		w.violateLocked("operation %s (%s) took %s, more than twice its budget", op.ID, op.Type, took)
	}
	if op.State != cluster.OperationFailed || w.judged[op.ID] {
		return
	}
	w.judged[op.ID] = true
	if op.Failure == nil || len(op.Failure.Message) < 10 || strings.HasPrefix(op.Failure.Message, "{") || !strings.Contains(op.Failure.Message, " ") {
		w.violateLocked("operation %s (%s) failed for no readable reason: %+v", op.ID, op.Type, op.Failure)
	}
}

// judgeHostsLocked sees that there is one host for each node of a cluster that is at rest.
func (w *World) judgeHostsLocked(c *kafkaCluster) {
	alive := map[int32]int{}
	for _, h := range w.cloud.hosts {
		if h.token.ClusterID == c.id && !h.gone() {
			if alive[h.token.NodeID]++; alive[h.token.NodeID] == 2 {
				w.violateLocked("node %d of %s has two hosts while nothing is done to it", h.token.NodeID, c.name)
			}
		}
	}
}
