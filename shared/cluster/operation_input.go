package cluster

// OperationInput is what the state machine of every operation starts with.
type OperationInput struct {
	ClusterID   string `json:"clusterId"`
	OperationID string `json:"operationId"`
	// NodeID is the node that a HEAL_BROKER operation heals; absent for every other.
	NodeID int32 `json:"nodeId,omitempty"`
	// NodeIDs are the brokers whose volumes an operation on volumes changes; absent for every other.
	NodeIDs []int32 `json:"nodeIds,omitempty"`
	// Proven says that the host of that node has been declared dead by its platform.
	Proven bool `json:"proven,omitempty"`
}

// Input is what the operation's machine starts with.
func (o Operation) Input() OperationInput {
	in := OperationInput{ClusterID: o.ClusterID, OperationID: o.ID}
	if o.Heal != nil {
		in.NodeID, in.Proven = o.Heal.NodeID, o.Heal.Proven
	}
	if o.Storage != nil {
		for _, v := range o.Storage.Volumes {
			in.NodeIDs = append(in.NodeIDs, v.NodeID)
		}
	}
	return in
}
