package cluster

import (
	"fmt"
	"strings"
	"time"
)

// BaseThroughputMiB is what a volume takes and gives in a second that nobody has asked for more.
const BaseThroughputMiB = 125

// What a log volume of a broker may have, and the least by which it gets larger: by that, and by a tenth, MSK's grow by themselves.
// What MSK's API takes at least is told nowhere.
const (
	MostVolumeGiB  = 16384
	LeastGrowthGiB = 10
)

// LargerGiB is the next size, in GiB, of a volume that grows by itself.
func LargerGiB(sizeGiB int) int { return sizeGiB + max(LeastGrowthGiB, (sizeGiB+9)/10) }

// VolumeRests is the reason of a Conflict for a volume that was changed so lately that the platform takes no other change of it for a
// while.
const VolumeRests = "VOLUME_RESTS"

// VolumeRestsFor is how long EBS may take no second change of a volume. Where its newer rule has arrived, of four changes a day, it may
// be less.
const VolumeRestsFor = 6 * time.Hour

// MostFurtherVolumes is how many further volumes a log volume may be made of at once: what they can be given in a day is far more than
// a broker writes, and hosts can have only so many disks.
const MostFurtherVolumes = 8

// VolumeShape is how large a log volume is, and how much it takes and gives in a second.
type VolumeShape struct {
	SizeGiB int `json:"sizeGiB"`
	// ThroughputMiB is in MiB a second; 0 is what a volume has that nobody has asked for more.
	ThroughputMiB int `json:"throughputMiB,omitempty"`
}

// Meets tells whether a volume of this shape does for what is wanted: it has the room, and the throughput that is named.
func (s VolumeShape) Meets(want VolumeShape) bool {
	throughput := s.ThroughputMiB
	if throughput == 0 {
		throughput = BaseThroughputMiB
	}
	return s.SizeGiB >= want.SizeGiB && (want.ThroughputMiB == 0 || want.ThroughputMiB == throughput)
}

// String says the shape in words.
func (s VolumeShape) String() string {
	if s.ThroughputMiB == 0 {
		return fmt.Sprintf("%d GiB", s.SizeGiB)
	}
	return fmt.Sprintf("%d GiB and %d MiB a second", s.SizeGiB, s.ThroughputMiB)
}

// VolumeChange is the volume of one broker before and after, and how far the way from one to the other has been gone.
type VolumeChange struct {
	NodeID int32       `json:"nodeId"`
	From   VolumeShape `json:"from"`
	To     VolumeShape `json:"to"`

	// Asked says that the platform was asked to change the volume, and may have begun. RoomBytes is what the host saw of the volume
	// before that; 0 where it was not known.
	Asked     bool  `json:"asked,omitempty"`
	RoomBytes int64 `json:"roomBytes,omitempty"`
	// DoneAt is when the volume was found to be as it was to be.
	DoneAt time.Time `json:"doneAt,omitzero"`
	// Refusal says why the platform does not change the volume, where it said so.
	Refusal string `json:"refusal,omitempty"`
}

// Done tells whether the volume is as it was to be.
func (v VolumeChange) Done() bool { return !v.DoneAt.IsZero() }

// Wanted is the shape to ask the platform for: what nobody asks for any more is said in a number.
func (v VolumeChange) Wanted() VolumeShape {
	want := v.To
	if want.ThroughputMiB == 0 && v.From.ThroughputMiB > 0 {
		want.ThroughputMiB = BaseThroughputMiB
	}
	return want
}

// StorageChange is what an operation on volumes is about. It is decided once, when the operation is recorded.
type StorageChange struct {
	Volumes []VolumeChange `json:"volumes"` // by node
	// Every is what each broker has at least, once it is done.
	Every VolumeShape `json:"every"`
	// Automatic says that nobody has asked for it but the cluster's own policy, or Millrace itself.
	Automatic bool `json:"automatic,omitempty"`
	// Merges says that it is about further volumes: the first ones become as large as all that they are joined to, and those that
	// hold nothing any more are deleted. Nobody gets more or less room by it.
	Merges bool `json:"merges,omitempty"`
}

