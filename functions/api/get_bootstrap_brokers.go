package api

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"

	"github.com/millrace/millrace/shared/brokerconfig"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/mskapi"
)

// getBootstrapBrokers names brokers to begin with: at most one per zone, through the listeners that are on.
//
// A cluster without addresses has none, which is an answer and no error. In particular for a FAILED one: Terraform asks
// this question of every cluster it knows, and an error would keep it from ever destroying one whose create failed.
func (a *API) getBootstrapBrokers(
	ctx context.Context, in *kafka.GetBootstrapBrokersInput,
) (*kafka.GetBootstrapBrokersOutput, error) {
	c, err := a.cluster(ctx, *in.ClusterArn)
	if err != nil {
		return nil, err
	}
	out := &kafka.GetBootstrapBrokersOutput{}
	switch state := c.State(); state {
	case cluster.Deleting:
		return nil, mskapi.Conflict("clusterArn", "You can't get bootstrap broker nodes for a cluster in %s state.", state)
	case cluster.Failed:
		return out, nil
	default: // brokers that have an address are worth knowing in every other state
	}
	nodes, err := a.Records.Nodes(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	names := onePerZone(nodes)
	if len(names) == 0 {
		return out, nil
	}
	if c.Spec.ClientBroker != cluster.TLS {
		out.BootstrapBrokerString = aws.String(endpoints(names, brokerconfig.ClientPort))
	}
	if c.Spec.ClientBroker != cluster.Plaintext {
		out.BootstrapBrokerStringTls = aws.String(endpoints(names, brokerconfig.ClientSecurePort))
	}
	return out, nil
}

// onePerZone gives the name of the first broker that has an address in each zone.
func onePerZone(nodes []cluster.Node) []string {
	var names []string
	seen := map[string]bool{}
	for _, n := range nodes {
		if n.Role == cluster.Broker && n.Address != nil && !seen[n.Rack] {
			seen[n.Rack] = true
			names = append(names, n.Address.Name)
		}
	}
	return names
}

func endpoints(names []string, port int) string {
	each := make([]string, len(names))
	for i, name := range names {
		each[i] = fmt.Sprintf("%s:%d", name, port)
	}
	return strings.Join(each, ",")
}
