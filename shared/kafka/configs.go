package kafka

import (
	"context"
	"math"
	"slices"
	"strconv"

	"github.com/IBM/sarama"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// property is what a topic's property is called on brokers, where a topic that says nothing about it has it from: of several
// names, the first that is set counts, in units of so many of the topic's.
type property struct {
	onBrokers []setting
	// otherwise is what Kafka has where brokers have no such property.
	otherwise string
}

type setting struct {
	name string
	unit int64
}

func on(names ...string) property {
	var p property
	for _, name := range names {
		p.onBrokers = append(p.onBrokers, setting{name, 1})
	}
	return p
}

const (
	minute = 60 * 1000
	hour   = 60 * minute
)

// properties are those of topics, by name.
var properties = map[string]property{
	"cleanup.policy":                      on("log.cleanup.policy"),
	"compression.type":                    on("compression.type"),
	"compression.gzip.level":              on("compression.gzip.level"),
	"compression.lz4.level":               on("compression.lz4.level"),
	"compression.zstd.level":              on("compression.zstd.level"),
	"delete.retention.ms":                 on("log.cleaner.delete.retention.ms"),
	"file.delete.delay.ms":                on("log.segment.delete.delay.ms"),
	"flush.messages":                      on("log.flush.interval.messages"),
	"flush.ms":                            on("log.flush.interval.ms", "log.flush.scheduler.interval.ms"),
	"index.interval.bytes":                on("log.index.interval.bytes"),
	"local.retention.bytes":               on("log.local.retention.bytes"),
	"local.retention.ms":                  on("log.local.retention.ms"),
	"max.compaction.lag.ms":               on("log.cleaner.max.compaction.lag.ms"),
	"max.decompressed.message.bytes":      on("max.decompressed.message.bytes"),
	"max.message.bytes":                   on("message.max.bytes"),
	"message.downconversion.enable":       on("log.message.downconversion.enable"),
	"message.format.version":              on("log.message.format.version"),
	"message.timestamp.after.max.ms":      on("log.message.timestamp.after.max.ms"),
	"message.timestamp.before.max.ms":     on("log.message.timestamp.before.max.ms"),
	"message.timestamp.difference.max.ms": on("log.message.timestamp.difference.max.ms"),
	"message.timestamp.type":              on("log.message.timestamp.type"),
	"min.cleanable.dirty.ratio":           on("log.cleaner.min.cleanable.ratio"),
	"min.compaction.lag.ms":               on("log.cleaner.min.compaction.lag.ms"),
	"min.insync.replicas":                 on("min.insync.replicas"),
	"preallocate":                         on("log.preallocate"),
	"remote.copy.lag.bytes":               on("log.remote.copy.lag.bytes"),
	"remote.copy.lag.ms":                  on("log.remote.copy.lag.ms"),
	"retention.bytes":                     on("log.retention.bytes"),
	"retention.ms":                        {onBrokers: []setting{{"log.retention.ms", 1}, {"log.retention.minutes", minute}, {"log.retention.hours", hour}}},
	"segment.bytes":                       on("log.segment.bytes"),
	"segment.index.bytes":                 on("log.index.size.max.bytes"),
	"segment.jitter.ms":                   {onBrokers: []setting{{"log.roll.jitter.ms", 1}, {"log.roll.jitter.hours", hour}}},
	"segment.ms":                          {onBrokers: []setting{{"log.roll.ms", 1}, {"log.roll.hours", hour}}},
	"unclean.leader.election.enable":      on("unclean.leader.election.enable"),

	"errors.deadletterqueue.group.enable":     {otherwise: "false"},
	"follower.replication.throttled.replicas": {},
	"leader.replication.throttled.replicas":   {},
	"remote.log.copy.disable":                 {otherwise: "false"},
	"remote.log.delete.on.disable":            {otherwise: "false"},
	"remote.storage.enable":                   {otherwise: "false"},
}

// inTopicsUnits turns a broker's value into a topic's.
func (s setting) inTopicsUnits(value string) string {
	n, err := strconv.ParseInt(value, 10, 64)
	switch {
	case s.unit == 1 || err != nil || n < 0: // negative is without end
		return value
	case n > math.MaxInt64/s.unit:
		return strconv.FormatInt(math.MaxInt64, 10)
	default:
		return strconv.FormatInt(n*s.unit, 10)
	}
}

// askConfigs asks for all properties of some topics, or of a broker.
func askConfigs(kind sarama.ConfigResourceType, names []string) func(*sarama.Broker) ([]*sarama.ResourceResponse, error) {
	return func(b *sarama.Broker) ([]*sarama.ResourceResponse, error) {
		request := &sarama.DescribeConfigsRequest{Version: describeConfigsVersion, IncludeSynonyms: true}
		for _, name := range names {
			request.Resources = append(request.Resources, &sarama.ConfigResource{Type: kind, Name: name})
		}
		answer, err := b.DescribeConfigs(request)
		if err != nil {
			return nil, err
		}
		return answer.Resources, nil
	}
}

// configsAtOnce bounds how many topics' configurations are in one answer: a hundred are half a megabyte.
const configsAtOnce = 200

// withConfigs adds to topics what is set on them, what they inherit, and min.insync.replicas. Topics that are gone meanwhile are
// left out. Of some properties that are set on a topic, Kafka does not tell what it would be otherwise: brokers do.
func (c *connections) withConfigs(ctx context.Context, topics []cluster.Topic) ([]cluster.Topic, error) {
	found := make([]cluster.Topic, 0, len(topics))
	for some := range slices.Chunk(topics, configsAtOnce) {
		var names []string
		for _, t := range some {
			names = append(names, t.Name)
		}
		answer, err := read(ctx, c, askConfigs(sarama.TopicResource, names))
		if err != nil {
			return nil, err
		}
		byName := map[string]*sarama.ResourceResponse{}
		for _, r := range answer {
			byName[r.Name] = r
		}
		for _, t := range some {
			r, ok := byName[t.Name]
			if !ok {
				return nil, fault.New(fault.Internal, "Kafka says nothing about the configuration of topic %s", t.Name)
			}
			switch err := setConfigs(&t, r); {
			case fault.Is(err, fault.NotFound):
				continue
			case err != nil:
				return nil, err
			}
			found = append(found, t)
		}
	}
	var defaults map[string]string
	for _, t := range found {
		for name := range t.Configs {
			if _, told := t.Inherited[name]; told {
				continue
			}
			if defaults == nil {
				var err error
				if defaults, err = c.defaults(ctx); err != nil {
					return nil, err
				}
			}
			if value, known := defaults[name]; known {
				t.Inherited[name] = value
			}
		}
	}
	return found, nil
}

// setConfigs adds to a topic what Kafka says of its properties.
func setConfigs(t *cluster.Topic, r *sarama.ResourceResponse) error {
	if err := noOf(sarama.KError(r.ErrorCode), &r.ErrorMsg, "the configuration of topic %s", t.Name); err != nil {
		return err
	}
	t.Configs, t.Inherited = map[string]string{}, map[string]string{}
	for _, entry := range r.Configs {
		if entry.Source != sarama.SourceTopic {
			t.Inherited[entry.Name] = entry.Value
			continue
		}
		t.Configs[entry.Name] = entry.Value
		if value, ok := inherited(entry); ok {
			t.Inherited[entry.Name] = value
		}
	}
	if value, ok := t.Config(minInSyncReplicas); ok {
		n, err := strconv.Atoi(value)
		if err != nil {
			return fault.New(fault.Internal, "%s of topic %s is %q", minInSyncReplicas, t.Name, value)
		}
		for i := range t.Partitions {
			t.Partitions[i].MinInSync = n
		}
	}
	return nil
}

// inherited is what a property that is set on a topic would be were it not, where Kafka tells: it tells nothing of those that
// have several names on brokers, unless it is the first one that is set. Synonyms come in the order in which they count.
func inherited(entry *sarama.ConfigEntry) (value string, told bool) {
	for _, s := range entry.Synonyms {
		if s.Source != sarama.SourceTopic {
			return s.ConfigValue, true
		}
	}
	return "", false
}

// defaults gives what topics have that say nothing, from a broker that is up to date.
func (c *connections) defaults(ctx context.Context) (map[string]string, error) {
	brokers, err := c.live(ctx)
	if err != nil {
		return nil, err
	}
	answer, err := read(ctx, c, func(b *sarama.Broker) ([]*sarama.ResourceResponse, error) {
		for id, address := range brokers {
			if address == b.Addr() {
				return askConfigs(sarama.BrokerResource, []string{strconv.Itoa(int(id))})(b)
			}
		}
		return nil, sarama.ErrBrokerNotAvailable
	})
	if err != nil {
		return nil, err
	}
	if len(answer) != 1 {
		return nil, fault.New(fault.Internal, "Kafka describes %d brokers", len(answer))
	}
	if err := noOf(sarama.KError(answer[0].ErrorCode), &answer[0].ErrorMsg, "the configuration of a broker"); err != nil {
		return nil, err
	}
	onBroker := map[string]*sarama.ConfigEntry{}
	for _, entry := range answer[0].Configs {
		onBroker[entry.Name] = entry
	}
	defaults := map[string]string{}
	for name, p := range properties {
		if len(p.onBrokers) == 0 {
			defaults[name] = p.otherwise
			continue
		}
		for i, s := range p.onBrokers {
			entry, known := onBroker[s.name]
			unset := known && entry.Value == "" && i < len(p.onBrokers)-1
			if known && !unset {
				defaults[name] = s.inTopicsUnits(entry.Value)
				break
			}
		}
	}
	return defaults, nil
}
