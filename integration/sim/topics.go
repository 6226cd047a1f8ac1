package sim

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	access "github.com/millrace/millrace/shared/kafka"
)

// topic is a topic that somebody has made. Nobody writes to it, so who is in sync follows from who is there.
type topic struct {
	cluster.TopicSpec
	replicas [][]int32 // by partition
}

// topicDefaults are what topics have that say nothing.
func topicDefaults() map[string]string {
	return map[string]string{
		"cleanup.policy": "delete", "retention.ms": "604800000", "retention.bytes": "-1", "min.insync.replicas": "2",
		"max.message.bytes": "1048588", "unclean.leader.election.enable": "false",
	}
}

// describe gives a topic as brokers describe it.
func (c *kafkaCluster) describe(t *topic) cluster.Topic {
	described := cluster.Topic{Name: t.Name, Configs: maps.Clone(t.Configs), Inherited: topicDefaults()}
	if described.Configs == nil {
		described.Configs = map[string]string{}
	}
	minimum := 2
	if described.Configs["min.insync.replicas"] == "1" {
		minimum = 1
	}
	for id, replicas := range t.replicas {
		p := cluster.Partition{Topic: t.Name, ID: int32(id), Leader: -1, Replicas: slices.Clone(replicas), MinInSync: minimum}
		for _, id := range replicas {
			if !c.broker(id).fenced {
				p.InSync = append(p.InSync, id)
			}
		}
		if len(p.InSync) > 0 {
			p.Leader = p.InSync[0]
		} else {
			p.InSync = slices.Clone(replicas[:1])
		}
		described.Partitions = append(described.Partitions, p)
	}
	return described
}

// place adds partitions to a topic.
func (c *kafkaCluster) place(t *topic, partitions int) {
	for id := len(t.replicas); id < partitions; id++ {
		replicas := make([]int32, t.ReplicationFactor)
		for r := range replicas {
			replicas[r] = c.brokers[(id+r)%len(c.brokers)].id
		}
		t.replicas = append(t.replicas, replicas)
	}
	t.Partitions = len(t.replicas)
}

// A change of topics is refused as Kafka refuses it, or made. None of them asks who wants it.

func (c *kafkaCluster) createTopic(spec cluster.TopicSpec, validateOnly bool) error {
	switch {
	case c.topics[spec.Name] != nil:
		return fault.Refused(fault.Conflict, "TOPIC_ALREADY_EXISTS", "Topic '%s' already exists.", spec.Name)
	case spec.Partitions < 1:
		return fault.Refused(fault.Invalid, "INVALID_PARTITIONS", "Number of partitions must be larger than 0.")
	case spec.ReplicationFactor > len(c.brokers):
		return fault.Refused(fault.Invalid, "INVALID_REPLICATION_FACTOR", "The target replication factor of %d cannot be reached because only "+
			"%d broker(s) are registered.", spec.ReplicationFactor, len(c.brokers))
	case validateOnly:
		return nil
	}
	t := &topic{TopicSpec: spec}
	t.Configs = maps.Clone(spec.Configs)
	c.place(t, spec.Partitions)
	c.topics[spec.Name] = t
	return nil
}

func (c *kafkaCluster) growTopic(name string, partitions int, validateOnly bool) error {
	t := c.topics[name]
	switch {
	case t == nil:
		return unknownTopic(name)
	case partitions <= t.Partitions:
		return fault.Refused(fault.Invalid, "INVALID_PARTITIONS", "The topic %s currently has %d partition(s); %d would not be an increase.",
			name, t.Partitions, partitions)
	case !validateOnly:
		c.place(t, partitions)
	}
	return nil
}

func (c *kafkaCluster) configureTopic(name string, changes []cluster.ConfigChange, validateOnly bool) error {
	t := c.topics[name]
	if t == nil {
		return unknownTopic(name)
	}
	for _, change := range changes {
		if _, known := topicDefaults()[change.Name]; !known {
			return fault.Refused(fault.Invalid, "INVALID_CONFIG", "Unknown topic config name: %s", change.Name)
		}
	}
	if validateOnly {
		return nil
	}
	configs := maps.Clone(t.Configs)
	if configs == nil {
		configs = map[string]string{}
	}
	for _, change := range changes {
		if change.To == nil {
			delete(configs, change.Name)
		} else {
			configs[change.Name] = *change.To
		}
	}
	t.Configs = configs
	return nil
}

func (c *kafkaCluster) deleteTopic(name string) error {
	if c.topics[name] == nil {
		return unknownTopic(name)
	}
	delete(c.topics, name)
	return nil
}

func unknownTopic(name string) error {
	return fault.Refused(fault.NotFound, "UNKNOWN_TOPIC_OR_PARTITION", "there is no topic %s", name)
}

// The calls of the admin protocol that are about topics, as the pool of connections makes them.

// Topics gives all topics, without configurations.
func (k admin) Topics(ctx context.Context, asked access.Access) (topics []cluster.Topic, err error) {
	err = k.read(ctx, asked, "topics", func(c *kafkaCluster) error {
		for _, name := range slices.Sorted(maps.Keys(c.topics)) {
			t := c.describe(c.topics[name])
			t.Configs, t.Inherited = nil, nil
			topics = append(topics, t)
		}
		return nil
	})
	return topics, err
}

// Topic gives one topic with its configuration.
func (k admin) Topic(ctx context.Context, asked access.Access, name string) (found cluster.Topic, err error) {
	err = k.read(ctx, asked, "topic "+name, func(c *kafkaCluster) error {
		t := c.topics[name]
		if t == nil {
			return unknownTopic(name)
		}
		found = c.describe(t)
		return nil
	})
	return found, err
}

