package hostevents

import (
	"fmt"
	"io"
	"strconv"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/emf"
	"github.com/millrace/millrace/shared/nodespec"
)

// Metrics go to CloudWatch through the function's own log. Names and dimensions are MSK's where MSK has the metric, so that
// dashboards and alarms made for MSK find it in another namespace; ActiveBrokerCount, which MSK lacks, is what Kafka's own
// controllers call it.
//
// Each metric costs $0.30 a month, more than all heartbeats of its node: two for each broker and two for each cluster are
// published, and none that an event tells better, such as restarts.
const (
	namespace   = "Millrace/Kafka"
	clusterName = "Cluster Name"
	brokerID    = "Broker ID"
)

// writeMetrics writes a line for each heartbeat that says something in metrics.
func writeMetrics(to io.Writer, beats []nodespec.Heartbeat) error {
	for _, beat := range beats {
		if err := line(beat).Write(to, beat.At); err != nil {
			return fmt.Errorf("host %s: %w", beat.HostID, err)
		}
	}
	return nil
}

// line is what one heartbeat says in metrics. Controllers have nothing that MSK measures.
func line(beat nodespec.Heartbeat) *emf.Line {
	l := emf.NewLine(namespace, map[string]string{clusterName: beat.Cluster, brokerID: strconv.Itoa(int(beat.NodeID))})
	if beat.Cluster == "" || beat.Role != cluster.Broker {
		return l
	}
	if beat.Disk != nil && beat.Disk.TotalBytes > 0 {
		l.Add("KafkaDataLogsDiskUsed", "Percent", beat.Disk.UsedPercent(), clusterName, brokerID)
	}
	if beat.Replication != nil { // of those that it leads
		l.Add("UnderReplicatedPartitions", "Count", beat.Replication.UnderReplicated, clusterName, brokerID)
	}
	// What a cluster has, every broker tells. They agree, except while one is slow to hear, so look at the minimum of its
	// living brokers and at the maximum of its partitions without a leader.
	if beat.State == nodespec.Running && len(beat.Brokers) > 0 {
		l.Add("ActiveBrokerCount", "Count", len(beat.Brokers), clusterName)
	}
	if beat.Replication != nil {
		l.Add("OfflinePartitionsCount", "Count", beat.Replication.Offline, clusterName)
	}
	return l
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
