package kafkatest

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/kafka"
)

// Pool answers as kafka.Pool does, with Kafka's names for what it refuses. Its zero value is one cluster of three brokers without
// topics, whatever the access; where Clusters is set, each access' brokers are a cluster of their own.
type Pool struct {
	// Brokers is how many brokers there are, with ids from 1 on; 0 is three.
	Brokers int
	// Clusters says that accesses with other brokers see other topics.
	Clusters bool

	mu       sync.Mutex
	topics   map[string]map[string]cluster.Topic
	groups   map[string]cluster.Group
	defaults map[string]string
	fails    []failure
	calls    []Call
}

// Call is one that was made.
type Call struct {
	Method string // such as CreateTopic
	Access kafka.Access
	// Topic is the one that it was about; empty when it was about all or several.
	Topic        string
	ValidateOnly bool
}

func (c Call) String() string {
	if c.ValidateOnly {
		return strings.TrimSpace(c.Method + " " + c.Topic + " (validate only)")
	}
	return strings.TrimSpace(c.Method + " " + c.Topic)
}

// failure is what one of the next calls ends with; a late one is carried out all the same, as when an answer is lost.
type failure struct {
	method string
	err    error
	late   bool
}

// kafkasDefaults are what topics have that say nothing, as Kafka has it out of the box.
var kafkasDefaults = map[string]string{
	"cleanup.policy": "delete", "compression.type": "producer", "delete.retention.ms": "86400000", "file.delete.delay.ms": "60000",
	"flush.messages": "9223372036854775807", "flush.ms": "9223372036854775807", "index.interval.bytes": "4096",
	"local.retention.bytes": "-2", "local.retention.ms": "-2", "max.compaction.lag.ms": "9223372036854775807",
	"max.message.bytes": "1048588", "message.timestamp.type": "CreateTime", "min.cleanable.dirty.ratio": "0.5",
	"min.compaction.lag.ms": "0", "min.insync.replicas": "1", "preallocate": "false", "remote.storage.enable": "false",
	"retention.bytes": "-1", "retention.ms": "604800000", "segment.bytes": "1073741824", "segment.index.bytes": "10485760",
	"segment.jitter.ms": "0", "segment.ms": "604800000", "unclean.leader.election.enable": "false",
}

// SetDefault says what topics have that do not set the property themselves.
func (p *Pool) SetDefault(name, value string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.defaults == nil {
		p.defaults = map[string]string{}
	}
	p.defaults[name] = value
}

// FailNext lets the next calls of a method fail, one with each error, without any effect. An empty method is any.
func (p *Pool) FailNext(method string, faults ...error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, err := range faults {
		p.fails = append(p.fails, failure{method: method, err: err})
	}
}

// LoseAnswer carries the next call of a method out and lets it fail all the same, as when an answer is lost. An empty method is
// any.
func (p *Pool) LoseAnswer(method string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fails = append(p.fails, failure{method, err, true})
}

// Calls gives every call so far.
func (p *Pool) Calls() []Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

// Changes gives the calls so far that were to change something, in words such as "CreateTopic orders".
func (p *Pool) Changes() []string {
	var changes []string
	for _, c := range p.Calls() {
		switch c.Method {
		case "CreateTopic", "GrowTopic", "ConfigureTopic", "DeleteTopic":
			if !c.ValidateOnly {
				changes = append(changes, c.String())
			}
		}
	}
	return changes
}

// begin remembers a call, and says how it ends if it has to fail.
func (p *Pool) begin(c Call) (f failure) {
	p.calls = append(p.calls, c)
	for i, next := range p.fails {
		if next.method == "" || next.method == c.Method {
			p.fails = slices.Delete(p.fails, i, i+1)
			return next
		}
	}
	return failure{}
}

// of gives the topics of a cluster by name.
func (p *Pool) of(a kafka.Access) map[string]cluster.Topic {
	key := ""
	if p.Clusters {
		key = strings.Join(a.Brokers, ",")
	}
	if p.topics == nil {
		p.topics = map[string]map[string]cluster.Topic{}
	}
	if p.topics[key] == nil {
		p.topics[key] = map[string]cluster.Topic{}
	}
	return p.topics[key]
}

func (p *Pool) brokers() int {
	if p.Brokers == 0 {
		return 3
	}
	return p.Brokers
}

