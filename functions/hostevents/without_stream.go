package hostevents

import (
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
)

// EventsOf is what a heartbeat tells others that the one before it (nil for the first) did not, for a platform that has
// heartbeats themselves at hand, and no stream of what was written.
func EventsOf(before *nodespec.Heartbeat, now nodespec.Heartbeat) []cluster.HostEvent {
	return eventsOf(before, now)
}
