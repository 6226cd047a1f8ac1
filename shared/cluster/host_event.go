package cluster

import "time"

// HostEventType says what a host event is about, in the words that rules on the bus match.
type HostEventType string

const (
	// BrokerJoined: a broker is a working member of its cluster, for the first time or again.
	BrokerJoined HostEventType = "Broker Joined"
	// BrokerFenced: a broker that the node knew as alive is so no more. Every other broker says so by itself.
	BrokerFenced HostEventType = "Broker Fenced"
	// NodeInTrouble: a node does not work any more, does not answer, is held by a signal, or can't be started.
	NodeInTrouble HostEventType = "Node In Trouble"
	// BrokerOutOfSync: a leader misses a broker, which it knows as alive, among the in-sync replicas of its partitions.
	BrokerOutOfSync HostEventType = "Broker Out Of Sync"
	// ControllerBehind: the active controller counts another controller no more among the voters that have caught up.
	ControllerBehind HostEventType = "Controller Behind"
	// DiskFills: the use of a node's log volume has reached a further step of 5 %.
	DiskFills HostEventType = "Disk Fills"
	// DiskNearlyFull: a node's log volume is 85 % full.
	DiskNearlyFull HostEventType = "Disk Nearly Full"
	// DiskFilled: a node's log volume has no room left.
	DiskFilled HostEventType = "Disk Full"
	// CertificateNearItsEnd: a node's certificate has less than 30 days to go.
	CertificateNearItsEnd HostEventType = "Certificate Near Its End"
)

// HostEventTypes lists every type.
func HostEventTypes() []HostEventType {
	return []HostEventType{
		BrokerJoined, BrokerFenced, NodeInTrouble, BrokerOutOfSync, ControllerBehind, DiskFills, DiskNearlyFull, DiskFilled,
		CertificateNearItsEnd,
	}
}

// HostEvent is something that a host said and that others should know at once. It may come twice, late, or of a host that
// was replaced meanwhile: whoever is woken by one looks for themselves before they act.
type HostEvent struct {
	Type HostEventType `json:"-"` // travels beside the rest
	At   time.Time     `json:"at"`

	Deployment string `json:"deployment"`
	Cluster    string `json:"cluster"`
	// Node, Role and Host are those of who said it; Broker is whom it is about where that is another, a controller too.
	Node   int32  `json:"nodeId"`
	Role   Role   `json:"role"`
	Host   string `json:"hostId"`
	Broker int32  `json:"broker,omitempty"`

	// Message is the event in one sentence for people.
	Message string `json:"message"`
}
