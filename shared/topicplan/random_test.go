package topicplan_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/topicplan"
)

// Whatever is declared and whatever is there: what a plan does makes it so, no order of anything matters, and nobody loses a topic or
// a record without having said so.
func TestPlan_HoldsToItsRulesWhateverIsThere(t *testing.T) {
	applied := 0
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 6))
		in := anything(r)
		plan := topicplan.Plan(in)
		if shuffled := topicplan.Plan(shuffle(r, in)); told(shuffled) != told(plan) {
			t.Errorf("seed %d: another order gives another plan:\n%s\nand\n%s", seed, told(plan), told(shuffled))
		}
		checkOrder(t, plan)
		checkPermits(t, in, plan)
		after := apply(in, plan)
		checkRecords(t, in, plan, after)
		if len(plan.Refused()) == 0 {
			applied++
			checkDone(t, in, after)
		}
		if t.Failed() {
			t.Fatalf("seed %d: %+v\n%s", seed, in, told(plan))
		}
	}
	if applied < 100 {
		t.Errorf("only %d plans could be applied: the test tries too little", applied)
	}
}

var names = []string{"a", "b", "b.c", "b_c", "d", "__consumer_offsets"}

// anything is an input of small numbers, so that everything meets everything.
func anything(r *rand.Rand) topicplan.Input {
	in := topicplan.Input{Brokers: 3, Defaults: anyConfigs(r, true), MaxReplicasPerBroker: []int{0, 0, 20}[r.IntN(3)]}
	for _, name := range names {
		if r.IntN(2) == 0 && name != "__consumer_offsets" {
			in.Declared = append(in.Declared, anyTopic(r, name))
		}
		if r.IntN(2) == 0 {
			in.Previous = append(in.Previous, anyTopic(r, name))
		}
		if r.IntN(3) > 0 {
			topic := observed(name, 1+r.IntN(3), anyConfigs(r, false))
			topic.Inherited = in.Defaults
			if d := (cluster.Declaration{Topics: in.Declared}); r.IntN(2) == 0 {
				if declared, ok := d.Topic(name); ok { // as it is declared, more or less
					topic = observed(name, max(1, declared.Partitions-r.IntN(2)), maps.Clone(declared.Configs))
					topic.Inherited = in.Defaults
				}
			}
			in.Observed = append(in.Observed, topic)
		}
		if r.IntN(4) == 0 {
			in.Permits.Delete = append(in.Permits.Delete, name)
		}
		if r.IntN(3) == 0 {
			in.Permits.Discard = append(in.Permits.Discard, name)
		}
	}
	return in
}

func anyTopic(r *rand.Rand, name string) cluster.DeclaredTopic {
	d := declared(name, 1+r.IntN(4), anyConfigs(r, false))
	d.Protected = r.IntN(3) == 0
	if r.IntN(8) == 0 {
		d.ReplicationFactor = 1 + r.IntN(4)
	}
	return d
}

// values are what properties can have, as people and as Kafka write them.
var values = map[string][]string{
	"cleanup.policy":                 {"delete", "compact", "compact,delete", "delete, compact"},
	"retention.ms":                   {"-1", "0", "5", " 10", "1000"},
	"retention.bytes":                {"-1", "100", "+200"},
	"min.compaction.lag.ms":          {"0", "5", "1000"},
	"min.insync.replicas":            {"1", "2", "3"},
	"unclean.leader.election.enable": {"false", "true", "True"},
	"segment.ms":                     {"7", "8"},
}

func anyConfigs(r *rand.Rand, all bool) configs {
	c := configs{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if all || r.IntN(5) == 0 {
			c[name] = values[name][r.IntN(len(values[name]))]
		}
	}
	return c
}

func shuffle(r *rand.Rand, in topicplan.Input) topicplan.Input {
	in.Declared, in.Previous, in.Observed = mixed(r, in.Declared), mixed(r, in.Previous), mixed(r, in.Observed)
	in.Permits.Delete, in.Permits.Discard = mixed(r, in.Permits.Delete), mixed(r, in.Permits.Discard)
	return in
}

func mixed[T any](r *rand.Rand, items []T) []T {
	items = slices.Clone(items)
	r.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
	return items
}

// checkOrder wants topics to be made before anything is taken away.
func checkOrder(t *testing.T, plan cluster.TopicPlan) {
	t.Helper()
	order := []cluster.TopicAction{cluster.CreateTopic, cluster.GrowTopic, cluster.ConfigureTopic, cluster.DeleteTopic, cluster.ReleaseTopic}
	key := func(c cluster.TopicChange) string {
		return fmt.Sprint(slices.Index(order, c.Action), c.Topic)
	}
	if !slices.IsSortedFunc(plan.Changes, func(a, b cluster.TopicChange) int { return strings.Compare(key(a), key(b)) }) {
		t.Error("the changes are out of order")
	}
}

