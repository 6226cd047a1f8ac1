package tablemailbox

import (
	"slices"
	"time"

	"github.com/millrace/millrace/shared/nodespec"
)

// roomAgainPercent lies below the line at which a disk is nearly full, so that one at the line is news once and not with
// every segment that Kafka rolls or drops.
const roomAgainPercent = 80

// Likewise for a full disk, and for a slow one.
const (
	roomToWorkPercent = 95
	fastAgainMillis   = 500
)

// quiet is how long after any news brokers that fall out of sync, or are in sync again, are no news of their own. Under load
// they do so every few seconds, and nobody does anything about it before it has lasted for minutes.
const quiet = time.Minute

// isNews tells whether a heartbeat says something that the last news did not: told is nil before the first.
func isNews(told *nodespec.Heartbeat, beat nodespec.Heartbeat) bool {
	if told == nil {
		return true
	}
	return told.Generation != beat.Generation ||
		told.State != beat.State ||
		told.Reason != beat.Reason ||
		!slices.Equal(told.Brokers, beat.Brokers) ||
		told.Held() != beat.Held() ||
		(told.SilentSince == nil) != (beat.SilentSince == nil) ||
		someOffline(*told) != someOffline(beat) ||
		votersChanged(*told, beat) ||
		diskCrossed(*told, beat) ||
		beat.At.Sub(told.At).Abs() >= quiet && !slices.Equal(told.LivingOutOfSync(), beat.LivingOutOfSync()) ||
		told.CertificateNearItsEnd() != beat.CertificateNearItsEnd()
}

// diskCrossed tells whether the disk became nearly full, full or slow, or is so no more, its use crossed a step of 5 %, or it is made
// of other volumes. A disk that is not seen says nothing.
func diskCrossed(told, beat nodespec.Heartbeat) bool {
	if beat.Disk == nil {
		return false
	}
	if told.Disk != nil && !beat.Disk.MadeAs(*told.Disk) {
		return true
	}
	used := beat.Disk.UsedPercent()
	return beat.Disk.FillsBeyond(told.Disk) || beat.Disk.FallsBelow(told.Disk) ||
		crossed(told.DiskNearlyFull(), beat.DiskNearlyFull(), used < roomAgainPercent) ||
		crossed(told.DiskFull(), beat.DiskFull(), used < roomToWorkPercent) ||
		crossed(told.DiskSlow(), beat.DiskSlow(), beat.Disk.WriteMillis < fastAgainMillis)
}

// crossed tells whether a line was crossed: there is some way between where it is crossed and where it is again.
func crossed(was, is, well bool) bool {
	if was {
		return well
	}
	return is
}

func someOffline(b nodespec.Heartbeat) bool { return b.Replication != nil && b.Replication.Offline > 0 }

// votersChanged tells whether other voters are behind than before. From a node that does not know there is nothing to tell.
func votersChanged(told, beat nodespec.Heartbeat) bool {
	was, _ := told.Behind()
	is, known := beat.Behind()
	return known && !slices.Equal(was, is)
}
