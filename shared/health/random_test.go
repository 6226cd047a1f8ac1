package health_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/health"
	"github.com/millrace/millrace/shared/nodespec"
)

// Whatever is seen, in whatever combination: nothing is done twice, nothing on silence alone, nothing in somebody's way, and no
// sick node is left without a word.
func TestJudge_HoldsToItsRulesWhateverIsSeen(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			w := newWard(t)
			w.every = 10 * time.Second
			for range 200 {
				if r.IntN(5) == 0 {
					w.disturb(r)
				}
				v := w.look()
				w.checkRules(v)
				if t.Failed() {
					return
				}
				if v.Heal != nil {
					outcome := cluster.Complete
					if r.IntN(2) == 0 {
						outcome = cluster.OperationFailed
					} else if v.Heal.Remedy == cluster.Replace {
						w.replaced(v.Heal.NodeID)
					}
					w.does(v.Heal, outcome, time.Duration(r.IntN(300))*time.Second)
				}
			}
		})
	}
}

// disturb changes something about a node.
func (w *ward) disturb(r *rand.Rand) {
	i := r.IntN(len(w.nodes))
	n := w.nodes[i]
	at := w.now.Add(-time.Duration(r.IntN(100)) * time.Second)
	states := []nodespec.State{nodespec.Waiting, nodespec.Preparing, nodespec.Starting, nodespec.Failing, nodespec.Stopped}
	state, starts := states[r.IntN(len(states))], r.IntN(8)
	switch r.IntN(15) {
	case 0:
		w.hosts[n.Host.ID] = cluster.Host{ID: n.Host.ID, State: cluster.HostTerminated}
		w.vanish(n.ID)
	case 1:
		w.vanish(n.ID)
	case 2:
		w.mute[n.ID] = true
	case 3:
		w.gone[n.ID] = true
	case 4:
		delete(w.hosts, n.Host.ID)
	case 5:
		w.hosts[n.Host.ID] = cluster.Host{ID: n.Host.ID, State: cluster.HostStopped}
	case 6:
		w.hosts[n.Host.ID] = cluster.Host{ID: n.Host.ID, State: cluster.HostRunning, Impaired: true}
	case 7:
		w.says(n.ID, func(b *nodespec.Heartbeat) { b.Process.HeldSince = &at })
	case 8:
		w.says(n.ID, func(b *nodespec.Heartbeat) { b.State, b.SilentSince = nodespec.Starting, &at })
	case 9:
		w.says(n.ID, func(b *nodespec.Heartbeat) { b.State, b.FailedStarts, b.Process = state, starts, nil })
	case 10:
		w.says(n.ID, disk(990, starts*500))
	case 11:
		w.nodes[i].Volume = nil
	case 12:
		w.away(time.Duration(r.IntN(600))*time.Second, r.IntN(2) == 0)
	case 13:
		w.c.Healing.Maintain(cluster.MaintenanceWindow{NodeID: n.ID, Since: w.now, Until: w.now.Add(5 * time.Minute)})
	default:
		w.hosts[n.Host.ID] = cluster.Host{ID: n.Host.ID, State: cluster.HostRunning}
		delete(w.mute, n.ID)
		delete(w.gone, n.ID)
		delete(w.different, n.ID)
	}
}

func (w *ward) checkRules(v health.Verdict) {
	w.t.Helper()
	if len(v.Health.Findings) != len(w.nodes) {
		w.t.Errorf("%d nodes were judged of %d", len(v.Health.Findings), len(w.nodes))
	}
	for _, f := range v.Health.Findings {
		due := v.Heal != nil && v.Heal.NodeID == f.NodeID
		if f.Sick() && !due && f.Waits == "" && f.Advice == "" {
			w.t.Errorf("nobody is told what becomes of %+v", f)
		}
		if f.Sick() && f.Reason == "" {
			w.t.Errorf("nobody is told what was seen of %+v", f)
		}
		if !f.Sick() && f.Remedy != cluster.NoRemedy {
			w.t.Errorf("a remedy for what is not sick: %+v", f)
		}
		if due && (f.Waits != "" || !f.Overdue(w.now)) {
			w.t.Errorf("healed before its time: %+v", f)
		}
	}
	if v.Heal == nil {
		return
	}
	if _, maintained := w.c.Healing.MaintenanceOf(v.Heal.NodeID, w.now); maintained {
		w.t.Errorf("while somebody works on it: %+v", v.Heal)
	}
	host, known := w.hosts[v.Heal.Host]
	dead := known && (host.State == cluster.HostTerminated || host.State == cluster.HostStopped)
	beat, said := w.said[v.Heal.Host]
	heard := said && w.now.Sub(beat.At) <= 90*time.Second
	switch {
	case v.Heal.Proven && !dead && known:
		w.t.Errorf("no proof of %+v", v.Heal)
	case !heard && !dead && known && !host.Impaired && !w.gone[v.Heal.NodeID]:
		w.t.Errorf("on silence alone: %+v", v.Heal)
	case v.Health.Breaker != "" && v.Heal.Remedy == cluster.Replace && !v.Heal.Proven:
		w.t.Errorf("through an open breaker: %+v", v.Heal)
	case v.Heal.Remedy == cluster.Grow && v.Heal.VolumeGiB == 0:
		w.t.Errorf("to no size: %+v", v.Heal)
	}
}
