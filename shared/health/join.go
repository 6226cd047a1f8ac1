// Package health judges nodes from what was observed of them, and says why. It looks at nothing itself.
package health

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/shared/cluster"
)

// Seen is what was last heard from a node's host.
type Seen struct {
	Node cluster.Node
	// Known is false while nothing was heard; the rest is empty then.
	Known bool
	// Running says that the node is a working member of its cluster, by its own account, on the spec it should have.
	Running bool
	// Failing says that its last start failed, FailedStarts how many in a row did.
	Failing      bool
	FailedStarts int
	// Stopped says that the agent refuses to run the node.
	Stopped bool
	// Reason is the agent's own words for what the node waits for or why it fails.
	Reason string
	// Brokers are the brokers that the node's Kafka lists as alive.
	Brokers []int32
}

// toleratedStarts is how many starts in a row may fail before a node counts as unable to start: the first ones may have
// met a neighbour that was not up yet.
const toleratedStarts = 3

// Joined is the verdict over a cluster that is starting.
type Joined struct {
	// Done says that every node runs and that every broker knows every other.
	Done bool
	// Ready counts the nodes that are there, of Total.
	Ready, Total int
	// Waiting says in a sentence what is waited for; empty when Done.
	Waiting string
	// Failed says in a sentence which node can't start, and why; empty while all may still make it.
	Failed string
}

// JudgeJoin decides whether all nodes of a cluster have found each other.
func JudgeJoin(nodes []Seen) Joined {
	verdict := Joined{Total: len(nodes)}
	var brokers []int32
	for _, n := range nodes {
		if n.Node.Role == cluster.Broker {
			brokers = append(brokers, n.Node.ID)
		}
	}
	slices.Sort(brokers)
	var waiting []string
	for _, n := range nodes {
		if why := cannotStart(n); why != "" {
			verdict.Failed = why
			return verdict
		}
		why := waitsFor(n, brokers)
		if why == "" {
			verdict.Ready++
			continue
		}
		waiting = append(waiting, fmt.Sprintf("%s: %s", n.Node, why))
	}
	verdict.Done = verdict.Ready == verdict.Total
	verdict.Waiting = sum(waiting)
	return verdict
}

// sum names the first of several waits: one line has to do, and most of the others wait for the same.
func sum(waiting []string) string {
	switch len(waiting) {
	case 0:
		return ""
	case 1:
		return waiting[0]
	default:
		return fmt.Sprintf("%s (and %d more)", waiting[0], len(waiting)-1)
	}
}

func cannotStart(n Seen) string {
	switch {
	case n.Stopped:
		return fmt.Sprintf("%s does not run: %s", n.Node, n.Reason)
	case n.Failing && n.FailedStarts >= toleratedStarts:
		return fmt.Sprintf("%s does not start (%d attempts): %s", n.Node, n.FailedStarts, n.Reason)
	default:
		return ""
	}
}

// waitsFor says what a node still lacks; empty when it lacks nothing.
func waitsFor(n Seen, brokers []int32) string {
	switch {
	case !n.Known:
		return "its host has not reported yet"
	case !n.Running && n.Reason != "":
		return n.Reason
	case !n.Running:
		return "Kafka is starting"
	case n.Node.Role == cluster.Controller:
		return ""
	}
	var missing []string
	for _, id := range brokers {
		if !slices.Contains(n.Brokers, id) {
			missing = append(missing, fmt.Sprint(id))
		}
	}
	if len(missing) == 0 {
		return ""
	}
	return "does not list broker " + strings.Join(missing, ", ") + " yet"
}
