package serverproperties

import (
	"math"
	"slices"
)

// Kind is how a value is written.
type Kind string

const (
	Boolean   Kind = "boolean"
	Integer   Kind = "integer" // Kafka's short, int and long: the range tells which
	Double    Kind = "double"
	Choice    Kind = "choice"    // one of Values
	List      Kind = "list"      // some of Values, separated by commas
	Listeners Kind = "listeners" // the format of custom.advertised.listeners
)

// Key is one property that a configuration may set.
type Key struct {
	Name string
	Kind Kind
	// Min and Max are the range of a number, both included. With NotZero, zero is not part of it.
	Min, Max int64
	NotZero  bool
	// MinFrom4 is the least value that releases from Kafka 4.0 on start with, where that is more than Min.
	MinFrom4 int64
	// Values are what a choice or a list may hold.
	Values []string
	// Default is what a broker runs with when nobody sets the property; empty when there is no such value. DefaultIn2Zones
	// is for clusters in two zones, where it differs.
	Default         string
	DefaultIn2Zones string
	// OwnDefault is true where the default is MSK's, not Apache Kafka's, so that it has to be written for the broker.
	OwnDefault bool
}

const (
	maxShort = math.MaxInt16
	maxInt   = math.MaxInt32
	maxLong  = math.MaxInt64
)

// CustomAdvertisedListeners is the one key that is no property of Kafka: it asks for addresses of the user's own.
const CustomAdvertisedListeners = "custom.advertised.listeners"

// rackAware is the one class that Kafka itself brings for replica.selector.class. A broker that is told any other does not
// start, because hosts hold nothing but Kafka.
const rackAware = "org.apache.kafka.common.replica.RackAwareReplicaSelector"

