package topicplan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/topicplan"
)

// inherited is what a topic has that sets nothing.
var inherited = map[string]string{
	"cleanup.policy": "delete", "retention.ms": "604800000", "retention.bytes": "-1", "min.insync.replicas": "2",
	"delete.retention.ms": "86400000", "min.compaction.lag.ms": "0", "max.compaction.lag.ms": "9223372036854775807",
	"remote.storage.enable": "false", "unclean.leader.election.enable": "false", "max.message.bytes": "1048588",
}

type configs = map[string]string

// declared is a topic with three replicas.
func declared(name string, partitions int, c configs) cluster.DeclaredTopic {
	return cluster.DeclaredTopic{TopicSpec: cluster.TopicSpec{Name: name, Partitions: partitions, ReplicationFactor: 3, Configs: c}}
}

// observed is a topic on brokers 1, 2 and 3.
func observed(name string, partitions int, c configs) cluster.Topic {
	t := cluster.Topic{Name: name, Configs: c, Inherited: inherited}
	for id := range int32(partitions) {
		t.Partitions = append(t.Partitions, cluster.Partition{Topic: name, ID: id, Leader: 1, Replicas: []int32{1, 2, 3}, InSync: []int32{1, 2, 3}})
	}
	return t
}

// told writes a plan down, a line for each change.
func told(p cluster.TopicPlan) string {
	var lines []string
	for _, c := range p.Changes {
		line := fmt.Sprintf("%s %s", c.Action, c.Topic)
		if c.FromPartitions != c.ToPartitions {
			line += fmt.Sprintf(" %d to %d", c.FromPartitions, c.ToPartitions)
		}
		if c.ReplicationFactor > 0 {
			line += fmt.Sprintf(" by %d", c.ReplicationFactor)
		}
		for _, config := range c.Configs {
			line += fmt.Sprintf(" %s: %s to %s", config.Name, valueOf(config.From), valueOf(config.To))
		}
		for _, w := range c.Warnings {
			line += "; warning: " + w
		}
		if c.Refused != "" {
			line += "; refused: " + c.Refused
		}
		lines = append(lines, line)
	}
	for _, w := range p.Warnings {
		lines = append(lines, "warning: "+w)
	}
	return strings.Join(append(lines, fmt.Sprintf("unchanged: %d", p.Unchanged)), "\n")
}

func valueOf(value *string) string {
	if value == nil {
		return "none"
	}
	return *value
}

