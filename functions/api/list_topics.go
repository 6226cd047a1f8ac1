package api

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/mskapi"
)

// listTopics gives topics by name. The filter is a prefix, as those of other lists.
func (a *API) listTopics(ctx context.Context, in *kafka.ListTopicsInput) (*kafka.ListTopicsOutput, error) {
	page, err := mskapi.ReadPage(callOf(ctx).operation, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	c, err := a.clusterWithTopics(ctx, *in.ClusterArn)
	if err != nil {
		return nil, err
	}
	found, err := ask[errand.Topics](ctx, a, "ListTopics", errand.ListTopics{
		ClusterID: c.ID, Prefix: aws.ToString(in.TopicNameFilter), After: page.After, Limit: page.Size,
	})
	if err != nil {
		return nil, err
	}
	out := &kafka.ListTopicsOutput{Topics: make([]types.TopicInfo, len(found.Topics))}
	for i, t := range found.Topics {
		out.Topics[i] = topicInfo(c, t)
	}
	if found.More {
		out.NextToken = page.Next(found.Topics[len(found.Topics)-1].Name)
	}
	return out, nil
}

func topicInfo(c cluster.Cluster, t errand.TopicSummary) types.TopicInfo {
	return types.TopicInfo{
		TopicArn:              aws.String(c.TopicARN(t.Name)),
		TopicName:             aws.String(t.Name),
		PartitionCount:        aws.Int32(int32(t.Partitions)),
		ReplicationFactor:     aws.Int32(int32(t.ReplicationFactor)),
		OutOfSyncReplicaCount: aws.Int32(int32(t.OutOfSync)),
	}
}
