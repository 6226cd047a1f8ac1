package nodespec

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// FreshFor is how old a heartbeat may be that says how things are now: three times the longest pause between two.
const FreshFor = 90 * time.Second

// From here on a host needs somebody's attention although its node still runs.
const (
	// NearlyFullPercent leaves, at a disk that fills in a day, three and a half hours to react.
	NearlyFullPercent = 85
	// NearItsEnd is how long before its end a certificate should have been renewed: long enough for a holiday.
	NearItsEnd = 30 * 24 * time.Hour
	// FullPercent is where Kafka ends at any moment: it rolls segments of a gigabyte.
	FullPercent = 98
	// UseStepPercent is the step in which the use of a disk is news: whoever grows volumes has to hear of it well before 85 %.
	UseStepPercent = 5
	// SlowMillis is what a small write takes on a disk that replication can't keep up on: brokers fetch twice a second.
	SlowMillis = 1000
)

// UsedPercent is how full the disk is, from 0 to 100; 0 when its size is not known.
func (d Disk) UsedPercent() float64 {
	if d.TotalBytes <= 0 {
		return 0
	}
	return 100 * float64(d.UsedBytes) / float64(d.TotalBytes)
}

func (d Disk) useStep() int { return int(d.UsedPercent() / UseStepPercent) }

// FillsBeyond tells whether the use has reached a step (of 5 %) that it had not reached before; before is nil for a disk that
// was not seen.
func (d Disk) FillsBeyond(before *Disk) bool {
	if before == nil {
		return d.useStep() > 0
	}
	return d.useStep() > before.useStep()
}

// FallsBelow tells whether the use is less by more than a step than before, so that one that goes up and down about a step
// crosses it once.
func (d Disk) FallsBelow(before *Disk) bool {
	return before != nil && d.useStep() < before.useStep()-1
}

// MadeAs tells whether the log volume is made of the same volumes as another time, and has left the same.
func (d Disk) MadeAs(before Disk) bool {
	return slices.Equal(d.Volumes, before.Volumes) && slices.Equal(d.Left, before.Left)
}

// FreeBytes is how much room is left for Kafka.
func (d Disk) FreeBytes() int64 { return max(0, d.TotalBytes-d.UsedBytes) }

// DiskNearlyFull tells whether the log volume was nearly full; false when it was not seen.
func (b Heartbeat) DiskNearlyFull() bool {
	return b.Disk != nil && b.Disk.UsedPercent() >= NearlyFullPercent
}

// DiskFull tells whether the log volume was as good as full; false when it was not seen.
func (b Heartbeat) DiskFull() bool {
	return b.Disk != nil && b.Disk.UsedPercent() >= FullPercent
}

// DiskSlow tells whether writes to the log volume took too long; false when none was timed.
func (b Heartbeat) DiskSlow() bool {
	return b.Disk != nil && b.Disk.WriteMillis >= SlowMillis
}

// Held tells whether somebody holds the Kafka process by a signal.
func (b Heartbeat) Held() bool { return b.Process != nil && b.Process.HeldSince != nil }

// Works tells whether the host says of its node that all is well: Kafka runs, nobody holds it, and it answers.
func (b Heartbeat) Works() bool { return b.State == Running && !b.Held() && b.SilentSince == nil }

// LivingOutOfSync are the brokers that the node lists as alive while it misses them among the in-sync replicas of partitions
// that it leads; sorted.
func (b Heartbeat) LivingOutOfSync() []int32 {
	if b.Replication == nil {
		return nil
	}
	var ids []int32
	for _, id := range b.Brokers {
		if b.Replication.OutOfSync[id] > 0 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Behind are the voters that the active controller does not count among those that have caught up; known is false from every
// other node.
func (b Heartbeat) Behind() (ids []int32, known bool) {
	if b.Quorum == nil {
		return nil, false
	}
	return b.Quorum.Behind, true
}

// CertificateNearItsEnd tells whether the certificate had less than a month to go when the heartbeat was made.
func (b Heartbeat) CertificateNearItsEnd() bool {
	return b.CertificateEnds != nil && b.CertificateEnds.Sub(b.At) < NearItsEnd
}

// Within shortens the heartbeat as far as it has to be shortened to take at most size bytes: it tells of fewer brokers that
// are out of sync, of those with the most partitions first, and then of less of the reason. Nothing else in it is long: a
// heartbeat of a node of 60 brokers takes some 700 bytes, its signing request aside.
func (b Heartbeat) Within(size int) Heartbeat {
	over := b.over(size)
	if b.Replication != nil {
		for most := len(b.Replication.OutOfSync); over > 0 && most > 1; {
			most--
			b.Replication = b.Replication.tellingOf(most)
			over = b.over(size)
		}
	}
	if over <= 0 || b.Reason == "" {
		return b
	}
	const cut = "…"
	// Each byte of text takes at least one byte of JSON.
	keep := max(0, len(b.Reason)-over-len(cut))
	b.Reason = strings.ToValidUTF8(b.Reason[:keep], "") + cut
	return b
}

// over is by how many bytes the heartbeat is longer than size.
func (b Heartbeat) over(size int) int {
	document, err := json.Marshal(b)
	if err != nil {
		return 0 // whoever sends it will say so
	}
	return len(document) - size
}

// tellingOf is the same with only those brokers that are out of sync with the most partitions.
func (r Replication) tellingOf(most int) *Replication {
	ids := slices.SortedFunc(maps.Keys(r.OutOfSync), func(a, b int32) int {
		return cmp.Or(cmp.Compare(r.OutOfSync[b], r.OutOfSync[a]), cmp.Compare(a, b))
	})
	kept := map[int32]int{}
	for _, id := range ids[:most] {
		kept[id] = r.OutOfSync[id]
	}
	r.OutOfSync = kept
	return &r
}