func checkPermits(t *testing.T, in topicplan.Input, plan cluster.TopicPlan) {
	t.Helper()
	d := cluster.Declaration{Topics: in.Declared}
	before := cluster.Declaration{Topics: in.Previous}
	for _, c := range plan.Changes {
		if c.Action != cluster.DeleteTopic || c.Refused != "" {
			continue
		}
		_, isDeclared := d.Topic(c.Topic)
		former, wasDeclared := before.Topic(c.Topic)
		if !slices.Contains(in.Permits.Delete, c.Topic) || isDeclared || !wasDeclared || former.Protected || cluster.IsInternalTopic(c.Topic) {
			t.Errorf("%s is deleted", c.Topic)
		}
	}
}

// apply does what of a plan is not refused, as Kafka would.
func apply(in topicplan.Input, plan cluster.TopicPlan) []cluster.Topic {
	topics := map[string]cluster.Topic{}
	for _, t := range in.Observed {
		topics[t.Name] = t
	}
	for _, c := range plan.Changes {
		if c.Refused != "" {
			continue
		}
		topic, there := topics[c.Topic]
		switch c.Action {
		case cluster.CreateTopic:
			topic = cluster.Topic{Name: c.Topic, Inherited: in.Defaults}
		case cluster.DeleteTopic:
			delete(topics, c.Topic)
			continue
		case cluster.GrowTopic, cluster.ConfigureTopic, cluster.ReleaseTopic:
			if !there {
				continue
			}
		}
		topic.Partitions = slices.Clone(topic.Partitions)
		for len(topic.Partitions) < c.ToPartitions {
			replicas := []int32{1, 2, 3}
			if c.ReplicationFactor > 0 {
				replicas = replicas[:c.ReplicationFactor]
			}
			topic.Partitions = append(topic.Partitions, cluster.Partition{Topic: c.Topic, ID: int32(len(topic.Partitions)), Replicas: replicas})
		}
		topic.Configs = maps.Clone(topic.Configs)
		if topic.Configs == nil {
			topic.Configs = configs{}
		}
		for _, config := range c.Configs {
			if delete(topic.Configs, config.Name); config.To != nil {
				topic.Configs[config.Name] = strings.ReplaceAll(strings.ToLower(*config.To), " ", "") // in Kafka's own way
			}
		}
		topics[c.Topic] = topic
	}
	return slices.Collect(maps.Values(topics))
}

// checkDone wants nothing to be left to do, with and without the same permits.
func checkDone(t *testing.T, in topicplan.Input, after []cluster.Topic) {
	t.Helper()
	next := in
	next.Previous, next.Observed = in.Declared, after
	for range 2 {
		plan := topicplan.Plan(next)
		if len(plan.Changes) > 0 || plan.Unchanged != len(in.Declared) || len(topicplan.Drift(plan)) > 0 {
			t.Errorf("afterwards there is still to be done:\n%s", told(plan))
		}
		next.Permits = cluster.TopicPermits{}
	}
}

// record is something that a topic holds.
type record struct {
	age, bytesAfter int64 // how old it is, and how much came after it
	superseded      bool  // a later record has its key
}

// checkRecords asks of some records whether each topic that kept them still does.
func checkRecords(t *testing.T, in topicplan.Input, plan cluster.TopicPlan, after []cluster.Topic) {
	t.Helper()
	for _, before := range in.Observed {
		i := slices.IndexFunc(after, func(t cluster.Topic) bool { return t.Name == before.Name })
		if i < 0 || slices.Contains(in.Permits.Discard, before.Name) {
			continue // whether it may be deleted is another question
		}
		for _, age := range []int64{0, 4, 7, 500, 1 << 40} {
			for _, bytesAfter := range []int64{0, 150, 1 << 40} {
				for _, superseded := range []bool{false, true} {
					r := record{age, bytesAfter, superseded}
					if keeps(before, r) && !keeps(after[i], r) {
						t.Errorf("%s loses %+v", before.Name, r)
					}
				}
			}
		}
		if before, _ := before.Config("unclean.leader.election.enable"); strings.EqualFold(before, "false") {
			if now, _ := after[i].Config("unclean.leader.election.enable"); strings.EqualFold(now, "true") {
				t.Errorf("%s may be led by a replica that lacks records", after[i].Name)
			}
		}
	}
}

// keeps tells whether a topic is sure to keep a record.
func keeps(t cluster.Topic, r record) bool {
	policy, _ := t.Config("cleanup.policy")
	if strings.Contains(policy, "delete") {
		if ms := number(t, "retention.ms"); ms >= 0 && r.age > ms {
			return false
		}
		if bytes := number(t, "retention.bytes"); bytes >= 0 && r.bytesAfter > bytes {
			return false
		}
	}
	return !strings.Contains(policy, "compact") || !r.superseded || r.age < number(t, "min.compaction.lag.ms")
}

func number(t cluster.Topic, name string) int64 {
	value, _ := t.Config(name)
	n, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
	return n
}
