package health_test

import (
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
)

func TestJudge_NodesThatHaveNoOthers(t *testing.T) {
	silent := func(w *ward, id int32) {
		at := w.since()
		w.says(id, func(b *nodespec.Heartbeat) { b.State, b.SilentSince = nodespec.Starting, at })
	}
	for _, tt := range []struct {
		name    string
		happens func(w *ward)
		within  time.Duration
		want    string
	}{
		{"the host of the only broker has ended", func(w *ward) { w.dies(1) }, time.Hour, "replace broker 1 after 1s, proven: host h-1 is terminated"},
		{"the host of the only controller has ended", func(w *ward) { w.dies(1001) }, time.Hour, "replace controller 1001 after 1s, proven: host h-1001 is terminated"},
		{"the only broker does not answer", func(w *ward) { silent(w, 1) }, time.Hour, "restart broker 1 after 2m0s: Kafka runs and has not answered since 0s"},
		{"the only controller does not answer", func(w *ward) { silent(w, 1001) }, time.Hour, "restart controller 1001 after 2m0s: Kafka runs and has not answered since 0s"},
		{
			"the host of the only broker is silent", func(w *ward) { w.vanish(1) }, time.Hour,
			"broker 1 is unknown: nothing was heard of host h-1 since 0s, and nobody says anything against it; advice",
		},
		{
			"the host of the only broker is silent, and the platform's checks fail", func(w *ward) { w.vanish(1); w.impaired(1) }, time.Hour,
			"replace broker 1 after 3m31s: the platform's checks of host h-1 fail, and nothing was heard of it since 0s",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWardOf(t, "small", 1, 1)
			tt.happens(w)
			if got := w.healsWithin(tt.within); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// Each case is something that happens to a cluster in peace, and what is done about it within the time, or what is said of
// it at its end.
func TestJudge(t *testing.T) {
	for _, tt := range []struct {
		name    string
		happens func(w *ward)
		within  time.Duration
		want    string
	}{
		{"nothing happens", func(*ward) {}, 2 * time.Hour, "all are well"},

		// The host.
		{
			"the platform says that the host has ended", func(w *ward) { w.dies(2) }, time.Hour,
			"replace broker 2 after 1s, proven: host h-2 is terminated",
		},
		{
			"it says that the host is ending", func(w *ward) { w.host(2, cluster.HostShuttingDown) }, time.Hour,
			"replace broker 2 after 1s, proven: host h-2 is shutting-down",
		},
		{
			"it says so of a controller", func(w *ward) { w.dies(1002) }, time.Hour,
			"replace controller 1002 after 1s, proven: host h-1002 is terminated",
		},
		{
			"the host is powered off", func(w *ward) { w.vanish(2); w.host(2, cluster.HostStopped) }, time.Hour,
			"replace broker 2 after 1m1s, proven: host h-2 is stopped",
		},
		{
			"the platform has forgotten the host, and it is silent", func(w *ward) { delete(w.hosts, "h-2"); w.mute[2] = true }, time.Hour,
			"replace broker 2 after 6m31s, proven: the platform does not know host h-2 any more, and nothing was heard of it since 0s",
		},
		{
			"the platform has forgotten the host, which goes on to speak", func(w *ward) { delete(w.hosts, "h-2") }, time.Hour,
			"all are well",
		},
		{"the platform knows no host at all, and all are silent", func(w *ward) {
			clear(w.hosts)
			w.mute = map[int32]bool{1: true, 2: true, 3: true, 1001: true, 1002: true, 1003: true}
		}, time.Minute + 40*time.Second, `broker 1 is unknown: the platform knows none of the cluster's hosts, and nothing was heard of host h-1 since 0s
broker 2 is unknown: the platform knows none of the cluster's hosts, and nothing was heard of host h-2 since 0s
broker 3 is unknown: the platform knows none of the cluster's hosts, and nothing was heard of host h-3 since 0s
controller 1001 is unknown: the platform knows none of the cluster's hosts, and nothing was heard of host h-1001 since 0s
controller 1002 is unknown: the platform knows none of the cluster's hosts, and nothing was heard of host h-1002 since 0s
controller 1003 is unknown: the platform knows none of the cluster's hosts, and nothing was heard of host h-1003 since 0s`},
		{"the platform's checks fail, and the host goes on", func(w *ward) { w.impaired(2) }, time.Hour, "all are well"},
		{
			"the platform's checks fail, and the broker is given up", func(w *ward) { w.impaired(2); w.gone[2] = true }, time.Hour,
			"replace broker 2 after 2m1s: the platform's checks of host h-2 fail, and broker 1 and broker 3 do not list broker 2 as alive",
		},
		{
			"the platform's checks fail, and the host is silent", func(w *ward) { w.impaired(2); w.mute[2] = true }, time.Hour,
			"replace broker 2 after 3m31s: the platform's checks of host h-2 fail, and nothing was heard of it since 0s",
		},

		// Silence.
		{
			"the host is silent and the others have given its broker up", func(w *ward) { w.vanish(2) }, time.Hour,
			"replace broker 2 after 2m31s: nothing was heard of host h-2 since 0s, and broker 1 and broker 3 do not list broker 2 as alive",
		},
		{
			"the host is silent and the others list its broker", func(w *ward) { w.mute[2] = true }, 5 * time.Minute,
			"broker 2 is unknown: nothing was heard of host h-2 since 0s, and broker 1 and broker 3 list broker 2 as alive",
		},
		{
			"a silent host is not forgotten", func(w *ward) { w.mute[2] = true }, time.Hour,
			"broker 2 is unknown: nothing was heard of host h-2 since 0s, and broker 1 and broker 3 list broker 2 as alive; advice",
		},
		{"one of two others, that is cut off, still lists the broker", func(w *ward) {
			w.vanish(2)
			w.says(3, func(b *nodespec.Heartbeat) { b.Brokers = []int32{1, 2, 3} })
		}, time.Hour, "replace broker 2 after 2m31s: nothing was heard of host h-2 since 0s, and broker 1 does not list broker 2 as alive"},
		{
			"a controller is silent and the active one misses it", func(w *ward) { w.vanish(1003) }, time.Hour,
			"replace controller 1003 after 2m31s: nothing was heard of host h-1003 since 0s, and controller 1001 does not see controller 1003 follow",
		},
		{
			"a controller is silent and the active one does not miss it", func(w *ward) { w.mute[1003] = true }, 5 * time.Minute,
			"controller 1003 is unknown: nothing was heard of host h-1003 since 0s, and controller 1001 sees controller 1003 follow",
		},
		{
			"the active controller falls silent, and its successor misses it", func(w *ward) { w.vanish(1001) }, time.Hour,
			"replace controller 1001 after 2m31s: nothing was heard of host h-1001 since 0s, and controller 1002 does not see controller 1001 follow",
		},
		{"all hosts are silent at once", func(w *ward) {
			for _, n := range w.nodes {
				w.vanish(n.ID)
			}
		}, 3 * time.Minute, `broker 1 is unknown: nothing was heard of host h-1 since 0s, and nobody says anything against it
broker 2 is unknown: nothing was heard of host h-2 since 0s, and nobody says anything against it
broker 3 is unknown: nothing was heard of host h-3 since 0s, and nobody says anything against it
controller 1001 is unknown: nothing was heard of host h-1001 since 0s, and nobody says anything against it
controller 1002 is unknown: nothing was heard of host h-1002 since 0s, and nobody says anything against it
controller 1003 is unknown: nothing was heard of host h-1003 since 0s, and nobody says anything against it`},

		// Kafka.
		{"a signal holds Kafka", func(w *ward) {
			at := w.since()
			w.says(2, func(b *nodespec.Heartbeat) { b.Process.HeldSince = at })
		}, time.Hour, "restart broker 2 after 10s: a signal keeps the Kafka process 100 from running since 0s"},
		{"Kafka was held long before anybody looked", func(w *ward) {
			at := w.now.Add(-time.Hour)
			w.says(2, func(b *nodespec.Heartbeat) { b.Process.HeldSince = &at })
		}, time.Hour, "restart broker 2 after 1s: a signal keeps the Kafka process 100 from running since -1h0m0s"},
		{"Kafka does not answer and is given up", func(w *ward) {
			at := w.since()
			w.gone[2] = true
			w.says(2, func(b *nodespec.Heartbeat) { b.State, b.SilentSince = nodespec.Starting, at })
		}, time.Hour, "restart broker 2 after 45s: Kafka runs and has not answered since 0s, and broker 1 and broker 3 do not list broker 2 as alive"},
		{"Kafka does not answer its agent, and the others count on it", func(w *ward) {
			at := w.since()
			w.says(2, func(b *nodespec.Heartbeat) { b.State, b.SilentSince = nodespec.Starting, at })
		}, 9 * time.Minute, "broker 2 is kafka silent: Kafka runs and has not answered since 0s, while broker 1 and broker 3 list broker 2 as alive; " +
			"restart waits: it may go by: borne until 10m0s"},
		{"Kafka is busy for too long", func(w *ward) {
			at := w.since()
			w.says(2, func(b *nodespec.Heartbeat) { b.State, b.SilentSince = nodespec.Starting, at })
		}, time.Hour, "restart broker 2 after 10m0s: Kafka runs and has not answered since 0s, while broker 1 and broker 3 list broker 2 as alive"},
		{
			"Kafka fails to start five times", func(w *ward) { w.says(2, failing(5, "Address already in use")) }, time.Hour,
			"replace broker 2 after 1s: Kafka does not start: Address already in use",
		},
		{
			"Kafka failed to start once", func(w *ward) { w.says(2, failing(1, "Address already in use")) }, time.Hour,
			"replace broker 2 after 3m1s: Kafka does not start: Address already in use",
		},
		{"Kafka is between two attempts, now failing and now starting", func(w *ward) {
			w.says(2, func(b *nodespec.Heartbeat) {
				failing(1, "Address already in use")(b)
				if w.now.Second()/10%2 == 0 {
					b.State, b.Process = nodespec.Starting, &nodespec.Process{PID: 101, StartedAt: noon}
				}
			})
		}, time.Hour, "replace broker 2 after 3m1s: Kafka does not start: Address already in use"},
		{"the host prepares for ever", func(w *ward) {
			w.says(2, func(b *nodespec.Heartbeat) {
				b.State, b.Process, b.Reason = nodespec.Preparing, nil, "no volume is attached"
			})
		}, time.Hour, "replace broker 2 after 3m1s: Kafka does not come up: no volume is attached"},
		{"Kafka goes through its log for 20 minutes", func(w *ward) {
			at := w.now
			w.says(2, func(b *nodespec.Heartbeat) {
				if w.now.Sub(at) < 20*time.Minute {
					b.State, b.Process.StartedAt, b.Reason = nodespec.Starting, at, "Kafka does not listen yet"
				}
			})
		}, time.Hour, "all are well"},
		{"the agent keeps Kafka from running", func(w *ward) {
			w.says(2, func(b *nodespec.Heartbeat) {
				b.State, b.Process, b.Reason = nodespec.Stopped, nil, "the volume is of another cluster"
			})
		}, time.Hour, "broker 2 is kafka refused: the agent refuses to run Kafka: the volume is of another cluster; advice"},
		{"Kafka answers, and was fenced", func(w *ward) {
			w.gone[2] = true
			w.says(2, func(b *nodespec.Heartbeat) {
				b.State, b.Reason = nodespec.Starting, "Kafka answers, and does not list broker 2 among the alive ones [1 3]"
			})
		}, time.Hour, "restart broker 2 after 3m1s: Kafka is not a member of its cluster any more: Kafka answers, and does not list broker 2 among the alive ones [1 3]"},
		{"Kafka believes that it works, and was fenced", func(w *ward) {
			w.gone[2] = true
			w.says(2, func(b *nodespec.Heartbeat) { b.Brokers = []int32{1, 2, 3} })
		}, time.Hour, "restart broker 2 after 3m1s: Kafka answers, and broker 1 and broker 3 do not list broker 2 as alive"},
		{"Kafka comes up each time, and ends again and again", func(w *ward) {
			w.says(2, func(b *nodespec.Heartbeat) { b.Process.StartedAt = w.now.Truncate(2 * time.Minute) })
		}, 30 * time.Minute, "broker 2 is well: Kafka runs, and has ended again and again within 30 min; advice"},
		{"Kafka is given up and taken back again and again", func(w *ward) {
			at := w.now
			w.says(2, func(*nodespec.Heartbeat) {
				delete(w.gone, 2)
				if w.now.Sub(at)%(2*time.Minute) < 20*time.Second {
					w.gone[2] = true
				}
			})
		}, 14 * time.Minute, "broker 2 is out of sync: the others have given broker 2 up again and again within 30 min; advice"},
		{"Kafka is given up once more after that", func(w *ward) {
			at := w.now
			w.says(2, func(*nodespec.Heartbeat) {
				delete(w.gone, 2)
				if w.now.Sub(at)%(2*time.Minute) < 20*time.Second {
					w.gone[2] = true
				}
			})
		}, time.Hour, "restart broker 2 after 14m6s: Kafka answers, and broker 1 and broker 3 do not list broker 2 as alive"},

		// Replicas and voters.
		{
			"a broker stays out of sync", func(w *ward) { w.says(1, missing(2, 7)) }, time.Hour,
			"restart broker 2 after 10m1s: leaders miss replicas of broker 2 in sync, and they have not become fewer since 1s",
		},
		{"a broker catches up slowly", func(w *ward) {
			at := w.now
			w.says(1, func(b *nodespec.Heartbeat) { missing(2, max(0, 50-int(w.now.Sub(at)/(9*time.Minute))*7))(b) })
		}, 2 * time.Hour, "all are well"},
		{
			"a controller stays behind", func(w *ward) { w.gone[1003] = true }, time.Hour,
			"restart controller 1003 after 10m1s: Kafka answers, and controller 1001 does not see controller 1003 follow",
		},
		{"a controller has lost the others", func(w *ward) {
			w.says(1003, func(b *nodespec.Heartbeat) {
				b.State, b.Reason = nodespec.Starting, "the controller answers, and its quorum has no leader"
			})
		}, time.Hour, "controller 1003 is starting: the controller is not a member of its quorum any more: the controller answers, and its quorum has no leader; advice"},

		// The disk.
		{
			"the disk is full and nobody has allowed a larger volume", func(w *ward) { w.says(2, disk(990, 0)) }, time.Hour,
			"broker 2 is disk full: the log volume of 100 GiB is full; advice",
		},
		{"the disk is full and a larger volume is allowed", func(w *ward) {
			w.c.Healing.MaxVolumeGiB = 1000
			w.says(2, disk(990, 0))
		}, time.Hour, "grow broker 2 after 1s: the log volume of 100 GiB is full"},
		{"the disk is full, and Kafka has ended of it", func(w *ward) {
			w.c.Healing.MaxVolumeGiB = 1000
			w.says(2, failing(9, "java.io.IOException: No space left on device"))
		}, time.Hour, "grow broker 2 after 1s: the log volume of 100 GiB is full, and Kafka does not run"},
		{
			"the disk is slow", func(w *ward) { w.says(2, disk(100, 1500)) }, time.Hour,
			"broker 2 is disk slow: writes to the log volume take longer than 1000 ms; advice",
		},
		{"the disk is slow for a moment", func(w *ward) {
			at := w.now
			w.says(2, func(b *nodespec.Heartbeat) {
				if w.now.Sub(at) < 4*time.Minute {
					disk(100, 1500)(b)
				}
			})
		}, time.Hour, "all are well"},
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

func failing(starts int, reason string) func(*nodespec.Heartbeat) {
	return func(b *nodespec.Heartbeat) {
		b.State, b.Process, b.FailedStarts, b.Reason = nodespec.Failing, nil, starts, reason
	}
}

func missing(broker int32, partitions int) func(*nodespec.Heartbeat) {
	return func(b *nodespec.Heartbeat) {
		if partitions > 0 {
			b.Replication = &nodespec.Replication{Leads: 9, UnderReplicated: partitions, OutOfSync: map[int32]int{broker: partitions}}
		}
	}
}

func disk(perMille int64, writeMillis int) func(*nodespec.Heartbeat) {
	return func(b *nodespec.Heartbeat) {
		b.Disk = &nodespec.Disk{TotalBytes: 1000, UsedBytes: perMille, WriteMillis: writeMillis}
	}
}
