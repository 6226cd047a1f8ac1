package cluster

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Topic is a topic as its brokers describe it.
type Topic struct {
	Name string `json:"name"`
	// Internal says that it is Kafka's own, such as __consumer_offsets: it is shown to nobody, and nobody changes it.
	Internal bool `json:"internal,omitempty"`
	// Partitions are by id. MinInSync is 0 in them where nobody asked for it.
	Partitions []Partition `json:"partitions"`
	// Configs are what is set on the topic itself; nil where nobody asked for them.
	Configs map[string]string `json:"configs,omitempty"`
	// Inherited are what the topic has from the cluster or from Kafka for every property, or would have were it not set; nil
	// where nobody asked for them.
	Inherited map[string]string `json:"inherited,omitempty"`
}

// ReplicationFactor is how many replicas its partitions have: of those that are being moved, those that stay.
func (t Topic) ReplicationFactor() int {
	factor := 0
	for i, p := range t.Partitions {
		if n := len(p.Replicas); i == 0 || n < factor {
			factor = n
		}
	}
	return factor
}

// OutOfSync counts the replicas that are not in sync.
func (t Topic) OutOfSync() int {
	missing := 0
	for _, p := range t.Partitions {
		for _, id := range p.Replicas {
			if !slices.Contains(p.InSync, id) {
				missing++
			}
		}
	}
	return missing
}

// Config is the value of a property that holds for the topic; ok is false where nobody asked for it.
func (t Topic) Config(name string) (value string, ok bool) {
	if value, ok = t.Configs[name]; ok {
		return value, true
	}
	value, ok = t.Inherited[name]
	return value, ok
}

// internalTopics are Kafka's own, and those of MSK's name that tools expect to be nobody's.
var internalTopics = []string{
	"__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata", "__remote_log_metadata",
	"__amazon_msk_canary", "__amazon_msk_canary_state",
}

// IsInternalTopic tells whether a name is Kafka's own, also while there is no such topic yet.
func IsInternalTopic(name string) bool { return slices.Contains(internalTopics, name) }

// TopicARN names a topic of the cluster, as MSK does.
func (c Cluster) TopicARN(topic string) string {
	return strings.Replace(c.ARN, ":cluster/", ":topic/", 1) + "/" + topic
}

// TopicSpec is what a topic should be.
type TopicSpec struct {
	Name              string            `json:"name"`
	Partitions        int               `json:"partitions"`
	ReplicationFactor int               `json:"replicationFactor"`
	Configs           map[string]string `json:"configs,omitempty"`
}

// DeclaredTopic is a topic as a document of people's declares it.
type DeclaredTopic struct {
	TopicSpec
	// Owner is who to ask about the topic, in people's words.
	Owner string `json:"owner,omitempty"`
	// Protected says that nobody may delete the topic before it is declared otherwise.
	Protected bool `json:"protected,omitempty"`
}

// Declaration is the topics of a cluster as they should be. A topic that is not in it is nobody's business.
type Declaration struct {
	// ID is the operation's that has made, or is making, the topics so.
	ID     string          `json:"id"`
	At     time.Time       `json:"at"`
	By     string          `json:"by,omitempty"` // the caller, as logs name callers
	Topics []DeclaredTopic `json:"topics"`       // by name
	// Former are topics that were declared before and are no longer, by name: the operation releases or deletes them.
	Former []DeclaredTopic `json:"former,omitempty"`
}

// DeclaredSoFar are the topics that the next declaration may leave out: those of this one and, unless it was applied to the end,
// those that it was to release or delete.
func (d Declaration) DeclaredSoFar(applied bool) []DeclaredTopic {
	if applied {
		return d.Topics
	}
	return slices.Concat(d.Topics, d.Former)
}

// After is the declaration as it follows those topics that were declared so far: which of them it leaves out is its Former.
func (d Declaration) After(soFar []DeclaredTopic) Declaration {
	d.Former = slices.DeleteFunc(slices.Clone(soFar), func(t DeclaredTopic) bool {
		_, declared := d.Topic(t.Name)
		return declared
	})
	return d
}

// Topic finds what is declared of a topic.
func (d Declaration) Topic(name string) (DeclaredTopic, bool) {
	for _, t := range d.Topics {
		if t.Name == name {
			return t, true
		}
	}
	return DeclaredTopic{}, false
}

// TopicPermits are what people have allowed an application of a declaration to do, topic by topic: nothing of it happens by
// itself.
type TopicPermits struct {
	// Delete are topics that were declared, are no longer, and may be deleted with their records.
	Delete []string `json:"delete,omitempty"`
	// Discard are topics whose new configuration may make Kafka throw away records that it keeps now.
	Discard []string `json:"discard,omitempty"`
}