func TestPlan(t *testing.T) {
	keyed := "new records of a key may go to another partition than its records so far"
	adopted := "exists already, made by somebody else: from now on it is declared"
	protected := declared("orders", 6, nil)
	protected.Protected = true
	double := declared("orders", 6, nil)
	double.ReplicationFactor = 2
	for _, tt := range []struct {
		name string
		in   topicplan.Input
		want []string
	}{
		{
			"a topic that does not exist is created",
			topicplan.Input{Declared: []cluster.DeclaredTopic{declared("orders", 6, configs{"retention.ms": "1000", "cleanup.policy": "compact"})}},
			[]string{"create orders 0 to 6 by 3 cleanup.policy: none to compact retention.ms: none to 1000", "unchanged: 0"},
		},
		{
			"a topic that is as declared is left alone",
			topicplan.Input{
				Declared: []cluster.DeclaredTopic{protected}, Previous: []cluster.DeclaredTopic{declared("orders", 6, nil)},
				Observed: []cluster.Topic{observed("orders", 6, nil)},
			},
			[]string{"unchanged: 1"},
		},
		{
			"everything else is nobody's business",
			topicplan.Input{Observed: []cluster.Topic{observed("orders", 6, nil), {Name: "__consumer_offsets", Internal: true}}},
			[]string{"unchanged: 0"},
		},
		{
			"partitions are added before what is set on a topic is changed",
			topicplan.Input{
				Declared: []cluster.DeclaredTopic{declared("orders", 9, configs{"max.message.bytes": "1000"})},
				Previous: []cluster.DeclaredTopic{declared("orders", 6, nil)},
				Observed: []cluster.Topic{observed("orders", 6, configs{"min.insync.replicas": "1"})},
			},
			[]string{
				"grow orders 6 to 9; warning: " + keyed,
				"configure orders max.message.bytes: none to 1000 min.insync.replicas: 1 to none",
				"unchanged: 0",
			},
		},
		{
			"partitions are not taken away",
			topicplan.Input{Declared: []cluster.DeclaredTopic{declared("orders", 3, nil)}, Previous: []cluster.DeclaredTopic{declared("orders", 6, nil)}, Observed: []cluster.Topic{observed("orders", 6, nil)}},
			[]string{
				"grow orders 6 to 3; refused: it has 6 partitions, and partitions can't be taken away: declare 6, or make another topic and move to it",
				"unchanged: 0",
			},
		},
		{
			"another replication factor is refused by name",
			topicplan.Input{Declared: []cluster.DeclaredTopic{double}, Previous: []cluster.DeclaredTopic{declared("orders", 6, nil)}, Observed: []cluster.Topic{observed("orders", 6, nil)}},
			[]string{
				"configure orders by 2; warning: " + "min.insync.replicas 2 with replication factor 2: while any broker that has a replica is restarted or replaced, its part of the 6 partitions can't be written with acks=all" +
					"; refused: its replication factor is 3, which stays until partitions can be moved by Millrace: declare 3",
				"unchanged: 0",
			},
		},
		{
			"a topic of somebody else's is adopted",
			topicplan.Input{
				Declared: []cluster.DeclaredTopic{declared("orders", 6, nil), declared("payments", 6, nil), declared("refunds", 6, nil)},
				Observed: []cluster.Topic{observed("orders", 6, nil), observed("payments", 3, nil), observed("refunds", 6, configs{"segment.ms": "5"})},
			},
			[]string{
				"grow payments 3 to 6; warning: " + keyed + "; warning: " + adopted,
				"configure refunds segment.ms: 5 to none; warning: " + adopted,
				"warning: orders: " + adopted,
				"unchanged: 1",
			},
		},
		{
			"a topic that is declared no longer is released",
			topicplan.Input{
				Previous: []cluster.DeclaredTopic{protected, declared("payments", 6, nil), declared("gone", 1, nil)},
				Observed: []cluster.Topic{observed("orders", 6, nil), observed("payments", 6, nil)},
			},
			[]string{"release orders; warning: is protected from deletion no longer", "release payments", "unchanged: 0"},
		},
		{
			"a topic is deleted when somebody has said so",
			topicplan.Input{
				Previous: []cluster.DeclaredTopic{declared("orders", 6, nil), declared("payments", 6, nil)},
				Observed: []cluster.Topic{observed("orders", 6, nil), observed("payments", 6, nil)},
				Permits:  cluster.TopicPermits{Delete: []string{"orders", "typo"}},
			},
			[]string{"delete orders 6 to 0", "release payments", "warning: typo: may be deleted, and does not exist", "unchanged: 0"},
		},
		{
			"what is declared, protected, somebody else's or Kafka's is not deleted",
			topicplan.Input{
				Declared: []cluster.DeclaredTopic{declared("declared", 6, nil)},
				Previous: []cluster.DeclaredTopic{protected, declared("declared", 6, nil)},
				Observed: []cluster.Topic{
					observed("orders", 6, nil), observed("declared", 6, nil), observed("foreign", 6, nil),
					{Name: "__consumer_offsets"},
					{Name: "own", Internal: true},
				},
				Permits: cluster.TopicPermits{Delete: []string{"orders", "declared", "foreign", "__consumer_offsets", "own"}},
			},
			[]string{
				"delete __consumer_offsets; refused: it is Kafka's own: nobody deletes it",
				"delete declared 6 to 0; refused: it is still declared: take it out of what is declared, or out of what may be deleted",
				"delete foreign 6 to 0; refused: it was not declared before: delete it as a topic that nobody declares",
				"delete orders 6 to 0; refused: it is declared as protected: declare it without protection first, and apply that",
				"delete own; refused: it is Kafka's own: nobody deletes it",
				"unchanged: 0",
			},
		},
		{
			"Kafka's own are not declared",
			topicplan.Input{
				Declared: []cluster.DeclaredTopic{declared("__consumer_offsets", 50, nil), declared("__transaction_state", 50, nil)},
				Observed: []cluster.Topic{observed("__consumer_offsets", 50, configs{"cleanup.policy": "compact"})},
			},
			[]string{
				"create __transaction_state 0 to 50 by 3; refused: it is Kafka's own: nobody declares it",
				"configure __consumer_offsets; refused: it is Kafka's own: nobody declares it",
				"unchanged: 0",
			},
		},
		{
			"more replicas than brokers, and a name that Kafka takes for another, are refused",
			topicplan.Input{
				Declared: []cluster.DeclaredTopic{
					{TopicSpec: cluster.TopicSpec{Name: "wide", Partitions: 1, ReplicationFactor: 4}}, declared("a_b", 1, nil),
				},
				Observed: []cluster.Topic{observed("a.b", 1, nil)},
			},
			[]string{
				"create a_b 0 to 1 by 3; refused: Kafka takes its name for the same as that of a.b, which exists: choose another name",
				"create wide 0 to 1 by 4; refused: replication factor 4 needs as many brokers; the cluster has 3",
				"unchanged: 0",
			},
		},
		{
			"what is more than brokers may have is refused, and what fits before it is not",
			topicplan.Input{
				Declared:             []cluster.DeclaredTopic{declared("a", 40, nil), declared("b", 30, nil), declared("c", 50, nil)},
				Previous:             []cluster.DeclaredTopic{declared("c", 20, nil)},
				Observed:             []cluster.Topic{observed("c", 20, nil)},
				MaxReplicasPerBroker: 100,
			},
			[]string{
				"create a 0 to 40 by 3",
				"create b 0 to 30 by 3",
				"grow c 20 to 50; warning: " + keyed + "; refused: a broker would have 120 replicas, and 100 is the most that its instance type may have: use fewer partitions, or larger brokers",
				"unchanged: 0",
			},
		},
		{
			"what moves partitions may throttle them meanwhile",
			topicplan.Input{
				Declared: []cluster.DeclaredTopic{declared("orders", 6, nil)}, Previous: []cluster.DeclaredTopic{declared("orders", 6, nil)},
				Observed: []cluster.Topic{observed("orders", 6, configs{"leader.replication.throttled.replicas": "*", "follower.replication.throttled.replicas": "*"})},
			},
			[]string{"unchanged: 1"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.in.Brokers, tt.in.Defaults = 3, inherited
			if got, want := told(topicplan.Plan(tt.in)), strings.Join(tt.want, "\n"); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestPlan_ComparesValuesAsKafkaDoes(t *testing.T) {
	for _, tt := range []struct {
		declared, set string
		same          bool
	}{
		{"1000", "1000", true},
		{" 1000 ", "1000", true},
		{"+1000", "1000", true},
		{"01000", "1000", true},
		{"1000", "1001", false},
		{"0.50", "0.5", true},
		{"1e3", "1000.0", true},
		{"9223372036854775807", "9223372036854775806", false}, // one to a float
		{"True", "true", true},
		{"TRUE", "false", false},
		{"compact, delete", "compact,delete", true},
		{"delete,compact", "compact,delete", false},
		{"gzip", "GZIP", false}, // Kafka knows it in lower case only
		{"", "", true},
		{"", "0", false},
	} {
		in := topicplan.Input{
			Declared: []cluster.DeclaredTopic{declared("orders", 1, configs{"some.property": tt.declared})},
			Previous: []cluster.DeclaredTopic{declared("orders", 1, nil)},
			Observed: []cluster.Topic{observed("orders", 1, configs{"some.property": tt.set})},
			Brokers:  3,
		}
		if got := topicplan.Plan(in).Unchanged == 1; got != tt.same {
			t.Errorf("declared %q and set %q: taken for the same: %t", tt.declared, tt.set, got)
		}
	}
}

func TestPlan_KeepsRecordsThatNobodyHasGivenUp(t *testing.T) {
	for _, tt := range []struct {
		name          string
		set, declared configs
		lost          string // what the refusal says; empty when nothing is lost
	}{
		{"shorter retention", nil, configs{"retention.ms": "1000"}, "retention.ms goes from 604800000 to 1000"},
		{"shorter retention than was set", configs{"retention.ms": "-1"}, configs{"retention.ms": "1000"}, "retention.ms goes from -1 to 1000"},
		{"back to a shorter retention", configs{"retention.ms": "-1"}, nil, "retention.ms goes from -1 to 604800000"},
		{"longer retention", nil, configs{"retention.ms": "604800001"}, ""},
		{"retention without end", nil, configs{"retention.ms": "-1"}, ""},
		{"back to a longer retention", configs{"retention.ms": "1000"}, nil, ""},
		{"what it has is set", nil, configs{"retention.ms": " 604800000"}, ""},
		{"fewer bytes", nil, configs{"retention.bytes": "1"}, "retention.bytes goes from -1 to 1"},
		{"more bytes", configs{"retention.bytes": "1"}, configs{"retention.bytes": "2"}, ""},
		{"retention that does not hold", configs{"cleanup.policy": "compact"}, configs{"cleanup.policy": "compact", "retention.ms": "1"}, ""},
		{"compaction", nil, configs{"cleanup.policy": "compact,delete"}, "cleanup.policy goes from delete to compact,delete"},
		{"compaction instead", nil, configs{"cleanup.policy": "compact"}, "cleanup.policy goes from delete to compact"},
		{"no compaction any more", configs{"cleanup.policy": "compact, delete"}, nil, ""},
		{"deletion of what was compacted", configs{"cleanup.policy": "compact"}, nil, "cleanup.policy goes from compact to delete"},
		{
			"tombstones for a shorter time",
			configs{"cleanup.policy": "compact"},
			configs{"cleanup.policy": "compact", "delete.retention.ms": "1"},
			"delete.retention.ms goes from 86400000 to 1",
		},
		{"tombstones of a topic that is not compacted", nil, configs{"delete.retention.ms": "1"}, ""},
		{
			"compaction of younger records",
			configs{"cleanup.policy": "compact", "min.compaction.lag.ms": "5"},
			configs{"cleanup.policy": "compact"},
			"min.compaction.lag.ms goes from 5 to 0",
		},
		{
			"compaction before long",
			configs{"cleanup.policy": "compact"},
			configs{"cleanup.policy": "compact", "max.compaction.lag.ms": "5"},
			"max.compaction.lag.ms goes from 9223372036854775807 to 5",
		},
		{"leaders that lack records", nil, configs{"unclean.leader.election.enable": "TRUE"}, "unclean.leader.election.enable goes from false to TRUE"},
		{"none of those any more", configs{"unclean.leader.election.enable": "true"}, nil, ""},
		{"nothing remote any more", configs{"remote.storage.enable": "true"}, nil, "remote.storage.enable goes from true to false"},
		{"remote too", nil, configs{"remote.storage.enable": "true"}, ""},
		{"two at once", nil, configs{"retention.ms": "1", "retention.bytes": "1"}, "retention.bytes goes from -1 to 1, retention.ms goes from 604800000 to 1"},
		{"smaller records from now on", nil, configs{"max.message.bytes": "1"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := topicplan.Input{
				Declared: []cluster.DeclaredTopic{declared("orders", 6, tt.declared)},
				Previous: []cluster.DeclaredTopic{declared("orders", 6, nil)},
				Observed: []cluster.Topic{observed("orders", 6, tt.set)},
				Brokers:  3,
			}
			want := ""
			if tt.lost != "" {
				want = fmt.Sprintf("it may make Kafka throw records away (%s): declare it as it is, or permit that records of orders are discarded", tt.lost)
			}
			for _, permits := range [][]string{nil, {"payments"}} {
				in.Permits.Discard = permits
				if got := topicplan.Plan(in).Changes[0]; got.Refused != want {
					t.Errorf("refused: %q, want %q", got.Refused, want)
				}
			}
			in.Permits.Discard = []string{"orders"}
			got := topicplan.Plan(in).Changes[0]
			warned := slices.Contains(got.Warnings, "may make Kafka throw records away: "+tt.lost)
			if got.Refused != "" || warned != (tt.lost != "") {
				t.Errorf("permitted: %+v", got)
			}
		})
	}
}

func TestPlan_TakesWhatIsUnknownForALoss(t *testing.T) {
	blind := observed("orders", 6, nil)
	blind.Inherited = nil
	in := topicplan.Input{
		Declared: []cluster.DeclaredTopic{declared("orders", 6, configs{"retention.ms": "1000"})},
		Observed: []cluster.Topic{blind}, Brokers: 3,
	}
	if got := topicplan.Plan(in).Changes[0].Refused; !strings.Contains(got, "retention.ms goes from what nobody knows to 1000") {
		t.Errorf("refused: %q", got)
	}
	blind.Configs, in.Declared[0].Configs = configs{"cleanup.policy": "compact"}, nil
	in.Observed = []cluster.Topic{blind}
	if got := topicplan.Plan(in).Changes[0].Refused; !strings.Contains(got, "cleanup.policy goes from compact to what the cluster has") {
		t.Errorf("refused: %q", got)
	}
}

func TestPlan_RefusesNonsenseWhereRecordsDependOnIt(t *testing.T) {
	in := topicplan.Input{
		Declared: []cluster.DeclaredTopic{declared("orders", 6, configs{"retention.ms": "7d"})},
		Observed: []cluster.Topic{observed("orders", 6, nil)}, Brokers: 3,
		Permits: cluster.TopicPermits{Discard: []string{"orders"}},
	}
	if got := topicplan.Plan(in).Changes[0].Refused; got != `retention.ms takes a whole number, not "7d"` {
		t.Errorf("refused: %q", got)
	}
}

func TestWarnings(t *testing.T) {
	for _, tt := range []struct {
		name               string
		partitions, factor int
		set, inherits      string
		want               string
	}{
		{"three replicas, two of them in sync", 6, 3, "", "2", ""},
		{"one replica", 6, 1, "", "2", "replication factor 1: while a broker is restarted or replaced, its part of the 6 partitions can be neither written nor read, and with its volume their records are gone"},
		{"as many in sync as there are", 1, 2, "", "2", "min.insync.replicas 2 with replication factor 2: while any broker that has a replica is restarted or replaced, its part of the 1 partition can't be written with acks=all"},
		{"more in sync than there are", 6, 3, " 5", "2", "min.insync.replicas 5 with replication factor 3: while any broker that has a replica is restarted or replaced, its part of the 6 partitions can't be written with acks=all"},
		{"fewer than are inherited", 6, 2, "1", "2", ""},
		{"nobody knows", 6, 2, "", "", ""},
		{"nonsense, which Kafka refuses", 6, 2, "two", "2", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec := cluster.TopicSpec{Name: "orders", Partitions: tt.partitions, ReplicationFactor: tt.factor, Configs: configs{}}
			inherits := configs{}
			if tt.set != "" {
				spec.Configs["min.insync.replicas"] = tt.set
			}
			if tt.inherits != "" {
				inherits["min.insync.replicas"] = tt.inherits
			}
			if got := strings.Join(topicplan.Warnings(spec, inherits), "\n"); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDrift_SaysOfEachTopicHowItDiffers(t *testing.T) {
	all := []cluster.DeclaredTopic{
		declared("configured", 6, configs{"retention.ms": "5", "segment.ms": "6"}), declared("gone", 6, nil), declared("grown", 6, nil),
		declared("moved", 6, nil), declared("same", 6, nil),
	}
	moved := observed("moved", 3, nil)
	for i := range moved.Partitions {
		moved.Partitions[i].Replicas = []int32{1, 2}
	}
	plan := topicplan.Plan(topicplan.Input{
		Declared: all, Previous: all, Brokers: 3, Defaults: inherited,
		Observed: []cluster.Topic{
			observed("configured", 6, configs{"retention.ms": "7", "max.message.bytes": "8"}), observed("grown", 9, nil), moved, observed("same", 6, nil),
			observed("foreign", 1, nil),
		},
	})
	want := []cluster.DriftedTopic{
		{Topic: "configured", Reason: "max.message.bytes is set to 8, and not declared, retention.ms is 7, not 5, segment.ms is not set, and declared as 6"},
		{Topic: "gone", Reason: "does not exist"},
		{Topic: "grown", Reason: "has 9 partitions, not 6"},
		{Topic: "moved", Reason: "has 3 partitions, not 6, has another replication factor than 3"},
	}
	if got := topicplan.Drift(plan); !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestMaxReplicas_IsMSKsLimit(t *testing.T) {
	for instanceType, want := range map[string]int{
		"kafka.t3.small": 300, "kafka.m7g.large": 1500, "kafka.m5.xlarge": 1500, "kafka.m7g.2xlarge": 3000, "kafka.m5.24xlarge": 6000,
		"express.m7g.large": 1500, "express.m7g.16xlarge": 32000, "": 0, "large": 0, "kafka.m9.huge": 0,
	} {
		if got := topicplan.MaxReplicas(instanceType); got != want {
			t.Errorf("%s: %d, want %d", instanceType, got, want)
		}
	}
}
