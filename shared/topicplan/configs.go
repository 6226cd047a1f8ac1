package topicplan

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/shared/cluster"
)

// throttles are set by whoever moves partitions, for as long as that takes: they are nobody's wish for the topic.
var throttles = []string{"leader.replication.throttled.replicas", "follower.replication.throttled.replicas"}

// ConfigChanges are what makes all properties that are set on a topic those that are wanted, by name.
func ConfigChanges(set, wanted map[string]string) []cluster.ConfigChange {
	names := slices.AppendSeq(slices.Collect(maps.Keys(wanted)), maps.Keys(set))
	slices.Sort(names)
	var changes []cluster.ConfigChange
	for _, name := range slices.Compact(names) {
		from, isSet := set[name]
		to, isWanted := wanted[name]
		if isSet && isWanted && cluster.SameConfig(from, to) || !isWanted && slices.Contains(throttles, name) {
			continue
		}
		change := cluster.ConfigChange{Name: name}
		if isSet {
			change.From = &from
		}
		if isWanted {
			change.To = &to
		}
		changes = append(changes, change)
	}
	return changes
}

// list are the members of a property such as cleanup.policy.
func list(value string) []string {
	members := strings.Split(strings.TrimSpace(value), ",")
	for i, m := range members {
		members[i] = strings.TrimSpace(m)
	}
	return members
}

// Discards says which changes of a topic's configuration may make Kafka throw away records that it would keep without them. What
// is malformed is not among them: Kafka refuses it.
func Discards(t cluster.Topic, changes []cluster.ConfigChange) []string {
	lost, _ := discards(t, changes)
	return lost
}

// discards says which changes of a topic's configuration may make Kafka throw away records that it would keep without them, and
// which are malformed, so that nobody can tell. What is unknown counts as a loss.
//
// It is about what holds for the topic before and after: setting what it has inherited so far costs nothing.
func discards(t cluster.Topic, changes []cluster.ConfigChange) (lost, malformed []string) {
	changed := map[string]cluster.ConfigChange{}
	for _, c := range changes {
		changed[c.Name] = c
	}
	before := t.Config
	after := func(name string) (string, bool) {
		c, ok := changed[name]
		switch {
		case !ok:
			return t.Config(name)
		case c.To != nil:
			return *c.To, true
		default:
			value, known := t.Inherited[name]
			return value, known
		}
	}
	policy, known := after("cleanup.policy")
	deletes := !known || slices.Contains(list(policy), "delete")
	compacts := !known || slices.Contains(list(policy), "compact")
	for _, c := range changes {
		from, fromKnown := before(c.Name)
		to, toKnown := after(c.Name)
		unknown := !fromKnown || !toKnown
		if !unknown && cluster.SameConfig(from, to) {
			continue
		}
		costs := false
		switch c.Name {
		case "retention.ms", "retention.bytes":
			costs = deletes
		case "delete.retention.ms", "min.compaction.lag.ms", "max.compaction.lag.ms":
			costs = compacts
		case "cleanup.policy":
			if unknown || adds(from, to) {
				lost = append(lost, told(c.Name, from, fromKnown, to, toKnown))
			}
			continue
		case "remote.storage.enable":
			if unknown || cluster.SameConfig(from, "true") {
				lost = append(lost, told(c.Name, from, fromKnown, to, toKnown))
			}
			continue
		case "unclean.leader.election.enable":
			if unknown || cluster.SameConfig(to, "true") {
				lost = append(lost, told(c.Name, from, fromKnown, to, toKnown))
			}
			continue
		default:
			continue
		}
		if toKnown {
			if _, err := bound(to); err != nil {
				malformed = append(malformed, fmt.Sprintf("%s takes a whole number, not %q", c.Name, to))
				continue
			}
		}
		if costs && (unknown || lower(from, to)) {
			lost = append(lost, told(c.Name, from, fromKnown, to, toKnown))
		}
	}
	return lost, malformed
}

// adds tells whether a cleanup policy has something that another has not.
func adds(from, to string) bool {
	return slices.ContainsFunc(list(to), func(policy string) bool { return !slices.Contains(list(from), policy) })
}

// lower tells whether a bound on what is kept is lower than another; what can't be read counts as lower.
func lower(from, to string) bool {
	a, errA := bound(from)
	b, errB := bound(to)
	return errA != nil || errB != nil || b < a
}

// bound reads a bound. A negative one is none at all.
func bound(value string) (uint64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
	if n < 0 {
		return 1 << 63, err
	}
	return uint64(n), err
}

func told(name, from string, fromKnown bool, to string, toKnown bool) string {
	if !fromKnown {
		from = "what nobody knows"
	}
	if !toKnown {
		to = "what the cluster has"
	}
	return fmt.Sprintf("%s goes from %s to %s", name, from, to)
}

// Warnings says of a topic what people may not expect of it: what it costs when brokers are restarted or replaced, which happens
// to every broker in turn. inherited are what it has where it sets nothing; what is not known is not warned of.
func Warnings(spec cluster.TopicSpec, inherited map[string]string) []string {
	if spec.ReplicationFactor == 1 {
		return []string{fmt.Sprintf(
			"replication factor 1: while a broker is restarted or replaced, its part of the %s can be neither written nor read, and with its volume their records are gone",
			count(spec.Partitions, "partition"))}
	}
	value, known := spec.Configs["min.insync.replicas"]
	if !known {
		value, known = inherited["min.insync.replicas"]
	}
	minimum, err := strconv.Atoi(strings.TrimSpace(value))
	if !known || err != nil || minimum < spec.ReplicationFactor {
		return nil
	}
	// Kafka asks for no more replicas than there are.
	return []string{fmt.Sprintf(
		"min.insync.replicas %d with replication factor %d: while any broker that has a replica is restarted or replaced, its part of the %s can't be written with acks=all",
		minimum, spec.ReplicationFactor, count(spec.Partitions, "partition"))}
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
