package cluster

import "time"

// Group is a group of consumers that share the work of reading topics.
type Group struct {
	ID string `json:"id"`
	// Type is classic, consumer (KIP-848), share or streams; State is Kafka's, such as Stable or Empty.
	Type  string `json:"type"`
	State string `json:"state"`
	// Protocol is what members have agreed on to share out partitions, such as range; empty while there is no member.
	Protocol string `json:"protocol,omitempty"`
	// Coordinator is the broker that looks after it.
	Coordinator int32         `json:"coordinator"`
	Members     []GroupMember `json:"members,omitempty"`
	// Offsets are what the group has committed, by topic and partition, and what its members read without having committed.
	Offsets []GroupOffset `json:"offsets,omitempty"`
}

// Lag counts the records that are still to be read; known is false where nobody can tell of some partition.
func (g Group) Lag() (lag int64, known bool) {
	known = true
	for _, o := range g.Offsets {
		if o.Lag == nil {
			known = false
			continue
		}
		lag += *o.Lag
	}
	return lag, known
}

// Behind is how long the oldest record has been waiting that is still to be read; nil where that is unknown.
func (g Group) Behind() *time.Duration {
	var longest time.Duration
	for _, o := range g.Offsets {
		if o.Behind == nil {
			return nil
		}
		longest = max(longest, *o.Behind)
	}
	return &longest
}

// GroupSummary is a group in a list.
type GroupSummary struct {
	ID          string `json:"id"`
	Type        string `json:"type"`  // as in Group
	State       string `json:"state"` // as in Group
	Coordinator int32  `json:"coordinator"`
	// Members counts them; nil where nobody can tell.
	Members *int `json:"members,omitempty"`
	// Lag is over all partitions that the group has committed an offset of, Behind that of the one that is furthest behind; nil
	// where they are unknown of one of them, and where nothing was ever committed.
	Lag    *int64         `json:"lag,omitempty"`
	Behind *time.Duration `json:"behind,omitempty"`
}

// GroupMember is a consumer of a group.
type GroupMember struct {
	ID string `json:"id"`
	// InstanceID is the name that a static member keeps over restarts; empty for others.
	InstanceID string           `json:"instanceId,omitempty"`
	ClientID   string           `json:"clientId"`
	Host       string           `json:"host"`
	Partitions []TopicPartition `json:"partitions,omitempty"`
}

// TopicPartition names a partition.
type TopicPartition struct {
	Topic string `json:"topic"`
	ID    int32  `json:"id"`
}

// GroupOffset is how far a group has read a partition.
type GroupOffset struct {
	TopicPartition
	// Committed is the offset of the next record to be read; -1 when the group has committed none.
	Committed int64 `json:"committed"`
	// Begin is the offset of the oldest record that is kept, End the one that the next record will have; -1 while the partition
	// has no leader.
	Begin int64 `json:"begin"`
	End   int64 `json:"end"`
	// Lag counts the records that are still to be read; nil where that is unknown.
	Lag *int64 `json:"lag,omitempty"`
	// Behind is how long the oldest of them has been waiting; nil where that is unknown, zero when there is none.
	Behind *time.Duration `json:"behind,omitempty"`
	// Member is who reads it now; empty when nobody does.
	Member string `json:"member,omitempty"`
}

// OffsetTarget says where a group should go on reading. Exactly one member is set.
type OffsetTarget struct {
	Earliest bool `json:"earliest,omitempty"`
	Latest   bool `json:"latest,omitempty"`
	// Offset is the same in every partition.
	Offset *int64 `json:"offset,omitempty"`
	// By is added to what is committed, and may be negative.
	By *int64 `json:"by,omitempty"`
	// At is a time: the first record that is as old, or younger.
	At *time.Time `json:"at,omitempty"`
}

// OffsetChange is a committed offset before and after; -1 is none.
type OffsetChange struct {
	TopicPartition
	From int64 `json:"from"`
	To   int64 `json:"to"`
	// Note says what people may not expect, such as that an offset was out of range and is the nearest that is not.
	Note string `json:"note,omitempty"`
}
