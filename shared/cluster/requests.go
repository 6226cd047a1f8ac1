package cluster

import "fmt"

// Token names one wish of one operation, so that asking again for the same thing is the same request: it becomes the
// client token and the tags of what a platform makes. Attempt counts launches; it is 0 for what is made once.
type Token struct {
	ClusterID string
	NodeID    int32
	Attempt   int
}

// String is short, stable and free of anything but letters, digits and dashes.
func (t Token) String() string {
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
