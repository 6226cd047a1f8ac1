package cluster

import (
	"fmt"
	"slices"
	"time"
)

// Condition is what a look at a node gave, in a word that stays the same while the trouble does.
type Condition string

const (
	// Well: the node does its work.
	Well Condition = "well"
	// Unknown: nothing was heard of the node, and nobody says anything against it. That is never a reason to act.
	Unknown Condition = "unknown"
	// Starting: Kafka is on its way, for the first time or again.
	Starting Condition = "starting"
	// HostDead: the platform says that the host has ended, or that it is powered off. It is the one proof of death there is.
	HostDead Condition = "host dead"
	// HostImpaired: the platform's own checks of the host fail.
	HostImpaired Condition = "host impaired"
	// Unreachable: the host is silent and the quorum has fenced its broker, while the platform says that the host runs.
	Unreachable Condition = "unreachable"
	// KafkaDown: the host reports, and its Kafka does not come up.
	KafkaDown Condition = "kafka down"
	// KafkaRefused: the agent refuses to run the node, because it would put data at risk.
	KafkaRefused Condition = "kafka refused"
	// KafkaHeld: somebody has stopped the Kafka process by a signal (SIGSTOP) and has not let it go on.
	KafkaHeld Condition = "kafka held"
	// KafkaSilent: the Kafka process runs and does not answer any more.
	KafkaSilent Condition = "kafka silent"
	// OutOfSync: the broker answers, and leaders miss it among their in-sync replicas.
	OutOfSync Condition = "out of sync"
	// DiskFull: the log volume has no room left, and Kafka has ended or is about to.
	DiskFull Condition = "disk full"
	// DiskSlow: writes to the log volume take longer than replication bears.
	DiskSlow Condition = "disk slow"
)

// Remedy is what is done about a sick node.
type Remedy string

const (
	// NoRemedy: nothing has to be done, or nothing can be but by people.
	NoRemedy Remedy = ""
	// Restart: Kafka is started again, on the same host.
	Restart Remedy = "restart"
	// Replace: the node gets a new host, with the same id, address and volume.
	Replace Remedy = "replace"
	// Grow: the log volume gets larger.
	Grow Remedy = "grow"
)

// Finding is the verdict over one node: what is the matter, and what follows from it.
type Finding struct {
	NodeID int32 `json:"nodeId"`
	Role   Role  `json:"role"`
	// Host is the one that was looked at; empty when the node has none.
	Host      string    `json:"host,omitempty"`
	Condition Condition `json:"condition"`
	// Since is when the node was first found in this condition.
	Since time.Time `json:"since"`
	// Reason says in a sentence what was seen.
	Reason string `json:"reason,omitempty"`
	// Remedy is what the condition asks for, NoRemedy when it asks for nothing; Waits says what keeps it from being done at
	// the moment, and is empty when nothing does. A finding with neither, that is not Well, is for people: Advice tells them.
	Remedy Remedy `json:"remedy,omitempty"`
	Waits  string `json:"waits,omitempty"`
	// Advice says what a person can do, where nothing else helps, or has not helped so far.
	Advice string `json:"advice,omitempty"`

	// Urgent says that the node can't take records any more, or will not for much longer, unless somebody does what Advice says. It
	// may be Well as yet.
	Urgent bool `json:"urgent,omitempty"`
	// Serves says that the node does its work all the same: what is the matter with it is its disk, and Kafka runs.
	Serves bool `json:"serves,omitempty"`
	// ToleratedUntil is how long a sick node's condition is borne; before that nothing is done about it.
	ToleratedUntil time.Time `json:"toleratedUntil,omitzero"`
	// Track is what this look notes down for the next ones.
	Track Track `json:"track,omitzero"`
}

// Track is what has to be known of earlier looks at a node to judge it now. It belongs to the host that was looked at.
type Track struct {
	// Ran is the start of the Kafka process that was last seen as a member of its cluster.
	Ran time.Time `json:"ran,omitzero"`
	// Starts are the starts of Kafka that were seen lately, oldest first.
	Starts []time.Time `json:"starts,omitempty"`
	// Falls are the moments, lately, at which the others were found to have given up the process that Ran, oldest first.
	Falls []time.Time `json:"falls,omitempty"`
	// Behind counts the partitions of which the node's replica was out of sync, when there were fewest of them;
	// BehindSince is since when they have not become fewer.
	Behind      int       `json:"behind,omitempty"`
	BehindSince time.Time `json:"behindSince,omitzero"`
}

// Sick tells whether something is wrong with the node, as far as is known. A node that is starting or unknown is not sick.
func (f Finding) Sick() bool {
	return f.Condition != Well && f.Condition != Unknown && f.Condition != Starting
}

// Overdue tells whether the node is sick for longer than is borne.
func (f Finding) Overdue(now time.Time) bool { return f.Sick() && !now.Before(f.ToleratedUntil) }

// LeftAlone tells whether the node is sick and nothing that is done by itself helps: people are asked to.
func (f Finding) LeftAlone() bool {
	return f.Sick() && f.Advice != "" && (f.Waits == "" || f.Remedy != NoRemedy)
}

