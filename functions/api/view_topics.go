package api

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/topicplan"
)

// topicsView are a cluster's topics, and how they follow what is declared of them.
type topicsView struct {
	Topics []topicView // by name, without Kafka's own
	// Declaration is what was applied last; left out when nothing ever was.
	Declaration *declarationSummaryView
	// Drift is how topics were last seen to differ from it; left out while nobody has looked.
	Drift *driftView
	// Applying is the operation that makes topics follow it; left out when none does.
	Applying *operationView
}

type declarationSummaryView struct {
	Id     string
	At     time.Time
	By     string
	Topics int // how many it declares
}

type driftView struct {
	Declaration string
	At          time.Time
	Since       *time.Time // left out while no topic differs
	Count       int
	Topics      []cluster.DriftedTopic // a hundred of them at most
}

// topicView is a topic, together with what is declared of it. One that is declared and does not exist has no partitions.
type topicView struct {
	Name              string
	Partitions        int
	ReplicationFactor int
	OutOfSync         int // replicas
	Declared          bool
	Owner             string
	Protected         bool
	Drift             string // how it differs from what is declared
	Warnings          []string
}

// topicDetailView has everything that topicView has, and what is known of one topic beyond that.
type topicDetailView struct {
	Name              string
	Partitions        int
	ReplicationFactor int
	OutOfSync         int
	Declared          bool
	Owner             string
	Protected         bool
	Drift             string
	Warnings          []string

	Configs       map[string]string // set on the topic itself
	Inherited     map[string]string
	PartitionList []partitionView
}

type partitionView struct {
	Id       int32
	Leader   int32 // -1 while there is none
	Replicas []int32
	InSync   []int32
}

// viewTopics lists all topics of a cluster but Kafka's own, and those that are declared and do not exist.
func (a *API) viewTopics(ctx context.Context, arn string) (any, error) {
	c, err := a.clusterWithTopics(ctx, arn)
	if err != nil {
		return nil, err
	}
	found, err := ask[errand.Topics](ctx, a, "ListTopics", errand.ListTopics{ClusterID: c.ID})
	if err != nil {
		return nil, err
	}
	d, drift, err := a.declared(ctx, c)
	if err != nil {
		return nil, err
	}
	view := topicsView{Topics: listTopicViews(found.Topics, d, drift)}
	if d.ID != "" {
		view.Declaration = &declarationSummaryView{d.ID, d.At, d.By, len(d.Topics)}
	}
	view.Drift = viewDrift(drift)
	if c.Applying != nil {
		op, err := a.Records.Operation(ctx, c.ID, c.Applying.ID)
		if err != nil {
			return nil, err
		}
		view.Applying = viewOperation(op)
	}
	return view, nil
}

// viewDrift is nil where nobody has looked.
func viewDrift(drift cluster.TopicDrift) *driftView {
	if drift.At.IsZero() {
		return nil
	}
	return &driftView{drift.Declaration, drift.At, timeOf(drift.Since), drift.Count, append([]cluster.DriftedTopic{}, drift.Topics...)}
}

// declared gives what is declared of a cluster's topics, and how they were last seen to differ from just that; zero where nothing is
// declared, or nobody has looked.
func (a *API) declared(ctx context.Context, c cluster.Cluster) (d cluster.Declaration, drift cluster.TopicDrift, err error) {
	if c.Declaration == "" {
		return d, drift, nil
	}
	if d, err = a.Records.Declaration(ctx, c.ID, c.Declaration); err != nil {
		return d, drift, err
	}
	drift, err = a.drift(ctx, c)
	return d, drift, err
}

// drift gives how a cluster's topics were last seen to differ from what is declared now; zero where nobody has looked.
func (a *API) drift(ctx context.Context, c cluster.Cluster) (cluster.TopicDrift, error) {
	drift, err := a.Records.TopicDrift(ctx, c.ID)
	if fault.Is(err, fault.NotFound) || err == nil && drift.Declaration != c.Declaration {
		return cluster.TopicDrift{}, nil
	}
	return drift, err
}

func listTopicViews(found []errand.TopicSummary, d cluster.Declaration, drift cluster.TopicDrift) []topicView {
	declared := map[string]cluster.DeclaredTopic{}
	for _, t := range d.Topics {
		declared[t.Name] = t
	}
	reasons := map[string]string{}
	for _, t := range drift.Topics {
		reasons[t.Topic] = t.Reason
	}
	views := make([]topicView, 0, len(found))
	for _, t := range found {
		wanted, isDeclared := declared[t.Name]
		delete(declared, t.Name)
		spec := cluster.TopicSpec{Partitions: t.Partitions, ReplicationFactor: t.ReplicationFactor, Configs: wanted.Configs}
		views = append(views, topicView{
			Name: t.Name, Partitions: t.Partitions, ReplicationFactor: t.ReplicationFactor, OutOfSync: t.OutOfSync,
			Declared: isDeclared, Owner: wanted.Owner, Protected: wanted.Protected, Drift: reasons[t.Name],
			Warnings: warningsOf(spec, nil),
		})
	}
	for name, t := range declared {
		views = append(views, topicView{
			Name: name, Declared: true, Owner: t.Owner, Protected: t.Protected, Drift: "does not exist", Warnings: []string{},
		})
	}
	slices.SortFunc(views, func(a, b topicView) int { return strings.Compare(a.Name, b.Name) })
	return views
}

func warningsOf(spec cluster.TopicSpec, inherited map[string]string) []string {
	return append([]string{}, topicplan.Warnings(spec, inherited)...)
}

// viewTopic gives one topic with everything that is known of it, and how it differs at this moment from what is declared.
func (a *API) viewTopic(ctx context.Context, arn, name string) (any, error) {
	c, t, err := a.topic(ctx, arn, name)
	if err != nil {
		return nil, err
	}
	d, _, err := a.declared(ctx, c)
	if err != nil {
		return nil, err
	}
	wanted, isDeclared := d.Topic(name)
	spec := cluster.TopicSpec{Partitions: len(t.Partitions), ReplicationFactor: t.ReplicationFactor(), Configs: t.Configs}
	view := topicDetailView{
		Name: t.Name, Partitions: spec.Partitions, ReplicationFactor: spec.ReplicationFactor, OutOfSync: t.OutOfSync(),
		Declared: isDeclared, Owner: wanted.Owner, Protected: wanted.Protected,
		Warnings: warningsOf(spec, t.Inherited), Configs: t.Configs, Inherited: t.Inherited,
		PartitionList: make([]partitionView, len(t.Partitions)),
	}
	if view.Configs == nil {
		view.Configs = map[string]string{}
	}
	for i, p := range t.Partitions {
		view.PartitionList[i] = partitionView{p.ID, p.Leader, p.Replicas, p.InSync}
	}
	if isDeclared {
		one := []cluster.DeclaredTopic{wanted}
		plan := topicplan.Plan(topicplan.Input{Declared: one, Previous: one, Observed: []cluster.Topic{t}, Brokers: c.Spec.Brokers})
		for _, drifted := range topicplan.Drift(plan) {
			view.Drift = drifted.Reason
		}
	}
	return view, nil
}
