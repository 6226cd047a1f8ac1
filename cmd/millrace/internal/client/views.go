package client

import (
	"fmt"
	"time"

	"github.com/millrace/millrace/shared/accesskey"
	"github.com/millrace/millrace/shared/cluster"
)

// Cluster is a cluster with everything a person wants to know when it is not ACTIVE.
type Cluster struct {
	Name         string        `json:"name"`
	ARN          string        `json:"arn"`
	State        cluster.State `json:"state"`
	Failure      *Failure      `json:"failure,omitempty"` // why it is FAILED
	Version      string        `json:"version"`           // MSK's currentVersion
	KafkaVersion string        `json:"kafkaVersion"`
	InstanceType string        `json:"instanceType"` // of the brokers, by MSK's name
	VolumeGiB    int           `json:"volumeGiB"`    // of each broker
	InCluster    bool          `json:"inCluster"`    // whether brokers talk to each other over TLS
	CreatedAt    time.Time     `json:"createdAt"`
	Nodes        []Node        `json:"nodes"` // brokers first
	// Breaker says why only the proven dead are replaced at the moment; empty while the circuit breaker is closed.
	Breaker     string        `json:"breaker,omitempty"`
	Maintenance []Maintenance `json:"maintenance"` // that is in force
	// Operation is the one that holds the cluster or, when none does, the last one that has.
	Operation *Operation `json:"operation,omitempty"`
	// Growing is the operation that changes volumes; nil when none does. It does not hold the cluster.
	Growing *Operation `json:"growing,omitempty"`
	// Applying is the operation that makes topics as they are declared; nil when none does. It does not hold the cluster.
	Applying *Operation `json:"applying,omitempty"`
}

// Failure is a cause that people read; its code is short and stable.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Node is a broker or a controller of a cluster.
type Node struct {
	ID      int32        `json:"id"`
	Role    cluster.Role `json:"role"`
	Zone    string       `json:"zone"`
	Address string       `json:"address,omitempty"` // what clients connect to, without a port
	Host    string       `json:"host,omitempty"`    // what serves the node now
	// State is what the agent on the node's host says, or how far the node is before there is one.
	State  string     `json:"state"`
	Reason string     `json:"reason,omitempty"` // what the node waits for or fails of
	SeenAt *time.Time `json:"seenAt,omitempty"` // of the last heartbeat
	// Health is what the last look at the node gave; nil while nobody has looked.
	Health *Finding `json:"health,omitempty"`
}

// String names the node as an operator would: broker 2, controller 1001.
func (n Node) String() string { return fmt.Sprintf("%s %d", n.Role, n.ID) }

// Operation is a change of a cluster, with how far it got.
type Operation struct {
	ID        string                 `json:"id"`
	ARN       string                 `json:"arn"`
	Type      cluster.OperationType  `json:"type"`
	State     cluster.OperationState `json:"state"`
	Attempt   int                    `json:"attempt"`
	Percent   int                    `json:"percent"`
	StartedAt time.Time              `json:"startedAt"`
	EndedAt   *time.Time             `json:"endedAt,omitempty"`
	Failure   *Failure               `json:"failure,omitempty"`
	Steps     []Step                 `json:"steps"`
}

// Step is a part of an operation as an operator sees it.
type Step struct {
	Name    string             `json:"name"`
	Status  cluster.StepStatus `json:"status"`
	Percent int                `json:"percent"`
	Detail  string             `json:"detail,omitempty"` // what the step waits for, or why it failed
}

// CurrentStep gives the step that is under way, has failed, or comes next; false when all are completed.
func (o Operation) CurrentStep() (Step, bool) {
	for _, s := range o.Steps {
		if s.Status != cluster.StepCompleted {
			return s, true
		}
	}
	return Step{}, false
}

