// Package topicadmin looks after what lies in a cluster: its topics and the groups that read them. It works from inside the
// cluster's network, where it reaches the brokers and the records, and nothing else.
//
// Most of its steps are errands: somebody has asked functions/api, who waits for the answer. A no of Kafka's is such an answer.
package topicadmin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/kafka"
	"github.com/millrace/millrace/shared/reach"
	"github.com/millrace/millrace/shared/records"
	"github.com/millrace/millrace/shared/serve"
)

// Deps is what the steps of this area need. Metrics may be left out.
type Deps struct {
	// Deployment is the dimension of the metrics.
	Deployment string
	Records    records.Records
	Kafka      Kafka
	Now        func() time.Time
	// Metrics is where metrics are written to: CloudWatch reads them from the function's log.
	Metrics io.Writer
}

// Kafka is the cluster's admin protocol.
type Kafka interface {
	Topics
	Groups
}

// Topics is what Kafka is asked and told of topics.
type Topics interface {
	Topics(ctx context.Context, a kafka.Access) ([]cluster.Topic, error)
	Topic(ctx context.Context, a kafka.Access, name string) (cluster.Topic, error)
	DescribeTopics(ctx context.Context, a kafka.Access, names []string) ([]cluster.Topic, error)
	Defaults(ctx context.Context, a kafka.Access) (map[string]string, error)
	CreateTopic(ctx context.Context, a kafka.Access, t cluster.TopicSpec, validateOnly bool) error
	GrowTopic(ctx context.Context, a kafka.Access, name string, partitions int, validateOnly bool) error
	ConfigureTopic(ctx context.Context, a kafka.Access, name string, changes []cluster.ConfigChange, validateOnly bool) error
	DeleteTopic(ctx context.Context, a kafka.Access, name string) error
}

// Groups is what Kafka is asked and told of groups.
type Groups interface {
	Groups(ctx context.Context, a kafka.Access) ([]cluster.GroupSummary, error)
	Group(ctx context.Context, a kafka.Access, id string) (cluster.Group, error)
	ResetOffsets(ctx context.Context, a kafka.Access, of kafka.OffsetsOf, to cluster.OffsetTarget, dryRun bool) ([]cluster.OffsetChange, error)
	DeleteOffsets(ctx context.Context, a kafka.Access, of kafka.OffsetsOf, dryRun bool) ([]cluster.OffsetChange, error)
	DeleteGroup(ctx context.Context, a kafka.Access, id string) error
}

// Steps are the steps of this area, by the name that errands and state machines call them.
func Steps(d Deps) serve.Steps {
	w := way{Records: d.Records, Now: d.Now}
	applied := newApplication(w, d.Kafka, d.Records)
	return serve.Steps{
		"StayConnected": serve.StayConnected(),
		"ListTopics":    errand.Serve(ListTopics{w, d.Kafka}.Run),
		"DescribeTopic": errand.Serve(DescribeTopic{w, d.Kafka}.Run),
		"CreateTopic":   errand.Serve(CreateTopic{w, d.Kafka}.Run),
		"UpdateTopic":   errand.Serve(UpdateTopic{w, d.Kafka, d.Records}.Run),
		"DeleteTopic":   errand.Serve(DeleteTopic{w, d.Kafka, d.Records}.Run),
		"PlanTopics":    errand.Serve(PlanTopics{planner{w, d.Kafka}, d.Records}.Run),

		"ListGroups":    errand.Serve(ListGroups{w, d.Kafka}.Run),
		"DescribeGroup": errand.Serve(DescribeGroup{w, d.Kafka}.Run),
		"ResetOffsets":  errand.Serve(ResetOffsets{w, d.Kafka}.Run),
		"DeleteOffsets": errand.Serve(DeleteOffsets{w, d.Kafka}.Run),
		"DeleteGroup":   errand.Serve(DeleteGroup{w, d.Kafka}.Run),

		"PlanTopicChanges":  serve.New(PlanTopicChanges{applied}.Run),
		"ApplyTopicChanges": serve.New(ApplyTopicChanges{applied}.Run),
		"CheckTopics":       serve.New(CheckTopics{applied}.Run),
		"FindTopicDrift":    serve.New(FindTopicDrift{planner{w, d.Kafka}, d.Records, d.Deployment, d.Metrics}.Run),
	}
}

// way is what every step begins with: the cluster, and how its brokers are reached.
type way struct {
	Records interface {
		Cluster(ctx context.Context, id string) (cluster.Cluster, error)
		Nodes(ctx context.Context, clusterID string) ([]cluster.Node, error)
		KafkaAccess(ctx context.Context, clusterID string) (records.KafkaAccess, error)
	}
	Now func() time.Time
}

// to loads a cluster and gives the access to all of its brokers. Access that has ended is on its way again, so until then the
// error is Unavailable, with the reason errand.NoAccess.
func (w way) to(ctx context.Context, clusterID string) (cluster.Cluster, kafka.Access, error) {
	c, err := w.Records.Cluster(ctx, clusterID)
	if err != nil {
		return c, kafka.Access{}, fmt.Errorf("load cluster: %w", err)
	}
	nodes, err := w.Records.Nodes(ctx, clusterID)
	if err != nil {
		return c, kafka.Access{}, fmt.Errorf("load nodes: %w", err)
	}
	access, err := reach.Way{Records: w.Records, Now: w.Now}.To(ctx, c, nodes)
	if errors.Is(err, reach.ErrNone) {
		err = fault.Refused(fault.Unavailable, errand.NoAccess, "the access to the brokers of cluster %s is being renewed", c.Name)
	}
	return c, access, err
}