// TopicAction is what has to be done about a topic.
type TopicAction string

const (
	CreateTopic TopicAction = "create"
	// GrowTopic gives it more partitions.
	GrowTopic TopicAction = "grow"
	// ConfigureTopic changes what is set on it.
	ConfigureTopic TopicAction = "configure"
	DeleteTopic    TopicAction = "delete"
	// ReleaseTopic does nothing: the topic is no longer declared, and is left as it is.
	ReleaseTopic TopicAction = "release"
)

// TopicChange is one thing to be done about one topic.
type TopicChange struct {
	Topic  string      `json:"topic"`
	Action TopicAction `json:"action"`
	// FromPartitions and ToPartitions are the number of partitions before and after; 0 where there is no topic.
	FromPartitions int `json:"fromPartitions,omitempty"`
	ToPartitions   int `json:"toPartitions,omitempty"`
	// ReplicationFactor is that of a topic that is created.
	ReplicationFactor int `json:"replicationFactor,omitempty"`
	// Configs are the properties that change, by name.
	Configs []ConfigChange `json:"configs,omitempty"`
	// Warnings say what people may not expect of it.
	Warnings []string `json:"warnings,omitempty"`
	// Refused says why it can't be done, and what to do instead; empty when it can.
	Refused string `json:"refused,omitempty"`
}

// ConfigChange is a property before and after; nil is not set.
type ConfigChange struct {
	Name string  `json:"name"`
	From *string `json:"from,omitempty"`
	To   *string `json:"to,omitempty"`
}

// SameConfig tells whether Kafka takes two values of a property for one: it trims them, and what it has read it writes in its own
// way.
func SameConfig(a, b string) bool {
	a, b = trimmed(a), trimmed(b)
	if a == b {
		return true
	}
	if x, err := strconv.ParseInt(a, 10, 64); err == nil {
		y, err := strconv.ParseInt(b, 10, 64)
		return err == nil && x == y
	}
	x, notX := strconv.ParseFloat(a, 64)
	y, notY := strconv.ParseFloat(b, 64)
	return notX == nil && notY == nil && x == y
}

// trimmed is a value without what means nothing: blanks around it and around the members of a list, and how true and false are
// written.
func trimmed(value string) string {
	members := strings.Split(value, ",")
	for i, m := range members {
		members[i] = strings.TrimSpace(m)
	}
	value = strings.Join(members, ",")
	if strings.EqualFold(value, "true") || strings.EqualFold(value, "false") {
		return strings.ToLower(value)
	}
	return value
}

// TopicPlan is everything that has to be done so that a cluster's topics are as declared, in the order in which it is done.
type TopicPlan struct {
	Changes []TopicChange `json:"changes"`
	// Unchanged counts the declared topics that are as they should be.
	Unchanged int `json:"unchanged"`
	// Warnings are about topics that are as declared, by name and a colon.
	Warnings []string `json:"warnings,omitempty"`
}

// Refused are the changes that can't be made.
func (p TopicPlan) Refused() []TopicChange {
	return slices.DeleteFunc(slices.Clone(p.Changes), func(c TopicChange) bool { return c.Refused == "" })
}

// Effective are the changes that do something.
func (p TopicPlan) Effective() []TopicChange {
	return slices.DeleteFunc(slices.Clone(p.Changes), func(c TopicChange) bool { return c.Action == ReleaseTopic })
}

// TopicDrift is how a cluster's topics differ from what is declared, as it was last seen.
type TopicDrift struct {
	// Declaration is the one that was compared with.
	Declaration string `json:"declaration"`
	// At is when that was; Since is from when on topics have differed, zero while none does.
	At    time.Time `json:"at"`
	Since time.Time `json:"since,omitzero"`
	// Topics are those that differ, by name: a hundred at most, of Count.
	Topics []DriftedTopic `json:"topics,omitempty"`
	Count  int            `json:"count"`
}

// DriftedTopic says how a topic differs from what is declared of it.
type DriftedTopic struct {
	Topic  string `json:"topic"`
	Reason string `json:"reason"`
}

// TopicsApplication is what an APPLY_TOPICS operation is about: the declaration of the operation's own id, and what of it may
// cost records.
type TopicsApplication struct {
	Permits TopicPermits `json:"permits,omitzero"`
	// Planned is how many changes there were to be made when the operation was planned.
	Planned int `json:"planned,omitempty"`
}
