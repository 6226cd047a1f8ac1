package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/mskapi"
	"github.com/millrace/millrace/shared/topicplan"
)

// declareInput is a document of topics, and what of it may cost records.
type declareInput struct {
	Topics *[]declaredTopic
	// Delete and Discard are as in cluster.TopicPermits.
	Delete, Discard []string
}

// declaredTopic is a topic in a document. The names are for what is said of members that are of the wrong kind.
type declaredTopic struct {
	Name              string            `json:"name"`
	Partitions        int               `json:"partitions"`
	ReplicationFactor int               `json:"replicationFactor"`
	Configs           map[string]string `json:"configs"`
	Owner             string            `json:"owner"`
	Protected         bool              `json:"protected"`
}

// wish is what somebody wants a cluster's topics to be, in an order of our own, so that two that mean the same are the same.
type wish struct {
	topics  []cluster.DeclaredTopic // by name
	permits cluster.TopicPermits
}

// read refuses what no cluster could have.
func (in declareInput) read() (wish, error) {
	if in.Topics == nil {
		return wish{}, mskapi.BadRequest("topics", "The topics are missing. An empty list declares that no topic is declared any more.")
	}
	w := wish{permits: cluster.TopicPermits{Delete: in.Delete, Discard: in.Discard}}
	for _, t := range *in.Topics {
		spec := cluster.TopicSpec{Name: t.Name, Partitions: t.Partitions, ReplicationFactor: t.ReplicationFactor, Configs: t.Configs}
		w.topics = append(w.topics, cluster.DeclaredTopic{TopicSpec: spec, Owner: t.Owner, Protected: t.Protected})
	}
	if err := topicplan.Check(w.topics, w.permits); err != nil {
		return w, err
	}
	slices.SortFunc(w.topics, func(a, b cluster.DeclaredTopic) int { return strings.Compare(a.Name, b.Name) })
	slices.Sort(w.permits.Delete)
	slices.Sort(w.permits.Discard)
	return w, nil
}

// isSame tells whether an operation applies the same declaration with the same permits.
func (w wish) isSame(d cluster.Declaration, op cluster.Operation) bool {
	sameTopic := func(a, b cluster.DeclaredTopic) bool {
		return a.Name == b.Name && a.Partitions == b.Partitions && a.ReplicationFactor == b.ReplicationFactor &&
			a.Owner == b.Owner && a.Protected == b.Protected && maps.Equal(a.Configs, b.Configs)
	}
	return op.Topics != nil && slices.EqualFunc(w.topics, d.Topics, sameTopic) &&
		slices.Equal(w.permits.Delete, op.Topics.Permits.Delete) && slices.Equal(w.permits.Discard, op.Topics.Permits.Discard)
}

// planView is what applying a declaration would do; see cluster.TopicPlan, whose changes are told as they are.
type planView struct {
	Changes   []cluster.TopicChange
	Unchanged int
	Warnings  []string
	Refused   bool // some change is refused, so none would be made
}

func viewPlan(p cluster.TopicPlan) planView {
	return planView{
		Changes: append([]cluster.TopicChange{}, p.Changes...), Unchanged: p.Unchanged,
		Warnings: append([]string{}, p.Warnings...), Refused: len(p.Refused()) > 0,
	}
}

type applicationView struct {
	Plan      planView
	Operation *operationView
}

// planTopics tells what applying a declaration would do.
func (a *API) planTopics(ctx context.Context, arn string, in declareInput) (any, error) {
	w, err := in.read()
	if err != nil {
		return nil, err
	}
	c, err := a.clusterWithTopics(ctx, arn)
	if err != nil {
		return nil, err
	}
	plan, err := a.plan(ctx, c, w)
	return viewPlan(plan), err
}

func (a *API) plan(ctx context.Context, c cluster.Cluster, w wish) (cluster.TopicPlan, error) {
	return ask[cluster.TopicPlan](ctx, a, "PlanTopics", errand.PlanTopics{ClusterID: c.ID, Topics: w.topics, Permits: w.permits})
}

// applyTopics begins to make a cluster's topics as they are declared.
//
//  1. See that the declaration is one, and that the caller may give up what it costs.
//  2. Look whether topics are being applied. When they are, and by the same declaration, this is the same request once more: its
//     answer is the same operation.
//  3. Plan. Nothing is begun of which it is known that it can't be done.
//  4. Record the declaration and the operation at once, and start its machine.
func (a *API) applyTopics(ctx context.Context, arn string, in declareInput) (any, error) {
	w, err := in.read()
	if err != nil {
		return nil, err
	}
	if len(w.permits.Delete)+len(w.permits.Discard) > 0 {
		if err := callOf(ctx).caller.may("MillraceApplyTopics with leave to delete topics or to discard records", admin); err != nil {
			return nil, err
		}
	}
	c, err := a.clusterWithTopics(ctx, arn)
	if err != nil {
		return nil, err
	}
	running, err := a.sameApplication(ctx, c, w)
	if err != nil {
		return nil, err
	}
	plan, err := a.plan(ctx, c, w)
	if err != nil {
		return nil, err
	}
	if running == nil {
		if err := refusal(plan); err != nil {
			return nil, err
		}
		if running, err = a.beginApplication(ctx, c, w); err != nil {
			return nil, err
		}
	}
	return applicationView{viewPlan(plan), viewOperation(*running)}, nil
}

