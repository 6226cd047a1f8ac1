package sim

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/shared/platform/local/asl"
	"github.com/millrace/millrace/shared/records"
)

// Run runs one seed from the creation of its clusters until nothing is left of them.
func Run(t *testing.T, seed uint64, o Options) (r Result) {
	t.Helper()
	synctest.Test(t, func(*testing.T) { r = run(seed, o) })
	return r
}

func newWorld(seed uint64, o Options) *World {
	w := &World{
		seed: seed, options: o, began: time.Now(), hash: fnvOffset,
		taken: map[int64]bool{}, names: map[string]int{}, running: map[string]string{}, judged: map[string]bool{}, begun: map[string]time.Time{},
		journal: asl.NewMemoryJournal(), stats: Stats{FaultNames: map[string]int{}},
	}
	w.chance = w.random("run")
	w.table, w.cloud, w.kafka, w.weather = newTable(w), newCloud(w), &kafka{w: w}, &weather{w: w}
	w.table.written = func(key records.Key, before, after []byte) {
		w.streamed(key, before, after)
		w.watchBeats(key, after)
		w.watchNodes(key, before, after)
		w.watchOperations(key, after)
		w.watchClusters(key, before, after)
		w.watchRestarts(key, before, after)
		if w.options.Trace && key.Partition == "health" {
			w.say("health", findings(after))
		}
	}
	return w
}

func run(seed uint64, o Options) Result {
	w := newWorld(seed, o)
	w.powerOn()
	w.start(w.physics)
	count := 1
	switch n := w.chance.IntN(40); {
	case n == 0:
		count = 3
	case n < 6:
		count = 2
	}
	lives := make(chan struct{}, count)
	for i := range count {
		k := &kafkaCluster{
			id: fmt.Sprintf("0f1e2d3c-4b5a-4978-8695-%012d-7", i+1), kafkaID: fmt.Sprintf("MkU3OEVBNTcwNTJENDM2%02d", i+1),
			name: fmt.Sprintf("orders-%d", i+1), topics: map[string]*topic{}, touched: map[string]time.Time{}, told: map[int32]*told{},
		}
		k.raw = odds(w.chance, 6)
		w.mu.Lock()
		w.kafka.clusters = append(w.kafka.clusters, k)
		w.mu.Unlock()
		ctx, a := w.as(context.Background(), "customer of "+k.name, nil)
		u := customer{w, ctx, a}
		w.start(func() {
			defer func() { lives <- struct{}{} }()
			w.pass(a, between(a.rng, time.Second, 20*time.Second))
			for _, ask := range u.plan(k) {
				ask.do(u, k)
			}
		})
	}
	for range count {
		<-lives
	}
	w.judgeEnd()
	return w.end()
}

// physics is the world of Kafka and of the hosts, a moment after the other.
func (w *World) physics() {
	a := &actor{name: "physics", rng: w.random("physics")}
	for {
		w.pass(a, between(a.rng, 900*time.Millisecond, 1100*time.Millisecond))
		w.mu.Lock()
		now := time.Now()
		w.kafka.tick(now)
		for _, h := range w.cloud.hosts {
			if h.on() {
				h.keepVolume()
			}
			if h.on() && h.agent != nil {
				h.agent.tick(now)
			}
		}
		w.mu.Unlock()
	}
}

// judgeEnd sees that nothing is left once all clusters are deleted.
func (w *World) judgeEnd() {
	w.mu.Lock()
	left := w.cloud.left()
	w.mu.Unlock()
	if len(left) > 0 {
		w.violate("EC2 still has %v", left)
	}
	left = slices.DeleteFunc(w.table.left(), func(name string) bool { return name == turnOfHealing })
	if len(left) > 0 {
		w.violate("the table still has %v", left)
	}
}

// turnOfHealing is the one record that belongs to no cluster.
const turnOfHealing = "heal-turn/only"

// end lets everybody stop, and gives what came of it.
func (w *World) end() Result {
	took := time.Since(w.began)
	w.mu.Lock()
	r := Result{
		Seed: w.seed, Hash: w.hash, Events: w.events, Took: took, Violations: slices.Clone(w.violations), Trace: w.trace,
		Stats: w.stats,
	}
	r.Stats.FaultNames = maps.Clone(w.stats.FaultNames)
	w.over = true
	p := w.plane
	if p != nil {
		p.dead = true
	}
	w.mu.Unlock()
	if p != nil {
		w.closeEngine(p)
	}
	w.everybody.Wait()
	return r
}

func healthKey(clusterID string) records.Key {
	return records.Key{Partition: "health", Sort: clusterID}
}
