package health

import (
	"slices"
	"time"

	"github.com/millrace/millrace/shared/cluster"
)

// healsOf are the heals of a node that have ended, oldest first.
func (c *caseOf) healsOf(f found) (heals []cluster.Operation) {
	for _, op := range c.Heals {
		if op.Heal != nil && op.Heal.NodeID == f.NodeID && op.Ended() {
			heals = append(heals, op)
		}
	}
	return heals
}

// hasHelped tells whether a heal, the one of a node's at i, has helped: it ended well, and the same trouble was not back soon
// after. A host that dies is another one each time.
func (c *caseOf) hasHelped(heals []cluster.Operation, i int, f found) bool {
	op := heals[i]
	if op.State != cluster.Complete {
		return false
	}
	condition, since := f.Condition, f.Since
	if i+1 < len(heals) {
		condition, since = heals[i+1].Heal.Condition, heals[i+1].Heal.Since
	}
	return condition != op.Heal.Condition || condition == cluster.HostDead || since.Sub(op.EndedAt) >= c.t.Relapse
}

// hasNotHelped tells whether a remedy is among the last heals of the node that were all for the same condition and in vain.
func (c *caseOf) hasNotHelped(f found, remedy cluster.Remedy) bool {
	heals := c.healsOf(f)
	for i, op := range slices.Backward(heals) {
		if op.Heal.Condition != f.Condition || c.now.Sub(op.EndedAt) >= c.t.Rest || c.hasHelped(heals, i, f) {
			return false
		}
		if op.Heal.Remedy == remedy {
			return true
		}
	}
	return false
}

// givenUp tells whether so many heals of the node have not helped lately that it is left alone, and until when.
func (c *caseOf) givenUp(f found) (until time.Time, given bool) {
	heals := c.healsOf(f)
	var inVain []time.Time
	for i, op := range heals {
		if c.now.Sub(op.EndedAt) < c.t.GivenUpWithin && !c.hasHelped(heals, i, f) {
			inVain = append(inVain, op.EndedAt)
		}
	}
	if len(inVain) < c.t.GivenUp {
		return time.Time{}, false
	}
	return inVain[len(inVain)-c.t.GivenUp].Add(c.t.GivenUpWithin), true
}

// pauseOf is until when a remedy that failed is not tried again: longer with each failure in a row.
func (c *caseOf) pauseOf(f found) (until time.Time) {
	times, last := c.failures(f)
	if times == 0 {
		return time.Time{}
	}
	pause := c.t.FirstPause
	for range times - 1 {
		pause = min(2*pause, c.t.LongestPause)
	}
	return last.Add(pause)
}

// failures counts how often in a row a remedy has failed, and tells when it did last.
func (c *caseOf) failures(f found) (times int, last time.Time) {
	for _, op := range slices.Backward(c.healsOf(f)) {
		if op.State != cluster.OperationFailed || op.Heal.Remedy != f.Remedy {
			break
		}
		if times++; times == 1 {
			last = op.EndedAt
		}
	}
	return times, last
}