// describe puts on record what every broker of the cluster has now. What is about further volumes has changed nothing of that.
func (s StorageChange) describe(c *Cluster) {
	if !s.Merges {
		c.Spec.VolumeGiB, c.Spec.ThroughputMiB = s.Every.SizeGiB, s.Every.ThroughputMiB
	}
}

// Scales tells whether it is a growth that the cluster's own policy has begun.
func (s StorageChange) Scales() bool { return s.Automatic && !s.Merges }

// Of gives the change of a node's volume; ok is false when there is none.
func (s StorageChange) Of(node int32) (change VolumeChange, ok bool) {
	for _, v := range s.Volumes {
		if v.NodeID == node {
			return v, true
		}
	}
	return VolumeChange{}, false
}

// ChangeOf edits the change of a node's volume; one that is not there is left alone.
func (s *StorageChange) ChangeOf(node int32, edit func(*VolumeChange)) {
	for i := range s.Volumes {
		if s.Volumes[i].NodeID == node {
			edit(&s.Volumes[i])
		}
	}
}

// Altered tells whether any volume has been changed, or may have been.
func (s StorageChange) Altered() bool {
	for _, v := range s.Volumes {
		if v.Asked || v.Done() {
			return true
		}
	}
	return false
}

// Grown counts the volumes that are as they were to be.
func (s StorageChange) Grown() int {
	n := 0
	for _, v := range s.Volumes {
		if v.Done() {
			n++
		}
	}
	return n
}

// AllGrown tells whether every volume is as it was to be.
func (s StorageChange) AllGrown() bool { return s.Grown() == len(s.Volumes) }

// Progress says how far all of it is.
func (s StorageChange) Progress() string {
	if s.Merges {
		return fmt.Sprintf("%d of %d volumes are as large as what is joined to them", s.Grown(), len(s.Volumes))
	}
	return fmt.Sprintf("%d of %d volumes have %s", s.Grown(), len(s.Volumes), s.Every)
}

// Refusals says which volumes are not changed and why; empty when none was refused.
func (s StorageChange) Refusals() string {
	var refusals []string
	for _, v := range s.Volumes {
		if v.Refusal != "" {
			n := Node{ID: v.NodeID, Role: Broker}
			if n.ID >= FirstController {
				n.Role = Controller
			}
			refusals = append(refusals, fmt.Sprintf("%s: %s", n, v.Refusal))
		}
	}
	if len(refusals) > shownRefusals {
		refusals = append(refusals[:shownRefusals], fmt.Sprintf("and %d more", len(refusals)-shownRefusals))
	}
	return strings.Join(refusals, "; ")
}

// FailedGrowths gives those of the operations on a cluster's volumes, oldest first, that have failed since volumes grew last. What is
// about further volumes gives nobody room, however it ends.
func FailedGrowths(growths []Operation) (failed []Operation) {
	for _, op := range growths {
		switch {
		case op.Storage == nil || op.Storage.Merges:
		case op.State == Complete:
			failed = nil
		case op.State == OperationFailed:
			failed = append(failed, op)
		}
	}
	return failed
}

// shownRefusals is how many volumes a message names.
const shownRefusals = 3

// Which targets a rule may have, in percent: a lower one makes brokers grow that are all but empty, a higher one leaves no time to.
const (
	LeastTargetPercent = 10
	MostTargetPercent  = 80
)

// StorageAutoscaling says when the volumes of a cluster grow by themselves.
type StorageAutoscaling struct {
	// TargetPercent is how full the fullest broker may get before all of them grow.
	TargetPercent int `json:"targetPercent"`
	// MaxGiB is how large they may get.
	MaxGiB int `json:"maxGiB"`
}

// String says the rule in words: target 60 %, at most 500 GiB.
func (a StorageAutoscaling) String() string {
	return fmt.Sprintf("target %d %%, at most %d GiB", a.TargetPercent, a.MaxGiB)
}
