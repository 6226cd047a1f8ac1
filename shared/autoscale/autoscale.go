// Package autoscale decides when the volumes of a cluster grow by themselves, and how far.
//
// It knows what is seen now and nothing of what woke whoever asks: an alarm that comes twice, or late, finds that there is nothing to
// do any more.
package autoscale

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
)

// Look is what is known of one cluster.
type Look struct {
	Now     time.Time
	Cluster cluster.Cluster
	Rule    cluster.StorageAutoscaling
	Brokers []Broker // all of them, by id
	// Growths are the operations on volumes of the last day, oldest first, ended or not.
	Growths []cluster.Operation
}

// Broker is a broker with what was last heard of its volume.
type Broker struct {
	ID    int32
	Shape cluster.VolumeShape
	// UsedPercent is how full the volume was when its host last said so; Known is false when no host has.
	UsedPercent float64
	Known       bool
	// SeenGiB is how large the volume was for the host that said so. It is less than the volume has where that has grown since.
	SeenGiB int
}

// usedGiB is how much of the volume is used.
func (b Broker) usedGiB() float64 { return float64(b.SeenGiB) * b.UsedPercent / 100 }

// percent is how full the volume is at its size of now.
func (b Broker) percent() float64 { return 100 * b.usedGiB() / float64(b.Shape.SizeGiB) }

// Verdict is what is to be done about the volumes of a cluster.
type Verdict struct {
	// Grow says that they are to grow, all at once and as Change says.
	Grow   bool
	Change cluster.StorageChange
	// AtMaximum says that a volume is as full as the rule allows, and as large.
	AtMaximum bool
	// Reason says in a sentence why.
	Reason string
}

const (
	// pause after a growth that failed, twice as long with each that fails after it. Where EBS takes no change of a volume yet, that
	// can go on for hours.
	pause        = time.Minute
	longestPause = 30 * time.Minute
	// pauseOfFull is the longest pause where a volume is nearly full.
	pauseOfFull = 5 * time.Minute

	// lately is how long a growth counts for how far the next one goes: as long as EBS may take no second change of a volume.
	lately = cluster.VolumeRestsFor
	// mostDoublings bounds how far that is.
	mostDoublings = cluster.MostFurtherVolumes
)

// Due tells whether a look at a cluster may find something to do: a broker whose volume is so full, by what was last heard of it, is as
// full as the rule lets it become. It is for whoever hears of volumes anyway; [Decide] says what is to be done.
func Due(rule cluster.StorageAutoscaling, usedPercent float64) bool {
	return usedPercent >= float64(rule.TargetPercent)
}

// Decide decides whether the volumes of a cluster grow now.
//
//  1. Is the cluster one whose volumes can grow, and does nobody grow them already?
//  2. Is a broker fuller than the rule wants, or has the last growth not come to all of them?
//  3. How large do volumes get so that none is any more, by how much at least, and how large may they?
//  4. Has a growth failed just now?
func Decide(l Look) Verdict {
	switch {
	case !l.Cluster.Serves():
		return Verdict{Reason: fmt.Sprintf("the cluster is %s", l.Cluster.State())}
	case l.Cluster.Growing != nil:
		return Verdict{Reason: fmt.Sprintf("operation %s grows them", l.Cluster.Growing.ID)}
	case !allHaveVolumes(l.Brokers):
		return Verdict{Reason: "not every broker has a volume that is known"}
	}
	over := overTarget(l)
	wanted, seen := unfinished(l)
	for _, b := range over {
		wanted = max(wanted, sizeFor(b, l.Rule.TargetPercent, doublings(l)))
	}
	if wanted == 0 {
		return Verdict{Reason: fmt.Sprintf("no broker is known to use %d %%", l.Rule.TargetPercent)}
	}
	wanted = min(wholeStep(l.Brokers, wanted), l.Rule.MaxGiB)
	v := Verdict{Change: changeTo(l, wanted)}
	fullest := Broker{}
	if len(over) > 0 {
		fullest = slices.MaxFunc(over, func(a, b Broker) int { return cmp.Compare(a.percent(), b.percent()) })
		seen = fmt.Sprintf("broker %d uses %d %% of %d GiB, and the target is %d %%",
			fullest.ID, int(fullest.percent()), fullest.Shape.SizeGiB, l.Rule.TargetPercent)
	}
	v.AtMaximum = slices.ContainsFunc(over, func(b Broker) bool { return b.Shape.SizeGiB >= l.Rule.MaxGiB })
	if len(v.Change.Volumes) == 0 {
		v.Reason = fmt.Sprintf("%s; volumes may have %d GiB at most", seen, l.Rule.MaxGiB)
		return v
	}
	if failed, again := restsUntil(l, fullest); l.Now.Before(again) {
		v.Reason = fmt.Sprintf("%s; the growth before this one, %s, has failed, so the next one is tried at %s",
			seen, failed, again.UTC().Format("15:04:05 UTC"))
		return v
	}
	v.Grow = true
	v.Reason = fmt.Sprintf("%s: volumes grow to %d GiB", seen, wanted)
	return v
}

func allHaveVolumes(brokers []Broker) bool {
	return !slices.ContainsFunc(brokers, func(b Broker) bool { return b.Shape.SizeGiB <= 0 })
}

