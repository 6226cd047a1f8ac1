package health

import (
	"fmt"
	"time"

	"github.com/millrace/millrace/shared/cluster"
)

// treat says what helps a sick node, after what has been tried: what did not help is not done again and again.
func (c *caseOf) treat(f *found) {
	f.Remedy = f.remedy
	if f.Remedy == cluster.NoRemedy {
		return
	}
	if again, given := c.givenUp(*f); given {
		f.Remedy = cluster.NoRemedy
		f.Advice = fmt.Sprintf("%d heals of %s within %s did not help, so it is left alone until %s. See with millrace heal history %s why; "+
			"millrace health %s tells how it is.", c.t.GivenUp, f.Node, span(c.t.GivenUpWithin), clock(again), c.Cluster.Name, c.Cluster.Name)
		f.changes = again
		return
	}
	switch f.Condition {
	case cluster.KafkaHeld, cluster.KafkaSilent:
		if c.hasNotHelped(*f, cluster.Restart) {
			f.Remedy = cluster.Replace
		}
	case cluster.OutOfSync:
		c.onceIn(f, cluster.Restart, "It may be short of network, memory or disk throughput: compare it with the others of the cluster.")
	case cluster.KafkaDown:
		c.onceIn(f, cluster.Replace, "A new host did not help. See in Kafka's log why it does not run.")
	default:
	}
}

// onceIn does what may help once, and not again before it had time to.
func (c *caseOf) onceIn(f *found, remedy cluster.Remedy, advice string) {
	var last time.Time
	for _, op := range c.healsOf(*f) {
		if op.Heal.Remedy == remedy && op.State == cluster.Complete {
			last = latest(last, op.EndedAt)
		}
	}
	if again := last.Add(c.t.Rest); !last.IsZero() && c.now.Before(again) {
		f.Remedy, f.changes = cluster.NoRemedy, again
		f.Advice = fmt.Sprintf("It was healed by a %s at %s, and is not again before %s. %s", remedy, clock(last), clock(again), advice)
	}
}

// grow says how large a full log volume should get, within what people have allowed.
func (s sight) grow(d diagnosis) diagnosis {
	const leastGiB, part = 10, 10
	name, allowed := s.Cluster.Name, s.Cluster.Healing.MaxVolumeGiB
	if s.Node.Volume == nil {
		return d
	}
	size := s.Node.Volume.SizeGiB
	if allowed <= size {
		limit := "No volume of the cluster is grown without leave"
		if allowed > 0 {
			limit = fmt.Sprintf("Volumes of the cluster may have up to %d GiB", allowed)
		}
		return d.advised("%s. Either allow a larger one (millrace heal limit %s --max-volume %d), or free space: delete topics, or shorten "+
			"the retention of the largest ones (kafka-configs.sh --alter --add-config retention.ms=…) on the brokers that still run.",
			limit, name, size+max(leastGiB, (size+part-1)/part))
	}
	d.volumeGiB = min(allowed, size+max(leastGiB, (size+part-1)/part))
	return d.remedied(cluster.Grow)
}
