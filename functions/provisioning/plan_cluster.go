// Package provisioning gives nodes their addresses, volumes and hosts, tells hosts what to run, and takes it all away again.
// It works from outside the cluster: it never talks to Kafka, only to the platform and, through node specs and heartbeats,
// to the hosts.
package provisioning

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"

	"github.com/millrace/millrace/shared/authority"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/placement"
	"github.com/millrace/millrace/shared/progress"
)

// PlanCluster decides which nodes a new cluster has and where, and makes the cluster's certificate authority and, where its
// nodes talk plainly among themselves, the password they need for that.
type PlanCluster struct {
	Records interface {
		Cluster(ctx context.Context, id string) (cluster.Cluster, error)
		ChangeCluster(ctx context.Context, id string, change func(*cluster.Cluster) error) (cluster.Cluster, error)
		AddNodes(ctx context.Context, nodes []cluster.Node) error
		Nodes(ctx context.Context, clusterID string) ([]cluster.Node, error)
	}
	Zones interface {
		Zones(ctx context.Context, subnets []string) ([]string, error)
	}
	Secrets interface {
		// PutSecret keeps a secret, unless one of that name is there, and gives the one that is kept.
		PutSecret(ctx context.Context, name, value string) (kept string, err error)
	}
	Progress progress.Reporter
	Now      func() time.Time
}

// PlanClusterInput names the cluster and the operation that creates it.
type PlanClusterInput struct {
	ClusterID   string `json:"clusterId"`
	OperationID string `json:"operationId"`
}

// NodesOutput lists nodes for a Map to go over.
type NodesOutput struct {
	NodeIDs []int32 `json:"nodeIds"`
}

// Run plans a cluster once; later calls give the nodes that are recorded.
func (s PlanCluster) Run(ctx context.Context, in PlanClusterInput) (NodesOutput, error) {
	c, err := s.Records.Cluster(ctx, in.ClusterID)
	if err != nil {
		return NodesOutput{}, fmt.Errorf("load cluster: %w", err)
	}
	if err := s.ensureAuthority(ctx, c); err != nil {
		return NodesOutput{}, err
	}
	if needsPassword(c) {
		if _, err := s.Secrets.PutSecret(ctx, passwordName(c.ID), rand.Text()); err != nil {
			return NodesOutput{}, fmt.Errorf("keep the internal password of %s: %w", c.ID, err)
		}
	}
	zones, err := s.Zones.Zones(ctx, c.Spec.Subnets)
	if err != nil {
		return NodesOutput{}, fmt.Errorf("find the zones of %s: %w", c.ID, err)
	}
	nodes := placement.NewNodes(c, zones)
	for i := range nodes {
		nodes[i].AddedAt = s.Now()
		if nodes[i].DirectoryID, err = cluster.NewKafkaID(rand.Reader); err != nil {
			return NodesOutput{}, err
		}
	}
	if err := s.Records.AddNodes(ctx, nodes); err != nil {
		return NodesOutput{}, err
	}
	recorded, err := s.Records.Nodes(ctx, c.ID)
	if err != nil {
		return NodesOutput{}, fmt.Errorf("load nodes: %w", err)
	}
	if err := s.Progress.Report(ctx, in.ClusterID, in.OperationID, cluster.StepProvision, 0,
		fmt.Sprintf("addresses, volumes and hosts for %d nodes", len(recorded))); err != nil {
		return NodesOutput{}, err
	}
	slog.InfoContext(ctx, "planned cluster", "cluster", c.ID, "brokers", c.Spec.Brokers, "controllers", c.Spec.Controllers)
	return NodesOutput{nodeIDs(recorded)}, nil
}

// ensureAuthority makes the cluster's authority. The secret is kept first and the certificate recorded with it, both from
// one value, so that a crash in between leaves the pair that the next try records.
func (s PlanCluster) ensureAuthority(ctx context.Context, c cluster.Cluster) error {
	if c.Authority != "" {
		return nil
	}
	certificate, key, err := authority.New(c.Name, s.Now())
	if err != nil {
		return fmt.Errorf("make the authority of %s: %w", c.ID, err)
	}
	kept, err := s.Secrets.PutSecret(ctx, authorityName(c.ID), certificate+key)
	if err != nil {
		return fmt.Errorf("keep the authority of %s: %w", c.ID, err)
	}
	pair, err := authority.Load(kept)
	if err != nil {
		return err
	}
	_, err = s.Records.ChangeCluster(ctx, c.ID, func(c *cluster.Cluster) error {
		c.Authority = pair.Certificate()
		return nil
	})
	if err != nil {
		return fmt.Errorf("record the authority of %s: %w", c.ID, err)
	}
	return nil
}

func nodeIDs(nodes []cluster.Node) []int32 {
	ids := make([]int32, len(nodes))
	for i, n := range nodes {
		ids[i] = n.ID
	}
	return ids
}