// Health is how a cluster fares, and what is done about it.
type Health struct {
	Name  string        `json:"name"`
	ARN   string        `json:"arn"`
	State cluster.State `json:"state"`
	// LookedAt is when somebody last looked at the cluster, give or take a minute while nothing changes.
	LookedAt *time.Time `json:"lookedAt,omitempty"`
	Nodes    []Node     `json:"nodes"` // brokers first, each with its verdict
	// Breaker says why only the proven dead are replaced at the moment; empty while the circuit breaker is closed.
	Breaker string `json:"breaker,omitempty"`
	// AllowedUntil is until when the breaker does not count, because a person said so.
	AllowedUntil *time.Time `json:"allowedUntil,omitempty"`
	// MaxVolumeGiB is up to which size a full log volume is grown; 0 means that none is.
	MaxVolumeGiB int `json:"maxVolumeGiB"`
	// StorageAutoscaling is the rule by which the volumes of brokers grow before they are full; nil where they do not.
	StorageAutoscaling *cluster.StorageAutoscaling `json:"storageAutoscaling,omitempty"`
	Maintenance        []Maintenance               `json:"maintenance"`    // that is in force
	Heal               *Heal                       `json:"heal,omitempty"` // that is under way
	// TopicDrift is how topics differ from what is declared of them; nil where nothing is declared, or nobody has looked.
	TopicDrift *cluster.TopicDrift `json:"topicDrift,omitempty"`
}

// Finding is the verdict over a node.
type Finding struct {
	Condition cluster.Condition `json:"condition"`
	Since     time.Time         `json:"since"`
	Host      string            `json:"host,omitempty"`   // the one that was looked at
	Reason    string            `json:"reason,omitempty"` // what was seen
	Remedy    cluster.Remedy    `json:"remedy,omitempty"`
	Waits     string            `json:"waits,omitempty"`  // what keeps the remedy from being applied
	Advice    string            `json:"advice,omitempty"` // what a person can do
}

// Sick tells whether something is wrong with the node, as far as is known.
func (f *Finding) Sick() bool { return f != nil && cluster.Finding{Condition: f.Condition}.Sick() }

// Maintenance keeps healing away until it ends.
type Maintenance struct {
	NodeID int32     `json:"nodeId,omitempty"` // 0 for the whole cluster
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	Reason string    `json:"reason,omitempty"`
}

// Heal is the healing of one node, which is an operation.
type Heal struct {
	NodeID    int32             `json:"nodeId"`
	Role      cluster.Role      `json:"role"`
	Condition cluster.Condition `json:"condition"`
	Since     time.Time         `json:"since"` // when the node was first found in that condition
	Reason    string            `json:"reason,omitempty"`
	Remedy    cluster.Remedy    `json:"remedy,omitempty"`
	Host      string            `json:"host,omitempty"`      // that was found sick
	VolumeGiB int               `json:"volumeGiB,omitempty"` // that the volume is to have, where it grows
	Operation Operation         `json:"operation"`
}

// String names the node that is healed: broker 2.
func (h Heal) String() string { return fmt.Sprintf("%s %d", h.Role, h.NodeID) }

// AccessKey is an access key that was issued, without its secret.
type AccessKey struct {
	ID          string         `json:"accessKeyId"`
	Role        accesskey.Role `json:"role"`
	Description string         `json:"description,omitempty"`
	CreatedAt   time.Time      `json:"createdAt"`
	CreatedBy   string         `json:"createdBy"`            // an access key id, or the ARN of an IAM identity
	EndsAt      *time.Time     `json:"endsAt,omitempty"`     // of one that was rotated
	ReplacedBy  string         `json:"replacedBy,omitempty"` // the id of the key that took its place
}

// IssuedKey is a new access key with its secret.
type IssuedKey struct {
	ID          string         `json:"accessKeyId"`
	Secret      string         `json:"secretAccessKey"`
	Role        accesskey.Role `json:"role"`
	Description string         `json:"description,omitempty"`
	CreatedAt   time.Time      `json:"createdAt"`
	CreatedBy   string         `json:"createdBy"`
	Replaces    *AccessKey     `json:"replaces,omitempty"` // by a rotation
}