// Health is what the last look at a cluster gave.
type Health struct {
	ClusterID string    `json:"clusterId"`
	LookedAt  time.Time `json:"lookedAt"`
	// WatchedSince is since when looks have followed each other closely. What hosts left unsaid before it, nobody may have
	// heard.
	WatchedSince time.Time `json:"watchedSince,omitzero"`
	Findings     []Finding `json:"findings"` // brokers first, by id
	// Breaker says why only the proven dead are replaced at the moment; empty while the circuit breaker is closed.
	Breaker string `json:"breaker,omitempty"`
	// Everywhere says that it is open for every cluster, because too many of them have sick nodes.
	Everywhere bool `json:"everywhere,omitempty"`
}

// Sick gives the findings of the nodes that are.
func (h Health) Sick() []Finding {
	var sick []Finding
	for _, f := range h.Findings {
		if f.Sick() {
			sick = append(sick, f)
		}
	}
	return sick
}

// Urgent tells whether a node waits for people, and can't do so for long.
func (h Health) Urgent() bool {
	_, urgent := h.FirstUrgent()
	return urgent
}

// FirstUrgent is the first finding that can't wait for long for people; ok is false when there is none.
func (h Health) FirstUrgent() (f Finding, ok bool) {
	i := slices.IndexFunc(h.Findings, func(f Finding) bool { return f.Urgent })
	if i < 0 {
		return f, false
	}
	return h.Findings[i], true
}

// QuorumIsLost tells whether so many controllers are known to be sick, for longer than is borne, that there is no majority:
// no broker can start then, or come back. One that is sick and serves is none of them.
func (h Health) QuorumIsLost(now time.Time) bool {
	controllers, sick := 0, 0
	for _, f := range h.Findings {
		if f.Role != Controller {
			continue
		}
		controllers++
		if f.Overdue(now) && !f.Serves {
			sick++
		}
	}
	return controllers > 0 && 2*sick >= controllers
}

// Of gives the finding of a node; ok is false when the last look knew of no such node.
func (h Health) Of(node int32) (f Finding, ok bool) {
	i := slices.IndexFunc(h.Findings, func(f Finding) bool { return f.NodeID == node })
	if i < 0 {
		return Finding{}, false
	}
	return h.Findings[i], true
}

// Heal is what a healing operation is about. It is decided once, when the operation is recorded, and never changes.
type Heal struct {
	NodeID    int32     `json:"nodeId"`
	Role      Role      `json:"role"`
	Remedy    Remedy    `json:"remedy"`
	Condition Condition `json:"condition"`
	Reason    string    `json:"reason"`
	Since     time.Time `json:"since"` // when the node was first found in that condition
	// Host and Launch are the host that was found sick and the number of its launch: nothing is ever done to a later one,
	// however late the operation comes to it.
	Host   string `json:"host"`
	Launch int    `json:"launch"`
	// Proven says that the platform had declared the host dead, so that nothing is lost by doing without it.
	Proven bool `json:"proven,omitempty"`
	// VolumeGiB is the size that the volume is to get, for Grow.
	VolumeGiB int `json:"volumeGiB,omitempty"`
}

// String names the node that is healed: broker 2.
func (h Heal) String() string { return fmt.Sprintf("%s %d", h.Role, h.NodeID) }

// MaintenanceWindow keeps healing away from a node, or from all of a cluster's, while a person works on it. It ends by itself.
type MaintenanceWindow struct {
	// NodeID is 0 for the whole cluster.
	NodeID int32     `json:"nodeId,omitempty"`
	Until  time.Time `json:"until"`
	Since  time.Time `json:"since"`
	Reason string    `json:"reason,omitempty"`
}

// Covers tells whether maintenance keeps healing away from a node at a time.
func (m MaintenanceWindow) Covers(node int32, now time.Time) bool {
	return now.Before(m.Until) && (m.NodeID == 0 || m.NodeID == node)
}

// HealingRules are what people have said about the healing of a cluster.
type HealingRules struct {
	Maintenance []MaintenanceWindow `json:"maintenance,omitempty"`
	// AllowedUntil is until when the circuit breaker does not count for this cluster, because a person has looked.
	AllowedUntil time.Time `json:"allowedUntil,omitzero"`
	// MaxVolumeGiB is up to which size a full log volume may be grown without being asked; 0 means not at all.
	MaxVolumeGiB int `json:"maxVolumeGiB,omitempty"`
}

// Partition is a partition as its cluster sees it.
type Partition struct {
	Topic string `json:"topic"`
	ID    int32  `json:"id"`
	// Leader is -1 while the partition has none.
	Leader   int32   `json:"leader"`
	Replicas []int32 `json:"replicas"`
	InSync   []int32 `json:"inSync"`
	// MinInSync is the topic's min.insync.replicas.
	MinInSync int `json:"minInSync"`
}

// String names the partition as Kafka does: orders-3.
func (p Partition) String() string { return fmt.Sprintf("%s-%d", p.Topic, p.ID) }
