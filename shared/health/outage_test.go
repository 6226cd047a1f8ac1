package health_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/health"
	"github.com/millrace/millrace/shared/nodespec"
)

func TestJudge_WhileSeveralNodesAreSickOnlyTheDeadAreReplaced(t *testing.T) {
	const open = "the circuit breaker is open: broker 1 and broker 3 are sick at once, which may be an outage of the platform or of the control plane"
	for _, tt := range []struct {
		name    string
		happens func(w *ward)
		within  time.Duration
		want    string
	}{
		{"two hosts are dead", func(w *ward) { w.dies(1, 3) }, time.Hour, "replace broker 1 after 1s, proven: host h-1 is terminated"},
		{
			"a controller's is one of them", func(w *ward) { w.dies(1, 1003) }, time.Hour,
			"replace controller 1003 after 1s, proven: host h-1003 is terminated",
		},
		{
			"one is dead and one is silent", func(w *ward) { w.vanish(1); w.pass(time.Minute); w.dies(3) }, time.Hour,
			"replace broker 3 after 1s, proven: host h-3 is terminated",
		},
		{
			"two are silent", func(w *ward) { w.vanish(1, 3) }, time.Hour,
			"broker 1 is unreachable: nothing was heard of host h-1 since 0s, and broker 2 does not list broker 1 as alive; replace waits: " + open + "\n" +
				"broker 3 is unreachable: nothing was heard of host h-3 since 0s, and broker 2 does not list broker 3 as alive; replace waits: " + open,
		},
		{"a person has looked, and allowed it", func(w *ward) {
			w.vanish(1, 3)
			w.c.Healing.AllowedUntil = w.now.Add(time.Hour)
		}, time.Hour, "replace broker 1 after 2m31s: nothing was heard of host h-1 since 0s, and broker 2 does not list broker 1 as alive"},
		{"what was allowed has ended", func(w *ward) {
			w.vanish(1, 3)
			w.c.Healing.AllowedUntil = w.now.Add(time.Minute)
		}, time.Hour, "broker 1 is unreachable: nothing was heard of host h-1 since 0s, and broker 2 does not list broker 1 as alive; replace waits: " + open + "\n" +
			"broker 3 is unreachable: nothing was heard of host h-3 since 0s, and broker 2 does not list broker 3 as alive; replace waits: " + open},
		{"two are held by a signal: a restart does no harm", func(w *ward) {
			at := w.since()
			for _, n := range []int32{1, 3} {
				w.says(n, func(b *nodespec.Heartbeat) { b.Process.HeldSince = at })
			}
		}, time.Hour, "restart broker 1 after 10s: a signal keeps the Kafka process 100 from running since 0s"},
		{"two disks are full, as those of a cluster are", func(w *ward) {
			w.c.Healing.MaxVolumeGiB = 500
			w.says(1, disk(990, 0))
			w.says(3, disk(990, 0))
		}, time.Hour, "grow broker 1 after 1s: the log volume of 100 GiB is full"},
		{"a full disk is no sign of an outage", func(w *ward) {
			w.says(1, disk(990, 0))
			w.vanish(3)
		}, time.Hour, "replace broker 3 after 2m31s: nothing was heard of host h-3 since 0s, and broker 1 and broker 2 do not list broker 3 as alive"},
		{"a person works on the other one", func(w *ward) {
			w.c.Healing.Maintain(cluster.MaintenanceWindow{NodeID: 1, Since: w.now, Until: w.now.Add(time.Hour)})
			w.vanish(1, 3)
		}, time.Hour, "replace broker 3 after 2m31s: nothing was heard of host h-3 since 0s, and broker 2 does not list broker 3 as alive"},
		{"one of two silent ones is heard again, and well", func(w *ward) {
			w.vanish(1, 3)
			w.pass(10 * time.Minute)
			w.recover(3)
		}, time.Hour, "replace broker 1 after 1s: nothing was heard of host h-1 since 0s, and broker 2 and broker 3 do not list broker 1 as alive"},
		{"one of two silent ones is listed again, and was not heard", func(w *ward) {
			w.vanish(1, 3)
			w.pass(10 * time.Minute)
			delete(w.gone, 3)
		}, time.Minute, "broker 1 is unreachable: nothing was heard of host h-1 since 0s, and broker 2 does not list broker 1 as alive; replace waits: " + open + "\n" +
			"broker 3 is unknown: nothing was heard of host h-3 since 0s, and broker 2 lists broker 3 as alive"},
		{"a second one falls silent while the first is healed", func(w *ward) {
			w.active = &cluster.Operation{ID: "op-1", Type: cluster.HealBroker, Heal: &cluster.Heal{NodeID: 1}}
			w.vanish(1, 3)
		}, time.Hour, "broker 1 is unreachable: nothing was heard of host h-1 since 0s, and broker 2 does not list broker 1 as alive; replace waits: " + open + "\n" +
			"broker 3 is unreachable: nothing was heard of host h-3 since 0s, and broker 2 does not list broker 3 as alive; replace waits: " + open},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWard(t)
			tt.happens(w)
			if got := w.healsWithin(tt.within); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// What is left to people does not end by itself: a breaker that waited for that would stay open for as long.
func TestJudge_ABreakerThatIsOpenClosesAlthoughSomeNodesAreLeftToPeople(t *testing.T) {
	w := newWard(t)
	slow := func() {
		w.says(1, disk(100, 2000))
		w.says(2, disk(100, 2000))
	}
	slow()
	w.vanish(1, 3)
	w.pass(10 * time.Minute)
	if w.before.Breaker == "" {
		t.Fatal("two nodes are silent and given up, and the breaker is closed")
	}
	w.recover(1, 3)
	slow()
	w.pass(10 * time.Minute)
	if w.before.Breaker != "" {
		t.Errorf("the breaker is open: %s", w.before.Breaker)
	}
	w.vanish(3)
	if got := w.healsWithin(time.Hour); !strings.HasPrefix(got, "replace broker 3 after ") {
		t.Errorf("got\n%s", got)
	}
}

// lookAtAll lets a moment pass in every ward and judges them together.
func lookAtAll(wards ...*ward) (heals []string) {
	for _, w := range wards {
		w.now = w.now.Add(w.every)
		w.speak()
	}
	for i, v := range health.Judge(wards[0].deployment(wards[1:]...), health.Tolerated()) {
		wards[i].before = v.Health
		if v.Heal != nil {
			heals = append(heals, fmt.Sprintf("%s %s of %s", v.Heal.Remedy, v.Heal, wards[i].c.Name))
			wards[i].active = &cluster.Operation{ID: "op-" + wards[i].c.Name, ClusterID: wards[i].c.ID, Type: cluster.HealBroker, Heal: v.Heal}
		}
	}
	return heals
}

func fourWards(t *testing.T) []*ward {
	var wards []*ward
	for _, name := range []string{"a", "b", "c", "d"} {
		wards = append(wards, newWardOf(t, name, 3, 1))
	}
	return wards
}

func TestJudge_ThreeClustersSickAtOnceAreHealedOneByOneAndOnlyTheDead(t *testing.T) {
	wards := fourWards(t)
	wards[0].dies(1)
	wards[1].dies(2)
	wards[2].dies(3)
	wards[3].vanish(1)
	for _, w := range wards {
		w.every = 5 * time.Second
	}
	var story []string
	for range 720 {
		heals := lookAtAll(wards...)
		if len(heals) > 1 {
			t.Fatalf("begun at once: %v", heals)
		}
		story = append(story, heals...)
		if wards[0].now.Second() != 0 {
			continue
		}
		for _, w := range wards { // the heal of the last minute has ended
			if w.active != nil {
				w.replaced(w.active.Heal.NodeID)
				w.active = nil
			}
		}
	}
	want := []string{"replace broker 1 of a", "replace broker 2 of b", "replace broker 3 of c", "replace broker 1 of d"}
	if !slices.Equal(story, want) {
		t.Errorf("got %v, want %v", story, want)
	}
}

func TestJudge_ThreeClustersWithSilentHostsAreLeftAsTheyAre(t *testing.T) {
	wards := fourWards(t)
	for _, w := range wards[:3] {
		w.vanish(1)
		w.every = 5 * time.Second
	}
	wards[3].every = 5 * time.Second
	for range 720 {
		if heals := lookAtAll(wards...); len(heals) > 0 {
			t.Fatal(heals)
		}
	}
	for _, w := range wards {
		if !strings.Contains(w.before.Breaker, "nodes of 3 clusters are sick at once") {
			t.Errorf("the breaker of %s: %q", w.c.Name, w.before.Breaker)
		}
	}
	wards[1].recover(1)
	wards[2].recover(1)
	if heals := lookAtAll(wards...); !slices.Equal(heals, []string{"replace broker 1 of a"}) {
		t.Errorf("when the others are seen well again: %v", heals)
	}
}

func TestJudge_WhatWasRecordedOfOtherClustersCounts(t *testing.T) {
	w := newWard(t)
	for i := range 2 {
		w.elsewhere = append(w.elsewhere, cluster.Health{ClusterID: fmt.Sprint(i), LookedAt: w.now, Findings: []cluster.Finding{
			{NodeID: 1, Condition: cluster.Unreachable, ToleratedUntil: w.now, Remedy: cluster.Replace},
		}})
	}
	w.host(2, cluster.HostStopped)
	w.vanish(2)
	w.pass(time.Minute)
	if v := w.look(); v.Health.Breaker == "" || v.Heal == nil || !v.Heal.Proven {
		t.Errorf("%+v", v)
	}
	w.pass(0)
	w.now = w.now.Add(10 * time.Minute)
	if v := w.look(); v.Health.Breaker != "" {
		t.Errorf("records that nobody has written for long: %q", v.Health.Breaker)
	}
}
