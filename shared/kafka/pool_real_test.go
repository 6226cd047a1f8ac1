package kafka_test

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/IBM/sarama"

	"github.com/millrace/millrace/shared/brokerconfig"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/kafka"
)

// What the pool does to topics is what a real broker does, by certificate and by password, and so is what that refuses. The oldest
// and the newest release stand for all.
func TestPool_OfARealBroker(t *testing.T) {
	for _, tt := range []struct {
		name, release string
		inCluster     bool
	}{
		{"by certificate", "4.4.0", true},
		{"by password", "3.9.1", false},
	} {
		t.Run(tt.release+" "+tt.name, func(t *testing.T) {
			access, clients := startABroker(t, tt.release, tt.inCluster)
			pool := kafka.NewPool()
			t.Cleanup(func() { pool.Close() })
			ctx := t.Context()
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			names := func() []string {
				t.Helper()
				topics, err := pool.Topics(ctx, access)
				must(err)
				var names []string
				for _, topic := range topics {
					names = append(names, topic.Name)
				}
				return names
			}
			partition := func(topic string, id int32, minInSync int) cluster.Partition {
				return cluster.Partition{Topic: topic, ID: id, Leader: 1, Replicas: []int32{1}, InSync: []int32{1}, MinInSync: minInSync}
			}

			defaults, err := pool.Defaults(ctx, access)
			must(err)
			if defaults["retention.ms"] != "604800000" || defaults["cleanup.policy"] != "delete" || defaults["min.insync.replicas"] != "1" {
				t.Errorf("by default, a topic has %v", defaults)
			}

			// Nothing is set on it: it has the defaults.
			plain := cluster.TopicSpec{Name: "a..b", Partitions: 2, ReplicationFactor: 1}
			must(pool.CreateTopic(ctx, access, plain, true))
			if got := names(); got != nil {
				t.Errorf("asking whether Kafka would has made %v", got)
			}
			must(pool.CreateTopic(ctx, access, plain, false))
			got, err := pool.Topic(ctx, access, "a..b")
			must(err)
			want := cluster.Topic{
				Name: "a..b", Configs: map[string]string{}, Inherited: got.Inherited,
				Partitions: []cluster.Partition{partition("a..b", 0, 1), partition("a..b", 1, 1)},
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%+v\nwant %+v", got, want)
			}
			for name, value := range got.Inherited {
				if defaults[name] != value {
					t.Errorf("by default, a topic has %s %q, and this one has %q", name, defaults[name], value)
				}
			}

			// Everything is set on it that can be: what it would inherit stays the same.
			all := map[string]string{}
			for name := range got.Inherited {
				switch value := got.Inherited[name]; {
				case strings.HasSuffix(name, "throttled.replicas"):
					all[name] = "*"
				case name == "cleanup.policy":
					all[name] = " delete"
				case strings.HasPrefix(name, "remote.") || strings.HasPrefix(name, "local.") || strings.HasPrefix(name, "errors.") || strings.HasPrefix(name, "internal.") || name == "message.format.version":
				case value == "false" || value == "true":
					all[name] = strings.ToUpper(value)
				default:
					all[name] = value
				}
			}
			all["retention.ms"], all["segment.ms"], all["segment.jitter.ms"], all["min.insync.replicas"] = "86400000", "43200000", "1000", "2"
			must(pool.CreateTopic(ctx, access, cluster.TopicSpec{Name: "orders", Partitions: 1, ReplicationFactor: 1, Configs: all}, false))
			full, err := pool.Topic(ctx, access, "orders")
			must(err)
			if !maps.Equal(full.Inherited, got.Inherited) {
				for name, value := range got.Inherited {
					if full.Inherited[name] != value {
						t.Errorf("were it not set, %s would be %q, and is said to be %q", name, value, full.Inherited[name])
					}
				}
			}
			if len(full.Configs) != len(all) || full.Configs["retention.ms"] != "86400000" || full.Partitions[0].MinInSync != 2 {
				t.Errorf("%d of %d are set: %v", len(full.Configs), len(all), full.Configs)
			}
			if got := names(); !slices.Equal(got, []string{"a..b", "orders"}) {
				t.Errorf("there is %v", got)
			}
			both, err := pool.DescribeTopics(ctx, access, []string{"orders", "nobody", "..", "a..b"})
			if err != nil || len(both) != 2 || !reflect.DeepEqual(both[0], got) || !reflect.DeepEqual(both[1], full) {
				t.Errorf("%+v, %v", both, err)
			}

			for _, no := range []struct {
				what string
				err  error
				code fault.Code
				name string
			}{
				{"exists", pool.CreateTopic(ctx, access, plain, false), fault.Conflict, "TOPIC_ALREADY_EXISTS"},
				{"exists, only asked", pool.CreateTopic(ctx, access, plain, true), fault.Conflict, "TOPIC_ALREADY_EXISTS"},
				{"a name of dots", pool.CreateTopic(ctx, access, spec("..", 1, 1), false), fault.Invalid, "INVALID_TOPIC_EXCEPTION"},
				{"a long name", pool.CreateTopic(ctx, access, spec(strings.Repeat("x", 250), 1, 1), false), fault.Invalid, "INVALID_TOPIC_EXCEPTION"},
				{"a name with a slash", pool.CreateTopic(ctx, access, spec("a/b", 1, 1), false), fault.Invalid, "INVALID_TOPIC_EXCEPTION"},
				{"collides", pool.CreateTopic(ctx, access, spec("a__b", 1, 1), false), fault.Invalid, "INVALID_TOPIC_EXCEPTION"},
				{"no partitions", pool.CreateTopic(ctx, access, spec("p", 0, 1), false), fault.Invalid, "INVALID_PARTITIONS"},
				{"replicas above brokers", pool.CreateTopic(ctx, access, spec("p", 1, 2), false), fault.Invalid, "INVALID_REPLICATION_FACTOR"},
				{"replicas above brokers, only asked", pool.CreateTopic(ctx, access, spec("p", 1, 2), true), fault.Invalid, "INVALID_REPLICATION_FACTOR"},
				{"very many replicas", pool.CreateTopic(ctx, access, spec("p", 1, 70_000), true), fault.Invalid, "INVALID_REPLICATION_FACTOR"},
				{"too many partitions", pool.CreateTopic(ctx, access, spec("p", 1_000_000, 1), true), fault.Invalid, "POLICY_VIOLATION"},
				{"an unknown property", pool.CreateTopic(ctx, access, spec("p", 1, 1, "retention.weeks", "1"), false), fault.Invalid, "INVALID_CONFIG"},
				{"an invalid value", pool.CreateTopic(ctx, access, spec("p", 1, 1, "retention.ms", "a week"), false), fault.Invalid, "INVALID_CONFIG"},
				{"an invalid value, only asked", pool.CreateTopic(ctx, access, spec("p", 1, 1, "retention.ms", "a week"), true), fault.Invalid, "INVALID_CONFIG"},
				{"grow an unknown one", pool.GrowTopic(ctx, access, "nobody", 5, false), fault.NotFound, "UNKNOWN_TOPIC_OR_PARTITION"},
				{"fewer partitions", pool.GrowTopic(ctx, access, "a..b", 1, false), fault.Invalid, "INVALID_PARTITIONS"},
				{"as many partitions", pool.GrowTopic(ctx, access, "a..b", 2, false), fault.Invalid, "INVALID_PARTITIONS"},
				{"fewer partitions, only asked", pool.GrowTopic(ctx, access, "a..b", 1, true), fault.Invalid, "INVALID_PARTITIONS"},
				{"configure an unknown one", pool.ConfigureTopic(ctx, access, "nobody", to("retention.ms", "1"), false), fault.NotFound, "UNKNOWN_TOPIC_OR_PARTITION"},
				{"set an unknown property", pool.ConfigureTopic(ctx, access, "a..b", to("retention.weeks", "1"), false), fault.Invalid, "INVALID_CONFIG"},
				{"set an invalid value", pool.ConfigureTopic(ctx, access, "a..b", to("retention.ms", "a week"), false), fault.Invalid, "INVALID_CONFIG"},
				{"set an invalid value, only asked", pool.ConfigureTopic(ctx, access, "a..b", to("retention.ms", "a week"), true), fault.Invalid, "INVALID_CONFIG"},
				{"delete an unknown one", pool.DeleteTopic(ctx, access, "nobody"), fault.NotFound, "UNKNOWN_TOPIC_OR_PARTITION"},
				{"delete an impossible one", pool.DeleteTopic(ctx, access, ".."), fault.NotFound, "UNKNOWN_TOPIC_OR_PARTITION"},
			} {
				if !fault.Is(no.err, no.code) || fault.ReasonOf(no.err) != no.name {
					t.Errorf("%s: %v (%s %s), want %s %s", no.what, no.err, fault.CodeOf(no.err), fault.ReasonOf(no.err), no.code, no.name)
				}
			}
			if got := names(); !slices.Equal(got, []string{"a..b", "orders"}) {
				t.Errorf("what was refused has left %v", got)
			}

			must(pool.GrowTopic(ctx, access, "a..b", 5, true))
			must(pool.ConfigureTopic(ctx, access, "a..b", to("retention.ms", "1000"), true))
			if again, err := pool.Topic(ctx, access, "a..b"); err != nil || !reflect.DeepEqual(again, got) {
				t.Errorf("asking whether Kafka would has made it %+v, %v", again, err)
			}
			must(pool.GrowTopic(ctx, access, "a..b", 5, false))
			must(pool.ConfigureTopic(ctx, access, "a..b", append(to("retention.ms", "1000"), to("cleanup.policy", "compact, delete")...), false))
			changed, err := pool.Topic(ctx, access, "a..b")
			must(err)
			if len(changed.Partitions) != 5 || !maps.Equal(changed.Configs, map[string]string{"retention.ms": "1000", "cleanup.policy": "compact,delete"}) ||
				!maps.Equal(changed.Inherited, got.Inherited) {
				t.Errorf("%+v", changed)
			}
			must(pool.ConfigureTopic(ctx, access, "a..b", []cluster.ConfigChange{{Name: "retention.ms"}, {Name: "segment.ms"}}, false))
			changed, err = pool.Topic(ctx, access, "a..b")
			must(err)
			if !maps.Equal(changed.Configs, map[string]string{"cleanup.policy": "compact,delete"}) {
				t.Errorf("%+v", changed)
			}
			must(pool.DeleteTopic(ctx, access, "a..b"))
			must(pool.DeleteTopic(ctx, access, "orders"))
			if got := names(); got != nil {
				t.Errorf("deleted, and still there: %v", got)
			}
			_, err = pool.Topic(ctx, access, "orders")
			if !fault.Is(err, fault.NotFound) || fault.ReasonOf(err) != "UNKNOWN_TOPIC_OR_PARTITION" {
				t.Errorf("deleted: %v", err)
			}
			_, err = pool.Topic(ctx, access, "..")
			if !fault.Is(err, fault.Invalid) || fault.ReasonOf(err) != "INVALID_TOPIC_EXCEPTION" {
				t.Errorf("an impossible name: %v", err)
			}

			// Who makes too many partitions at a time is told so at once, and may go on asking.
			limit(t, clients, 0.1)
			until(t, "there are too many", func() bool {
				err = pool.CreateTopic(ctx, access, spec("orders", 100, 1), true)
				return err != nil
			})
			refusedAs(t, err, fault.Unavailable, "THROTTLING_QUOTA_EXCEEDED")
			if got := names(); got != nil {
				t.Errorf("asking whether Kafka would has made %v", got)
			}
		})
	}
}