func (p *Pool) allDefaults() map[string]string {
	all := maps.Clone(kafkasDefaults)
	maps.Copy(all, p.defaults)
	return all
}

// Set puts topics into the cluster as they are, or in place of those that there are of their names: also such as no Kafka would
// make, or Kafka's own.
func (p *Pool) Set(a kafka.Access, topics ...cluster.Topic) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range topics {
		p.of(a)[t.Name] = t
	}
}

// Make puts topics into the cluster that are as their specs say.
func (p *Pool) Make(a kafka.Access, specs ...cluster.TopicSpec) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, spec := range specs {
		p.of(a)[spec.Name] = p.made(spec)
	}
}

func (p *Pool) made(spec cluster.TopicSpec) cluster.Topic {
	t := cluster.Topic{Name: spec.Name, Internal: cluster.IsInternalTopic(spec.Name), Configs: maps.Clone(spec.Configs)}
	if t.Configs == nil {
		t.Configs = map[string]string{}
	}
	return p.grown(t, spec.Partitions, spec.ReplicationFactor)
}

func (p *Pool) grown(t cluster.Topic, partitions, factor int) cluster.Topic {
	t.Partitions = slices.Clone(t.Partitions)
	for id := len(t.Partitions); id < partitions; id++ {
		var replicas []int32
		for i := range factor {
			replicas = append(replicas, int32((id+i)%p.brokers())+1)
		}
		t.Partitions = append(t.Partitions, cluster.Partition{
			Topic: t.Name, ID: int32(id), Leader: replicas[0], Replicas: replicas, InSync: slices.Clone(replicas),
		})
	}
	return t
}

// Topics answers as kafka.Pool does.
func (p *Pool) Topics(_ context.Context, a kafka.Access) ([]cluster.Topic, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.begin(Call{Method: "Topics", Access: a}); f.err != nil {
		return nil, f.err
	}
	topics := make([]cluster.Topic, 0, len(p.of(a)))
	for _, name := range slices.Sorted(maps.Keys(p.of(a))) {
		t := p.of(a)[name]
		t.Configs, t.Inherited, t.Partitions = nil, nil, slices.Clone(t.Partitions)
		topics = append(topics, t)
	}
	return topics, nil
}

// Topic answers as kafka.Pool does.
func (p *Pool) Topic(_ context.Context, a kafka.Access, name string) (cluster.Topic, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.begin(Call{Method: "Topic", Access: a, Topic: name}); f.err != nil {
		return cluster.Topic{}, f.err
	}
	t, ok := p.of(a)[name]
	if !ok {
		return cluster.Topic{}, unknown(name)
	}
	return p.described(t), nil
}

// DescribeTopics answers as kafka.Pool does.
func (p *Pool) DescribeTopics(_ context.Context, a kafka.Access, names []string) ([]cluster.Topic, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.begin(Call{Method: "DescribeTopics", Access: a}); f.err != nil {
		return nil, f.err
	}
	topics := []cluster.Topic{}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		if t, ok := p.of(a)[name]; ok {
			topics = append(topics, p.described(t))
		}
	}
	return topics, nil
}

func (p *Pool) described(t cluster.Topic) cluster.Topic {
	t.Configs, t.Inherited, t.Partitions = maps.Clone(t.Configs), p.allDefaults(), slices.Clone(t.Partitions)
	if t.Configs == nil {
		t.Configs = map[string]string{}
	}
	if value, ok := t.Config("min.insync.replicas"); ok {
		for i := range t.Partitions {
			t.Partitions[i].MinInSync, _ = strconv.Atoi(value)
		}
	}
	return t
}

// Defaults answers as kafka.Pool does.
func (p *Pool) Defaults(_ context.Context, a kafka.Access) (map[string]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.begin(Call{Method: "Defaults", Access: a}); f.err != nil {
		return nil, f.err
	}
	return p.allDefaults(), nil
}

// change makes one change, unless it is only asked about or has to fail.
func (p *Pool) change(c Call, check func() error, make func()) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.begin(c)
	if f.err != nil && !f.late {
		return f.err
	}
	if err := check(); err != nil {
		return err
	}
	if !c.ValidateOnly {
		make()
	}
	return f.err
}

