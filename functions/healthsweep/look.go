package healthsweep

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/health"
)

// seen is a look at clusters.
type seen struct {
	health.Deployment
	// turn numbers the last heal that was begun when the look was taken.
	turn int64
}

// look looks at the cluster of a name, or at all. What can't be seen of one keeps nobody from looking at the others; the
// errors are joined. It is nil when nothing could be seen.
func (s SweepHealth) look(ctx context.Context, name string) (*seen, error) {
	// First, so that every heal that is begun from now on is seen to have overtaken this look.
	turn, err := s.Records.HealTurn(ctx)
	if err != nil {
		return nil, fmt.Errorf("look at the heals: %w", err)
	}
	all, err := s.clusters(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("list clusters: %w", err)
	}
	recorded, err := s.Records.AllHealth(ctx)
	if err != nil {
		return nil, fmt.Errorf("list recorded health: %w", err)
	}
	under, err := s.Records.UnfinishedOperations(ctx)
	if err != nil {
		return nil, fmt.Errorf("list unfinished operations: %w", err)
	}
	d := health.Deployment{Now: s.Now().UTC(), ListeningSince: s.ListeningSince}
	for _, op := range under {
		if op.Heal != nil {
			d.Healing = append(d.Healing, op)
		}
	}
	before := map[string]cluster.Health{}
	for _, h := range recorded {
		before[h.ClusterID] = h
	}
	looks, problems := s.lookAtEach(ctx, all, before)
	if err := s.addRulesOfGrowth(ctx, looks); err != nil {
		return nil, err
	}
	d.Looks = looks
	for _, c := range all {
		delete(before, c.ID)
	}
	for _, h := range recorded {
		if _, elsewhere := before[h.ClusterID]; !elsewhere {
			continue
		}
		if name == "" {
			problems = errors.Join(problems, s.cleanUp(ctx, h.ClusterID))
		}
		d.Elsewhere = append(d.Elsewhere, h)
	}
	if err := s.seeHosts(ctx, d.Looks); err != nil {
		return nil, errors.Join(problems, err)
	}
	return &seen{d, turn}, problems
}

// lookAtEach looks at those of the clusters that are looked after, and forgets what was recorded before of the others.
func (s SweepHealth) lookAtEach(
	ctx context.Context, all []cluster.Cluster, before map[string]cluster.Health,
) (looks []health.Look, problems error) {
	for _, c := range all {
		if !health.Ours(c) {
			if _, recorded := before[c.ID]; recorded {
				// Its nodes are taken away, or were never all there: what was said of them is true no more.
				problems = errors.Join(problems, s.Records.ForgetHealth(ctx, c.ID))
			}
			continue
		}
		l, err := s.lookAt(ctx, c, before[c.ID])
		if err != nil {
			problems = errors.Join(problems, fmt.Errorf("look at cluster %s: %w", c.Name, err))
			continue
		}
		looks = append(looks, l)
	}
	return looks, problems
}

// clusters gives all, or the one of a name, if it is still there.
func (s SweepHealth) clusters(ctx context.Context, name string) ([]cluster.Cluster, error) {
	if name == "" {
		return s.Records.AllClusters(ctx)
	}
	first, err := s.Records.Clusters(ctx, name, "", 1) // the name itself is the first that begins with it
	if err != nil || len(first) == 0 || first[0].Name != name {
		return nil, err
	}
	return first, nil
}

// lookAt gathers what is known of a cluster but for what the platform says of its hosts.
func (s SweepHealth) lookAt(ctx context.Context, c cluster.Cluster, before cluster.Health) (health.Look, error) {
	l := health.Look{Cluster: c, Before: before}
	nodes, err := s.Records.Nodes(ctx, c.ID)
	if err != nil {
		return l, err
	}
	for _, n := range nodes {
		o := health.Observed{Node: n}
		if n.Host != nil {
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
	return l, nil
}

// seeHosts asks the platform about the hosts of all clusters at once.
func (s SweepHealth) seeHosts(ctx context.Context, looks []health.Look) error {
	var ids []string
	for _, l := range looks {
		for _, o := range l.Nodes {
			if o.Node.Host != nil {
				ids = append(ids, o.Node.Host.ID)
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	hosts, err := s.Hosts.HostStates(ctx, ids)
	if err != nil {
		return fmt.Errorf("ask the platform about %d hosts: %w", len(ids), err)
	}
	for _, l := range looks {
		for i, o := range l.Nodes {
			if o.Node.Host == nil {
				continue
			}
			if h, known := hosts[o.Node.Host.ID]; known {
				l.Nodes[i].Host = &h
			}
		}
	}
	return nil
}

// recall adds what was healed lately to the looks at clusters that have a sick node. Of the others, it says nothing.
func (s SweepHealth) recall(ctx context.Context, d health.Deployment, verdicts []health.Verdict) (sick bool, err error) {
	for i, v := range verdicts {
		if len(v.Health.Sick()) == 0 {
			continue
		}
		l := &d.Looks[i]
		if l.Heals, err = s.Records.HealsSince(ctx, l.Cluster.ID, d.Now.Add(-health.Remembered)); err != nil {
			return sick, fmt.Errorf("read the heals of cluster %s: %w", l.Cluster.Name, err)
		}
		sick = true
	}
	return sick, nil
}

// judge has a look judged.
func (s SweepHealth) judge(ctx context.Context, seen *seen) ([]health.Verdict, error) {
	verdicts := health.Judge(seen.Deployment, s.Tolerance)
	sick, err := s.recall(ctx, seen.Deployment, verdicts)
	if err != nil || !sick {
		return verdicts, err
	}
	return health.Judge(seen.Deployment, s.Tolerance), nil
}
