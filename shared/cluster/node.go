package cluster

import (
	"fmt"
	"slices"
	"time"
)

// Role is what a node does for its cluster.
type Role string

const (
	Broker     Role = "broker"
	Controller Role = "controller"
)

// FirstController is where the ids of controllers begin: above every id that a broker can have.
const FirstController int32 = 1001

// Node is a Kafka identity of a cluster, broker or controller: its id, rack, address and log volume survive the host that
// serves it at the moment.
type Node struct {
	ClusterID string `json:"clusterId"`
	// ID is Kafka's node id: brokers count from 1 without gaps at creation, controllers from [FirstController].
	ID   int32 `json:"id"`
	Role Role  `json:"role"`
	// Subnet decides the zone; Rack is that zone's id and becomes broker.rack.
	Subnet string `json:"subnet"`
	Rack   string `json:"rack"`
	// DirectoryID is Kafka's id of the log directory.
	DirectoryID string    `json:"directoryId"`
	AddedAt     time.Time `json:"addedAt"`

	Address *Address `json:"address,omitempty"`
	Volume  *Volume  `json:"volume,omitempty"`
	// Host is what serves the node now. Launches counts the launches that were attempted, each recorded before it was
	// made, because a client token that was used once only ever returns the host of that first time.
	Host     *Host `json:"host,omitempty"`
	Launches int   `json:"launches"`
	// Formatted says that the node has run on its volume: from then on an empty volume is a lost one, and nobody may
	// format it again.
	Formatted bool `json:"formatted,omitempty"`
	// SpecGeneration is the generation of the last node spec that was written for this node.
	SpecGeneration int64 `json:"specGeneration"`
	// SpecCause is the operation that asked for that generation, with the host that it was for, where that was about this node
	// alone; empty where it was about all.
	SpecCause string `json:"specCause,omitempty"`
}

// String names the node as an operator would: broker 2, controller 1001.
func (n Node) String() string { return fmt.Sprintf("%s %d", n.Role, n.ID) }

// VolumeID is the platform's id of the node's log volume; empty while it has none.
func (n Node) VolumeID() string {
	if n.Volume == nil {
		return ""
	}
	return n.Volume.ID
}

// ServedNode gives the node of an id that has a host; ok is false when there is none.
func ServedNode(nodes []Node, id int32) (n Node, ok bool) {
	i := slices.IndexFunc(nodes, func(n Node) bool { return n.ID == id && n.Host != nil })
	if i < 0 {
		return Node{}, false
	}
	return nodes[i], true
}

// Address is a fixed network address: an ENI on AWS, a loopback address on one machine.
type Address struct {
	ID   string `json:"id"`
	IP   string `json:"ip"`
	Name string `json:"name"` // what clients connect to, and what certificates name
	// NameChange is the change that makes the name known, where that takes a while; empty where it does not.
	NameChange string `json:"nameChange,omitempty"`
}

// Volume is a log volume: an EBS volume on AWS, a directory on one machine. It outlives its host. Where the platform takes no change
// of it for a while, it grows by further ones, which its host joins to it: they are one to whoever uses it, and one size.
type Volume struct {
	// ID is that of the first, on which everything began and to which everything returns.
	ID      string `json:"id"`
	SizeGiB int    `json:"sizeGiB"` // of all together
	// ThroughputMiB is in MiB a second; 0 is what a volume has that nobody has asked for more.
	ThroughputMiB int `json:"throughputMiB,omitempty"`
	// Joins says that a host has said of this volume that it can join further ones to it, which not every file system lets it.
	Joins bool `json:"joins,omitempty"`
	// Further are those that are joined to the first, or on their way there or back; by number. Added counts all that there ever
	// were: no number is used again.
	Further []FurtherVolume `json:"further,omitempty"`
	Added   int             `json:"added,omitempty"`
	// FirstGiB is how large the first one is by itself, as far as is known, and MergeAt when it is to be asked next to become as large
	// as the whole. Both say something only where there are further ones.
	FirstGiB int       `json:"firstGiB,omitempty"`
	MergeAt  time.Time `json:"mergeAt,omitzero"`
}

