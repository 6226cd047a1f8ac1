package cluster

// OperationInput is what the state machine of every operation starts with.
type OperationInput struct {
	ClusterID   string `json:"clusterId"`
	OperationID string `json:"operationId"`
}

// Input is what the operation's machine starts with.
func (o Operation) Input() OperationInput {
	return OperationInput{ClusterID: o.ClusterID, OperationID: o.ID}
}