// CreateTopic answers as kafka.Pool does.
func (p *Pool) CreateTopic(_ context.Context, a kafka.Access, t cluster.TopicSpec, validateOnly bool) error {
	return p.change(Call{"CreateTopic", a, t.Name, validateOnly}, func() error {
		_, exists := p.of(a)[t.Name]
		switch {
		case !possible(t.Name):
			return fault.Refused(fault.Invalid, "INVALID_TOPIC_EXCEPTION", "create topic %s: the name is invalid", t.Name)
		case exists:
			return fault.Refused(fault.Conflict, "TOPIC_ALREADY_EXISTS", "create topic %s: Topic '%s' already exists.", t.Name, t.Name)
		case t.Partitions < 1:
			return fault.Refused(fault.Invalid, "INVALID_PARTITIONS", "create topic %s: %d partitions", t.Name, t.Partitions)
		case t.ReplicationFactor < 1 || t.ReplicationFactor > p.brokers():
			return fault.Refused(fault.Invalid, "INVALID_REPLICATION_FACTOR", "create topic %s: replication factor %d, and %d brokers",
				t.Name, t.ReplicationFactor, p.brokers())
		}
		for name, value := range t.Configs {
			if err := checkConfig(t.Name, name, value); err != nil {
				return err
			}
		}
		return nil
	}, func() { p.of(a)[t.Name] = p.made(t) })
}

// GrowTopic answers as kafka.Pool does.
func (p *Pool) GrowTopic(_ context.Context, a kafka.Access, name string, partitions int, validateOnly bool) error {
	return p.change(Call{"GrowTopic", a, name, validateOnly}, func() error {
		t, exists := p.of(a)[name]
		switch {
		case !exists:
			return unknown(name)
		case partitions <= len(t.Partitions):
			return fault.Refused(fault.Invalid, "INVALID_PARTITIONS", "give topic %s %d partitions: it has %d", name, partitions, len(t.Partitions))
		}
		return nil
	}, func() {
		t := p.of(a)[name]
		p.of(a)[name] = p.grown(t, partitions, max(1, t.ReplicationFactor()))
	})
}

// ConfigureTopic answers as kafka.Pool does.
func (p *Pool) ConfigureTopic(_ context.Context, a kafka.Access, name string, changes []cluster.ConfigChange, validateOnly bool) error {
	return p.change(Call{"ConfigureTopic", a, name, validateOnly}, func() error {
		if _, exists := p.of(a)[name]; !exists {
			return unknown(name)
		}
		for _, c := range changes {
			if c.To == nil {
				continue
			}
			if err := checkConfig(name, c.Name, *c.To); err != nil {
				return err
			}
		}
		return nil
	}, func() {
		t := p.of(a)[name]
		configs := map[string]string{}
		maps.Copy(configs, t.Configs)
		for _, c := range changes {
			if delete(configs, c.Name); c.To != nil {
				configs[c.Name] = *c.To
			}
		}
		t.Configs = configs
		p.of(a)[name] = t
	})
}

// DeleteTopic answers as kafka.Pool does.
func (p *Pool) DeleteTopic(_ context.Context, a kafka.Access, name string) error {
	return p.change(Call{"DeleteTopic", a, name, false}, func() error {
		if _, exists := p.of(a)[name]; !exists {
			return unknown(name)
		}
		return nil
	}, func() { delete(p.of(a), name) })
}

func unknown(name string) error {
	return fault.Refused(fault.NotFound, "UNKNOWN_TOPIC_OR_PARTITION", "there is no topic %s", name)
}

var characters = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

func possible(name string) bool { return characters.MatchString(name) && name != "." && name != ".." }

// checkConfig knows the properties that Kafka has, and reads numbers and booleans where it does.
func checkConfig(topic, name, value string) error {
	like, ok := kafkasDefaults[name]
	if !ok {
		return fault.Refused(fault.Invalid, "INVALID_CONFIG", "topic %s: Unknown topic config name: %s", topic, name)
	}
	var err error
	value = strings.TrimSpace(value)
	if _, number := strconv.ParseFloat(like, 64); number == nil {
		_, err = strconv.ParseFloat(value, 64)
	} else if _, boolean := strconv.ParseBool(like); boolean == nil {
		_, err = strconv.ParseBool(strings.ToLower(value))
	}
	if err != nil {
		return fault.Refused(fault.Invalid, "INVALID_CONFIG", "topic %s: Invalid value %s for configuration %s", topic, value, name)
	}
	return nil
}