// DescribeTopics gives those that there are of many.
func (k admin) DescribeTopics(ctx context.Context, asked access.Access, names []string) (topics []cluster.Topic, err error) {
	err = k.read(ctx, asked, fmt.Sprintf("%d topics", len(names)), func(c *kafkaCluster) error {
		for _, name := range names {
			if t := c.topics[name]; t != nil {
				topics = append(topics, c.describe(t))
			}
		}
		return nil
	})
	return topics, err
}

// Defaults gives what a new topic has.
func (k admin) Defaults(ctx context.Context, asked access.Access) (defaults map[string]string, err error) {
	err = k.read(ctx, asked, "defaults", func(*kafkaCluster) error {
		defaults = topicDefaults()
		return nil
	})
	return defaults, err
}

// CreateTopic makes a topic.
func (k admin) CreateTopic(ctx context.Context, asked access.Access, spec cluster.TopicSpec, validateOnly bool) error {
	return k.write(ctx, asked, "create "+spec.Name, validateOnly, func(c *kafkaCluster) error {
		return c.createTopic(spec, validateOnly)
	})
}

// GrowTopic gives a topic more partitions.
func (k admin) GrowTopic(ctx context.Context, asked access.Access, name string, partitions int, validateOnly bool) error {
	return k.write(ctx, asked, fmt.Sprintf("grow %s to %d", name, partitions), validateOnly, func(c *kafkaCluster) error {
		return c.growTopic(name, partitions, validateOnly)
	})
}

// ConfigureTopic changes what is set on a topic.
func (k admin) ConfigureTopic(
	ctx context.Context, asked access.Access, name string, changes []cluster.ConfigChange, validateOnly bool,
) error {
	return k.write(ctx, asked, "configure "+name, validateOnly, func(c *kafkaCluster) error {
		return c.configureTopic(name, changes, validateOnly)
	})
}

// DeleteTopic deletes a topic, which somebody must have permitted.
func (k admin) DeleteTopic(ctx context.Context, asked access.Access, name string) error {
	return k.write(ctx, asked, "delete "+name, false, func(c *kafkaCluster) error {
		if c.topics[name] != nil {
			k.w.judgeDeletionLocked(c, name)
		}
		return c.deleteTopic(name)
	})
}

// caller is who makes one of several calls at once, each with random numbers of its own.
func (k admin) caller(ctx context.Context, what string) *actor {
	a := actorOf(ctx)
	return &actor{name: a.name, rng: k.w.random(fmt.Sprint(a.name, what, time.Now().UnixNano())), plane: a.plane}
}

// read asks the brokers that are named. It takes long to find that none of them answers.
func (k admin) read(ctx context.Context, asked access.Access, what string, do func(*kafkaCluster) error) error {
	w, a := k.w, k.caller(ctx, what)
	w.pass(a, w.weather.takes(a, "Kafka", between(a.rng, 5*time.Millisecond, 100*time.Millisecond)))
	if err := ctx.Err(); err != nil {
		return fault.Refused(fault.Unavailable, "REQUEST_TIMED_OUT", "ask for %s: %w", what, err)
	}
	w.mu.Lock()
	c := w.kafka.reachLocked(asked.Brokers)
	var err error
	if c != nil {
		err = do(c)
	}
	w.mu.Unlock()
	if c == nil {
		w.pass(a, between(a.rng, 2*time.Second, 8*time.Second))
		return fault.Refused(fault.Unavailable, "BROKER_NOT_AVAILABLE", "no broker answers")
	}
	if err := w.weather.strike(a, "Kafka"); err != nil {
		return fault.Refused(fault.Unavailable, "THROTTLING_QUOTA_EXCEEDED", "ask for %s: %w", what, err)
	}
	w.note(a.name, "asks for "+what)
	return err
}

// write has the active controller change something. Where only the answer is lost, it is changed all the same.
func (k admin) write(ctx context.Context, asked access.Access, what string, validateOnly bool, do func(*kafkaCluster) error) error {
	w, a := k.w, k.caller(ctx, what)
	w.pass(a, w.weather.takes(a, "Kafka", between(a.rng, 10*time.Millisecond, 200*time.Millisecond)))
	if err := ctx.Err(); err != nil {
		return fault.Refused(fault.Unavailable, "REQUEST_TIMED_OUT", "%s: %w", what, err)
	}
	if err := w.weather.strike(a, "Kafka"); err != nil {
		return fault.Refused(fault.Unavailable, "THROTTLING_QUOTA_EXCEEDED", "%s: %w", what, err)
	}
	w.mu.Lock()
	c := w.kafka.reachLocked(asked.Brokers)
	led := c != nil && w.kafka.leads(c, time.Now())
	var err error
	if led {
		if err = do(c); err == nil && !validateOnly {
			w.kafka.change(c, time.Now())
		}
	}
	w.mu.Unlock()
	switch {
	case c == nil:
		w.pass(a, between(a.rng, 2*time.Second, 8*time.Second))
		return fault.Refused(fault.Unavailable, "BROKER_NOT_AVAILABLE", "no broker answers")
	case !led:
		w.pass(a, between(a.rng, 5*time.Second, 20*time.Second))
		return fault.Refused(fault.Unavailable, "REQUEST_TIMED_OUT", "%s: nobody leads the quorum", what)
	}
	if validateOnly {
		what += ", if it could"
	}
	w.note(a.name, strings.TrimSpace(what+" "+string(fault.CodeOf(err))))
	if err := w.weather.lose(a, "Kafka"); err != nil {
		return fault.Refused(fault.Unavailable, "REQUEST_TIMED_OUT", "%s: %w", what, err)
	}
	return err
}
