package tablemailbox

import (
	"testing"
	"time"

	"github.com/millrace/millrace/shared/nodespec"
)

func TestNews_IsWhatChangesWhatOthersShouldKnow(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	disk := func(percent int64) *nodespec.Disk { return &nodespec.Disk{TotalBytes: 100, UsedBytes: percent} }
	running := func(change func(*nodespec.Heartbeat)) nodespec.Heartbeat {
		ends := now.AddDate(1, 0, 0)
		b := nodespec.Heartbeat{
			HostID: "i-1", At: now, Generation: 2, State: nodespec.Running, Brokers: []int32{1, 2, 3},
			Disk: disk(50), CertificateEnds: &ends,
		}
		change(&b)
		return b
	}
	same := func(*nodespec.Heartbeat) {}
	full := func(percent int64) func(*nodespec.Heartbeat) {
		return func(b *nodespec.Heartbeat) { b.Disk = disk(percent) }
	}
	writes := func(millis int) func(*nodespec.Heartbeat) {
		return func(b *nodespec.Heartbeat) {
			b.Disk = &nodespec.Disk{TotalBytes: 100, UsedBytes: 50, WriteMillis: millis}
		}
	}
	made := func(volumes, left []string) func(*nodespec.Heartbeat) {
		return func(b *nodespec.Heartbeat) {
			b.Disk = &nodespec.Disk{TotalBytes: 100, UsedBytes: 50, Volumes: volumes, Left: left}
		}
	}
	process := func(heldSince *time.Time) func(*nodespec.Heartbeat) {
		return func(b *nodespec.Heartbeat) { b.Process = &nodespec.Process{HeldSince: heldSince} }
	}
	replication := func(outOfSync map[int32]int) func(*nodespec.Heartbeat) {
		return func(b *nodespec.Heartbeat) { b.Replication = &nodespec.Replication{OutOfSync: outOfSync} }
	}
	quorum := func(behind ...int32) func(*nodespec.Heartbeat) {
		return func(b *nodespec.Heartbeat) { b.Quorum = &nodespec.Quorum{Behind: behind} }
	}
	aMinuteLater := func(change func(*nodespec.Heartbeat)) func(*nodespec.Heartbeat) {
		return func(b *nodespec.Heartbeat) { b.At = b.At.Add(time.Minute); change(b) }
	}
	ends := now.Add(time.Hour)
	for _, tt := range []struct {
		name        string
		told, beats func(*nodespec.Heartbeat)
		want        bool
	}{
		{"nothing changed", same, same, false},
		{"time went by, and the disk fills", same, func(b *nodespec.Heartbeat) { b.At, b.Disk = now.Add(time.Hour), disk(54) }, false},
		{"the disk fills beyond a step of 5 %", full(54), full(55), true},
		{"its use goes back over the step", full(55), full(54), false},
		{"and by nearly another", full(55), full(50), false},
		{"its use is less by more than a step", full(55), full(49), true},
		{"Kafka was started again by another process", same, func(b *nodespec.Heartbeat) { b.Process, b.Restarts = &nodespec.Process{PID: 2}, 1 }, false},
		{"another state", same, func(b *nodespec.Heartbeat) { b.State = nodespec.Starting }, true},
		{"another generation", same, func(b *nodespec.Heartbeat) { b.Generation = 3 }, true},
		{"another reason", same, func(b *nodespec.Heartbeat) { b.Reason = "Kafka does not listen yet" }, true},
		{"a broker is gone", same, func(b *nodespec.Heartbeat) { b.Brokers = []int32{1, 3} }, true},
		{"a broker is new", same, func(b *nodespec.Heartbeat) { b.Brokers = []int32{1, 2, 3, 4} }, true},
		{"the disk reaches 85 %", full(84), full(85), true},
		{"the disk is fuller still", full(85), full(89), false},
		{"the disk is at the line's other side again", full(85), full(84), false},
		{"the disk has room again", full(85), full(79), true},
		{"a full disk is not seen any more", full(85), func(b *nodespec.Heartbeat) { b.Disk = nil }, false},
		{"a full disk is seen first", func(b *nodespec.Heartbeat) { b.Disk = nil }, full(90), true},
		{"the disk is full", full(97), full(98), true},
		{"a full disk has a little room", full(98), full(96), false},
		{"a full disk has room to work", full(98), full(94), true},
		{"the disk is slow", writes(999), writes(1000), true},
		{"the disk is slower still", writes(1000), writes(9000), false},
		{"a slow disk is a little faster", writes(1000), writes(700), false},
		{"a slow disk is fast again", writes(1000), writes(499), true},
		{"the log volume is made of one more volume", made([]string{"vol-1"}, nil), made([]string{"vol-1", "vol-2"}, nil), true},
		{"the log volume has left a volume", made([]string{"vol-1", "vol-2"}, nil), made([]string{"vol-1"}, []string{"vol-2"}), true},
		{"the log volume is made of what it was", made([]string{"vol-1"}, []string{"vol-2"}), made([]string{"vol-1"}, []string{"vol-2"}), false},
		{"somebody holds Kafka", process(nil), process(&now), true},
		{"Kafka is held for longer", process(&now), process(&ends), false},
		{"Kafka was let go", process(&now), process(nil), true},
		{"Kafka does not answer", same, func(b *nodespec.Heartbeat) { b.SilentSince = &now }, true},
		{"it leads more", replication(nil), func(b *nodespec.Heartbeat) { b.Replication = &nodespec.Replication{Leads: 7} }, false},
		{"a partition has no leader", replication(nil), func(b *nodespec.Heartbeat) { b.Replication = &nodespec.Replication{Offline: 1} }, true},
		{"a broker is out of sync, right after other news", same, replication(map[int32]int{2: 1}), false},
		{"a broker is out of sync, a minute after other news", same, aMinuteLater(replication(map[int32]int{2: 1})), true},
		{"a broker is out of sync, and the clock was set back", same, func(b *nodespec.Heartbeat) {
			b.At = b.At.Add(-time.Hour)
			replication(map[int32]int{2: 1})(b)
		}, true},
		{"more partitions of it are", replication(map[int32]int{2: 1}), aMinuteLater(replication(map[int32]int{2: 5})), false},
		{"another broker is too", replication(map[int32]int{2: 1}), aMinuteLater(replication(map[int32]int{2: 1, 3: 1})), true},
		{"a broker is in sync again", replication(map[int32]int{2: 1}), aMinuteLater(replication(nil)), true},
		{"a broker that is gone is out of sync", same, aMinuteLater(replication(map[int32]int{9: 1})), false},
		{"a voter is behind", quorum(), quorum(1002), true},
		{"a voter is still behind", quorum(1002), quorum(1002), false},
		{"a voter has caught up", quorum(1002), quorum(), true},
		{"another controller became the active one", quorum(1002), same, false},
		{"the certificate has a month left", same, func(b *nodespec.Heartbeat) { b.At = now.AddDate(0, 11, 2) }, true},
		{
			"the certificate was renewed", func(b *nodespec.Heartbeat) { b.At = now.AddDate(0, 11, 2) },
			func(b *nodespec.Heartbeat) { ends := now.AddDate(2, 0, 0); b.CertificateEnds = &ends }, true,
		},
	} {
		told := running(tt.told)
		if got := isNews(&told, running(tt.beats)); got != tt.want {
			t.Errorf("%s: news %t, want %t", tt.name, got, tt.want)
		}
	}
	if !isNews(nil, running(same)) {
		t.Error("the first heartbeat is no news")
	}
}
