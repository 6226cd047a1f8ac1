package topicplan_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/topicplan"
)

func TestCheck_RefusesWhatNoClusterCouldHave(t *testing.T) {
	with := func(edit func(*cluster.DeclaredTopic)) []cluster.DeclaredTopic {
		d := declared("orders", 6, nil)
		edit(&d)
		return []cluster.DeclaredTopic{d}
	}
	named := func(names ...string) (topics []cluster.DeclaredTopic) {
		for _, name := range names {
			topics = append(topics, declared(name, 6, nil))
		}
		return topics
	}
	many := func(n int) (topics []cluster.DeclaredTopic) {
		for i := range n {
			topics = append(topics, declared(fmt.Sprint("orders-", i), 6, nil))
		}
		return topics
	}
	for _, tt := range []struct {
		name      string
		topics    []cluster.DeclaredTopic
		permits   cluster.TopicPermits
		parameter string // empty when it can be declared
		want      string
	}{
		{"nothing", nil, cluster.TopicPermits{}, "", ""},
		{"a few topics", named("orders", "a.b_c-D", strings.Repeat("x", 249)), cluster.TopicPermits{Delete: []string{"old"}, Discard: []string{"orders"}}, "", ""},
		{"as many as can be", many(topicplan.MaxTopics), cluster.TopicPermits{}, "", ""},
		{"one more", many(topicplan.MaxTopics + 1), cluster.TopicPermits{}, "topics", "2001 topics are declared; at most 2000"},
		{"no name", named("orders", ""), cluster.TopicPermits{}, "topics", `topic 2 of what is declared: "" is no name`},
		{"a way up", named(".."), cluster.TopicPermits{}, "topics", `".." is no name`},
		{"a path", named("a/b"), cluster.TopicPermits{}, "topics", `"a/b" is no name`},
		{"a long name", named(strings.Repeat("x", 250)), cluster.TopicPermits{}, "topics", "1 to 249 characters"},
		{"another alphabet", named("заказы"), cluster.TopicPermits{}, "topics", "is no name"},
		{"a name with an end of line", named("orders\n"), cluster.TopicPermits{}, "topics", "is no name"},
		{"one twice", named("orders", "a", "orders"), cluster.TopicPermits{}, "topics", "orders is declared twice"},
		{"two that Kafka takes for one", named("a.b", "a_b"), cluster.TopicPermits{}, "topics", "Kafka takes a.b and a_b for one name"},
		{"Kafka's own", named("__transaction_state"), cluster.TopicPermits{}, "topics", "it is Kafka's own"},
		{"no partitions", with(func(d *cluster.DeclaredTopic) { d.Partitions = 0 }), cluster.TopicPermits{}, "topics", "orders: partitions is 0"},
		{"no replicas", with(func(d *cluster.DeclaredTopic) { d.ReplicationFactor = 0 }), cluster.TopicPermits{}, "topics", "orders: replicationFactor is 0"},
		{"more replicas than can be counted", with(func(d *cluster.DeclaredTopic) { d.ReplicationFactor = 1 << 15 }), cluster.TopicPermits{}, "topics", "replicationFactor is 32768"},
		{"an owner of two lines", with(func(d *cluster.DeclaredTopic) { d.Owner = "a\nb" }), cluster.TopicPermits{}, "topics", "owner has to be one line"},
		{"an owner of many words", with(func(d *cluster.DeclaredTopic) { d.Owner = strings.Repeat("ä", 257) }), cluster.TopicPermits{}, "topics", "at most 256 characters"},
		{"a property without a name", with(func(d *cluster.DeclaredTopic) { d.Configs = configs{"": "1"} }), cluster.TopicPermits{}, "topics", `"" is no name of a property`},
		{"a property with a space", with(func(d *cluster.DeclaredTopic) { d.Configs = configs{" retention.ms": "1"} }), cluster.TopicPermits{}, "topics", "is no name of a property"},
		{"a novel", with(func(d *cluster.DeclaredTopic) { d.Configs = configs{"retention.ms": strings.Repeat("1", 9000)} }), cluster.TopicPermits{}, "topics", "the value of retention.ms is no text"},
		{"a permit for nothing", nil, cluster.TopicPermits{Delete: []string{""}}, "delete", "is no name"},
		{"a permit twice", nil, cluster.TopicPermits{Delete: []string{"a", "a"}}, "delete", "a is named twice"},
		{"records of what is not declared", named("orders"), cluster.TopicPermits{Discard: []string{"ordres"}}, "discard", "records of ordres may be discarded, which is not declared"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := topicplan.Check(tt.topics, tt.permits)
			var said *fault.Error
			switch errors.As(err, &said); {
			case tt.parameter == "" && err != nil:
				t.Error(err)
			case tt.parameter != "" && (!fault.Is(err, fault.Invalid) || said.Parameter != tt.parameter || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}
