package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/records"
)

// filling is what fills the volumes of a cluster's brokers, where they grow by themselves: its producers write, more in some minutes
// than in others, and retention frees. Nobody but the cluster's rule makes room. It is guarded by the world's lock.
type filling struct {
	customer
	cluster *kafkaCluster
	rng     *rand.Rand
	// ruled is what the rule was and is: of what was decided lately, nobody can say by which of the two.
	ruled []ruling
	// perMinute is in GiB, for the broker that gets the most. keeps is what retention leaves on a volume at most.
	perMinute, keeps float64
	turns            time.Time // when other minutes come
	excused          map[*volume]bool
}

// ruling is a rule with the time at which it was given.
type ruling struct {
	rule cluster.StorageAutoscaling
	at   time.Time
}

// told is how much a broker's hosts have said is on its volume, last and before that.
type told struct {
	gib, before float64
	at          time.Time
}

// Between what a host says and what is decided by it there may be a slow call; the next word of the host comes in between.
const decidedWithin = 3 * time.Minute

// fastest is how much a volume gets in a minute at most. What is free above a rule's target has to last until the volume has grown,
// in the worst of times: a host that nobody hears of, calls that fail and a control plane that is down.
const fastest = 1.0

// letVolumesGrow gives some clusters a rule by which their volumes grow, and producers that fill them.
func (u customer) letVolumesGrow(k *kafkaCluster) {
	ctx, a := u.w.as(u.ctx, "filler of the volumes of "+k.name, nil)
	if !odds(a.rng, 3) {
		return
	}
	f := &filling{
		customer: customer{u.w, ctx, a}, cluster: k, rng: u.w.random("filling of " + k.name), excused: map[*volume]bool{},
	}
	rule := cluster.StorageAutoscaling{TargetPercent: 50 + a.rng.IntN(20), MaxGiB: 120 + 10*a.rng.IntN(20)}
	if !f.rules(rule) {
		return
	}
	u.w.mu.Lock()
	defer u.w.mu.Unlock()
	f.keeps = float64(rule.MaxGiB) * (0.5 + a.rng.Float64()/2)
	for _, v := range u.w.cloud.brokerVolumes(k) {
		v.holdsGiB = float64(v.roomGiB()) * (float64(rule.TargetPercent) - 1 - 10*a.rng.Float64()) / 100
	}
	k.fills = f
	if odds(a.rng, 4) { // somebody has changed their mind
		u.w.laterLocked("rule of "+k.name, between(a.rng, time.Minute, 10*time.Minute), func(context.Context, *actor) {
			rule.MaxGiB += 50
			rule.TargetPercent -= 5
			f.rules(rule)
		})
	}
}

// rules gives the cluster a rule, as the API does.
func (f *filling) rules(rule cluster.StorageAutoscaling) bool {
	_, err := f.w.records().ChangeStorageScaling(f.ctx, f.cluster.id, func(s *cluster.StorageScaling) error {
		s.Target = &cluster.ScalableTarget{MaxGiB: rule.MaxGiB, CreatedAt: time.Now().UTC()}
		s.PutPolicy(cluster.StoragePolicy{
			Name: "millrace", TargetPercent: float64(rule.TargetPercent), CreatedAt: time.Now().UTC(), Configuration: json.RawMessage("{}"),
		})
		return nil
	})
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	if err != nil {
		f.w.noteLocked(f.a.name, "has no rule: "+err.Error())
		return false
	}
	f.ruled = append(f.ruled, ruling{rule, time.Now()})
	f.w.noteLocked(f.a.name, "has a rule: "+rule.String())
	return true
}

func (f *filling) rule() cluster.StorageAutoscaling { return f.ruled[len(f.ruled)-1].rule }

