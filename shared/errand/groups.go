package errand

import "github.com/millrace/millrace/shared/cluster"

// ListGroups asks for all groups of a cluster, each in one line.
type ListGroups struct {
	ClusterID string `json:"clusterId"`
}

// Groups are a cluster's, by id.
type Groups struct {
	Groups []cluster.GroupSummary `json:"groups"`
}

// DescribeGroup asks for one group with its members, offsets and lag; DeleteGroup has it deleted with its offsets.
type (
	DescribeGroup struct {
		ClusterID string `json:"clusterId"`
		Group     string `json:"group"`
	}
	DeleteGroup struct {
		ClusterID string `json:"clusterId"`
		Group     string `json:"group"`
	}
)

// OffsetsOf says which of a group's offsets a change is about: those of a topic, or of some of its partitions, or all that the
// group has committed.
type OffsetsOf struct {
	ClusterID string `json:"clusterId"`
	Group     string `json:"group"`
	// Topic is empty for every topic that the group has committed offsets of; Partitions are empty for all of the topic.
	Topic      string  `json:"topic,omitempty"`
	Partitions []int32 `json:"partitions,omitempty"`
	// DryRun only tells what would be changed.
	DryRun bool `json:"dryRun,omitempty"`
}

// ResetOffsets has a group go on reading elsewhere; DeleteOffsets makes it forget how far it has read.
type (
	ResetOffsets struct {
		OffsetsOf
		To cluster.OffsetTarget `json:"to"`
	}
	DeleteOffsets struct{ OffsetsOf }
)

// OffsetChanges are what was changed, or would be.
type OffsetChanges struct {
	Changes []cluster.OffsetChange `json:"changes"`
}
