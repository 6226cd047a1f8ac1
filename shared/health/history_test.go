package health_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
)

// story looks on for a time, has every heal that is due carried out by record, and tells when each was begun.
func (w *ward) story(d time.Duration, carryOut func(heal *cluster.Heal)) string {
	w.t.Helper()
	began := w.now
	var told []string
	for w.now.Sub(began) < d {
		if v := w.look(); v.Heal != nil {
			told = append(told, fmt.Sprintf("%s at %s", v.Heal.Remedy, w.now.Sub(began).Round(time.Second)))
			carryOut(v.Heal)
		}
	}
	return strings.Join(told, ", ")
}

// inVain is a heal that fails after some time.
func (w *ward) inVain(took time.Duration) func(*cluster.Heal) {
	return func(heal *cluster.Heal) { w.does(heal, cluster.OperationFailed, took) }
}

// well is one that ends well, and changes nothing for long.
func (w *ward) well(took time.Duration) func(*cluster.Heal) {
	return func(heal *cluster.Heal) { w.does(heal, cluster.Complete, took) }
}

func TestJudge_WhatDidNotHelpIsNotDoneForEver(t *testing.T) {
	held := func(w *ward) {
		at := w.since()
		w.says(2, func(b *nodespec.Heartbeat) { b.Process.HeldSince = at })
	}
	for _, tt := range []struct {
		name    string
		happens func(w *ward)
		heal    func(w *ward) func(*cluster.Heal)
		within  time.Duration
		want    string
		last    string // what is said at the end
	}{
		{
			"replacing a dead host fails again and again: it is tried for as long as the host is dead, and people are told",
			func(w *ward) { w.dies(2) },
			func(w *ward) func(*cluster.Heal) { return w.inVain(time.Minute) },
			2 * time.Hour,
			"replace at 1s, replace at 1m31s, replace at 3m31s, replace at 6m31s, replace at 11m31s, replace at 20m31s, replace at 37m31s, " +
				"replace at 1h8m31s, replace at 1h39m31s",
			"broker 2 is host dead: host h-2 is terminated; replace waits: its last heal failed; tried again at 2h10m31s; advice",
		},
		{
			"a restart that fails is followed by a replacement",
			held,
			func(w *ward) func(*cluster.Heal) { return w.inVain(3 * time.Minute) },
			10 * time.Minute,
			"restart at 10s, replace at 3m11s, replace at 6m41s",
			"broker 2 is kafka held: a signal keeps the Kafka process 100 from running since 0s; advice",
		},
		{
			"a restart that ends well and has not helped is followed by a replacement",
			held,
			func(w *ward) func(*cluster.Heal) { return w.well(10 * time.Second) },
			2 * time.Minute,
			"restart at 10s, replace at 21s, replace at 32s",
			"broker 2 is kafka held: a signal keeps the Kafka process 100 from running since 0s; advice",
		},
		{
			"a process that is held anew each five minutes is let go each time",
			func(w *ward) {
				w.says(2, func(b *nodespec.Heartbeat) {
					if w.now.Minute()%5 == 0 {
						at := w.now.Truncate(time.Minute)
						b.Process.HeldSince = &at
					}
				})
			},
			func(w *ward) func(*cluster.Heal) { return w.well(time.Minute) },
			17 * time.Minute,
			"restart at 10s, restart at 5m10s, restart at 10m10s, restart at 15m10s",
			"all are well",
		},
		{
			"hosts of one node that die one after the other are each replaced",
			func(w *ward) { w.dies(2) },
			func(w *ward) func(*cluster.Heal) { return w.well(time.Minute) }, // the next dies at once
			5 * time.Minute,
			"replace at 1s, replace at 1m2s, replace at 2m3s, replace at 3m4s, replace at 4m5s",
			"broker 2 is host dead: host h-2 is terminated; replace waits: ",
		},
		{
			"a broker that stays out of sync is restarted once an hour",
			func(w *ward) { w.says(1, missing(2, 7)) },
			func(w *ward) func(*cluster.Heal) { return w.well(time.Minute) },
			2 * time.Hour,
			"restart at 10m1s, restart at 1h11m1s",
			"broker 2 is out of sync: leaders miss replicas of broker 2 in sync, and they have not become fewer since 1s; advice",
		},
		{
			"a broker that was replaced, and has not caught up in the time of that, is left to it",
			func(w *ward) { w.says(1, missing(2, 7)) },
			func(w *ward) func(*cluster.Heal) {
				w.does(&cluster.Heal{NodeID: 2, Remedy: cluster.Replace, Condition: cluster.HostDead}, cluster.OperationFailed, 30*time.Minute)
				return w.well(time.Minute)
			},
			30 * time.Minute,
			"",
			"broker 2 is out of sync: leaders miss replicas of broker 2 in sync, and they have not become fewer since 30m1s; advice",
		},
		{
			"a Kafka that does not come up gets another host once an hour",
			func(w *ward) { w.says(2, failing(7, "an index is broken")) },
			func(w *ward) func(*cluster.Heal) { return w.well(time.Minute) },
			2 * time.Hour,
			"replace at 1s, replace at 1h1m1s",
			"broker 2 is kafka down: Kafka does not start: an index is broken; advice",
		},
		{
			"a volume is grown as far as is allowed, and then people are told",
			func(w *ward) {
				w.c.Healing.MaxVolumeGiB = 115
				w.says(2, disk(990, 0))
			},
			func(w *ward) func(*cluster.Heal) {
				return func(heal *cluster.Heal) {
					w.nodes[1].Volume = &cluster.Volume{ID: "v-2", SizeGiB: heal.VolumeGiB}
					w.does(heal, cluster.Complete, time.Minute)
				}
			},
			time.Hour,
			"grow at 1s, grow at 1m2s",
			"broker 2 is disk full: the log volume of 115 GiB is full; advice",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWard(t)
			tt.happens(w)
			if got := w.story(tt.within, tt.heal(w)); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			if got := w.describe(); got != tt.last {
				t.Errorf("in the end\n%s\nwant\n%s", got, tt.last)
			}
		})
	}
}

