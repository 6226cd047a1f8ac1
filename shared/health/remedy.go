package health

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/shared/cluster"
)

// treat says what helps a sick node, after what has been tried: what did not help is not done again and again.
func (c *caseOf) treat(f *found) {
	f.Remedy = f.remedy
	if f.Remedy == cluster.NoRemedy {
		return
	}
	if f.proven {
		// Nothing but a new host brings it back, and what is in the way of one, such as a lack of instances, ends one day.
		if times, _ := c.failures(*f); times >= c.t.GivenUp {
			f.Advice = fmt.Sprintf("%d heals of %s in a row have failed. See with millrace heal history %s why; it is tried again for as "+
				"long as the host is dead.", times, f.Node, c.Cluster.Name)
		}
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
		// After a replacement it has much to catch up with, also when nobody waited for the end of it.
		c.onceIn(f, "It may be catching up still, or be short of network, memory or disk throughput: compare it with the others of the cluster.",
			func(op cluster.Operation) bool {
				return op.State == cluster.Complete || op.Heal.Remedy == cluster.Replace
			})
	case cluster.KafkaDown:
		c.onceIn(f, "A new host did not help. See in Kafka's log why it does not run.",
			func(op cluster.Operation) bool {
				return op.State == cluster.Complete && op.Heal.Remedy == cluster.Replace
			})
	default:
	}
}

// onceIn does what may help once, and not again before it had time to: counts says which heals of the node were such.
func (c *caseOf) onceIn(f *found, advice string, counts func(cluster.Operation) bool) {
	var last cluster.Operation
	for _, op := range c.healsOf(*f) {
		if counts(op) {
			last = op
		}
	}
	if again := last.EndedAt.Add(c.t.Rest); last.Heal != nil && c.now.Before(again) {
		f.Remedy, f.changes = cluster.NoRemedy, again
		f.Advice = fmt.Sprintf("It was healed by a %s until %s, and is not again before %s. %s", last.Heal.Remedy, clock(last.EndedAt), clock(again), advice)
	}
}

// freeSpace is what else there is to do about a full volume.
const freeSpace = "free space: delete topics, or shorten the retention of the largest ones (kafka-configs.sh --alter --add-config " +
	"retention.ms=…) on the brokers that still run."

// grow says how large a full log volume should get, within what people have allowed. Volumes that grow by themselves are left to that:
// there is one way in which they do.
func (s sight) grow(d diagnosis) diagnosis {
	name, allowed := s.Cluster.Name, s.Cluster.Healing.MaxVolumeGiB
	if s.Node.Volume == nil {
		d.urgent = true
		return d.advised("Nobody knows its size, so it can't be grown. Please %s", freeSpace)
	}
	if rule := s.ruleOfGrowth(); rule != nil {
		if s.Node.Volume.SizeGiB >= rule.MaxGiB {
			return s.atMaximum(d, *rule)
		}
		if d, told := s.growsNot(d); told {
			return d
		}
		d.reason += fmt.Sprintf("; storage autoscaling (%s) grows it", rule)
		return d
	}
	size := s.Node.Volume.SizeGiB
	if allowed <= size {
		limit := "No volume of the cluster is grown without leave"
		if allowed > 0 {
			limit = fmt.Sprintf("Volumes of the cluster may have up to %d GiB", allowed)
		}
		d.urgent = true
		if size >= cluster.MostVolumeGiB {
			return d.advised(hasAllThereIs, size, freeSpace)
		}
		return d.advised("%s. Either allow a larger one (millrace heal limit %s --max-volume %d), or %s",
			limit, name, min(cluster.LargerGiB(size), cluster.MostVolumeGiB), freeSpace)
	}
	d.volumeGiB = min(allowed, cluster.LargerGiB(size))
	return d.remedied(cluster.Grow)
}

// ruleOfGrowth is the rule by which the node's volume grows by itself; nil where it does not. That of a controller never does.
func (s sight) ruleOfGrowth() *cluster.StorageAutoscaling {
	if s.Node.Role != cluster.Broker || s.Node.Volume == nil {
		return nil
	}
	return s.Autoscaling
}

const hasAllThereIs = "A volume can't have more than its %d GiB. Please %s"

// atMaximum tells people that a volume grows no more by itself, and needs to.
func (s sight) atMaximum(d diagnosis, rule cluster.StorageAutoscaling) diagnosis {
	d.urgent = true
	if s.Node.Volume.SizeGiB >= cluster.MostVolumeGiB {
		return d.advised(hasAllThereIs, s.Node.Volume.SizeGiB, freeSpace)
	}
	return d.advised("Storage autoscaling (%s) has let it grow as far as it may. Either allow more (millrace storage autoscale %s --target %d --max %d), or %s",
		rule, s.Cluster.Name, rule.TargetPercent, min(cluster.LargerGiB(s.Node.Volume.SizeGiB), cluster.MostVolumeGiB), freeSpace)
}

// manyGrowths is how many growths have to fail in a row for people to be told: what keeps one from its end may go by.
const manyGrowths = 2

// growsNot tells people that a volume is to grow by itself and does not come to it: growths fail, or its host does not find the room
// that it was given. It is false when neither is so.
func (s sight) growsNot(d diagnosis) (diagnosis, bool) {
	if v, given := s.unfoundRoom(); given {
		d.urgent = true
		return d.advised("Volume %s has %d GiB since %s, and host %s does not find the room on it. End that host: one that has ended is "+
			"replaced, and the next one finds it. Meanwhile %s",
			s.Node.Volume.ID, s.Node.Volume.SizeGiB, clock(v.DoneAt), s.Node.Host.ID, freeSpace), true
	}
	failed := cluster.FailedGrowths(s.Growths)
	if len(failed) < manyGrowths {
		return d, false
	}
	last, why := failed[len(failed)-1], "nobody has said why"
	if last.Failure != nil {
		why = last.Failure.Message
	}
	d.urgent = true
	return d.advised("The last %d growths of the cluster's volumes have failed, the latest at %s: %s. They are tried again and again. See with "+
		"millrace storage show %s how they fared; meanwhile %s",
		len(failed), clock(last.EndedAt), strings.TrimSuffix(why, "."), s.Cluster.Name, freeSpace), true
}

// unfoundRoom gives the last growth of the node's volume, where its host sees as much of it as before that.
func (s sight) unfoundRoom() (v cluster.VolumeChange, given bool) {
	for _, op := range s.Growths {
		if c, changes := op.Storage.Of(s.Node.ID); changes && c.Done() && c.To.SizeGiB > c.From.SizeGiB {
			v = c
		}
	}
	seen := s.Beat.Disk
	return v, v.Done() && seen != nil && seen.TotalBytes > 0 && seen.TotalBytes == v.RoomBytes && s.now.Sub(v.DoneAt) >= s.t.RoomUnfound
}

// isWell: nothing is the matter, but for a volume that fills and does not grow.
func (s sight) isWell() diagnosis {
	rule := s.ruleOfGrowth()
	if rule == nil || s.Beat == nil || !s.Beat.DiskNearlyFull() {
		return s.found(cluster.Well, "")
	}
	size := s.Node.Volume.SizeGiB
	if size >= rule.MaxGiB {
		return s.atMaximum(s.found(cluster.Well, "the log volume of %d GiB is nearly full, and has all that storage autoscaling may give it", size), *rule)
	}
	if d, told := s.growsNot(s.found(cluster.Well, "the log volume of %d GiB is nearly full, and does not grow", size)); told {
		return d
	}
	return s.found(cluster.Well, "")
}
