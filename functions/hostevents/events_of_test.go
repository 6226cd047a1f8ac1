package hostevents

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
)

func TestEventsOf(t *testing.T) {
	at := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	ends := at.AddDate(1, 0, 0)
	type change = func(*nodespec.Heartbeat)
	running := func(changes ...change) nodespec.Heartbeat {
		b := nodespec.Heartbeat{
			HostID: "i-1", At: at, Cluster: "orders", NodeID: 1, Role: cluster.Broker, Generation: 2, State: nodespec.Running,
			Brokers: []int32{1, 2, 3}, CertificateEnds: &ends, Disk: &nodespec.Disk{TotalBytes: 1000, UsedBytes: 120},
		}
		for _, c := range changes {
			c(&b)
		}
		return b
	}
	is := func(state nodespec.State, reason string) change {
		return func(b *nodespec.Heartbeat) { b.State, b.Reason = state, reason }
	}
	failedStarts := func(n int) change { return func(b *nodespec.Heartbeat) { b.FailedStarts = n } }
	generation := func(n int64) change { return func(b *nodespec.Heartbeat) { b.Generation = n } }
	brokers := func(ids ...int32) change { return func(b *nodespec.Heartbeat) { b.Brokers = ids } }
	controller := func(b *nodespec.Heartbeat) { b.Role, b.NodeID, b.Brokers = cluster.Controller, 1001, nil }
	disk := func(used int64) change {
		return func(b *nodespec.Heartbeat) { b.Disk = &nodespec.Disk{TotalBytes: 1000, UsedBytes: used} }
	}
	process := func(held bool) change {
		return func(b *nodespec.Heartbeat) {
			if b.Process = (&nodespec.Process{PID: 7}); held {
				b.Process.HeldSince = &at
			}
		}
	}
	silent := func(b *nodespec.Heartbeat) { b.SilentSince = &at }
	misses := func(counts ...int) change { // broker, partitions, broker, partitions …
		return func(b *nodespec.Heartbeat) {
			b.Replication = &nodespec.Replication{OutOfSync: map[int32]int{}}
			for i := 0; i < len(counts); i += 2 {
				b.Replication.OutOfSync[int32(counts[i])] = counts[i+1]
			}
		}
	}
	behind := func(ids ...int32) change {
		return func(b *nodespec.Heartbeat) { b.Quorum = &nodespec.Quorum{Behind: ids} }
	}
	later := func(days int) change { return func(b *nodespec.Heartbeat) { b.At = at.AddDate(0, 0, days) } }
	nobodys := func(b *nodespec.Heartbeat) { b.Cluster = "" }
	const nothingBefore = "nothing"

	for _, tt := range []struct {
		name   string
		before any // a heartbeat, or nothingBefore
		now    nodespec.Heartbeat
		want   []string
	}{
		{"nothing changed", running(), running(), nil},
		{"the first heartbeat of a host without a spec", nothingBefore, running(nobodys, is(nodespec.Waiting, "")), nil},
		{"the first heartbeat under a spec", running(nobodys, is(nodespec.Waiting, "")), running(is(nodespec.Preparing, "")), nil},
		{
			"a broker works", running(is(nodespec.Starting, "")), running(),
			[]string{"Broker Joined: broker 1 of orders is a member of its cluster and lists the brokers [1 2 3] as alive"},
		},
		{
			"a broker works, and nothing was heard before", nothingBefore, running(),
			[]string{"Broker Joined: broker 1 of orders is a member of its cluster and lists the brokers [1 2 3] as alive"},
		},
		{"a controller works", running(controller, is(nodespec.Starting, "")), running(controller), nil},
		{"another broker is new", running(brokers(1, 2)), running(), nil},
		{
			"two brokers are gone", running(), running(brokers(1)),
			[]string{
				"Broker Fenced (2): broker 1 of orders does not list broker 2 as alive any more",
				"Broker Fenced (3): broker 1 of orders does not list broker 3 as alive any more",
			},
		},
		{"Kafka does not say who is alive", running(), running(brokers()), nil},
		{"a node that starts lists fewer", running(is(nodespec.Starting, "")), running(is(nodespec.Starting, ""), brokers(1)), nil},
		{
			"Kafka ended", running(), running(is(nodespec.Failing, "Kafka ended (signal: killed)"), brokers()),
			[]string{"Node In Trouble: broker 1 of orders is failing: Kafka ended (signal: killed)"},
		},
		{
			"its first start fails", running(is(nodespec.Starting, "")), running(is(nodespec.Failing, "no space"), failedStarts(1)),
			[]string{"Node In Trouble: broker 1 of orders is failing: no space"},
		},
		{
			"its third start fails", running(is(nodespec.Starting, ""), failedStarts(2)),
			running(is(nodespec.Failing, "no space"), failedStarts(3)), nil,
		},
		{"it fails for another reason", running(is(nodespec.Failing, "no space")), running(is(nodespec.Failing, "no quorum")), nil},
		{
			"it does not work any more", running(), running(is(nodespec.Starting, "Kafka does not answer in time")),
			[]string{"Node In Trouble: broker 1 of orders is starting: Kafka does not answer in time"},
		},
		{"it starts again because it was told so", running(), running(is(nodespec.Preparing, ""), generation(3)), nil},
		{
			"the agent refuses to go on", running(is(nodespec.Preparing, "")), running(is(nodespec.Stopped, "the volume belongs to node 2")),
			[]string{"Node In Trouble: broker 1 of orders is stopped: the volume belongs to node 2"},
		},
		{
			"somebody holds Kafka", running(process(false)), running(process(true)),
			[]string{"Node In Trouble: broker 1 of orders is running, and its Kafka process 7 is held by a signal"},
		},
		{"somebody still holds Kafka", running(process(true)), running(process(true), is(nodespec.Starting, "no answer")), nil},
		{"Kafka was let go", running(process(true)), running(process(false)), nil},
		{
			"Kafka does not answer any more", running(), running(is(nodespec.Starting, "no answer"), silent),
			[]string{"Node In Trouble: broker 1 of orders is starting, and its Kafka does not answer any more: no answer"},
		},
		{
			"a living broker falls out of sync", running(misses(2, 1)), running(misses(2, 1, 3, 4)),
			[]string{"Broker Out Of Sync (3): broker 1 of orders misses broker 3 among the in-sync replicas of 4 of the partitions that it leads"},
		},
		{"more of its partitions fall out of sync", running(misses(2, 1)), running(misses(2, 9)), nil},
		{
			"a broker that is gone is out of sync too", running(), running(brokers(1, 3), misses(2, 5)),
			[]string{"Broker Fenced (2): broker 1 of orders does not list broker 2 as alive any more"},
		},
		{
			"a voter falls behind", running(controller, behind()), running(controller, behind(1003)),
			[]string{"Controller Behind (1003): controller 1001 of orders does not count controller 1003 among the voters that have caught up any more"},
		},
		{"a voter is still behind", running(controller, behind(1003)), running(controller, behind(1003)), nil},
		{"another controller leads", running(controller, behind(1003)), running(controller), nil},
		{
			"the disk is full", running(disk(979)), running(disk(981)),
			[]string{"Disk Full: broker 1 of orders has a log volume that is full: 19 of 1000 bytes are free"},
		},
		{
			"the disk is nearly full", running(), running(disk(853)),
			[]string{"Disk Nearly Full: broker 1 of orders has a log volume that is 85.3 % full"},
		},
		{"the disk is fuller still", running(disk(853)), running(disk(899)), nil},
		{
			"the disk is fuller by a step of 5 %", running(disk(853)), running(disk(900)),
			[]string{"Disk Fills: broker 1 of orders has a log volume that fills, and is 90.0 % full now"},
		},
		{"the disk is fuller than one that was not seen", running(func(b *nodespec.Heartbeat) { b.Disk = nil }), running(), nil},
		{
			"the certificate of a controller ends soon", running(controller), running(controller, later(350)),
			[]string{"Certificate Near Its End: controller 1001 of orders has a certificate that ends at 2027-11-27 12:00 UTC"},
		},
		{"the certificate still ends soon", running(later(350)), running(later(351)), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var before *nodespec.Heartbeat
			if b, ok := tt.before.(nodespec.Heartbeat); ok {
				before = &b
			}
			var got []string
			for _, e := range EventsOf(before, tt.now) {
				text := string(e.Type)
				if e.Broker != 0 {
					text += fmt.Sprintf(" (%d)", e.Broker)
				}
				got = append(got, text+": "+e.Message)
				if e.Cluster != "orders" || e.Node != tt.now.NodeID || e.Role != tt.now.Role || e.Host != "i-1" || !e.At.Equal(tt.now.At) {
					t.Errorf("an event that does not say whose it is: %+v", e)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("told %q, want %q", got, tt.want)
			}
		})
	}
}
