package kafka

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/IBM/sarama"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// topicVersion is the version of metadata requests that every release from 3.9 on knows, with the ids of topics.
const topicVersion = 11

// Topics gives all topics by name, without what is set on them. Their partitions are others' as well, who ask at the same time: they
// are to be read only.
func (p *Pool) Topics(ctx context.Context, a Access) ([]cluster.Topic, error) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	c, err := p.of(a)
	if err != nil {
		return nil, err
	}
	found, err := c.lists.ask(ctx, func(ctx context.Context) ([]cluster.Topic, error) {
		ctx, cancel := context.WithTimeout(ctx, readWithin)
		defer cancel()
		return c.topics(ctx, nil)
	})
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	return slices.Clone(found), nil
}

// Topic gives one topic with everything that is known of it. It is NotFound when there is none of that name.
func (p *Pool) Topic(ctx context.Context, a Access, name string) (cluster.Topic, error) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	c, err := p.of(a)
	if err != nil {
		return cluster.Topic{}, err
	}
	return c.topic(ctx, name)
}

// DescribeTopics gives those of the named topics that there are, by name, with everything that is known of them.
func (p *Pool) DescribeTopics(ctx context.Context, a Access, names []string) ([]cluster.Topic, error) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	c, err := p.of(a)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	found, err := c.topics(ctx, names)
	if err == nil {
		found, err = c.withConfigs(ctx, found)
	}
	if err != nil {
		return nil, fmt.Errorf("describe %d topics: %w", len(names), err)
	}
	return found, nil
}

// Defaults gives what a new topic has, by the names that topics' properties have.
func (p *Pool) Defaults(ctx context.Context, a Access) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	c, err := p.of(a)
	if err != nil {
		return nil, err
	}
	defaults, err := c.defaults(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask for what topics have that say nothing else: %w", err)
	}
	return defaults, nil
}

// CreateTopic makes a topic, and ends when all brokers that are up know of it. It is Conflict with the reason TOPIC_ALREADY_EXISTS
// when there is one of that name that this call has not made. With validateOnly it only asks whether Kafka would.
func (p *Pool) CreateTopic(ctx context.Context, a Access, t cluster.TopicSpec, validateOnly bool) error {
	what := fmt.Sprintf("create topic %s", t.Name)
	request := func(b *sarama.Broker) (refusal, err error) {
		detail := &sarama.TopicDetail{
			NumPartitions: int32(t.Partitions), ReplicationFactor: int16(t.ReplicationFactor), ConfigEntries: map[string]*string{},
		}
		for name, value := range t.Configs {
			detail.ConfigEntries[name] = &value
		}
		answer, err := b.CreateTopics(&sarama.CreateTopicsRequest{
			Version: 7, TopicDetails: map[string]*sarama.TopicDetail{t.Name: detail}, Timeout: carriedOutWithin, ValidateOnly: validateOnly,
		})
		if err != nil {
			return nil, err
		}
		no, ok := answer.TopicErrors[t.Name]
		if !ok {
			return fault.New(fault.Internal, "%s: Kafka says nothing about it", what), nil
		}
		return noOf(no.Err, no.ErrMsg, "%s", what), nil
	}
	// Kafka counts in 32 and 16 bits.
	switch {
	case int(int32(t.Partitions)) != t.Partitions:
		return refused(sarama.ErrInvalidPartitions, nil, "%s: %d partitions", what, t.Partitions)
	case int(int16(t.ReplicationFactor)) != t.ReplicationFactor:
		return refused(sarama.ErrInvalidReplicationFactor, nil, "%s: a replication factor of %d", what, t.ReplicationFactor)
	}
	return p.change(ctx, a, t.Name, validateOnly, change{
		what:    what,
		request: request,
		cameTrue: func(before, after seen, refusal error) verdict {
			switch {
			case before.Topic != nil, isOtherThan(refusal, sarama.ErrTopicAlreadyExists):
				return no
			case after.Topic == nil:
				return unknown
			case isAs(*after.Topic, t):
				return yes
			}
			return no
		},
		known: func(ctx context.Context, c *connections, address string) (bool, error) {
			found, err := c.topicAt(ctx, address, t.Name)
			return found != nil && len(found.Partitions) == t.Partitions, err
		},
	})
}