// tick lets a moment pass in which producers write and retention frees.
func (f *filling) tick(now time.Time) {
	if f == nil || f.cluster.deleting {
		return
	}
	if now.After(f.turns) {
		f.turn(now)
	}
	for _, v := range f.w.cloud.brokerVolumes(f.cluster) {
		if v.host == nil || v.host.kafka == nil || !v.host.kafka.works(now) {
			continue
		}
		was := v.percent()
		skew := 1 - float64(v.token.NodeID-1)/10
		if more := v.holdsGiB + f.perMinute*skew/60; more <= f.keeps {
			v.holdsGiB = min(more, float64(v.roomGiB()))
		}
		is := v.percent()
		if was < nodespec.NearlyFullPercent && is >= nodespec.NearlyFullPercent {
			f.w.laterLocked("alarm", between(f.rng, time.Minute, 3*time.Minute), func(context.Context, *actor) {
				f.w.mu.Lock()
				defer f.w.mu.Unlock()
				f.w.deliverLocked("alarm of disks", "storage-autoscaling", map[string]any{})
			})
		}
		if was < nodespec.FullPercent && is >= nodespec.FullPercent && v.roomGiB() < f.rule().MaxGiB && !f.excused[v] {
			f.w.violateLocked("volume %s of %s is full with %d GiB, and its rule is: %s", v.id, f.cluster.name, v.roomGiB(), f.rule())
		}
	}
}

// turn lets other minutes come.
func (f *filling) turn(now time.Time) {
	f.turns = now.Add(between(f.rng, time.Minute, 6*time.Minute))
	f.perMinute = fastest * float64(f.rng.IntN(5)) / 4
	if odds(f.rng, 5) {
		left := 0.6 + 0.35*f.rng.Float64()
		for _, v := range f.w.cloud.brokerVolumes(f.cluster) {
			v.holdsGiB *= left
		}
		f.w.noteLocked("retention", fmt.Sprintf("leaves %d %% of %s", int(100*left), f.cluster.name))
	}
}

// excuse lets a volume be full: somebody has filled it whom nobody could foresee.
func (f *filling) excuse(v *volume) {
	if f != nil {
		f.excused[v] = true
	}
}

// ebb lets producers write no more than retention frees.
func (f *filling) ebb() {
	if f != nil {
		f.perMinute, f.turns = 0, time.Now().Add(1000*time.Hour)
	}
}

// settle sees that every broker has the same room in the end: once more one gets too full, and nothing breaks any more.
func (f *filling) settle() {
	if f == nil {
		return
	}
	f.w.mu.Lock()
	volumes := f.w.cloud.brokerVolumes(f.cluster)
	v := volumes[f.a.rng.IntN(len(volumes))]
	target := float64(f.rule().TargetPercent)
	if v.percent() < target {
		v.holdsGiB = float64(v.roomGiB()) * (target + 2) / 100
	}
	f.w.noteLocked("producers", fmt.Sprintf("have filled %s to %.0f %% for the last time", v.id, v.percent()))
	f.w.mu.Unlock()
	f.await(f.cluster, "to have grown by its rule", func(c cluster.Cluster, there bool) bool {
		return there && c.Growing == nil && c.State() == cluster.Active && f.content()
	})
}

// content tells whether nothing is left to be done by the rule, and everybody has the same.
func (f *filling) content() bool {
	nodes, err := f.w.records().Nodes(f.ctx, f.cluster.id)
	if err != nil {
		return false
	}
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	rule, size := f.rule(), 0
	for _, n := range nodes {
		if n.Role != cluster.Broker {
			continue
		}
		if size == 0 {
			size = n.Volume.SizeGiB
		}
		v := f.w.cloud.volumes[cluster.Token{ClusterID: n.ClusterID, NodeID: n.ID}]
		tooFull := v.percent() >= float64(rule.TargetPercent) && n.Volume.SizeGiB < rule.MaxGiB
		if n.Volume.SizeGiB != size || v.roomGiB() < size || tooFull {
			return false
		}
	}
	return true
}

