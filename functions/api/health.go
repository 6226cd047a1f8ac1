package api

import (
	"context"
	"slices"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// healthView is how a cluster fares, and what is done about it.
type healthView struct {
	Name  string
	Arn   string
	State cluster.State
	// LookedAt is when somebody last looked at the cluster, give or take a minute while nothing changes; left out before that.
	LookedAt *time.Time
	Nodes    []nodeView // brokers first, each with its verdict
	// Breaker says why only the proven dead are replaced at the moment; left out while the circuit breaker is closed.
	Breaker string
	// AllowedUntil is until when the breaker does not count, because a person said so.
	AllowedUntil *time.Time
	// MaxVolumeGiB is up to which size a full log volume is grown; 0 means that none is.
	MaxVolumeGiB int
	// StorageAutoscaling is the rule by which the volumes of brokers grow before they are full; left out where they do not.
	StorageAutoscaling *storageAutoscalingView
	Maintenance        []maintenanceView // that is in force
	Heal               *healView         // that is under way
	// TopicDrift is how topics differ from what is declared of them; left out where nothing is declared, or nobody has looked.
	TopicDrift *driftView
}

// findingView is the verdict over a node: see cluster.Finding.
type findingView struct {
	Condition cluster.Condition
	Since     time.Time
	Host      string // the one that was looked at
	Reason    string
	Remedy    cluster.Remedy
	Waits     string
	Advice    string
}

type maintenanceView struct {
	NodeId *int32 // left out for the whole cluster
	Since  time.Time
	Until  time.Time
	Reason string
}

// healView is the healing of one node, which is an operation.
type healView struct {
	NodeId    int32
	Role      cluster.Role
	Condition cluster.Condition
	Since     time.Time // when the node was first found in that condition
	Reason    string
	Remedy    cluster.Remedy
	Host      string // that was found sick
	VolumeGiB *int   // that the volume is to have, where it grows
	Operation *operationView
}

type healsView struct{ Heals []healView }

// viewHealth gives the verdict over each node of a cluster, and what keeps it from being healed.
func (a *API) viewHealth(ctx context.Context, arn string) (any, error) {
	c, err := a.cluster(ctx, arn)
	if err != nil {
		return nil, err
	}
	return a.healthOf(ctx, c)
}

func (a *API) healthOf(ctx context.Context, c cluster.Cluster) (any, error) {
	h, err := a.lastLook(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	now := a.Now()
	view := healthView{
		Name:         c.Name,
		Arn:          c.ARN,
		State:        c.State(),
		LookedAt:     timeOf(h.LookedAt),
		Breaker:      h.Breaker,
		MaxVolumeGiB: c.Healing.MaxVolumeGiB,
		Maintenance:  viewMaintenance(c, now),
	}
	if c.Healing.AllowedUntil.After(now) {
		view.AllowedUntil = &c.Healing.AllowedUntil
	}
	if view.Nodes, err = a.viewNodes(ctx, c, h); err != nil {
		return nil, err
	}
	rule, grows, err := a.Records.StorageAutoscaling(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	if grows {
		view.StorageAutoscaling = &storageAutoscalingView{rule.TargetPercent, rule.MaxGiB}
	}
	drift, err := a.drift(ctx, c)
	if err != nil {
		return nil, err
	}
	view.TopicDrift = viewDrift(drift)
	if c.Active == nil || c.Active.Type != cluster.HealBroker {
		return view, nil
	}
	op, err := a.Records.Operation(ctx, c.ID, c.Active.ID)
	if err != nil {
		return nil, err
	}
	view.Heal = viewHeal(op)
	return view, nil
}

// lastLook gives what the last look at a cluster gave; nothing when nobody has looked yet.
func (a *API) lastLook(ctx context.Context, clusterID string) (cluster.Health, error) {
	h, err := a.Records.Health(ctx, clusterID)
	if fault.Is(err, fault.NotFound) {
		return cluster.Health{}, nil
	}
	return h, err
}

// viewHeals gives the history of a cluster's healing, the newest first.
func (a *API) viewHeals(ctx context.Context, arn string) (any, error) {
	c, err := a.cluster(ctx, arn)
	if err != nil {
		return nil, err
	}
	operations, err := a.allOperations(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	heals := []healView{}
	for _, op := range slices.Backward(operations) {
		if heal := viewHeal(op); heal != nil {
			heals = append(heals, *heal)
		}
	}
	return healsView{heals}, nil
}

// viewHeal gives nil for an operation that heals nothing.
func viewHeal(op cluster.Operation) *healView {
	h := op.Heal
	if h == nil {
		return nil
	}
	view := &healView{
		NodeId:    h.NodeID,
		Role:      h.Role,
		Condition: h.Condition,
		Since:     h.Since,
		Reason:    h.Reason,
		Remedy:    h.Remedy,
		Host:      h.Host,
		Operation: viewOperation(op),
	}
	if h.VolumeGiB > 0 {
		view.VolumeGiB = &h.VolumeGiB
	}
	return view
}

func viewFinding(f cluster.Finding) *findingView {
	return &findingView{
		Condition: f.Condition,
		Since:     f.Since,
		Host:      f.Host,
		Reason:    f.Reason,
		Remedy:    f.Remedy,
		Waits:     f.Waits,
		Advice:    f.Advice,
	}
}

func viewMaintenance(c cluster.Cluster, now time.Time) []maintenanceView {
	views := []maintenanceView{}
	for _, m := range c.Healing.InForce(now) {
		view := maintenanceView{Since: m.Since, Until: m.Until, Reason: m.Reason}
		if m.NodeID != 0 {
			view.NodeId = &m.NodeID
		}
		views = append(views, view)
	}
	return views
}

// timeOf leaves out a time that never was.
func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