// GrowTopic gives a topic more partitions, and ends when all brokers that are up know of them.
func (p *Pool) GrowTopic(ctx context.Context, a Access, name string, partitions int, validateOnly bool) error {
	what := fmt.Sprintf("give topic %s %d partitions", name, partitions)
	if int(int32(partitions)) != partitions {
		return refused(sarama.ErrInvalidPartitions, nil, "%s", what)
	}
	return p.change(ctx, a, name, validateOnly, change{
		what: what,
		request: func(b *sarama.Broker) (refusal, err error) {
			answer, err := b.CreatePartitions(&sarama.CreatePartitionsRequest{
				Version: 3, TopicPartitions: map[string]*sarama.TopicPartition{name: {Count: int32(partitions)}},
				Timeout: carriedOutWithin, ValidateOnly: validateOnly,
			})
			if err != nil {
				return nil, err
			}
			no, ok := answer.TopicPartitionErrors[name]
			if !ok {
				return fault.New(fault.Internal, "%s: Kafka says nothing about it", what), nil
			}
			return noOfTopic(name, no.Err, no.ErrMsg, "%s", what), nil
		},
		cameTrue: func(before, after seen, refusal error) verdict {
			switch {
			case before.Topic == nil || len(before.Partitions) >= partitions || isOtherThan(refusal, sarama.ErrInvalidPartitions):
				return no
			case after.Topic == nil || len(after.Partitions) == len(before.Partitions):
				return unknown
			case len(after.Partitions) == partitions:
				return yes
			}
			return no
		},
		known: func(ctx context.Context, c *connections, address string) (bool, error) {
			found, err := c.topicAt(ctx, address, name)
			return found == nil || len(found.Partitions) >= partitions, err
		},
	})
}

// ConfigureTopic changes what is set on a topic, and ends when all brokers that are up know of it: a property gets the value To,
// or what is inherited where that is nil. What is not named stays as it is.
func (p *Pool) ConfigureTopic(ctx context.Context, a Access, name string, changes []cluster.ConfigChange, validateOnly bool) error {
	what := fmt.Sprintf("configure topic %s", name)
	if len(changes) == 0 {
		return nil
	}
	entries := map[string]sarama.IncrementalAlterConfigsEntry{}
	for _, c := range changes {
		entries[c.Name] = sarama.IncrementalAlterConfigsEntry{Operation: sarama.IncrementalAlterConfigsOperationSet, Value: c.To}
		if c.To == nil {
			entries[c.Name] = sarama.IncrementalAlterConfigsEntry{Operation: sarama.IncrementalAlterConfigsOperationDelete}
		}
	}
	return p.change(ctx, a, name, validateOnly, change{
		what: what,
		request: func(b *sarama.Broker) (refusal, err error) {
			answer, err := b.IncrementalAlterConfigs(&sarama.IncrementalAlterConfigsRequest{
				Version:   1,
				Resources: []*sarama.IncrementalAlterConfigsResource{{Type: sarama.TopicResource, Name: name, ConfigEntries: entries}},
				// Kafka checks each property by itself either way.
				ValidateOnly: validateOnly,
			})
			switch {
			case err != nil:
				return nil, err
			case len(answer.Resources) != 1:
				return fault.New(fault.Internal, "%s: Kafka says nothing about it", what), nil
			}
			return noOfTopic(name, sarama.KError(answer.Resources[0].ErrorCode), &answer.Resources[0].ErrorMsg, "%s", what), nil
		},
		// It may be done twice.
		cameTrue: func(_, _ seen, _ error) verdict { return no },
		known: func(ctx context.Context, c *connections, address string) (bool, error) {
			answer, err := ask(ctx, c, address, heardWithin, true, askConfigs(sarama.TopicResource, []string{name}))
			if err != nil || len(answer) != 1 {
				return true, err
			}
			t := cluster.Topic{Name: name}
			return setConfigs(&t, answer[0]) != nil || hasAll(t, changes), nil
		},
	})
}

// DeleteTopic deletes a topic with all its records, and ends when no broker that is up knows of it any more.
func (p *Pool) DeleteTopic(ctx context.Context, a Access, name string) error {
	what := fmt.Sprintf("delete topic %s", name)
	return p.change(ctx, a, name, false, change{
		what: what,
		request: func(b *sarama.Broker) (refusal, err error) {
			answer, err := b.DeleteTopics(&sarama.DeleteTopicsRequest{Version: 6, Topics: []string{name}, Timeout: carriedOutWithin})
			if err != nil {
				return nil, err
			}
			no, ok := answer.TopicErrorCodes[name]
			if !ok {
				return fault.New(fault.Internal, "%s: Kafka says nothing about it", what), nil
			}
			return noOfTopic(name, no, answer.TopicErrorMessages[name], "%s", what), nil
		},
		// A broker that has not heard of the topic may as well lag behind its creation. The controller knows. But where there is
		// another one of its name, somebody has made it since, such as a producer: that one must not be deleted by the next try.
		cameTrue: func(before, after seen, refusal error) verdict {
			switch {
			case after.isInPlaceOf(before):
				return yes
			case before.Topic == nil, isOtherThan(refusal, sarama.ErrUnknownTopicOrPartition):
				return no
			case refusal != nil:
				return yes
			}
			return unknown
		},
		known: func(ctx context.Context, c *connections, address string) (bool, error) {
			found, err := c.topicAt(ctx, address, name)
			return found == nil, err
		},
	})
}