// watchBeats keeps what hosts say of the volumes of brokers.
func (w *World) watchBeats(key records.Key, after []byte) {
	id, ok := records.HostOfBeat(key.Partition)
	if !ok {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.cloud.host(id)
	if h == nil || h.token.NodeID >= cluster.FirstController {
		return
	}
	k := w.kafka.ofCluster(h.token.ClusterID)
	if k == nil {
		return
	}
	var beat nodespec.Heartbeat
	if json.Unmarshal(after, &beat) != nil || beat.Disk == nil {
		return
	}
	t := k.told[h.token.NodeID]
	if t == nil {
		t = &told{}
		k.told[h.token.NodeID] = t
	}
	if gib := float64(beat.Disk.UsedBytes) / (1 << 30); gib != t.gib {
		t.before, t.gib, t.at = t.gib, gib, time.Now()
	}
}

// judgeAutomaticLocked judges an operation that nobody has asked for but a rule: it grows all volumes that are too small, from what they
// have, to what the rule allows, because of what a host has said, or to what others were given already. A growth for what another was
// for has no such reason.
func (w *World) judgeAutomaticLocked(op cluster.Operation) {
	if op.Storage == nil || !op.Storage.Automatic || op.Storage.Merges {
		return
	}
	w.stats.Scaled++
	k := w.kafka.ofCluster(op.ClusterID)
	if k == nil || k.fills == nil {
		w.violateLocked("operation %s grows volumes by no rule", op.ID)
		return
	}
	k.fills.judge(op)
}

func (f *filling) judge(op cluster.Operation) {
	now, most, target := time.Now(), 0, 100 // percent
	for i, r := range f.ruled {
		if i == len(f.ruled)-1 || now.Sub(f.ruled[i+1].at) < decidedWithin {
			most, target = max(most, r.rule.MaxGiB), min(target, r.rule.TargetPercent)
		}
	}
	reason := f.gave(op.Storage.Every.SizeGiB)
	for _, item := range f.w.table.query("nodes#"+op.ClusterID, "", "", 1000) {
		var n cluster.Node
		if json.Unmarshal(item.Body, &n) != nil || n.Role != cluster.Broker {
			continue
		}
		has := n.Volume.SizeGiB
		if t := f.cluster.told[n.ID]; t != nil {
			gib := t.gib
			if now.Sub(t.at) < decidedWithin {
				gib = max(gib, t.before)
			}
			reason = reason || 100*gib/float64(has) >= float64(target)
		}
		reason = reason || has == op.Storage.Every.SizeGiB
		change, ok := op.Storage.Of(n.ID)
		switch {
		case !ok && has < op.Storage.Every.SizeGiB, ok && (change.From != n.Volume.Shape() || change.To.SizeGiB <= has || change.To.SizeGiB > most):
			f.w.violateLocked("operation %s changes broker %d of %s from %s to %s, which has %s, where %d GiB are the most", op.ID, n.ID,
				f.cluster.name, change.From, change.To, n.Volume.Shape(), most)
		}
	}
	if !reason {
		f.w.violateLocked("operation %s grows the volumes of %s, of which nobody has said that one is %d %% full", op.ID, f.cluster.name, target)
	}
}

// gave tells whether an operation that was to give every broker so much by the rule, and has failed, has given it to one.
func (f *filling) gave(sizeGiB int) bool {
	for _, item := range f.w.table.query("operations#"+f.cluster.id, "", "", 1000) {
		var op cluster.Operation
		if json.Unmarshal(item.Body, &op) != nil || op.State != cluster.OperationFailed || op.Storage == nil || !op.Storage.Scales() {
			continue
		}
		if op.Storage.Every.SizeGiB == sizeGiB && op.Storage.Grown() > 0 {
			return true
		}
	}
	return false
}

// watchNodes sees that no volume ever has less than before.
func (w *World) watchNodes(key records.Key, before, after []byte) {
	if before == nil || !strings.HasPrefix(key.Partition, "nodes#") {
		return
	}
	var old, now cluster.Node
	if json.Unmarshal(before, &old) != nil || json.Unmarshal(after, &now) != nil {
		w.violate("the record of node %s can't be read", key.Sort)
		return
	}
	if old.Volume != nil && (now.Volume == nil || now.Volume.SizeGiB < old.Volume.SizeGiB) {
		w.violate("the volume of %s, %+v, has become %+v", old, *old.Volume, now.Volume)
	}
}
