package cluster

import "fmt"

// Token names one wish of one operation, so that asking again for the same thing is the same request: it becomes the
// client token and the tags of what a platform makes. Attempt counts launches, and Volume the further volumes of a log volume; both
// are 0 for what is made once.
type Token struct {
	ClusterID string
	NodeID    int32
	Attempt   int
	Volume    int
}

// String is short, stable and free of anything but letters, digits and dashes.
func (t Token) String() string {
	if t.Volume > 0 {
		return fmt.Sprintf("%s-%d-v%d", t.ClusterID, t.NodeID, t.Volume)
	}
	if t.Attempt == 0 {
		return fmt.Sprintf("%s-%d", t.ClusterID, t.NodeID)
	}
	return fmt.Sprintf("%s-%d-%d", t.ClusterID, t.NodeID, t.Attempt)
}

// AddressRequest asks a platform for a node's fixed address.
type AddressRequest struct {
	Token       Token
	ClusterName string
	Role        Role
	Subnet      string
	// SecurityGroups guard the address; empty means the platform's default.
	SecurityGroups []string
	// Ports are those that the node will listen on.
	Ports []int
}

// VolumeRequest asks a platform for a node's log volume.
type VolumeRequest struct {
	Token       Token
	ClusterName string
	Role        Role
	Rack        string
	SizeGiB     int
	// ThroughputMiB is in MiB a second; 0 asks for what a volume has by itself.
	ThroughputMiB int
	// WholeGiB is what a log volume has with this further one; 0 for the first one. Once the first has as much, no further one is
	// needed any more.
	WholeGiB int
}

// HostRequest asks a platform for a host that serves a node at its address.
type HostRequest struct {
	Token        Token
	ClusterName  string
	Role         Role
	Subnet       string
	InstanceType string
	AddressID    string
}