// ifAny makes nil of a topic that there is none of.
func ifAny(t cluster.Topic, err error) (*cluster.Topic, error) {
	switch {
	case fault.Is(err, fault.NotFound), fault.Is(err, fault.Invalid): // Invalid is the name: there can be none
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &t, nil
}

// isAs tells whether a topic is as a request asked for.
func isAs(t cluster.Topic, want cluster.TopicSpec) bool {
	return len(t.Partitions) == want.Partitions && t.ReplicationFactor() == want.ReplicationFactor &&
		maps.EqualFunc(t.Configs, want.Configs, cluster.SameConfig)
}

// hasAll tells whether a topic has every change.
func hasAll(t cluster.Topic, changes []cluster.ConfigChange) bool {
	return !slices.ContainsFunc(changes, func(c cluster.ConfigChange) bool {
		value, set := t.Configs[c.Name]
		return set != (c.To != nil) || set && !cluster.SameConfig(value, *c.To)
	})
}

// askTopics asks for topics as a broker knows them; no names are all topics.
func askTopics(names []string) func(*sarama.Broker) ([]*sarama.TopicMetadata, error) {
	return func(b *sarama.Broker) ([]*sarama.TopicMetadata, error) {
		answer, err := b.GetMetadata(&sarama.MetadataRequest{Version: topicVersion, Topics: names})
		if err != nil {
			return nil, err
		}
		return answer.Topics, nil
	}
}

// topics gives topics by name, without configurations. Those that are unknown are left out.
func (c *connections) topics(ctx context.Context, names []string) ([]cluster.Topic, error) {
	answer, err := read(ctx, c, askTopics(names))
	if err != nil {
		return nil, err
	}
	found := make([]cluster.Topic, 0, len(answer))
	for _, t := range answer {
		if t.Err == sarama.ErrUnknownTopicOrPartition || t.Err == sarama.ErrInvalidTopic {
			continue
		}
		if err := noOf(t.Err, nil, "topic %s", t.Name); err != nil {
			return nil, err
		}
		found = append(found, topicOf(t))
	}
	slices.SortFunc(found, func(a, b cluster.Topic) int { return cmp.Compare(a.Name, b.Name) })
	return found, nil
}

// described gives one topic without configurations.
func (c *connections) described(ctx context.Context, name string) (cluster.Topic, sarama.Uuid, error) {
	answer, err := read(ctx, c, askTopics([]string{name}))
	if err != nil {
		return cluster.Topic{}, sarama.Uuid{}, fmt.Errorf("describe topic %s: %w", name, err)
	}
	t, err := only(name, answer)
	if err != nil {
		return cluster.Topic{}, sarama.Uuid{}, err
	}
	return t, answer[0].Uuid, nil
}

// see looks whether there is a topic, without its configuration.
func (c *connections) see(ctx context.Context, name string) (seen, error) {
	found, id, err := c.described(ctx, name)
	t, err := ifAny(found, err)
	return seen{t, id}, err
}

// seeConfigs looks at the configuration of a topic, too, if there is one.
func (c *connections) seeConfigs(ctx context.Context, s seen) (seen, error) {
	if s.Topic == nil {
		return s, nil
	}
	found, err := c.withConfigs(ctx, []cluster.Topic{*s.Topic})
	if err != nil || len(found) == 0 {
		return seen{}, err
	}
	return seen{&found[0], s.id}, nil
}

func only(name string, answer []*sarama.TopicMetadata) (cluster.Topic, error) {
	if len(answer) != 1 {
		return cluster.Topic{}, fault.New(fault.Internal, "Kafka describes %d topics of the name %s", len(answer), name)
	}
	if err := noOfTopic(name, answer[0].Err, nil, "topic %s", name); err != nil {
		return cluster.Topic{}, err
	}
	return topicOf(answer[0]), nil
}

// topicAt gives a topic as one broker knows it, nil when it knows none of that name.
func (c *connections) topicAt(ctx context.Context, address, name string) (*cluster.Topic, error) {
	answer, err := ask(ctx, c, address, heardWithin, true, askTopics([]string{name}))
	if err != nil {
		return nil, err
	}
	return ifAny(only(name, answer))
}

// topic gives one topic with its configuration.
func (c *connections) topic(ctx context.Context, name string) (cluster.Topic, error) {
	t, _, err := c.described(ctx, name)
	if err != nil {
		return cluster.Topic{}, err
	}
	found, err := c.withConfigs(ctx, []cluster.Topic{t})
	switch {
	case err != nil:
		return cluster.Topic{}, fmt.Errorf("describe topic %s: %w", name, err)
	case len(found) == 0:
		return cluster.Topic{}, noTopic(name)
	}
	return found[0], nil
}

func topicOf(t *sarama.TopicMetadata) cluster.Topic {
	topic := cluster.Topic{
		Name: t.Name, Internal: t.IsInternal || cluster.IsInternalTopic(t.Name),
		Partitions: make([]cluster.Partition, 0, len(t.Partitions)),
	}
	for _, p := range t.Partitions {
		topic.Partitions = append(topic.Partitions, cluster.Partition{
			Topic: t.Name, ID: p.ID, Leader: p.Leader, Replicas: p.Replicas, InSync: p.Isr,
		})
	}
	slices.SortFunc(topic.Partitions, func(a, b cluster.Partition) int { return cmp.Compare(a.ID, b.ID) })
	return topic
}
