package provisioning

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/shared/cluster"
)

// livingHosts are hosts that somebody waits for, and that may end instead.
type livingHosts interface {
	// HostStates tells how far hosts are; one that the platform does not know is missing.
	HostStates(ctx context.Context, ids []string) (map[string]cluster.Host, error)
	// WatchHosts signals when a host may have changed its state.
	WatchHosts() (changed <-chan struct{}, stop func())
}

// lostHosts are the nodes whose hosts have ended, as the platform says. Silence of the platform is no proof.
func lostHosts(ctx context.Context, hosts livingHosts, nodes []cluster.Node) (map[int32]bool, error) {
	ids := make([]string, 0, len(nodes))
	for _, n := range nodes {
		if n.Host != nil {
			ids = append(ids, n.Host.ID)
		}
	}
	states, err := hosts.HostStates(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("look at the hosts of cluster: %w", err)
	}
	lost := map[int32]bool{}
	for _, n := range nodes {
		if n.Host != nil && states[n.Host.ID].State == cluster.HostTerminated {
			lost[n.ID] = true
		}
	}
	return lost, nil
}
