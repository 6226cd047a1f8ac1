package health_test

import (
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
)

// away lets time pass in which nobody looks; where hosts speak to the control plane itself, nobody hears them either.
func (w *ward) away(d time.Duration, local bool) {
	w.now = w.now.Add(d)
	if local {
		w.started = w.now
	}
}

func TestJudge_AfterTheControlPlaneWasAway(t *testing.T) {
	for _, tt := range []struct {
		name    string
		happens func(w *ward)
		within  time.Duration
		want    string
	}{
		{"all goes on as before", func(w *ward) { w.away(3*time.Hour, true) }, time.Hour, "all are well"},
		{"it was a moment", func(w *ward) { w.away(10*time.Second, true) }, time.Hour, "all are well"},
		{"nobody was heard yet", func(w *ward) {
			w.away(3*time.Hour, true)
			for _, n := range w.nodes {
				w.mute[n.ID] = true
			}
		}, 10 * time.Second, unheard},
		{"the others are heard first, and they have not found each other again", func(w *ward) {
			w.away(3*time.Hour, true)
			w.vanish(2)
			w.pass(2 * time.Minute)
			w.recover(2)
		}, time.Hour, "all are well"},
		{
			"a host has died meanwhile", func(w *ward) { w.dies(2); w.away(3*time.Hour, true) }, time.Hour,
			"replace broker 2 after 1s, proven: host h-2 is terminated",
		},
		{
			"a host is silent since long before, and is given time to speak", func(w *ward) { w.vanish(2); w.away(3*time.Hour, true) }, time.Hour,
			"replace broker 2 after 2m32s: nothing was heard of host h-2 since 3h0m1s, and broker 1 and broker 3 do not list broker 2 as alive",
		},
		{
			"a host was sick when nobody looked any more", func(w *ward) {
				w.vanish(2)
				w.pass(2 * time.Minute)
				w.away(3*time.Hour, false)
			}, time.Hour,
			"replace broker 2 after 2m32s: nothing was heard of host h-2 since 3h2m1s, and broker 1 and broker 3 do not list broker 2 as alive",
		},
		{"Kafka was held all the time, as is heard again", func(w *ward) {
			at := w.since()
			w.says(2, func(b *nodespec.Heartbeat) { b.Process.HeldSince = at })
			w.away(3*time.Hour, true)
			w.started = w.started.Add(-20 * time.Second)
		}, time.Hour, "restart broker 2 after 1s: a signal keeps the Kafka process 100 from running since 0s"},
		{"the last word before it was that Kafka does not start", func(w *ward) {
			w.says(2, failing(7, "no reason"))
			w.every = 0
			w.speak()
			w.every = time.Second
			w.away(20*time.Second, true)
			w.mute[2] = true
		}, 10 * time.Second, "broker 2 is unknown: nothing was heard of host h-2 since 20s"},
		{"hosts were powered off with it, and are on again soon after", func(w *ward) {
			for _, n := range w.nodes {
				w.host(n.ID, cluster.HostStopped)
				w.mute[n.ID] = true
			}
			w.pass(50 * time.Second)
			w.away(80*time.Second, true)
			w.pass(30 * time.Second)
			for _, n := range w.nodes {
				w.recover(n.ID)
			}
		}, time.Hour, "all are well"},
		{"hosts spoke to the table while nobody looked", func(w *ward) { w.away(10*time.Minute, false) }, time.Hour, "all are well"},
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

const unheard = `broker 1 is unknown: nothing was heard of host h-1 since 3h0m1s
broker 2 is unknown: nothing was heard of host h-2 since 3h0m1s
broker 3 is unknown: nothing was heard of host h-3 since 3h0m1s
controller 1001 is unknown: nothing was heard of host h-1001 since 3h0m1s
controller 1002 is unknown: nothing was heard of host h-1002 since 3h0m1s
controller 1003 is unknown: nothing was heard of host h-1003 since 3h0m1s`

// What was noted down by a clock that was an hour fast is of the future: healing does not wait until it is that late again.
func TestJudge_AClockThatIsSetBackKeepsNoHealingAway(t *testing.T) {
	for name, local := range map[string]bool{"hosts speak to this process": true, "hosts speak to the table": false} {
		t.Run(name, func(t *testing.T) {
			w := newWard(t)
			w.away(0, local)
			w.pass(5 * time.Minute)
			w.now = w.now.Add(-time.Hour)
			w.pass(5 * time.Minute)
			at := w.since()
			w.says(2, func(b *nodespec.Heartbeat) { b.Process.HeldSince = at })
			w.gone[3] = true
			if got := w.healsWithin(30 * time.Minute); !strings.HasPrefix(got, "restart broker 2 after 10s") {
				t.Errorf("got\n%s", got)
			}
			w.recover(2)
			if got := w.healsWithin(30 * time.Minute); !strings.HasPrefix(got, "restart broker 3 after 2m5") {
				t.Errorf("got\n%s", got)
			}
		})
	}
}

func TestJudge_WhatKeepsHealingAway(t *testing.T) {
	for _, tt := range []struct {
		name    string
		happens func(w *ward)
		want    string
	}{
		{"a person works on the node", func(w *ward) {
			w.c.Healing.Maintain(cluster.MaintenanceWindow{NodeID: 2, Since: w.now, Until: w.now.Add(time.Hour), Reason: "a new disk"})
		}, "broker 2 is host dead: host h-2 is terminated; replace waits: maintenance until 1h0m0s: a new disk"},
		{"a person works on the cluster", func(w *ward) {
			w.c.Healing.Maintain(cluster.MaintenanceWindow{Since: w.now, Until: w.now.Add(time.Hour)})
		}, "broker 2 is host dead: host h-2 is terminated; replace waits: maintenance until 1h0m0s"},
		{"the maintenance has ended by itself", func(w *ward) {
			w.c.Healing.Maintain(cluster.MaintenanceWindow{Since: w.now, Until: w.now.Add(10 * time.Second)})
		}, "replace broker 2 after 10s, proven: host h-2 is terminated"},
		{"another operation is at work", func(w *ward) {
			w.active = &cluster.Operation{ID: "op-1", Type: "UPDATE_BROKER_COUNT"}
		}, "broker 2 is host dead: host h-2 is terminated; replace waits: operation op-1 (UPDATE_BROKER_COUNT) is at work on the cluster"},
		{"another node is being healed", func(w *ward) {
			w.active = &cluster.Operation{ID: "op-1", Type: cluster.HealBroker, Heal: &cluster.Heal{NodeID: 1}}
		}, "broker 2 is host dead: host h-2 is terminated; replace waits: operation op-1 (HEAL_BROKER) is at work on the cluster"},
		{"it is being healed", func(w *ward) {
			w.active = &cluster.Operation{ID: "op-1", Type: cluster.HealBroker, Heal: &cluster.Heal{NodeID: 2}}
		}, "broker 2 is host dead: host h-2 is terminated; replace waits: operation op-1 is healing it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWard(t)
			tt.happens(w)
			w.dies(2)
			if got := w.healsWithin(time.Minute); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// No sick node is forgotten: at each look each of them has a remedy, waits with a reason, or has advice for people.
func TestJudge_EverySickNodeHasARemedyOrAReasonOrAdvice(t *testing.T) {
	for _, tt := range []struct {
		name    string
		happens func(w *ward)
	}{
		{"dead", func(w *ward) { w.dies(2) }},
		{"silent", func(w *ward) { w.vanish(2) }},
		{"full", func(w *ward) { w.says(2, disk(999, 0)) }},
		{"slow", func(w *ward) { w.says(2, disk(10, 9000)) }},
		{"down", func(w *ward) { w.says(2, failing(1, "")) }},
		{"out of sync", func(w *ward) { w.says(1, missing(2, 7)) }},
		{"stopped", func(w *ward) { w.says(2, func(b *nodespec.Heartbeat) { b.State = nodespec.Stopped }) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWard(t)
			tt.happens(w)
			w.every = 10 * time.Second
			for range 720 {
				v := w.look()
				for _, f := range v.Health.Findings {
					due := v.Heal != nil && v.Heal.NodeID == f.NodeID
					if f.Sick() && !due && f.Waits == "" && f.Advice == "" {
						t.Fatalf("%+v", f)
					}
				}
				if v.Heal != nil {
					w.does(v.Heal, cluster.OperationFailed, time.Minute)
				}
			}
		})
	}
}
