// Package nodespec is what the control plane tells a host to run, and what the host says back.
//
// Control is by desired and observed: the control plane writes a [Spec] with a generation, the agent's [Heartbeat] says
// which generation runs and how it fares, and a step waits until observed has caught up with desired. Nothing is ever
// pushed into a host. The agent's whole link to the control plane is a [Mailbox].
package nodespec

import (
	"context"
	"time"

	"github.com/millrace/millrace/shared/cluster"
)

// Role is what a node does for its cluster. No node does both: broker and quorum operations stay apart.
type Role = cluster.Role

const (
	Broker     = cluster.Broker
	Controller = cluster.Controller
)

// Spec is everything an agent needs to run one node. It is complete: an agent that has read one needs nothing else to
// start, restart and keep its node, also while the control plane is away.
type Spec struct {
	// Generation counts the specs of this host from 1; a higher one replaces a lower one.
	Generation int64 `json:"generation"`
	// Restarts counts the restarts that the control plane has asked for on this host: a Kafka that was started under a
	// lower count is stopped and started again, whatever else stays the same.
	Restarts int64 `json:"restarts,omitempty"`

	// Cluster is the cluster's name, for people; ClusterID is Kafka's own id (16 bytes, unpadded URL base64) and is
	// checked against the volume before anything starts.
	Cluster   string `json:"cluster"`
	ClusterID string `json:"clusterId"`
	NodeID    int32  `json:"nodeId"`
	Role      Role   `json:"role"`

	// Release is the exact Apache Kafka release, such as 4.1.2.
	Release string `json:"release"`

	Volume Volume `json:"volume"`

	// Properties become server.properties. Values may hold the placeholders below, for what only the host knows.
	Properties map[string]string `json:"properties"`

	// JVM is the size of the Java process.
	JVM JVM `json:"jvm"`

	// Certificate is the chain (PEM, leaf first) that answers the signing request of the host's heartbeats;
	// Authority is the cluster's certificate authority (PEM). Both are empty where nothing speaks TLS.
	Certificate string `json:"certificate,omitempty"`
	Authority   string `json:"authority,omitempty"`
}

// Placeholders in [Spec.Properties]: paths that the host chooses.
const (
	VolumePath     = "${host.volume}"     // the directory of the log volume: log.dirs
	KeystorePath   = "${host.keystore}"   // private key and certificate chain, PEM
	TruststorePath = "${host.truststore}" // the cluster's authority, PEM
)

// Volume says what the agent may assume about the log volume.
type Volume struct {
	// New permits formatting, and only when the volume is empty as well. It is true for a cluster's first spec of a node.
	New bool `json:"new"`
	// DirectoryID is Kafka's id of the log directory (16 bytes, unpadded URL base64), written when formatting.
	DirectoryID string `json:"directoryId"`
	// ID is the platform's of the log volume, of the first one where it is made of several: the only one that may be formatted.
	ID string `json:"id,omitempty"`
	// Users are SCRAM users that exist from the first second; only used when formatting a controller.
	Users []ScramUser `json:"users,omitempty"`
}

// ScramUser is a Kafka user with its salted credential (SCRAM-SHA-512), never its password.
type ScramUser struct {
	Name       string `json:"name"`
	Salt       []byte `json:"salt"`
	StoredKey  []byte `json:"storedKey"`
	ServerKey  []byte `json:"serverKey"`
	Iterations int32  `json:"iterations"`
}

// JVM sizes the Java process of a node.
type JVM struct {
	// HeapMiB is the maximum heap.
	HeapMiB int `json:"heapMiB"`
	// Lean trades peak throughput for a quick start and little memory: serial collector, first compiler tier, a shared
	// class archive. Right for a laptop and CI, wrong for a production host.
	Lean bool `json:"lean"`
}

// State is how far an agent is with its node.
type State string

const (
	// Waiting for a spec.
	Waiting State = "waiting"
	// Preparing: software, volume, keys, files.
	Preparing State = "preparing"
	// Starting: the Kafka process runs, and is not yet a working member of its cluster.
	Starting State = "starting"
	// Running: a broker is registered, unfenced and answers clients; a controller answers and knows the leader.
	Running State = "running"
	// Failing: the last start ended before Running; the agent tries again after a pause. Reason says why.
	Failing State = "failing"
	// Stopped on the control plane's wish, or because going on would put data at risk (Reason says which).
	Stopped State = "stopped"
)

