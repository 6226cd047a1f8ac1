package hostevents

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
)

// Metrics go to CloudWatch as lines of the function's own log (embedded metric format): that takes no call that could fail
// or be throttled, and no permission. Names and dimensions are MSK's where MSK has the metric, so that dashboards and alarms
// made for MSK find it in another namespace; ActiveBrokerCount, which MSK lacks, is what Kafka's own controllers call it.
//
// Each metric costs $0.30 a month, more than all heartbeats of its node: two for each broker and two for each cluster are
// published, and none that an event tells better, such as restarts.
const (
	namespace   = "Millrace/Kafka"
	clusterName = "Cluster Name"
	brokerID    = "Broker ID"
)

// directive tells CloudWatch which members of a line are metrics.
type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []metric
}

type metric struct{ Name, Unit string }

// line is what one heartbeat says in metrics; nil when that is nothing. Controllers have nothing that MSK measures.
func line(beat nodespec.Heartbeat) map[string]any {
	if beat.Cluster == "" || beat.Role != cluster.Broker {
		return nil
	}
	values := map[string]any{clusterName: beat.Cluster, brokerID: strconv.Itoa(int(beat.NodeID))}
	ofBroker := directive{Namespace: namespace, Dimensions: [][]string{{clusterName, brokerID}}}
	ofCluster := directive{Namespace: namespace, Dimensions: [][]string{{clusterName}}}
	measured := func(d *directive, name, unit string, value any) {
		d.Metrics = append(d.Metrics, metric{name, unit})
		values[name] = value
	}
	if beat.Disk != nil && beat.Disk.TotalBytes > 0 {
		measured(&ofBroker, "KafkaDataLogsDiskUsed", "Percent", beat.Disk.UsedPercent())
	}
	// What a cluster has, every broker tells. They agree, except while one is slow to hear, so look at the minimum of its
	// living brokers and at the maximum of its partitions without a leader.
	if beat.State == nodespec.Running && len(beat.Brokers) > 0 {
		measured(&ofCluster, "ActiveBrokerCount", "Count", len(beat.Brokers))
	}
	if beat.Replication != nil {
		measured(&ofBroker, "UnderReplicatedPartitions", "Count", beat.Replication.UnderReplicated) // of those that it leads
		measured(&ofCluster, "OfflinePartitionsCount", "Count", beat.Replication.Offline)
	}
	var directives []directive
	for _, d := range []directive{ofBroker, ofCluster} {
		if len(d.Metrics) > 0 {
			directives = append(directives, d)
		}
	}
	if len(directives) == 0 {
		return nil
	}
	values["_aws"] = map[string]any{"Timestamp": beat.At.UnixMilli(), "CloudWatchMetrics": directives}
	return values
}

func writeMetrics(to io.Writer, beats []nodespec.Heartbeat) error {
	for _, beat := range beats {
		values := line(beat)
		if values == nil {
			continue
		}
		text, err := json.Marshal(values)
		if err != nil {
			return fmt.Errorf("metrics of host %s: %w", beat.HostID, err)
		}
		if _, err := to.Write(append(text, '\n')); err != nil {
			return fmt.Errorf("write metrics of host %s: %w", beat.HostID, err)
		}
	}
	return nil
}

// latest keeps the latest heartbeat of each host, hosts in the order in which they came.
type latest struct {
	hosts  []string
	byHost map[string]nodespec.Heartbeat
}

func newLatest() *latest { return &latest{byHost: map[string]nodespec.Heartbeat{}} }

func (l *latest) add(beat nodespec.Heartbeat) {
	old, known := l.byHost[beat.HostID]
	if !known {
		l.hosts = append(l.hosts, beat.HostID)
	}
	if !known || beat.At.After(old.At) {
		l.byHost[beat.HostID] = beat
	}
}

func (l *latest) beats() []nodespec.Heartbeat {
	beats := make([]nodespec.Heartbeat, len(l.hosts))
	for i, host := range l.hosts {
		beats[i] = l.byHost[host]
	}
	return beats
}
