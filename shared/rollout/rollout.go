// Package rollout decides which node of a cluster may stop, and says what would suffer. It looks at nothing itself.
package rollout

import (
	"fmt"
	"slices"

	"github.com/millrace/millrace/shared/cluster"
)

// Verdict tells whether a node may stop now.
type Verdict struct {
	Safe bool
	// Reason says in a sentence why not; empty when it is safe.
	Reason string
}

// CanStop tells whether a broker may stop without taking any partition below its min.insync.replicas, or away altogether.
// What stopping it does not change says nothing: a partition that it has no part in, whose in-sync replicas have lost it
// already, or that has no leader. That one is away as it is, and comes back no sooner for waiting.
func CanStop(broker int32, partitions []cluster.Partition) Verdict {
	for _, p := range partitions {
		if p.Leader < 0 || !slices.Contains(p.InSync, broker) {
			continue
		}
		left := len(p.InSync) - 1
		if left < p.MinInSync || left == 0 {
			return Verdict{Reason: fmt.Sprintf("%s would keep %d of %d replicas in sync", p, left, p.MinInSync)}
		}
	}
	return Verdict{Safe: true}
}

// CanStopController tells whether a controller may stop without its quorum losing the majority: those that are caught up
// without it have to be one.
func CanStopController(id int32, caughtUp, behind []int32) Verdict {
	voters := len(caughtUp) + len(behind)
	left := len(caughtUp)
	if slices.Contains(caughtUp, id) {
		left--
	}
	if majority := voters/2 + 1; left < majority {
		return Verdict{Reason: fmt.Sprintf("the quorum would keep %d of %d controllers that are caught up, and needs %d", left, voters, majority)}
	}
	return Verdict{Safe: true}
}
