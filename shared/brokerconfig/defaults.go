package brokerconfig

import (
	"strconv"
	"strings"

	"github.com/millrace/millrace/shared/serverproperties"
)

// mskDefaults are the values that MSK sets where Kafka has others, and the replication of internal topics. None asks for
// more replicas than there are brokers: Kafka would refuse to create the topics.
func mskDefaults(c Cluster) map[string]string {
	p := map[string]string{
		"auto.leader.rebalance.enable":                     "true",
		"offsets.topic.replication.factor":                 "3",
		"transaction.state.log.replication.factor":         "3",
		"transaction.state.log.min.isr":                    "2",
		"share.coordinator.state.topic.replication.factor": "3",
		"share.coordinator.state.topic.min.isr":            "2",
	}
	for _, key := range serverproperties.Keys() {
		if !key.OwnDefault || !isKnown(key.Name, c.Release) {
			continue
		}
		p[key.Name] = key.Default
		if c.Zones < 3 && key.DefaultIn2Zones != "" {
			p[key.Name] = key.DefaultIn2Zones
		}
	}
	// MSK elects a replica that lacks acknowledged records when no other is left. We wait for one that has them: no
	// default of ours may lose a record. Whoever prefers to go on without can say so in a configuration.
	p["unclean.leader.election.enable"] = "false"
	for name, value := range p {
		if countsReplicas(name) {
			p[name] = atMost(value, c.Brokers)
		}
	}
	return p
}

func countsReplicas(name string) bool {
	return strings.HasSuffix(name, "replication.factor") || strings.HasSuffix(name, "min.isr") || name == "min.insync.replicas"
}

func atMost(value string, limit int) string {
	n, err := strconv.Atoi(value)
	if err != nil || n <= limit {
		return value
	}
	return strconv.Itoa(limit)
}

// leanDefaults are for a whole cluster on a few cores. The comments say what each group buys.
var leanDefaults = map[string]string{
	// A dead broker loses its leaderships within two seconds. Shorter times were tried: under load, elections repeat.
	"broker.session.timeout.ms":             "2000",
	"broker.heartbeat.interval.ms":          "250",
	"controller.quorum.fetch.timeout.ms":    "1000",
	"controller.quorum.election.timeout.ms": "500",

	// The cleaner's buffer is 128 MiB by default, most of what a small broker would need.
	"log.cleaner.dedupe.buffer.size": "2097152",

	// Threads that would find nothing to do.
	"num.network.threads": "2",
	"num.io.threads":      "4",
	"background.threads":  "2",

	// Three brokers would create and open 150 directories for the first consumer group, and as many for the first
	// transaction.
	"offsets.topic.num.partitions":         "8",
	"transaction.state.log.num.partitions": "8",
}

// known leaves out what the release has no use for: what only ZooKeeper needs, what Kafka 4 has removed, and what is a
// property of MSK, not of Kafka.
func known(configuration map[string]string, release string) map[string]string {
	p := map[string]string{}
	for name, value := range configuration {
		if isKnown(name, release) {
			p[name] = value
		}
	}
	return p
}

func isKnown(name, release string) bool {
	switch {
	case strings.HasPrefix(name, "zookeeper."), name == serverproperties.CustomAdvertisedListeners:
		return false
	case name == "log.message.timestamp.difference.max.ms":
		return isKafka3(release)
	default:
		return true
	}
}

func isKafka3(release string) bool { return strings.HasPrefix(release, "3.") }
