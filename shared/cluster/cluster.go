// Package cluster holds the nouns: what a cluster is, what it should become and what was last seen of it, with the rules
// that belong to the nouns themselves. It knows nothing of AWS, of Kafka's protocol or of where records are kept.
package cluster

import (
	"encoding/json"
	"strings"
	"time"
)

// Cluster is a Kafka cluster that Millrace owns.
type Cluster struct {
	// ID is the last part of the ARN: a UUID and a small number, as in MSK. It never changes and is never used again.
	ID   string `json:"id"`
	Name string `json:"name"`
	ARN  string `json:"arn"`
	// KafkaID is the id that Kafka itself keeps on every volume: 16 bytes, unpadded URL base64.
	KafkaID   string    `json:"kafkaId"`
	CreatedAt time.Time `json:"createdAt"`

	// Version is MSK's currentVersion: the optimistic lock that every update names. Opaque.
	Version string `json:"version"`

	Spec Spec `json:"spec"`
	// Requested is the part of the create request that describes the brokers, in MSK's wire form, kept so that Describe
	// echoes exactly what was asked for.
	Requested json.RawMessage   `json:"requested"`
	Tags      map[string]string `json:"tags,omitempty"`
	// Authority is the certificate (PEM) of the cluster's own certificate authority; empty until the create operation has
	// made it. Its private key is a secret and is kept as one.
	Authority string `json:"authority,omitempty"`

	// Active is the operation that holds the cluster; nil when none does. One at a time.
	Active *ActiveOperation `json:"active,omitempty"`
	// Ready is true once the cluster has been ACTIVE.
	Ready bool `json:"ready"`
	// Failure says why a cluster that is not Ready is FAILED; nil when it is not.
	Failure *Failure `json:"failure,omitempty"`

	// Declaration is the id of the declaration that topics should follow; empty when none was ever applied.
	Declaration string `json:"declaration,omitempty"`
	// Applying is the operation that makes them follow it; nil when none does. It holds the topics, and not the cluster.
	Applying *ActiveOperation `json:"applying,omitempty"`
	// Growing is the operation that makes volumes larger; nil when none does. It holds the volumes of brokers, and not the cluster.
	Growing *ActiveOperation `json:"growing,omitempty"`

	// Healing is what people have said about how this cluster is healed.
	Healing HealingRules `json:"healing,omitzero"`
}

// ActiveOperation names the operation that holds a cluster.
type ActiveOperation struct {
	ID   string        `json:"id"`
	Type OperationType `json:"type"`
}

// Failure is a cause that people read; its code is short and stable.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// State is a cluster's state, in MSK's words.
type State string

const (
	Creating        State = "CREATING"
	Active          State = "ACTIVE"
	Updating        State = "UPDATING"
	Healing         State = "HEALING"
	Maintenance     State = "MAINTENANCE"
	RebootingBroker State = "REBOOTING_BROKER"
	Deleting        State = "DELETING"
	Failed          State = "FAILED"
)

// State follows from the operation that holds the cluster, or its volumes, and is set nowhere.
func (c Cluster) State() State {
	switch {
	case c.Active != nil:
		return c.Active.Type.state()
	case c.Failure != nil || !c.Ready:
		return Failed
	case c.Growing != nil:
		return c.Growing.Type.state()
	default:
		return Active
	}
}

// Serves tells whether clients can use the cluster, as far as operations go: one that is being made or deleted, or that could not
// be, serves nobody.
func (c Cluster) Serves() bool {
	switch c.State() {
	case Creating, Deleting, Failed:
		return false
	default:
		return c.Ready && c.Failure == nil
	}
}

// Encryption in transit between clients and brokers, in MSK's words.
const (
	TLS          = "TLS"
	TLSPlaintext = "TLS_PLAINTEXT"
	Plaintext    = "PLAINTEXT"
)

// Spec is the desired shape of a cluster.
type Spec struct {
	// KafkaVersion is MSK's version name as it was requested, such as 4.1.x.kraft.
	KafkaVersion string `json:"kafkaVersion"`
	Brokers      int    `json:"brokers"`
	Controllers  int    `json:"controllers"`
	InstanceType string `json:"instanceType"`
	// Subnets are the zones of the brokers, one subnet each, in the order of the request.
	Subnets        []string `json:"subnets"`
	SecurityGroups []string `json:"securityGroups,omitempty"`
	// VolumeGiB is what each broker's volume has at least; ThroughputMiB is in MiB a second, 0 where nobody has asked for more
	// than a volume has.
	VolumeGiB     int `json:"volumeGiB"`
	ThroughputMiB int `json:"throughputMiB,omitempty"`
	// ClientBroker is TLS, TLS_PLAINTEXT or PLAINTEXT; InCluster says whether brokers and controllers speak TLS among
	// themselves.
	ClientBroker string `json:"clientBroker"`
	InCluster    bool   `json:"inCluster"`
	// Configuration is nil when the cluster runs on the defaults.
	Configuration *ConfigurationRef `json:"configuration,omitempty"`
}

// ConfigurationRef names one revision of a configuration.
type ConfigurationRef struct {
	ARN      string `json:"arn"`
	Revision int64  `json:"revision"`
}

// ID is the configuration's id: the last part of its ARN.
func (r ConfigurationRef) ID() string { return r.ARN[strings.LastIndexByte(r.ARN, '/')+1:] }
