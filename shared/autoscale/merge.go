package autoscale

import (
	"slices"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
)

// Joined is a node with what its host says now of its log volume; nil when the host says nothing of it.
type Joined struct {
	Node cluster.Node
	Disk *nodespec.Disk
}

// Fresh gives what a heartbeat says of the log volume; nil when it is an old one.
func Fresh(beat nodespec.Heartbeat, now time.Time) *nodespec.Disk {
	if now.Sub(beat.At) >= nodespec.FreshFor {
		return nil
	}
	return beat.Disk
}

// triesAgainAfter is how long further volumes are let be after something was tried with them.
const triesAgainAfter = time.Hour

// MergeDue tells whether something can be done about the further volumes of a node: one that nothing is on any more can be deleted, or
// the first may take changes by now and is not as large as all of them. It is for whoever hears of volumes anyway.
func MergeDue(j Joined, now time.Time) bool {
	v := j.Node.Volume
	if v == nil {
		return false
	}
	for _, f := range v.Further {
		tried := now.Sub(f.LeftAt) < triesAgainAfter
		switch {
		case f.ID == "":
			if IsAbandoned(f, now) && !tried {
				return true
			}
		case HasLeft(f, j.Disk):
			if !tried {
				return true
			}
		case v.IsNeeded(f) && !now.Before(v.MergeAt):
			return true
		}
	}
	return surplus(j) > 0 && !now.Before(v.MergeAt)
}

// surplus is what further volumes give a log volume that are not needed, in GiB: a host has joined them after the first had become as
// large as the whole, and lets go of them only once that has room for them too. A host that has begun to empty one that is not needed
// sees no more than is on record.
func surplus(j Joined) (gib int) {
	v := j.Node.Volume
	if j.Disk == nil || len(v.Further) == 0 || j.Disk.TotalBytes <= int64(v.TogetherGiB())<<30 {
		return 0
	}
	for _, f := range v.Further {
		if f.ID != "" && f.LeftAt.IsZero() && !v.IsNeeded(f) && slices.Contains(j.Disk.Volumes, f.ID) {
			gib += f.SizeGiB
		}
	}
	return gib
}

// HasLeft tells whether nothing of a log volume is on one of its further volumes any more, as its host says now: it was on it and has
// left it or, where somebody has begun to take it away, it is not on it.
func HasLeft(f cluster.FurtherVolume, disk *nodespec.Disk) bool {
	if disk == nil || len(disk.Volumes) == 0 || slices.Contains(disk.Volumes, f.ID) {
		return false
	}
	return slices.Contains(disk.Left, f.ID) || !f.LeftAt.IsZero()
}

// IsAbandoned tells whether nobody makes a further volume any more that was put on record and never made, as far as is known.
func IsAbandoned(f cluster.FurtherVolume, now time.Time) bool {
	return f.ID == "" && now.Sub(f.AddedAt) >= triesAgainAfter
}

// Merge decides whether something is to be done about the further volumes of a cluster now, and of which of its nodes: what they have
// stays as it is, in truth; where a host has more than is on record, the record becomes true. Controllers have further volumes too, where one was healed that had run out of room.
func Merge(c cluster.Cluster, nodes []Joined, now time.Time) (change cluster.StorageChange, due bool) {
	if !c.Serves() || c.Growing != nil {
		return change, false
	}
	change = cluster.StorageChange{Automatic: true, Merges: true}
	for _, j := range nodes {
		if !MergeDue(j, now) {
			continue
		}
		shape := j.Node.Volume.Shape()
		if j.Node.Role == cluster.Broker && (change.Every.SizeGiB == 0 || shape.SizeGiB < change.Every.SizeGiB) {
			change.Every = shape
		}
		to := shape
		if more := surplus(j); more > 0 {
			to.SizeGiB = max(to.SizeGiB, j.Node.Volume.TogetherGiB()+more)
		}
		change.Volumes = append(change.Volumes, cluster.VolumeChange{NodeID: j.Node.ID, From: shape, To: to})
	}
	return change, len(change.Volumes) > 0
}
