// Package placement plans where the parts of a cluster live: nodes over zones.
package placement

import (
	"slices"

	"github.com/millrace/millrace/shared/cluster"
)

// NewNodes plans the nodes of a new cluster over the zones of its subnets (given in the subnets' order), brokers first.
// Nodes go round the zones, so that each holds as many brokers as the next, and controllers are as far apart as they can
// be. The subnets are taken in sorted order: clients send them in any, and a cluster that is made again gets the same plan.
func NewNodes(c cluster.Cluster, zones []string) []cluster.Node {
	type place struct{ subnet, zone string }
	places := make([]place, len(c.Spec.Subnets))
	for i, subnet := range c.Spec.Subnets {
		places[i] = place{subnet, zones[i]}
	}
	slices.SortFunc(places, func(a, b place) int {
		if a.subnet < b.subnet {
			return -1
		}
		return 1
	})
	var nodes []cluster.Node
	add := func(role cluster.Role, first int32, count int) {
		for i := range count {
			at := places[i%len(places)]
			nodes = append(nodes, cluster.Node{
				ClusterID: c.ID, ID: first + int32(i), Role: role, Subnet: at.subnet, Rack: at.zone,
			})
		}
	}
	add(cluster.Broker, 1, c.Spec.Brokers)
	add(cluster.Controller, cluster.FirstController, c.Spec.Controllers)
	return nodes
}