func TestJudge_ThePauseAfterFailuresGrowsAndEnds(t *testing.T) {
	w := newWard(t)
	w.dies(2)
	w.heals = nil
	for failures, want := range []time.Duration{0, 30 * time.Second, time.Minute} {
		if got := w.healsWithin(2 * time.Hour); !strings.Contains(got, fmt.Sprintf("after %s, proven", max(want, time.Second))) {
			t.Errorf("after %d failures: %s", failures, got)
		}
		w.does(&cluster.Heal{NodeID: 2, Remedy: cluster.Replace, Condition: cluster.HostDead, Since: noon}, cluster.OperationFailed, 0)
	}
}

// A Kafka that is short of memory answers for some seconds and then does not, and is no member of its cluster all the while.
func TestJudge_AKafkaThatAnswersNowAndThenIsRestartedAllTheSame(t *testing.T) {
	w := newWard(t)
	w.gone[2] = true
	w.says(2, func(b *nodespec.Heartbeat) {
		b.State = nodespec.Starting
		if at := w.now.Truncate(time.Minute); w.now.Sub(at) < 30*time.Second {
			b.SilentSince = &at
		}
	})
	if got := w.healsWithin(20 * time.Minute); !strings.HasPrefix(got, "restart broker 2 after 3m") {
		t.Errorf("got\n%s", got)
	}
}

// A new agent reads from the machine when the Kafka that it takes up was started, and is off by some tenths of a second.
func TestJudge_AKafkaThatANewAgentTakesUpIsTheSame(t *testing.T) {
	w := newWard(t)
	w.gone[2] = true
	w.says(2, func(b *nodespec.Heartbeat) {
		b.State = nodespec.Starting
		b.Process.StartedAt = b.Process.StartedAt.Add(-700 * time.Millisecond)
	})
	if got := w.healsWithin(time.Hour); !strings.HasPrefix(got, "restart broker 2 after 3m") {
		t.Errorf("got\n%s", got)
	}
	for i := range 10 { // agents, one after the other, of a Kafka that runs all the while
		w.recover(2)
		w.says(2, func(b *nodespec.Heartbeat) {
			b.Process.StartedAt = b.Process.StartedAt.Add(time.Duration(i*100) * time.Millisecond)
		})
		w.pass(time.Minute)
	}
	if got := w.describe(); got != "all are well" {
		t.Errorf("got\n%s", got)
	}
}