// sameApplication gives the operation that applies a declaration already; nil when no operation applies any. While another one is
// applied, that is a BadRequest which names the operation.
func (a *API) sameApplication(ctx context.Context, c cluster.Cluster, w wish) (*cluster.Operation, error) {
	if c.Applying == nil {
		return nil, nil
	}
	op, err := a.Records.Operation(ctx, c.ID, c.Applying.ID)
	if err != nil {
		return nil, err
	}
	d, err := a.Records.Declaration(ctx, c.ID, op.ID)
	if err != nil {
		return nil, err
	}
	if !w.isSame(d, op) {
		return nil, mskapi.BadRequest("", "The operation %s applies other topics to the cluster %s. Wait until it has ended, and plan again.", op.ID, c.Name)
	}
	return &op, nil
}

// refusal says of a plan with refused changes what they are; nil for any other.
func refusal(p cluster.TopicPlan) error {
	const most = 20
	refused := p.Refused()
	if len(refused) == 0 {
		return nil
	}
	var reasons []string
	for i, c := range refused {
		if i == most {
			reasons = append(reasons, fmt.Sprintf("and %d more, which the plan tells", len(refused)-most))
			break
		}
		reasons = append(reasons, c.Topic+": "+c.Refused)
	}
	return mskapi.BadRequest("topics", "Nothing was applied, because %d of %d changes can't be made. %s.",
		len(refused), len(p.Changes), strings.Join(reasons, ". "))
}

// errApplying ends an application that has found another one at work, which was not there when it was planned.
var errApplying = errors.New("topics are being applied")

// beginApplication records what is declared with the operation that applies it, and starts that. What was planned on other topics
// than those that are declared by now is refused.
func (a *API) beginApplication(ctx context.Context, c cluster.Cluster, w wish) (*cluster.Operation, error) {
	soFar, err := a.Records.DeclaredSoFar(ctx, c)
	if err != nil {
		return nil, err
	}
	op, err := a.newOperation(ctx, c, cluster.ApplyTopics)
	if err != nil {
		return nil, err
	}
	op.Topics = &cluster.TopicsApplication{Permits: w.permits}
	d := cluster.Declaration{ID: op.ID, At: op.CreatedAt, By: callOf(ctx).caller.name, Topics: w.topics}.After(soFar)
	now, err := a.Records.StartApplication(ctx, c.ID, op, d, func(now *cluster.Cluster) error {
		switch {
		case now.Applying != nil:
			return errApplying
		case now.Declaration != c.Declaration:
			return mskapi.BadRequest("", "Other topics were applied to the cluster %s since these were planned. Plan again.", c.Name)
		}
		now.Declaration = op.ID
		op.Claim(now)
		return reachable(*now)
	})
	switch {
	case errors.Is(err, errApplying):
		running, err := a.sameApplication(ctx, now, w)
		return running, err
	case err != nil:
		return nil, err
	}
	a.start(ctx, op)
	slog.InfoContext(ctx, "began to apply topics", "cluster", c.ID, "operation", op.ID, "topics", len(d.Topics), "former", len(d.Former),
		"delete", w.permits.Delete, "discard", w.permits.Discard, "by", d.By)
	return &op, nil
}

// viewApplied gives the declaration that a cluster's topics are to follow.
func (a *API) viewApplied(ctx context.Context, arn string) (any, error) {
	c, err := a.cluster(ctx, arn)
	if err != nil {
		return nil, err
	}
	if c.Declaration == "" {
		return nil, mskapi.NotFound("", "No topics were declared for the cluster %s.", c.Name)
	}
	d, err := a.Records.Declaration(ctx, c.ID, c.Declaration)
	if err != nil {
		return nil, err
	}
	return viewDeclaration(d), nil
}

// declarationView is the topics of a cluster as they should be, in the form in which they are declared.
type declarationView struct {
	Id     string // the operation's that applies it, or has
	At     time.Time
	By     string
	Topics []declaredTopic
}

func viewDeclaration(d cluster.Declaration) declarationView {
	view := declarationView{Id: d.ID, At: d.At, By: d.By, Topics: []declaredTopic{}}
	for _, t := range d.Topics {
		view.Topics = append(view.Topics, declaredTopic{t.Name, t.Partitions, t.ReplicationFactor, t.Configs, t.Owner, t.Protected})
	}
	return view
}

// viewOneOperation gives an operation with its progress, whichever it is.
func (a *API) viewOneOperation(ctx context.Context, arn, id string) (any, error) {
	c, err := a.cluster(ctx, arn)
	if err != nil {
		return nil, err
	}
	op, err := a.Records.Operation(ctx, c.ID, id)
	if fault.Is(err, fault.NotFound) {
		return nil, mskapi.NotFound("", "The cluster %s has no operation %s.", c.Name, id)
	}
	if err != nil {
		return nil, err
	}
	return viewOperation(op), nil
}
