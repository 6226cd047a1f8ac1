package healthsweep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/health"
)

// SweepHealth looks at clusters, records how they are, and starts at most one healing operation for each.
type SweepHealth struct{ Deps }

// SweepHealthInput names the cluster to look at; without a name all are. StartedAt is when the machine that asks was
// started.
type SweepHealthInput struct {
	Cluster   string     `json:"cluster,omitempty"`
	StartedAt *time.Time `json:"startedAt,omitempty"`
}

// SweepHealthOutput tells what was started, and whether and when to look again.
type SweepHealthOutput struct {
	LookAgain        bool     `json:"lookAgain"`
	LookAgainSeconds int      `json:"lookAgainSeconds"`
	Started          []string `json:"started"` // ids of operations
}

// Run may be called at any time, and by many at once.
func (s SweepHealth) Run(ctx context.Context, in SweepHealthInput) (SweepHealthOutput, error) {
	out := SweepHealthOutput{Started: []string{}}
	clusters, err := s.Records.AllClusters(ctx)
	if err != nil {
		return out, fmt.Errorf("list clusters: %w", err)
	}
	d := health.Deployment{Now: s.Now().UTC(), ListeningSince: s.ListeningSince}
	for _, c := range clusters {
		if !health.Ours(c) || in.Cluster != "" && in.Cluster != c.Name {
			continue
		}
		l, err := s.look(ctx, c)
		if err != nil {
			return out, err
		}
		d.Looks = append(d.Looks, l)
	}
	for i, v := range health.Judge(d, s.Tolerance) {
		if err := s.Records.PutHealth(ctx, v.Health); err != nil {
			return out, err
		}
		if v.Heal == nil {
			continue
		}
		id, err := s.start(ctx, d.Looks[i].Cluster, *v.Heal)
		if err != nil {
			return out, err
		}
		if id != "" {
			out.Started = append(out.Started, id)
		}
	}
	return out, nil
}

func (s SweepHealth) look(ctx context.Context, c cluster.Cluster) (health.Look, error) {
	l := health.Look{Cluster: c}
	var err error
	if l.Before, err = s.Records.Health(ctx, c.ID); err != nil && !fault.Is(err, fault.NotFound) {
		return l, err
	}
	nodes, err := s.Records.Nodes(ctx, c.ID)
	if err != nil {
		return l, fmt.Errorf("load nodes of cluster %s: %w", c.ID, err)
	}
	var ids []string
	for _, n := range nodes {
		o := health.Observed{Node: n}
		if n.Host != nil {
			ids = append(ids, n.Host.ID)
			beat, ok, err := s.Records.LastBeat(ctx, n.Host.ID)
			if err != nil {
				return l, fmt.Errorf("heartbeat of %s: %w", n, err)
			}
			if ok {
				o.Beat = &beat
			}
		}
		l.Nodes = append(l.Nodes, o)
	}
	hosts, err := s.Hosts.HostStates(ctx, ids)
	if err != nil {
		return l, fmt.Errorf("look at the hosts of cluster %s: %w", c.ID, err)
	}
	for i, o := range l.Nodes {
		if o.Node.Host == nil {
			continue
		}
		if h, known := hosts[o.Node.Host.ID]; known {
			l.Nodes[i].Host = &h
		}
	}
	return l, nil
}

var errHeld = errors.New("another operation holds the cluster")

// start records a healing operation and starts its machine; the id is empty when somebody was quicker.
func (s SweepHealth) start(ctx context.Context, c cluster.Cluster, heal cluster.Heal) (string, error) {
	id, err := s.NewID()
	if err != nil {
		return "", err
	}
	op := cluster.Operation{
		ID: id, ClusterID: c.ID, ARN: c.OperationARN(id), Type: cluster.HealBroker, State: cluster.Pending,
		CreatedAt: s.Now().UTC().Truncate(time.Millisecond), Attempt: 1, Heal: &heal,
	}
	_, err = s.Records.StartOperation(ctx, c.ID, op, func(c *cluster.Cluster) error {
		if c.Active != nil || !health.Ours(*c) {
			return errHeld
		}
		c.Active = &cluster.ActiveOperation{ID: op.ID, Type: op.Type}
		return nil
	})
	if errors.Is(err, errHeld) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("record a heal of %s: %w", heal, err)
	}
	slog.InfoContext(ctx, "healing", "cluster", c.ID, "operation", id, "node", heal.NodeID, "remedy", heal.Remedy, "reason", heal.Reason)
	if err := s.Workflows.Start(ctx, op.Machine(), op.ExecutionName(), op.Input()); err != nil {
		slog.WarnContext(ctx, "left the start of an operation to the sweep", "cluster", c.ID, "operation", id, "error", err)
	}
	return id, nil
}
