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
	for _, tt := range []struct {
		name        string
		told, beats func(*nodespec.Heartbeat)
		want        bool
	}{
		{"nothing changed", same, same, false},
		{"time went by, and the disk fills", same, func(b *nodespec.Heartbeat) { b.At, b.Disk = now.Add(time.Hour), disk(84) }, false},
		{"Kafka was started again by another process", same, func(b *nodespec.Heartbeat) { b.Process, b.Restarts = &nodespec.Process{PID: 2}, 1 }, false},
		{"another state", same, func(b *nodespec.Heartbeat) { b.State = nodespec.Starting }, true},
		{"another generation", same, func(b *nodespec.Heartbeat) { b.Generation = 3 }, true},
		{"another reason", same, func(b *nodespec.Heartbeat) { b.Reason = "Kafka does not listen yet" }, true},
		{"a broker is gone", same, func(b *nodespec.Heartbeat) { b.Brokers = []int32{1, 3} }, true},
		{"a broker is new", same, func(b *nodespec.Heartbeat) { b.Brokers = []int32{1, 2, 3, 4} }, true},
		{"the disk reaches 85 %", full(84), full(85), true},
		{"the disk is fuller still", full(85), full(99), false},
		{"the disk is at the line's other side again", full(85), full(84), false},
		{"the disk has room again", full(85), full(79), true},
		{"a full disk is not seen any more", full(85), func(b *nodespec.Heartbeat) { b.Disk = nil }, false},
		{"a full disk is seen first", func(b *nodespec.Heartbeat) { b.Disk = nil }, full(90), true},
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
