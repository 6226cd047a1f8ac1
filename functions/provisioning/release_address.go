package provisioning

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/shared/cluster"
)

// ReleaseAddress gives back a node's address.
type ReleaseAddress struct {
	Platform interface {
		// ReleaseAddress gives back the address that a token has made. One that is gone, or never was, is success.
		ReleaseAddress(ctx context.Context, token cluster.Token) error
	}
}

// Run may be called again.
func (s ReleaseAddress) Run(ctx context.Context, in NodeInput) (Empty, error) {
	if err := s.Platform.ReleaseAddress(ctx, cluster.Token{ClusterID: in.ClusterID, NodeID: in.NodeID}); err != nil {
		return Empty{}, fmt.Errorf("release the address of node %d: %w", in.NodeID, err)
	}
	return Empty{}, nil
}
