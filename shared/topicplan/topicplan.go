// Package topicplan decides what has to be done so that a cluster's topics are as they are declared: it compares what people
// have written with what brokers say, and refuses what would cost records that nobody has given up. It asks and changes nothing
// itself. DESIGN.md says why it decides as it does.
package topicplan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/shared/cluster"
)

// Input is everything that a plan is made of. The order of its lists means nothing.
type Input struct {
	Declared []cluster.DeclaredTopic
	// Previous are the topics that were declared so far: what is no longer declared is released, or deleted with a permit. See
	// [cluster.Declaration.DeclaredSoFar].
	Previous []cluster.DeclaredTopic
	// Observed are all topics of the cluster; those that Concerned names have their Configs and Inherited.
	Observed []cluster.Topic
	// Defaults are what a new topic inherits, by the names of a topic's properties.
	Defaults map[string]string
	// Brokers is how many the cluster has, whether they run or not.
	Brokers int
	// MaxReplicasPerBroker is how many replicas a broker may have; 0 is no limit.
	MaxReplicasPerBroker int
	Permits              cluster.TopicPermits
}

// Concerned are the names of the topics that have to be described for a plan, sorted.
func Concerned(declared, previous []cluster.DeclaredTopic, permits cluster.TopicPermits) []string {
	names := slices.Clone(permits.Delete)
	for _, t := range slices.Concat(declared, previous) {
		names = append(names, t.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Plan decides what has to be done, in the order in which it is to be done: topics are created, grown, configured, deleted and
// released; by name among those. What can't be done is among the changes with the reason, and then nothing of the plan may be done.
//
// It promises that no topic is deleted, and nothing is done that makes Kafka throw records away, without a permit that names the
// topic.
func Plan(in Input) cluster.TopicPlan {
	p := &planner{
		in:       in,
		observed: byName(in.Observed, func(t cluster.Topic) string { return t.Name }),
		alike:    byName(in.Observed, func(t cluster.Topic) string { return metricName(t.Name) }),
		declared: byName(in.Declared, nameOf),
		previous: byName(in.Previous, nameOf),
		plan:     cluster.TopicPlan{Changes: []cluster.TopicChange{}},
	}
	for _, name := range slices.Sorted(maps.Keys(p.declared)) {
		p.planDeclared(p.declared[name])
	}
	for _, name := range Concerned(nil, in.Previous, in.Permits) {
		p.planFormer(name)
	}
	slices.SortStableFunc(p.plan.Changes, func(a, b cluster.TopicChange) int {
		return cmp.Or(cmp.Compare(order(a.Action), order(b.Action)), cmp.Compare(a.Topic, b.Topic))
	})
	p.refuseOverfull()
	slices.Sort(p.plan.Warnings)
	return p.plan
}

func nameOf(t cluster.DeclaredTopic) string { return t.Name }

func byName[T any](items []T, name func(T) string) map[string]T {
	index := make(map[string]T, len(items))
	for _, item := range items {
		index[name(item)] = item
	}
	return index
}

func order(a cluster.TopicAction) int {
	return slices.Index([]cluster.TopicAction{
		cluster.CreateTopic, cluster.GrowTopic, cluster.ConfigureTopic, cluster.DeleteTopic, cluster.ReleaseTopic,
	}, a)
}

type planner struct {
	in                 Input
	observed           map[string]cluster.Topic
	alike              map[string]cluster.Topic // by metricName
	declared, previous map[string]cluster.DeclaredTopic
	plan               cluster.TopicPlan
}

func (p *planner) add(c cluster.TopicChange) { p.plan.Changes = append(p.plan.Changes, c) }

func (p *planner) warn(topic string, warnings ...string) {
	for _, w := range warnings {
		p.plan.Warnings = append(p.plan.Warnings, topic+": "+w)
	}
}

// planDeclared plans what makes a topic as it is declared.
func (p *planner) planDeclared(d cluster.DeclaredTopic) {
	if slices.Contains(p.in.Permits.Delete, d.Name) {
		p.add(cluster.TopicChange{
			Topic: d.Name, Action: cluster.DeleteTopic, FromPartitions: len(p.observed[d.Name].Partitions),
			Refused: "it is still declared: take it out of what is declared, or out of what may be deleted",
		})
		return
	}
	t, exists := p.observed[d.Name]
	if !exists {
		p.add(p.create(d))
		return
	}
	grow, grows := growth(d, t)
	configure, configures := p.configuration(d, t)
	if isOwn := t.Internal || cluster.IsInternalTopic(d.Name); isOwn {
		p.add(cluster.TopicChange{Topic: d.Name, Action: cluster.ConfigureTopic, Refused: internal})
		return
	}
	warnings := Warnings(d.TopicSpec, t.Inherited)
	if _, known := p.previous[d.Name]; !known {
		warnings = append([]string{adopted}, warnings...)
	}
	switch {
	case configures:
		configure.Warnings = append(configure.Warnings, warnings...)
	case grows:
		grow.Warnings = append(grow.Warnings, warnings...)
	default:
		p.plan.Unchanged++
		p.warn(d.Name, warnings...)
		return
	}
	if grows {
		p.add(grow)
	}
	if configures {
		p.add(configure)
	}
}

const (
	internal = "it is Kafka's own: nobody declares it"
	adopted  = "exists already, made by somebody else: from now on it is declared"
)

func (p *planner) create(d cluster.DeclaredTopic) cluster.TopicChange {
	c := cluster.TopicChange{
		Topic: d.Name, Action: cluster.CreateTopic, ToPartitions: d.Partitions, ReplicationFactor: d.ReplicationFactor,
		Warnings: Warnings(d.TopicSpec, p.in.Defaults),
	}
	for _, name := range slices.Sorted(maps.Keys(d.Configs)) {
		value := d.Configs[name]
		c.Configs = append(c.Configs, cluster.ConfigChange{Name: name, To: &value})
	}
	switch other, taken := p.alike[metricName(d.Name)]; {
	case cluster.IsInternalTopic(d.Name):
		c.Refused = internal
	case d.ReplicationFactor > p.in.Brokers:
		c.Refused = fmt.Sprintf("replication factor %d needs as many brokers; the cluster has %d", d.ReplicationFactor, p.in.Brokers)
	case taken:
		c.Refused = fmt.Sprintf("Kafka takes its name for the same as that of %s, which exists: choose another name", other.Name)
	}
	return c
}

// metricName is what Kafka tells topics apart by: its metrics are named with "_" where a topic has ".".
func metricName(topic string) string { return strings.ReplaceAll(topic, ".", "_") }

func growth(d cluster.DeclaredTopic, t cluster.Topic) (c cluster.TopicChange, differs bool) {
	has := len(t.Partitions)
	if has == d.Partitions {
		return c, false
	}
	c = cluster.TopicChange{Topic: d.Name, Action: cluster.GrowTopic, FromPartitions: has, ToPartitions: d.Partitions}
	if d.Partitions < has {
		c.Refused = fmt.Sprintf("it has %d partitions, and partitions can't be taken away: declare %d, or make another topic and move to it", has, has)
		return c, true
	}
	c.Warnings = []string{"new records of a key may go to another partition than its records so far"}
	return c, true
}

// configuration plans what is set on a topic, and finds that a replication factor differs.
func (p *planner) configuration(d cluster.DeclaredTopic, t cluster.Topic) (c cluster.TopicChange, differs bool) {
	c = cluster.TopicChange{Topic: d.Name, Action: cluster.ConfigureTopic, Configs: ConfigChanges(t.Configs, d.Configs)}
	var refused []string
	if has := t.ReplicationFactor(); has != d.ReplicationFactor {
		c.ReplicationFactor = d.ReplicationFactor
		refused = append(refused, fmt.Sprintf(
			"its replication factor is %d, which stays until partitions can be moved by Millrace: declare %d", has, has))
	}
	if len(c.Configs) == 0 && len(refused) == 0 {
		return c, false
	}
	lost, malformed := discards(t, c.Configs)
	refused = append(refused, malformed...)
	switch {
	case len(lost) == 0:
	case slices.Contains(p.in.Permits.Discard, d.Name):
		c.Warnings = []string{MayDiscard(lost)}
	default:
		refused = append(refused, fmt.Sprintf(
			"it may make Kafka throw records away (%s): declare it as it is, or permit that records of %s are discarded",
			strings.Join(lost, ", "), d.Name))
	}
	c.Refused = strings.Join(refused, "; ")
	return c, true
}

// MayDiscard warns of what makes Kafka throw records away.
func MayDiscard(lost []string) string {
	return "may make Kafka throw records away: " + strings.Join(lost, ", ")
}

// planFormer plans what becomes of a topic that is no longer declared, or that somebody wants to be deleted.
func (p *planner) planFormer(name string) {
	if _, declared := p.declared[name]; declared {
		return
	}
	wanted := slices.Contains(p.in.Permits.Delete, name)
	t, exists := p.observed[name]
	former, known := p.previous[name]
	switch {
	case !exists && wanted:
		p.warn(name, "may be deleted, and does not exist")
	case !exists:
	case !wanted:
		c := cluster.TopicChange{Topic: name, Action: cluster.ReleaseTopic}
		if former.Protected {
			c.Warnings = []string{"is protected from deletion no longer"}
		}
		p.add(c)
	default:
		c := cluster.TopicChange{Topic: name, Action: cluster.DeleteTopic, FromPartitions: len(t.Partitions)}
		switch {
		case t.Internal || cluster.IsInternalTopic(name):
			c.Refused = "it is Kafka's own: nobody deletes it"
		case !known:
			c.Refused = "it was not declared before: delete it as a topic that nobody declares"
		case former.Protected:
			c.Refused = "it is declared as protected: declare it without protection first, and apply that"
		}
		p.add(c)
	}
}

// refuseOverfull refuses what gives a broker more replicas than it may have: the first change that does, and every later one that
// needs room.
func (p *planner) refuseOverfull() {
	most, added := mostReplicas(p.in.Observed), 0
	for i, c := range p.plan.Changes {
		if c.Refused != "" || c.Action != cluster.CreateTopic && c.Action != cluster.GrowTopic {
			continue
		}
		factor := c.ReplicationFactor
		if t, exists := p.observed[c.Topic]; exists {
			factor = t.ReplicationFactor()
		}
		added += (c.ToPartitions - c.FromPartitions) * factor
		p.plan.Changes[i].Refused = overfull(most, p.in.Brokers, p.in.MaxReplicasPerBroker, added)
	}
}

// Overfull says why a cluster has no room for so many replicas more; empty when it has. Kafka spreads the replicas of a topic
// evenly; those that are there already may lie as they like.
func Overfull(observed []cluster.Topic, brokers, limit, added int) string {
	return overfull(mostReplicas(observed), brokers, limit, added)
}

func overfull(most, brokers, limit, added int) string {
	if limit == 0 || brokers == 0 {
		return ""
	}
	if would := most + (added+brokers-1)/brokers; would > limit {
		return fmt.Sprintf(
			"a broker would have %d replicas, and %d is the most that its instance type may have: use fewer partitions, or larger brokers",
			would, limit)
	}
	return ""
}

// mostReplicas counts those of the broker that has most.
func mostReplicas(observed []cluster.Topic) int {
	has := map[int32]int{}
	most := 0
	for _, t := range observed {
		for _, partition := range t.Partitions {
			for _, id := range partition.Replicas {
				has[id]++
				most = max(most, has[id])
			}
		}
	}
	return most
}

// Drift tells of each topic that is not as declared how it differs, by name.
func Drift(plan cluster.TopicPlan) []cluster.DriftedTopic {
	reasons := map[string][]string{}
	for _, c := range plan.Changes {
		if c.Action == cluster.DeleteTopic || c.Action == cluster.ReleaseTopic {
			continue
		}
		reasons[c.Topic] = append(reasons[c.Topic], differences(c)...)
	}
	drifted := make([]cluster.DriftedTopic, 0, len(reasons))
	for _, name := range slices.Sorted(maps.Keys(reasons)) {
		drifted = append(drifted, cluster.DriftedTopic{Topic: name, Reason: strings.Join(reasons[name], ", ")})
	}
	return drifted
}

func differences(c cluster.TopicChange) []string {
	switch c.Action {
	case cluster.CreateTopic:
		return []string{"does not exist"}
	case cluster.GrowTopic:
		return []string{fmt.Sprintf("has %d partitions, not %d", c.FromPartitions, c.ToPartitions)}
	default:
	}
	var differ []string
	if c.ReplicationFactor > 0 {
		differ = append(differ, fmt.Sprintf("has another replication factor than %d", c.ReplicationFactor))
	}
	for _, config := range c.Configs {
		switch {
		case config.To == nil:
			differ = append(differ, fmt.Sprintf("%s is set to %s, and not declared", config.Name, *config.From))
		case config.From == nil:
			differ = append(differ, fmt.Sprintf("%s is not set, and declared as %s", config.Name, *config.To))
		default:
			differ = append(differ, fmt.Sprintf("%s is %s, not %s", config.Name, *config.From, *config.To))
		}
	}
	if len(differ) == 0 {
		return []string{c.Refused}
	}
	return differ
}