// FurtherVolume is joined to a log volume while the platform takes no change of that. It is emptied by the host, and then deleted, once
// the first volume has become as large as all of them.
type FurtherVolume struct {
	Number  int    `json:"number"`       // from 1
	ID      string `json:"id,omitempty"` // empty until it is made
	SizeGiB int    `json:"sizeGiB"`
	// WholeGiB is what the log volume has with it. Once the first one has as much, this one is needed no longer.
	WholeGiB int `json:"wholeGiB"`
	// Operation is what wanted it, and AddedAt when it was asked for, the last time.
	Operation string    `json:"operation"`
	AddedAt   time.Time `json:"addedAt"`
	// LeftAt is when somebody began, the last time, to take it away, because the host has said that nothing is on it any more; zero
	// before that. No host is given it from then on.
	LeftAt time.Time `json:"leftAt,omitzero"`
}

// Token names a further volume of a node.
func (f FurtherVolume) Token(n Node) Token {
	return Token{ClusterID: n.ClusterID, NodeID: n.ID, Volume: f.Number}
}

// IsNeeded tells whether the log volume would be smaller without one of its further volumes.
func (v Volume) IsNeeded(f FurtherVolume) bool { return f.LeftAt.IsZero() && v.FirstGiB < f.WholeGiB }

// TogetherGiB is what the first volume and those further ones have that are needed, also those that are not joined to it yet.
func (v Volume) TogetherGiB() int {
	if len(v.Further) == 0 {
		return v.SizeGiB
	}
	gib := v.FirstGiB
	for _, f := range v.Further {
		if v.IsNeeded(f) {
			gib += f.SizeGiB
		}
	}
	return gib
}

// MissesMade tells whether there are further volumes that are needed and not made, as far as is known.
func (v Volume) MissesMade() bool {
	return slices.ContainsFunc(v.Further, func(f FurtherVolume) bool { return f.ID == "" && v.IsNeeded(f) })
}

// EditFurther edits the further volume of a number; one that is not there is left alone.
func (v *Volume) EditFurther(number int, edit func(*FurtherVolume)) {
	for i := range v.Further {
		if v.Further[i].Number == number {
			edit(&v.Further[i])
		}
	}
}

// Forget strikes the further volume of a number.
func (v *Volume) Forget(number int) {
	v.Further = slices.DeleteFunc(v.Further, func(f FurtherVolume) bool { return f.Number == number })
	if len(v.Further) == 0 {
		v.Further, v.FirstGiB, v.MergeAt = nil, 0, time.Time{}
	}
}

// Shape is how large the volume is, and how fast.
func (v Volume) Shape() VolumeShape { return VolumeShape{v.SizeGiB, v.ThroughputMiB} }

// Reshape notes that the volume has become what was asked for. It never gets smaller.
func (v *Volume) Reshape(to VolumeShape) {
	v.SizeGiB = max(v.SizeGiB, to.SizeGiB)
	switch to.ThroughputMiB {
	case 0: // nobody has asked for another
	case BaseThroughputMiB:
		v.ThroughputMiB = 0
	default:
		v.ThroughputMiB = to.ThroughputMiB
	}
}

// HostState is how far a host is, in EC2's words.
type HostState string

const (
	HostPending      HostState = "pending"
	HostRunning      HostState = "running"
	HostStopped      HostState = "stopped"       // powered off, can be started again
	HostShuttingDown HostState = "shutting-down" // on its way to terminated: it may still write
	HostTerminated   HostState = "terminated"
)

// Host serves a node at the moment: an EC2 instance, or a group of processes on one machine. Replaceable.
type Host struct {
	ID    string    `json:"id"`
	State HostState `json:"state,omitempty"`
	// Impaired says that the platform's own checks of the host fail.
	Impaired bool `json:"impaired,omitempty"`
}
