package api

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/mskapi"
)

func (a *API) listClusters(ctx context.Context, in *kafka.ListClustersInput) (*kafka.ListClustersOutput, error) {
	page, next, err := a.pageOfClusters(ctx, in.ClusterNameFilter, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	urgent, err := a.urgent(ctx)
	if err != nil {
		return nil, err
	}
	infos, err := convert(page, func(c cluster.Cluster) (types.ClusterInfo, error) {
		info, err := a.clusterInfo(c)
		info.CustomerActionStatus = actionStatus(urgent[c.ID])
		return info, err
	})
	if err != nil {
		return nil, err
	}
	return &kafka.ListClustersOutput{ClusterInfoList: infos, NextToken: next}, nil
}

func (a *API) listClustersV2(ctx context.Context, in *kafka.ListClustersV2Input) (*kafka.ListClustersV2Output, error) {
	switch types.ClusterType(aws.ToString(in.ClusterTypeFilter)) {
	case "", types.ClusterTypeProvisioned:
	case types.ClusterTypeServerless: // there are none
		return &kafka.ListClustersV2Output{ClusterInfoList: []types.Cluster{}}, nil
	default:
		return nil, mskapi.BadRequest("clusterTypeFilter", "The member clusterTypeFilter has to be PROVISIONED or SERVERLESS.")
	}
	page, next, err := a.pageOfClusters(ctx, in.ClusterNameFilter, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	urgent, err := a.urgent(ctx)
	if err != nil {
		return nil, err
	}
	infos, err := convert(page, func(c cluster.Cluster) (types.Cluster, error) {
		info, err := a.clusterInfoV2(c)
		if err == nil {
			info.Provisioned.CustomerActionStatus = actionStatus(urgent[c.ID])
		}
		return info, err
	})
	if err != nil {
		return nil, err
	}
	return &kafka.ListClustersV2Output{ClusterInfoList: infos, NextToken: next}, nil
}

// urgent gives what the last looks found at the clusters that wait for their people, by the ids of these.
func (a *API) urgent(ctx context.Context) (map[string]cluster.Health, error) {
	all, err := a.Records.AllHealth(ctx)
	if err != nil {
		return nil, err
	}
	urgent := map[string]cluster.Health{}
	for _, h := range all {
		if h.Urgent() {
			urgent[h.ClusterID] = h
		}
	}
	return urgent, nil
}

// pageOfClusters gives clusters by name. The filter is a prefix, as in MSK: "abc" also finds "abcd".
func (a *API) pageOfClusters(
	ctx context.Context, nameFilter *string, maxResults *int32, nextToken *string,
) ([]cluster.Cluster, *string, error) {
	all, err := a.Records.AllClusters(ctx)
	if err != nil {
		return nil, nil, err
	}
	var found []cluster.Cluster
	for _, c := range all {
		if strings.HasPrefix(c.Name, aws.ToString(nameFilter)) {
			found = append(found, c)
		}
	}
	return paginate(ctx, found, func(c cluster.Cluster) string { return c.Name }, maxResults, nextToken)
}

// convert makes each record of a page into what the API shows of it. An empty page is an empty list, not a missing one.
func convert[From, To any](page []From, show func(From) (To, error)) ([]To, error) {
	shown := make([]To, len(page))
	for i, record := range page {
		var err error
		if shown[i], err = show(record); err != nil {
			return nil, err
		}
	}
	return shown, nil
}
