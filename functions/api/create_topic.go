package api

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/errand"
)

// createTopic makes a topic, and answers when every broker knows of it. It is CREATING in the answer all the same, as clients of MSK
// expect, and ACTIVE to whoever asks next.
func (a *API) createTopic(ctx context.Context, in *kafka.CreateTopicInput) (*kafka.CreateTopicOutput, error) {
	spec, err := topicSpec(in)
	if err != nil {
		return nil, err
	}
	c, err := a.clusterWithTopics(ctx, *in.ClusterArn)
	if err != nil {
		return nil, err
	}
	done, err := ask[errand.Done](ctx, a, "CreateTopic", errand.CreateTopic{ClusterID: c.ID, Topic: spec})
	if err != nil {
		return nil, err
	}
	callOf(ctx).warn(done.Warnings)
	return &kafka.CreateTopicOutput{
		Status: types.TopicStateCreating, TopicArn: aws.String(c.TopicARN(spec.Name)), TopicName: &spec.Name,
	}, nil
}

// topicSpec reads what a request asks for. Whether there are as many brokers as replicas, and whether Kafka knows the configuration,
// only the cluster can say.
func topicSpec(in *kafka.CreateTopicInput) (cluster.TopicSpec, error) {
	spec := cluster.TopicSpec{
		Name: *in.TopicName, Partitions: int(*in.PartitionCount), ReplicationFactor: int(*in.ReplicationFactor),
	}
	for _, err := range []error{
		topicNameIsValid(spec.Name),
		isPositive("partitionCount", spec.Partitions),
		isPositive("replicationFactor", spec.ReplicationFactor),
	} {
		if err != nil {
			return spec, err
		}
	}
	if in.Configs == nil {
		return spec, nil
	}
	var err error
	spec.Configs, err = readTopicConfigs(*in.Configs)
	return spec, err
}
