package health

import (
	"time"

	"github.com/millrace/millrace/shared/nodespec"
)

// Tolerance says what is borne, and for how long.
type Tolerance struct {
	// Silence is how old a host's last word may be. Hosts speak every 30 s at least, and every 5 s while their node does
	// not run: Quiet is how old the word of such a one may be.
	Silence, Quiet time.Duration
	// Outage is how long nobody may have looked for what was heard before to count no more.
	Outage time.Duration

	HostStopped  time.Duration
	HostMissing  time.Duration // from the platform's answer
	HostImpaired time.Duration
	Unreachable  time.Duration // once a host is silent and fenced
	KafkaRefused time.Duration
	KafkaHeld    time.Duration
	KafkaSilent  time.Duration // of a Kafka that the others have given up
	KafkaBusy    time.Duration // of one that they have not
	KafkaAlone   time.Duration // of one that has no others
	KafkaDown    time.Duration
	LongStart    time.Duration // of a Kafka that may be going through its log
	Fenced       time.Duration // of a Kafka that answers
	OutOfSync    time.Duration // without getting better
	DiskSlow     time.Duration
	Unknown      time.Duration // until people are told
	RoomUnfound  time.Duration // on a volume that has grown

	// FailedStarts in a row are enough, whatever the time they took. Starts of a Kafka that did come up each time, and Falls of
	// one that came back each time, are so many within Lately.
	FailedStarts, Starts, Falls int
	Lately                      time.Duration

	// SickNodes of a cluster at once, or SickClusters with sick nodes, may be an outage of ours. While that many clusters
	// were sick and more than one still is, it goes on.
	SickNodes, SickClusters int

	// A heal that failed is tried again after FirstPause, doubled with each failure in a row, at most LongestPause. A node
	// that GivenUp heals within GivenUpWithin did not help is left alone. What helps once or never is not done again
	// within Rest.
	FirstPause, LongestPause time.Duration
	GivenUp                  int
	GivenUpWithin            time.Duration
	Rest                     time.Duration
	// Relapse is how soon after a heal the same trouble shows that it did not help.
	Relapse time.Duration
}

// Tolerated is what is borne where nobody has said otherwise.
func Tolerated() Tolerance {
	return Tolerance{
		Silence: nodespec.FreshFor, Quiet: 30 * time.Second, Outage: 3 * time.Minute,

		HostStopped:  time.Minute,
		HostMissing:  5 * time.Minute,
		HostImpaired: 2 * time.Minute,
		Unreachable:  time.Minute,
		KafkaRefused: 30 * time.Second,
		KafkaHeld:    10 * time.Second,
		KafkaSilent:  45 * time.Second,
		KafkaBusy:    10 * time.Minute,
		KafkaAlone:   2 * time.Minute,
		KafkaDown:    3 * time.Minute,
		LongStart:    30 * time.Minute,
		Fenced:       3 * time.Minute,
		OutOfSync:    10 * time.Minute,
		DiskSlow:     5 * time.Minute,
		Unknown:      10 * time.Minute,
		RoomUnfound:  2 * time.Minute,

		FailedStarts: 5, Starts: 6, Falls: 6, Lately: 30 * time.Minute,
		SickNodes: 2, SickClusters: 3,

		FirstPause: 30 * time.Second, LongestPause: 30 * time.Minute,
		GivenUp: 3, GivenUpWithin: time.Hour, Rest: time.Hour, Relapse: 2 * time.Minute,
	}
}
