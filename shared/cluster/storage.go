package cluster

// VolumeShape is how large a log volume is, and how much it takes and gives in a second.
type VolumeShape struct {
	SizeGiB int `json:"sizeGiB"`
	// ThroughputMiB is in MiB a second; 0 is what a volume has that nobody has asked for more.
	ThroughputMiB int `json:"throughputMiB,omitempty"`
}

// VolumeChange is the volume of one broker before and after.
type VolumeChange struct {
	NodeID int32       `json:"nodeId"`
	From   VolumeShape `json:"from"`
	To     VolumeShape `json:"to"`
}

// StorageChange is what an operation on volumes is about. It is decided once, when the operation is recorded.
type StorageChange struct {
	Volumes []VolumeChange `json:"volumes"` // by node
	// Every is what each broker has at least, once it is done.
	Every VolumeShape `json:"every"`
	// Automatic says that the cluster's own policy has asked for it, and no person.
	Automatic bool `json:"automatic,omitempty"`
}

// Of gives the change of a node's volume; ok is false when there is none.
func (s StorageChange) Of(node int32) (change VolumeChange, ok bool) {
	for _, v := range s.Volumes {
		if v.NodeID == node {
			return v, true
		}
	}
	return VolumeChange{}, false
}

// StorageAutoscaling says when the volumes of a cluster grow by themselves.
type StorageAutoscaling struct {
	// TargetPercent is how full the fullest broker may get before all of them grow, 10 to 80.
	TargetPercent int `json:"targetPercent"`
	// MaxGiB is how large they may get.
	MaxGiB int `json:"maxGiB"`
}