// Heartbeat is what an agent saw. It is written at once when something changed, every 5 s while a node is not running,
// and in peace as often as its platform can afford (15 s on one machine, 30 s on AWS).
type Heartbeat struct {
	HostID string    `json:"hostId"`
	At     time.Time `json:"at"`

	// Cluster, NodeID and Role say whose host this is, so that a heartbeat can be understood by itself; empty before the
	// agent has read a spec.
	Cluster string `json:"cluster,omitempty"`
	NodeID  int32  `json:"nodeId,omitempty"`
	Role    Role   `json:"role,omitempty"`

	// Generation is the one of the spec the agent works on; 0 before it has read one.
	Generation int64 `json:"generation"`
	State      State `json:"state"`
	// Reason says in a sentence what a node that is not Running waits for or why it fails, with the line of Kafka's log
	// that tells it where there is one.
	Reason string `json:"reason,omitempty"`
	// FailedStarts counts the starts in a row that ended before Running.
	FailedStarts int `json:"failedStarts,omitempty"`
	// Restarts counts how often the agent started Kafka again after it had been Running.
	Restarts int `json:"restarts,omitempty"`

	// SigningRequest is a PEM certificate request made with a private key that never leaves the host.
	SigningRequest string `json:"signingRequest,omitempty"`

	// CertificateEnds is when the certificate that Kafka shows stops being valid; nil where nothing speaks TLS.
	CertificateEnds *time.Time `json:"certificateEnds,omitempty"`

	// Process is the Kafka process, absent when none runs.
	Process *Process `json:"process,omitempty"`
	// Brokers are the ids that this node's own Kafka lists as alive; empty until it answers.
	Brokers []int32 `json:"brokers,omitempty"`
	// Disk is the log volume as the host sees it.
	Disk *Disk `json:"disk,omitempty"`

	// SilentSince is since when a Kafka that was a member of its cluster has not answered; nil while it does, and before it
	// ever has.
	SilentSince *time.Time `json:"silentSince,omitempty"`
	// Replication is what a broker knows of the partitions that it leads; nil while it is no member of its cluster.
	Replication *Replication `json:"replication,omitempty"`
	// Quorum is what the active controller knows of its quorum; nil from every other node, and from one that has just become
	// the active controller and can't have heard of the other voters yet.
	Quorum *Quorum `json:"quorum,omitempty"`
}

// Process is a running Kafka process.
type Process struct {
	PID       int       `json:"pid"`
	Release   string    `json:"release"`
	StartedAt time.Time `json:"startedAt"`
	// HeldSince is since when a signal (SIGSTOP) keeps the process from running; nil while none does.
	HeldSince *time.Time `json:"heldSince,omitempty"`
}

// Disk is the size and use of a log volume, in bytes.
type Disk struct {
	TotalBytes int64 `json:"totalBytes"`
	UsedBytes  int64 `json:"usedBytes"`
	// WriteMillis is what a small synchronous write to the volume took, the median of the last minute's, or how long one has
	// been under way if that is more; 0 when not known.
	WriteMillis int `json:"writeMillis,omitempty"`
	// Volumes are the ids of the platform's volumes that the log volume is made of, the first one first; nil where the host does not
	// say so, because it can't join any to it. Left are those that it was made of once, and that hold nothing of it any more.
	Volumes []string `json:"volumes,omitempty"`
	Left    []string `json:"left,omitempty"`
}

// Replication is what a broker knows of the partitions that it leads, and of those that nobody does.
type Replication struct {
	// Leads counts the partitions that the broker leads, UnderReplicated those of them of which not every replica is in sync.
	Leads           int `json:"leads"`
	UnderReplicated int `json:"underReplicated,omitempty"`
	// OutOfSync counts, for each other broker, the led partitions of which it has a replica that is not in sync. Where there
	// are too many brokers to tell of, those with the most are here; see [Heartbeat.Within].
	OutOfSync map[int32]int `json:"outOfSync,omitempty"`
	// Offline counts the cluster's partitions without a leader, as this broker sees it.
	Offline int `json:"offline,omitempty"`
}

// Quorum is what the active controller knows of the voters.
type Quorum struct {
	// CaughtUp are the voters that follow the leader closely, itself included; sorted.
	CaughtUp []int32 `json:"caughtUp"`
	// Behind are the voters that do not, or have not been heard of lately; sorted.
	Behind []int32 `json:"behind,omitempty"`
}

// Mailbox is an agent's whole link to the control plane.
type Mailbox interface {
	// Spec gives this host's spec when its generation is above the one given, waiting for it as long as the mailbox sees
	// fit (about 20 s); ok is false when there is none yet. A NotFound error means this host is not, or no longer, known.
	Spec(ctx context.Context, above int64) (spec Spec, ok bool, err error)
	// Beat replaces this host's heartbeat.
	Beat(ctx context.Context, beat Heartbeat) error
}
