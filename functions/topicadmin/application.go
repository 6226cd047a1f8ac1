package topicadmin

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/kafka"
	"github.com/millrace/millrace/shared/progress"
	"github.com/millrace/millrace/shared/records"
	"github.com/millrace/millrace/shared/watch"
)

// application is what the steps that apply a declaration work on, one after the other. Each looks at the topics anew and goes on from
// what it finds, so it does not matter how often it is called, or how far a call got that died.
type application struct {
	planner
	Kafka   Topics
	Records interface {
		Operation(ctx context.Context, clusterID, id string) (cluster.Operation, error)
		ChangeOperation(ctx context.Context, clusterID, id string,
			change func(*cluster.Cluster, *cluster.Operation) error) (cluster.Cluster, cluster.Operation, error)
		Declaration(ctx context.Context, clusterID, id string) (cluster.Declaration, error)
		TopicDrift(ctx context.Context, clusterID string) (cluster.TopicDrift, error)
		PutTopicDrift(ctx context.Context, clusterID string, d cluster.TopicDrift) error
	}
	Progress progress.Reporter
}

func newApplication(w way, topics Topics, r records.Records) application {
	return application{planner{w, topics}, topics, r, progress.Reporter{Records: r}}
}

// ApplicationInput names the operation that applies a declaration, which has its id.
type ApplicationInput struct {
	ClusterID   string `json:"clusterId"`
	OperationID string `json:"operationId"`
}

// load gives what is to be applied, and the operation that does it.
func (s application) load(ctx context.Context, in ApplicationInput) (wish, cluster.Operation, error) {
	op, err := s.Records.Operation(ctx, in.ClusterID, in.OperationID)
	if err != nil {
		return wish{}, op, fmt.Errorf("load operation: %w", err)
	}
	if op.Topics == nil {
		return wish{}, op, fault.New(fault.Invalid, "operation %s applies nothing", in.OperationID)
	}
	d, err := s.Records.Declaration(ctx, in.ClusterID, in.OperationID)
	if err != nil {
		return wish{}, op, err
	}
	return wish{Declared: d.Topics, Previous: d.Former, Permits: op.Topics.Permits}, op, nil
}

// sight is a look at the topics of a cluster, with what is to be done about them.
type sight struct {
	cluster cluster.Cluster
	access  kafka.Access
	plan    cluster.TopicPlan
}

// look plans what is to be done. It is a Conflict once the cluster is on its way out, or the operation is over.
func (s application) look(ctx context.Context, in ApplicationInput, w wish) (sight, error) {
	var now sight
	var err error
	now.cluster, now.access, err = s.to(ctx, in.ClusterID)
	if now.cluster.ID != "" {
		if err := in.mayGoOn(now.cluster); err != nil {
			return now, err
		}
	}
	if err != nil {
		return now, err
	}
	now.plan, err = s.plan(ctx, now.cluster, now.access, w)
	return now, err
}

// mayGoOn is a Conflict when nothing more may be done about topics for this operation. A call may be given up and go on all the same:
// it must not undo what the next operation does.
func (in ApplicationInput) mayGoOn(c cluster.Cluster) error {
	switch {
	case !c.Serves():
		return fault.New(fault.Conflict, "cluster %s is %s: its topics are left as they are", c.Name, c.State())
	case c.Applying == nil || c.Applying.ID != in.OperationID:
		return fault.New(fault.Conflict, "operation %s holds the topics of cluster %s no longer", in.OperationID, c.Name)
	default:
		return nil
	}
}

// lookAgainAfter is how long a step waits between two looks at Kafka, which signals nothing by itself.
const lookAgainAfter = time.Second

func again() (signals <-chan struct{}, stop func()) { return watch.Every(lookAgainAfter) }

// refusals says which changes can't be made, and why; empty when all can. The first of them stand for many.
func refusals(plan cluster.TopicPlan) string {
	const some = 5
	refused := plan.Refused()
	var text []string
	for _, c := range refused[:min(some, len(refused))] {
		text = append(text, fmt.Sprintf("%s %s: %s", c.Action, c.Topic, c.Refused))
	}
	if more := len(refused) - some; more > 0 {
		text = append(text, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(text, "; ")
}
