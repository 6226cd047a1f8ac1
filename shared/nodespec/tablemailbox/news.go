package tablemailbox

import (
	"slices"

	"github.com/millrace/millrace/shared/nodespec"
)

// roomAgainPercent lies below the line at which a disk is nearly full, so that one at the line is news once and not with
// every segment that Kafka rolls or drops.
const roomAgainPercent = 80

// isNews tells whether a heartbeat says something that the last news did not: told is nil before the first.
func isNews(told *nodespec.Heartbeat, beat nodespec.Heartbeat) bool {
	if told == nil {
		return true
	}
	return told.Generation != beat.Generation ||
		told.State != beat.State ||
		told.Reason != beat.Reason ||
		!slices.Equal(told.Brokers, beat.Brokers) ||
		diskCrossed(*told, beat) ||
		told.CertificateNearItsEnd() != beat.CertificateNearItsEnd()
}

// diskCrossed tells whether the disk became nearly full, or has room again. A disk that is not seen says nothing.
func diskCrossed(told, beat nodespec.Heartbeat) bool {
	if told.DiskNearlyFull() {
		return beat.Disk != nil && beat.Disk.UsedPercent() < roomAgainPercent
	}
	return beat.DiskNearlyFull()
}