// overTarget gives the brokers that are as full as the rule lets them become, as far as they were heard: one that is down has what it
// had.
func overTarget(l Look) (over []Broker) {
	for _, b := range l.Brokers {
		if b.Known && b.percent() >= float64(l.Rule.TargetPercent) {
			over = append(over, b)
		}
	}
	return over
}

// unfinished gives the size that the last growth by the rule was to give every broker, and has given to some: the others get it too,
// although those that were the fullest have room by now. wanted is zero when there is none: one that has more because somebody has
// asked for that is no reason, and the others would rest for hours when they are asked for the same.
func unfinished(l Look) (wanted int, seen string) {
	failed := cluster.FailedGrowths(l.Growths)
	for _, op := range slices.Backward(failed) {
		if !op.Storage.Automatic {
			continue
		}
		size := op.Storage.Every.SizeGiB
		i := slices.IndexFunc(l.Brokers, func(b Broker) bool { return b.Shape.SizeGiB < size })
		if !reached(l.Brokers, failed, size) || i < 0 {
			return 0, ""
		}
		return size, fmt.Sprintf("broker %d has %d GiB, and others were given %d GiB by operation %s",
			l.Brokers[i].ID, l.Brokers[i].Shape.SizeGiB, size, op.ID)
	}
	return 0, ""
}

// reached tells whether a broker has the size, or was given it by the rule. By that it may have got more: a growth that failed before may
// have begun to give it that.
func reached(brokers []Broker, failed []cluster.Operation, sizeGiB int) bool {
	return slices.ContainsFunc(brokers, func(b Broker) bool { return b.Shape.SizeGiB == sizeGiB }) ||
		slices.ContainsFunc(failed, func(op cluster.Operation) bool {
			return op.Storage.Automatic && op.Storage.Every.SizeGiB == sizeGiB && op.Storage.Grown() > 0
		})
}

// sizeFor is how large the volume of a broker gets. It is below the target again at once, because EBS may take no second change
// for hours.
func sizeFor(b Broker, targetPercent, doublings int) int {
	step := (cluster.LargerGiB(b.Shape.SizeGiB) - b.Shape.SizeGiB) << doublings
	below := int(b.usedGiB()*100/float64(targetPercent)) + 1
	return max(b.Shape.SizeGiB+step, below)
}

// wholeStep makes what is wanted so much that every volume that gets it grows by a step at least, or becomes as large as another one
// is. Where a volume can't grow, more is wanted at each attempt: those that can would otherwise be made of as many small ones as they
// may be, and brokers would stay of different sizes for the sake of little.
func wholeStep(brokers []Broker, wanted int) (gib int) {
	below, above := 0, math.MaxInt
	for _, b := range brokers {
		if b.Shape.SizeGiB < wanted {
			below = max(below, b.Shape.SizeGiB)
		} else {
			above = min(above, b.Shape.SizeGiB)
		}
	}
	step := max(wanted, cluster.LargerGiB(below))
	if above <= cluster.LargerGiB(step) {
		return above
	}
	return step
}

// doublings counts the growths by the rule that have lately come to their end: after each, volumes grow twice as far. Those that fill
// so fast would otherwise be made of as many volumes as they may be long before EBS takes the next change of the first, and be full
// although their people have allowed more.
func doublings(l Look) (n int) {
	for _, op := range l.Growths {
		grown := op.Storage != nil && op.Storage.Automatic && !op.Storage.Merges && op.State == cluster.Complete
		if grown && l.Now.Sub(op.EndedAt) < lately {
			n++
		}
	}
	return min(n, mostDoublings)
}

// changeTo makes every volume that is smaller that large.
func changeTo(l Look, sizeGiB int) cluster.StorageChange {
	change := cluster.StorageChange{Automatic: true}
	for i, b := range l.Brokers {
		to := b.Shape
		if to.SizeGiB < sizeGiB {
			to.SizeGiB = sizeGiB
			change.Volumes = append(change.Volumes, cluster.VolumeChange{NodeID: b.ID, From: b.Shape, To: to})
		}
		if i == 0 {
			change.Every = to
		}
		change.Every.SizeGiB = min(change.Every.SizeGiB, to.SizeGiB)
		change.Every.ThroughputMiB = min(change.Every.ThroughputMiB, to.ThroughputMiB)
	}
	return change
}

// restsUntil says until when no growth is tried, because those that nobody has asked for have failed; again is zero when none has. While
// a volume is nearly full, that is never for long.
func restsUntil(l Look, fullest Broker) (failed string, again time.Time) {
	longest := longestPause
	if fullest.Known && fullest.percent() >= nodespec.NearlyFullPercent {
		longest = pauseOfFull
	}
	rest := pause
	for _, op := range cluster.FailedGrowths(l.Growths) {
		// What somebody has asked for may fail for reasons of their own; what ends later than now does so by a clock that was set back.
		if !op.Storage.Automatic || op.EndedAt.After(l.Now.Add(pause)) {
			continue
		}
		if failed != "" {
			rest = min(2*rest, longest)
		}
		failed, again = op.ID, op.EndedAt.Add(rest)
	}
	return failed, again
}
