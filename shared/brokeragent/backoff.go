package brokeragent

import (
	"context"
	"time"
)

const (
	// fastPoll is how often a change on this machine is looked for while a node is on its way: its start-up should cost
	// what Kafka costs. A look is a lookup of a path or a refused connection.
	fastPoll = 75 * time.Millisecond
	// peacePoll is how often a running Kafka is asked whether it is still a member of its cluster.
	peacePoll = 3 * time.Second

	// heldPoll is how often a Kafka process is looked at for whether somebody holds it by a signal.
	heldPoll = time.Second

	// firstPause lies before the restart of a Kafka that had been running; longestPause bounds the pauses of a crash loop.
	firstPause   = 500 * time.Millisecond
	longestPause = 30 * time.Second
	// forgives is how long Kafka has to be a member of its cluster to make up for one crash: one that is killed now and then is
	// back at once each time, one that ends again soon after its start is tried less and less often.
	forgives = 10 * time.Second

	// stopPatience is how long Kafka may take to hand over its partitions before it is killed.
	stopPatience = 30 * time.Second

	// linkPause and longestLinkPause bound how soon a mailbox that did not answer is asked again: a control plane that
	// comes back should see its hosts within seconds.
	linkPause        = 100 * time.Millisecond
	longestLinkPause = 2 * time.Second
)

// doubling is first, doubled for each of the times, and at most longest.
func doubling(first, longest time.Duration, times int) time.Duration {
	pause := first
	for range times {
		if pause >= longest {
			return longest
		}
		pause *= 2
	}
	return min(pause, longest)
}

// pause waits, and tells whether it did so to the end.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
