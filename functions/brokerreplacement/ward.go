package brokerreplacement

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/progress"
	"github.com/millrace/millrace/shared/reach"
	"github.com/millrace/millrace/shared/records"
	"github.com/millrace/millrace/shared/watch"
)

// ward is what both steps look at, and how they do: a cluster with a node that is being healed.
type ward struct {
	Records interface {
		Cluster(ctx context.Context, id string) (cluster.Cluster, error)
		Nodes(ctx context.Context, clusterID string) ([]cluster.Node, error)
		Operation(ctx context.Context, clusterID, id string) (cluster.Operation, error)
		Health(ctx context.Context, clusterID string) (cluster.Health, error)
		Beat(ctx context.Context, hostID string) (beat nodespec.Heartbeat, ok bool, err error)
		WatchBeats() (changed <-chan struct{}, stop func())
		KafkaAccess(ctx context.Context, clusterID string) (records.KafkaAccess, error)
	}
	Kafka    Kafka
	Progress progress.Reporter
	Now      func() time.Time
}

// Input names the node that is being healed and the operation that does it, whose deadline counts.
type Input struct {
	ClusterID   string `json:"clusterId"`
	OperationID string `json:"operationId"`
	NodeID      int32  `json:"nodeId"`
}

// patient is a node that is being healed, among the others of its cluster.
type patient struct {
	cluster   cluster.Cluster
	nodes     []cluster.Node
	node      cluster.Node
	operation cluster.Operation
	heal      cluster.Heal
}

func (w ward) load(ctx context.Context, in Input) (patient, error) {
	p := patient{}
	var err error
	if p.cluster, err = w.Records.Cluster(ctx, in.ClusterID); err != nil {
		return p, fmt.Errorf("load cluster: %w", err)
	}
	if p.nodes, err = w.Records.Nodes(ctx, in.ClusterID); err != nil {
		return p, fmt.Errorf("load nodes: %w", err)
	}
	if p.operation, err = w.Records.Operation(ctx, in.ClusterID, in.OperationID); err != nil {
		return p, fmt.Errorf("load operation: %w", err)
	}
	if p.operation.Heal == nil {
		return p, fault.New(fault.Invalid, "operation %s heals nothing", in.OperationID)
	}
	p.heal = *p.operation.Heal
	var ok bool
	if p.node, ok = cluster.ServedNode(p.nodes, in.NodeID); !ok {
		return p, fault.New(fault.NotFound, "node %d of cluster %s has no host", in.NodeID, in.ClusterID)
	}
	return p, nil
}

// lost are the hosts that have ended for certain, as the last look at the cluster says: that of the patient itself, and one of
// another node; nil where there is none.
func (w ward) lost(ctx context.Context, p patient) (own, other *cluster.Finding, err error) {
	health, err := w.Records.Health(ctx, p.cluster.ID)
	if fault.Is(err, fault.NotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	for _, n := range p.nodes {
		found, ok := health.Of(n.ID)
		if !ok || found.Condition != cluster.HostDead || !found.Overdue(w.Now()) || n.Host == nil || found.Host != n.Host.ID {
			continue
		}
		if n.ID == p.node.ID {
			own = &found
		} else {
			other = &found
		}
	}
	return own, other, nil
}

// partitions asks brokers of the cluster for its partitions: all of them, but the one that is named.
func (w ward) partitions(ctx context.Context, p patient, except int32) ([]cluster.Partition, error) {
	others := slices.DeleteFunc(slices.Clone(p.nodes), func(n cluster.Node) bool { return n.ID == except })
	access, err := reach.Way{Records: w.Records, Now: w.Now}.To(ctx, p.cluster, others)
	if err != nil {
		return nil, err
	}
	partitions, err := w.Kafka.Partitions(ctx, access)
	if err != nil {
		return nil, fmt.Errorf("ask the brokers of %s: %w", p.cluster.ID, err)
	}
	return partitions, nil
}

// quorum gives the latest that any controller but the one named says of the quorum, as its active one; ok is false when none
// has lately. since is from when on a report counts.
func (w ward) quorum(ctx context.Context, p patient, except int32, since time.Time) (q nodespec.Quorum, ok bool, err error) {
	var latest time.Time
	for _, n := range p.nodes {
		if n.Role != cluster.Controller || n.ID == except || n.Host == nil {
			continue
		}
		beat, heard, err := w.Records.Beat(ctx, n.Host.ID)
		if err != nil {
			return q, false, fmt.Errorf("heartbeat of %s: %w", n, err)
		}
		if !heard || beat.Quorum == nil || beat.At.Before(since) || beat.At.Before(latest) {
			continue
		}
		q, ok, latest = *beat.Quorum, true, beat.At
	}
	return q, ok, nil
}

// controllers counts the voters of the quorum.
func (p patient) controllers() int {
	count := 0
	for _, n := range p.nodes {
		if n.Role == cluster.Controller {
			count++
		}
	}
	return count
}

// lookAgainAfter is how long a step waits between two looks at Kafka, which signals nothing by itself.
const lookAgainAfter = time.Second

// signals are heartbeats and a steady beat of our own, until stop is called.
func (w ward) signals() (changed <-chan struct{}, stop func()) {
	return watch.Either(w.Records.WatchBeats, func() (<-chan struct{}, func()) { return watch.Every(lookAgainAfter) })
}
