package api

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/errand"
)

// describeTopic tells what a topic is like now. Its configuration is what is set on the topic itself: what it has from the cluster is
// no difference between what somebody has asked for and what there is.
func (a *API) describeTopic(ctx context.Context, in *kafka.DescribeTopicInput) (*kafka.DescribeTopicOutput, error) {
	c, t, err := a.topic(ctx, *in.ClusterArn, *in.TopicName)
	if err != nil {
		return nil, err
	}
	configs, err := writeTopicConfigs(t.Configs)
	if err != nil {
		return nil, err
	}
	return &kafka.DescribeTopicOutput{
		Configs:           &configs,
		PartitionCount:    aws.Int32(int32(len(t.Partitions))),
		ReplicationFactor: aws.Int32(int32(t.ReplicationFactor())),
		Status:            types.TopicStateActive,
		TopicArn:          aws.String(c.TopicARN(t.Name)),
		TopicName:         aws.String(t.Name),
	}, nil
}

// topic finds a topic, and the cluster that it is in.
func (a *API) topic(ctx context.Context, clusterARN, name string) (cluster.Cluster, cluster.Topic, error) {
	if err := topicNameIsValid(name); err != nil {
		return cluster.Cluster{}, cluster.Topic{}, err
	}
	c, err := a.clusterWithTopics(ctx, clusterARN)
	if err != nil {
		return c, cluster.Topic{}, err
	}
	t, err := ask[cluster.Topic](ctx, a, "DescribeTopic", errand.DescribeTopic{ClusterID: c.ID, Topic: name})
	return c, t, err
}
