package api

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/cluster"
)

// listNodes lists the brokers. Controllers are left to Millrace's own view of a cluster: newer releases of Terraform's
// provider crash on an entry without brokerNodeInfo.
func (a *API) listNodes(ctx context.Context, in *kafka.ListNodesInput) (*kafka.ListNodesOutput, error) {
	c, err := a.cluster(ctx, *in.ClusterArn)
	if err != nil {
		return nil, err
	}
	nodes, err := a.Records.Nodes(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	var brokers []cluster.Node
	for _, n := range nodes {
		if n.Role == cluster.Broker {
			brokers = append(brokers, n)
		}
	}
	byID := func(n cluster.Node) string { return fmt.Sprintf("%010d", n.ID) }
	page, next, err := paginate(ctx, brokers, byID, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	infos, err := convert(page, func(n cluster.Node) (types.NodeInfo, error) { return a.nodeInfo(c, n), nil })
	return &kafka.ListNodesOutput{NodeInfoList: infos, NextToken: next}, err
}

func (a *API) nodeInfo(c cluster.Cluster, n cluster.Node) types.NodeInfo {
	broker := &types.BrokerNodeInfo{
		BrokerId:                  aws.Float64(float64(n.ID)),
		ClientSubnet:              aws.String(n.Subnet),
		CurrentBrokerSoftwareInfo: softwareInfo(c),
	}
	if n.Address != nil {
		broker.AttachedENIId = aws.String(n.Address.ID)
		broker.ClientVpcIpAddress = aws.String(n.Address.IP)
		broker.Endpoints = []string{n.Address.Name}
	}
	return types.NodeInfo{
		AddedToClusterTime: aws.String(n.AddedAt.UTC().Format("2006-01-02T15:04:05.000Z")),
		BrokerNodeInfo:     broker,
		InstanceType:       aws.String(c.Spec.InstanceType),
		NodeARN:            aws.String(a.scope.NodeARN(c.Name, c.ID, n.ID)),
		NodeType:           types.NodeTypeBroker,
	}
}
