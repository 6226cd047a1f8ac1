package api

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/cluster"
)

// describeTopicPartitions gives partitions by number. One without a leader has the leader -1, as Kafka's own tools say it.
func (a *API) describeTopicPartitions(
	ctx context.Context, in *kafka.DescribeTopicPartitionsInput,
) (*kafka.DescribeTopicPartitionsOutput, error) {
	_, t, err := a.topic(ctx, *in.ClusterArn, *in.TopicName)
	if err != nil {
		return nil, err
	}
	byNumber := func(p cluster.Partition) string { return fmt.Sprintf("%010d", p.ID) }
	page, next, err := paginate(ctx, t.Partitions, byNumber, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	infos, err := convert(page, func(p cluster.Partition) (types.TopicPartitionInfo, error) {
		return types.TopicPartitionInfo{Partition: &p.ID, Leader: &p.Leader, Replicas: p.Replicas, Isr: p.InSync}, nil
	})
	return &kafka.DescribeTopicPartitionsOutput{Partitions: infos, NextToken: next}, err
}
