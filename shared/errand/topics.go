package errand

import "github.com/millrace/millrace/shared/cluster"

// ListTopics asks for topics, by name.
type ListTopics struct {
	ClusterID string `json:"clusterId"`
	Prefix    string `json:"prefix,omitempty"`
	// After is the name that the last page ended with; Limit is how many are wanted, 0 for all.
	After string `json:"after,omitempty"`
	Limit int    `json:"limit,omitempty"`
}

// Topics are one page of a list, without configurations.
type Topics struct {
	Topics []TopicSummary `json:"topics"`
	More   bool           `json:"more"`
}

// TopicSummary is a topic in a list.
type TopicSummary struct {
	Name              string `json:"name"`
	Partitions        int    `json:"partitions"`
	ReplicationFactor int    `json:"replicationFactor"`
	OutOfSync         int    `json:"outOfSync"`
}

// DescribeTopic asks for one topic; DeleteTopic has it deleted.
type (
	DescribeTopic struct {
		ClusterID string `json:"clusterId"`
		Topic     string `json:"topic"`
	}
	DeleteTopic struct {
		ClusterID string `json:"clusterId"`
		Topic     string `json:"topic"`
	}
)

// CreateTopic has a topic created.
type CreateTopic struct {
	ClusterID string            `json:"clusterId"`
	Topic     cluster.TopicSpec `json:"topic"`
}

// UpdateTopic has one thing of a topic changed: the number of its partitions, or all that is set on it.
type UpdateTopic struct {
	ClusterID  string             `json:"clusterId"`
	Topic      string             `json:"topic"`
	Partitions *int               `json:"partitions,omitempty"`
	Configs    *map[string]string `json:"configs,omitempty"`
}

// Done says that a change was made, and what people may not expect of it.
type Done struct {
	Warnings []string `json:"warnings,omitempty"`
}

// PlanTopics asks what applying a declaration would do. It changes nothing.
type PlanTopics struct {
	ClusterID string                  `json:"clusterId"`
	Topics    []cluster.DeclaredTopic `json:"topics"`
	Permits   cluster.TopicPermits    `json:"permits,omitzero"`
}