// keys is in alphabetical order. Where MSK names no lower bound, it is the least value with which a broker still starts
// and works, tried with Kafka 3.9.1 to 4.3.1: no retention time may be 0, and there has to be a replica fetcher.
var keys = []Key{
	{Name: "allow.everyone.if.no.acl.found", Kind: Boolean, Default: "true", OwnDefault: true},
	{Name: "auto.create.topics.enable", Kind: Boolean, Default: "false", OwnDefault: true},
	{
		Name: "compression.type", Kind: Choice, Default: "producer",
		Values: []string{"gzip", "snappy", "lz4", "zstd", "uncompressed", "producer"},
	},
	{Name: "connections.max.idle.ms", Kind: Integer, Min: -1, Max: maxLong, Default: "600000"},
	{Name: CustomAdvertisedListeners, Kind: Listeners},
	{Name: "default.replication.factor", Kind: Integer, Min: 1, Max: maxShort, Default: "3", DefaultIn2Zones: "2", OwnDefault: true},
	{Name: "delete.topic.enable", Kind: Boolean, Default: "true"},
	{Name: "group.initial.rebalance.delay.ms", Kind: Integer, Max: maxInt, Default: "3000"},
	{Name: "group.max.session.timeout.ms", Kind: Integer, Min: 1, Max: maxInt, Default: "1800000"},
	{Name: "group.min.session.timeout.ms", Kind: Integer, Min: 1, Max: maxInt, Default: "6000"},
	{Name: "leader.imbalance.per.broker.percentage", Kind: Integer, Max: 100, Default: "10"},
	{Name: "log.cleaner.delete.retention.ms", Kind: Integer, Max: maxLong, Default: "86400000"},
	{Name: "log.cleaner.min.cleanable.ratio", Kind: Double, Max: 1, Default: "0.5"},
	{Name: "log.cleanup.policy", Kind: List, Values: []string{"delete", "compact"}, Default: "delete"},
	{Name: "log.flush.interval.messages", Kind: Integer, Min: 1, Max: maxLong, Default: "9223372036854775807"},
	{Name: "log.flush.interval.ms", Kind: Integer, Max: maxLong},
	{Name: "log.message.timestamp.difference.max.ms", Kind: Integer, Max: maxLong, Default: "9223372036854775807"},
	{Name: "log.message.timestamp.type", Kind: Choice, Values: []string{"CreateTime", "LogAppendTime"}, Default: "CreateTime"},
	{Name: "log.retention.bytes", Kind: Integer, Min: -1, Max: maxLong, Default: "-1"},
	{Name: "log.retention.hours", Kind: Integer, Min: -1, Max: maxInt, NotZero: true, Default: "168"},
	{Name: "log.retention.minutes", Kind: Integer, Min: -1, Max: maxInt, NotZero: true},
	{Name: "log.retention.ms", Kind: Integer, Min: -1, Max: maxLong, NotZero: true},
	{Name: "log.roll.ms", Kind: Integer, Min: 1, Max: maxLong},
	{Name: "log.segment.bytes", Kind: Integer, Min: 14, Max: maxInt, MinFrom4: 1 << 20, Default: "1073741824"},
	{Name: "max.incremental.fetch.session.cache.slots", Kind: Integer, Max: maxInt, Default: "1000"},
	{Name: "message.max.bytes", Kind: Integer, Max: maxInt, Default: "1048588"},
	{Name: "min.insync.replicas", Kind: Integer, Min: 1, Max: maxInt, Default: "2", DefaultIn2Zones: "1", OwnDefault: true},
	{Name: "num.io.threads", Kind: Integer, Min: 1, Max: maxInt, Default: "8", OwnDefault: true},
	{Name: "num.network.threads", Kind: Integer, Min: 1, Max: maxInt, Default: "5", OwnDefault: true},
	{Name: "num.partitions", Kind: Integer, Min: 1, Max: maxInt, Default: "1", OwnDefault: true},
	{Name: "num.recovery.threads.per.data.dir", Kind: Integer, Min: 1, Max: maxInt, Default: "1"},
	{Name: "num.replica.fetchers", Kind: Integer, Min: 1, Max: maxInt, Default: "2", OwnDefault: true},
	{Name: "offsets.retention.minutes", Kind: Integer, Min: 1, Max: maxInt, Default: "10080"},
	{Name: "offsets.topic.replication.factor", Kind: Integer, Min: 1, Max: maxShort, Default: "3"},
	{Name: "replica.fetch.max.bytes", Kind: Integer, Max: maxInt, Default: "1048576"},
	{Name: "replica.fetch.response.max.bytes", Kind: Integer, Max: maxInt, Default: "10485760"},
	{Name: "replica.lag.time.max.ms", Kind: Integer, Min: 10000, Max: 30000, Default: "30000", OwnDefault: true},
	{Name: "replica.selector.class", Kind: Choice, Values: []string{rackAware}},
	{Name: "replica.socket.receive.buffer.bytes", Kind: Integer, Min: -1, Max: maxInt, Default: "65536"},
	{Name: "socket.receive.buffer.bytes", Kind: Integer, Min: -1, Max: maxInt, Default: "102400", OwnDefault: true},
	{Name: "socket.request.max.bytes", Kind: Integer, Min: 1, Max: maxInt, Default: "104857600", OwnDefault: true},
	{Name: "socket.send.buffer.bytes", Kind: Integer, Min: -1, Max: maxInt, Default: "102400", OwnDefault: true},
	{Name: "transaction.max.timeout.ms", Kind: Integer, Min: 1, Max: maxInt, Default: "900000"},
	{Name: "transaction.state.log.min.isr", Kind: Integer, Min: 1, Max: maxInt, Default: "2"},
	{Name: "transaction.state.log.replication.factor", Kind: Integer, Min: 1, Max: maxShort, Default: "3"},
	{Name: "transactional.id.expiration.ms", Kind: Integer, Min: 1, Max: maxInt, Default: "604800000"},
	{Name: "unclean.leader.election.enable", Kind: Boolean, Default: "true", OwnDefault: true},
	{Name: "zookeeper.connection.timeout.ms", Kind: Integer, Min: 6000, Max: 18000},
	{Name: "zookeeper.session.timeout.ms", Kind: Integer, Min: 6000, Max: 18000, Default: "18000", OwnDefault: true},
}

// Keys lists every property that a configuration may set, in alphabetical order.
func Keys() []Key { return slices.Clone(keys) }

// Lookup finds a property by its name.
func Lookup(name string) (Key, bool) {
	i := slices.IndexFunc(keys, func(k Key) bool { return k.Name == name })
	if i < 0 {
		return Key{}, false
	}
	return keys[i], true
}
