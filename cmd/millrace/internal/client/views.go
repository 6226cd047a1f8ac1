package client

import (
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
	// Operation is the one that holds the cluster or, when none does, the last one.
	Operation *Operation `json:"operation,omitempty"`
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
}

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
