package client

import (
	"context"
	"net/http"
	"time"

	"github.com/millrace/millrace/shared/cluster"
)

// Topics are a cluster's topics, and how they follow what is declared of them.
type Topics struct {
	Topics []Topic `json:"topics"` // by name, without Kafka's own
	// Declaration is what was applied last; nil when nothing ever was.
	Declaration *DeclarationSummary `json:"declaration,omitempty"`
	// Drift is how topics were last seen to differ from it; nil while nobody has looked.
	Drift *cluster.TopicDrift `json:"drift,omitempty"`
	// Applying is the operation that makes topics follow it; nil when none does.
	Applying *Operation `json:"applying,omitempty"`
}

// DeclarationSummary says which declaration holds.
type DeclarationSummary struct {
	ID     string    `json:"id"` // the operation's that applies it, or has
	At     time.Time `json:"at"`
	By     string    `json:"by,omitempty"`
	Topics int       `json:"topics"` // how many it declares
}

// Topic is a topic in a list.
type Topic struct {
	Name              string   `json:"name"`
	Partitions        int      `json:"partitions"`
	ReplicationFactor int      `json:"replicationFactor"`
	OutOfSync         int      `json:"outOfSync"` // replicas that are not in sync
	Declared          bool     `json:"declared"`
	Owner             string   `json:"owner,omitempty"`
	Protected         bool     `json:"protected"`
	Drift             string   `json:"drift,omitempty"` // how it was last seen to differ from what is declared
	Warnings          []string `json:"warnings"`
}

// TopicDetail is everything that is known of one topic.
type TopicDetail struct {
	Topic
	Configs       map[string]string `json:"configs"`             // set on the topic itself
	Inherited     map[string]string `json:"inherited,omitempty"` // from the cluster or from Kafka
	PartitionList []Partition       `json:"partitionList"`
}

// Partition says where the replicas of a partition are.
type Partition struct {
	ID       int32   `json:"id"`
	Leader   int32   `json:"leader"` // -1 while there is none
	Replicas []int32 `json:"replicas"`
	InSync   []int32 `json:"inSync"`
}

// TopicPlan is what applying a declaration would do.
type TopicPlan struct {
	Changes   []cluster.TopicChange `json:"changes"`
	Unchanged int                   `json:"unchanged"` // topics that are as they should be
	Warnings  []string              `json:"warnings"`
	Refused   bool                  `json:"refused"` // some change can't be made, so none would be
}

// Application is the beginning of making topics follow a declaration.
type Application struct {
	Plan      TopicPlan `json:"plan"`
	Operation Operation `json:"operation"`
}

// Declaration is the topics of a cluster as they should be.
type Declaration struct {
	ID     string                  `json:"id"`
	At     time.Time               `json:"at"`
	By     string                  `json:"by,omitempty"`
	Topics []cluster.DeclaredTopic `json:"topics"`
}

// declare is how the API is told what is declared, and what may be lost by it.
type declare struct {
	Topics  []cluster.DeclaredTopic `json:"topics"`
	Delete  []string                `json:"delete,omitempty"`
	Discard []string                `json:"discard,omitempty"`
}

// Topics lists all topics of a cluster but Kafka's own.
func (c Client) Topics(ctx context.Context, arn string) (Topics, error) {
	var answer Topics
	err := c.callKafka(ctx, http.MethodGet, "clusters/"+escape(arn)+"/topics", nil, &answer)
	return answer, err
}

// Topic describes one topic.
func (c Client) Topic(ctx context.Context, arn, name string) (TopicDetail, error) {
	var answer TopicDetail
	err := c.callKafka(ctx, http.MethodGet, "clusters/"+escape(arn)+"/topics/"+escape(name), nil, &answer)
	return answer, err
}

// PlanTopics tells what applying a declaration would do. It changes nothing.
func (c Client) PlanTopics(ctx context.Context, arn string, topics []cluster.DeclaredTopic, permits cluster.TopicPermits) (TopicPlan, error) {
	var answer TopicPlan
	err := c.callKafka(ctx, http.MethodPost, "clusters/"+escape(arn)+"/topic-plan", declare{topics, permits.Delete, permits.Discard}, &answer)
	return answer, err
}

// ApplyTopics begins to make topics follow a declaration.
func (c Client) ApplyTopics(ctx context.Context, arn string, topics []cluster.DeclaredTopic, permits cluster.TopicPermits) (Application, error) {
	var answer Application
	err := c.callKafka(ctx, http.MethodPost, "clusters/"+escape(arn)+"/topic-apply", declare{topics, permits.Delete, permits.Discard}, &answer)
	return answer, err
}

// Declaration gives what was applied last.
func (c Client) Declaration(ctx context.Context, arn string) (Declaration, error) {
	var answer Declaration
	err := c.call(ctx, http.MethodGet, "clusters/"+escape(arn)+"/topic-declaration", nil, &answer)
	return answer, err
}

// Operation gives one operation of a cluster.
func (c Client) Operation(ctx context.Context, arn, id string) (Operation, error) {
	var answer Operation
	err := c.call(ctx, http.MethodGet, "clusters/"+escape(arn)+"/operations/"+escape(id), nil, &answer)
	return answer, err
}