// limit bounds how many partitions a second the control plane may make.
func limit(t *testing.T, clients string, rate float64) {
	t.Helper()
	config := sarama.NewConfig()
	config.Version = sarama.V3_9_0_0
	admin, err := sarama.NewClusterAdmin([]string{clients}, config)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	err = admin.AlterClientQuotas([]sarama.QuotaEntityComponent{
		{EntityType: sarama.QuotaEntityUser, MatchType: sarama.QuotaMatchExact, Name: brokerconfig.InternalUser},
	}, sarama.ClientQuotasOp{Key: "controller_mutation_rate", Value: rate}, false)
	if err != nil {
		t.Fatal(err)
	}
}

func spec(name string, partitions, factor int, configs ...string) cluster.TopicSpec {
	t := cluster.TopicSpec{Name: name, Partitions: partitions, ReplicationFactor: factor, Configs: map[string]string{}}
	for pair := range slices.Chunk(configs, 2) {
		t.Configs[pair[0]] = pair[1]
	}
	return t
}

func to(name, value string) []cluster.ConfigChange {
	return []cluster.ConfigChange{{Name: name, To: &value}}
}

// Whoever asks another broker, or asks by another program, sees a change as soon as it is made. A broker that hangs does not keep
// anybody from going on.
func TestPool_ChangesOfARealClusterAreKnownToEveryBroker(t *testing.T) {
	access, _, brokers := startBrokers(t, "4.4.0", false, 3)
	pool, ctx := kafka.NewPool(), t.Context()
	t.Cleanup(func() { pool.Close() })
	everybody := func(what string, is func(cluster.Topic, error) bool) {
		t.Helper()
		for _, address := range access.Brokers {
			alone := access
			alone.Brokers = []string{address}
			if topic, err := pool.Topic(ctx, alone, "orders"); !is(topic, err) {
				t.Errorf("%s: %s sees %+v, %v", what, address, topic, err)
			}
		}
	}
	for range 3 {
		if err := pool.CreateTopic(ctx, access, spec("orders", 6, 3, "min.insync.replicas", "2"), false); err != nil {
			t.Fatal(err)
		}
		everybody("created", func(topic cluster.Topic, err error) bool { return err == nil && len(topic.Partitions) == 6 })
		if err := pool.GrowTopic(ctx, access, "orders", 9, false); err != nil {
			t.Fatal(err)
		}
		everybody("grown", func(topic cluster.Topic, err error) bool { return err == nil && len(topic.Partitions) == 9 })
		if err := pool.ConfigureTopic(ctx, access, "orders", append(to("retention.ms", " 3600000"), cluster.ConfigChange{Name: "min.insync.replicas"}), false); err != nil {
			t.Fatal(err)
		}
		everybody("configured", func(topic cluster.Topic, err error) bool {
			return err == nil && maps.Equal(topic.Configs, map[string]string{"retention.ms": "3600000"})
		})
		if err := pool.DeleteTopic(ctx, access, "orders"); err != nil {
			t.Fatal(err)
		}
		everybody("deleted", func(_ cluster.Topic, err error) bool { return fault.Is(err, fault.NotFound) })
	}

	brokers[0].Freeze() // the one that has been asked so far
	if err := pool.CreateTopic(ctx, access, spec("audit", 1, 1), false); err != nil {
		t.Error(err)
	}
	if topics, err := pool.Topics(ctx, access); err != nil || len(topics) != 1 {
		t.Errorf("%+v, %v", topics, err)
	}
}
