package client

import (
	"context"
	"net/http"

	"github.com/millrace/millrace/shared/cluster"
)

// GroupSummary is a group of consumers in a list.
type GroupSummary struct {
	ID          string `json:"id"`
	Type        string `json:"type"`  // classic, consumer (KIP-848), share or streams
	State       string `json:"state"` // Kafka's, such as Stable or Empty
	Coordinator int32  `json:"coordinator"`
	Members     *int   `json:"members,omitempty"` // nil where nobody can tell
	// Lag counts the records that are still to be read, BehindSeconds is how long the oldest of them has been waiting; nil where they
	// are unknown.
	Lag           *int64   `json:"lag,omitempty"`
	BehindSeconds *float64 `json:"behindSeconds,omitempty"`
}

// Group is a group of consumers, with all that is known of it.
type Group struct {
	ID            string        `json:"id"`
	Type          string        `json:"type"`
	State         string        `json:"state"`
	Protocol      string        `json:"protocol,omitempty"` // by which members share out partitions, such as range
	Coordinator   int32         `json:"coordinator"`
	Lag           *int64        `json:"lag,omitempty"`
	BehindSeconds *float64      `json:"behindSeconds,omitempty"`
	Members       []GroupMember `json:"members"`
	Offsets       []GroupOffset `json:"offsets"` // by topic and partition
}

// GroupMember is a consumer of a group.
type GroupMember struct {
	ID         string           `json:"id"`
	InstanceID string           `json:"instanceId,omitempty"` // of a static member
	ClientID   string           `json:"clientId,omitempty"`
	Host       string           `json:"host,omitempty"`
	Partitions []TopicPartition `json:"partitions"`
}

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
}

// GroupOffset is how far a group has read a partition. What is unknown is nil, and so is what was never committed.
type GroupOffset struct {
	TopicPartition
	Committed     *int64   `json:"committed,omitempty"` // the offset of the next record to be read
	Begin         *int64   `json:"begin,omitempty"`     // that of the oldest record that is kept
	End           *int64   `json:"end,omitempty"`       // that of the next record to be written
	Lag           *int64   `json:"lag,omitempty"`
	BehindSeconds *float64 `json:"behindSeconds,omitempty"`
	Member        string   `json:"member,omitempty"` // the id of who reads it now
}

// OffsetsOf says which offsets of a group are meant: those of some partitions of a topic, of all of its partitions where none is
// named, or all of the group's where no topic is.
type OffsetsOf struct {
	Group      string  `json:"group"`
	Topic      string  `json:"topic,omitempty"`
	Partitions []int32 `json:"partitions,omitempty"`
	DryRun     bool    `json:"dryRun,omitempty"` // only tells what would be done
}

// OffsetChanges are what was done to a group's offsets or, by a dry run, what would be.
type OffsetChanges struct {
	Group   string         `json:"group"`
	DryRun  bool           `json:"dryRun"`
	Changes []OffsetChange `json:"changes"`
}

// OffsetChange is a committed offset before and after; nil where there is none.
type OffsetChange struct {
	TopicPartition
	From *int64 `json:"from,omitempty"`
	To   *int64 `json:"to,omitempty"`
	Note string `json:"note,omitempty"` // what people may not expect
}

// Groups lists all groups of a cluster.
func (c Client) Groups(ctx context.Context, arn string) ([]GroupSummary, error) {
	var answer struct{ Groups []GroupSummary }
	err := c.callKafka(ctx, http.MethodGet, "clusters/"+escape(arn)+"/groups", nil, &answer)
	return answer.Groups, err
}

// Group describes one group.
func (c Client) Group(ctx context.Context, arn, id string) (Group, error) {
	var answer Group
	err := c.callKafka(ctx, http.MethodGet, "clusters/"+escape(arn)+"/groups/"+escape(id), nil, &answer)
	return answer, err
}

// DeleteGroup deletes a group with all that it has committed.
func (c Client) DeleteGroup(ctx context.Context, arn, id string) error {
	return c.callKafka(ctx, http.MethodDelete, "clusters/"+escape(arn)+"/groups/"+escape(id), nil, &struct{}{})
}

// ResetOffsets has a group go on reading elsewhere.
func (c Client) ResetOffsets(ctx context.Context, arn string, of OffsetsOf, to cluster.OffsetTarget) (OffsetChanges, error) {
	var answer OffsetChanges
	err := c.callKafka(ctx, http.MethodPost, "clusters/"+escape(arn)+"/group-offsets", struct {
		OffsetsOf
		To cluster.OffsetTarget `json:"to"`
	}{of, to}, &answer)
	return answer, err
}

// DeleteOffsets makes a group forget how far it has read.
func (c Client) DeleteOffsets(ctx context.Context, arn string, of OffsetsOf) (OffsetChanges, error) {
	var answer OffsetChanges
	err := c.callKafka(ctx, http.MethodDelete, "clusters/"+escape(arn)+"/group-offsets", of, &answer)
	return answer, err
}
