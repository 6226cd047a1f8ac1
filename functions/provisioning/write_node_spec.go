package provisioning

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// WriteNodeSpec tells the host of one node what to run, for an operation that heals it: a new host everything, and one that
// stays that Kafka is to be started again, where that is the remedy.
type WriteNodeSpec struct {
	nodeSpecs
	secondLooks
}

// WriteNodeSpecInput names the node and the operation that heals it. JudgedAt is when it was judged that its Kafka can be
// stopped; absent where nothing that runs is stopped.
type WriteNodeSpecInput struct {
	ClusterID   string    `json:"clusterId"`
	OperationID string    `json:"operationId"`
	NodeID      int32     `json:"nodeId"`
	JudgedAt    time.Time `json:"judgedAt,omitzero"`
}

// Run writes one spec for an operation and a host, of a new generation, however often it is called. It never permits that a
// volume be formatted on which the node has run.
func (s WriteNodeSpec) Run(ctx context.Context, in WriteNodeSpecInput) (SecondLook, error) {
	op, err := heal(ctx, s.Operations, in.ClusterID, in.OperationID)
	if err != nil {
		return SecondLook{}, err
	}
	c, err := s.Records.Cluster(ctx, in.ClusterID)
	if err != nil {
		return SecondLook{}, fmt.Errorf("load cluster: %w", err)
	}
	nodes, err := s.Records.Nodes(ctx, in.ClusterID)
	if err != nil {
		return SecondLook{}, fmt.Errorf("load nodes: %w", err)
	}
	n, ok := cluster.ServedNode(nodes, in.NodeID)
	switch {
	case !ok:
		return SecondLook{}, fault.New(fault.NotFound, "node %d of cluster %s has no host", in.NodeID, c.ID)
	case op.Heal.Remedy != cluster.Replace && n.Host.ID != op.Heal.Host:
		return SecondLook{}, nil // the host that was to be treated is gone
	}
	cause := op.ID + "/" + n.Host.ID
	if op.Heal.Remedy == cluster.Restart && n.SpecCause != cause {
		look, err := s.secondLook(ctx, *op.Heal, in.JudgedAt)
		if err != nil || look.Recovered || look.Stale {
			return look, err
		}
	}
	n, err = s.Records.ChangeNode(ctx, c.ID, n.ID, func(n *cluster.Node) error {
		if n.SpecCause != cause {
			n.SpecCause = cause
			n.SpecGeneration++
		}
		return nil
	})
	if err != nil {
		return SecondLook{}, err
	}
	common, err := s.common(ctx, c, nodes)
	if err != nil {
		return SecondLook{}, err
	}
	spec, err := s.spec(ctx, n, common)
	if err != nil {
		return SecondLook{}, fmt.Errorf("spec of %s: %w", n, err)
	}
	if op.Heal.Remedy == cluster.Restart {
		spec.Restarts++ // of a spec that is there already nothing changes: its generation is this one
	}
	if err := s.Records.PutSpec(ctx, n.Host.ID, spec); err != nil {
		return SecondLook{}, fmt.Errorf("write spec of %s: %w", n, err)
	}
	slog.InfoContext(ctx, "wrote node spec", "cluster", c.ID, "node", n.ID, "host", n.Host.ID,
		"generation", spec.Generation, "restarts", spec.Restarts)
	return SecondLook{}, nil
}
