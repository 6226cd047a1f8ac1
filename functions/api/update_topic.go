package api

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/mskapi"
)

// updateTopic gives a topic more partitions, or sets its configuration in place of all that is set on it. As with createTopic, it is
// done when this answers UPDATING.
func (a *API) updateTopic(ctx context.Context, in *kafka.UpdateTopicInput) (*kafka.UpdateTopicOutput, error) {
	update, err := topicUpdate(in)
	if err != nil {
		return nil, err
	}
	c, err := a.clusterWithTopics(ctx, *in.ClusterArn)
	if err != nil {
		return nil, err
	}
	update.ClusterID = c.ID
	done, err := ask[errand.Done](ctx, a, "UpdateTopic", update)
	if err != nil {
		return nil, err
	}
	callOf(ctx).warn(done.Warnings)
	return &kafka.UpdateTopicOutput{
		Status: types.TopicStateUpdating, TopicArn: aws.String(c.TopicARN(update.Topic)), TopicName: &update.Topic,
	}, nil
}

// topicUpdate reads what a request asks for: one thing at a time, as in MSK.
func topicUpdate(in *kafka.UpdateTopicInput) (errand.UpdateTopic, error) {
	update := errand.UpdateTopic{Topic: *in.TopicName}
	if err := topicNameIsValid(update.Topic); err != nil {
		return update, err
	}
	if (in.Configs == nil) == (in.PartitionCount == nil) {
		return update, mskapi.BadRequest("", "You must specify either configs or partitionCount to update.")
	}
	if in.PartitionCount != nil {
		partitions := int(*in.PartitionCount)
		update.Partitions = &partitions
		return update, isPositive("partitionCount", partitions)
	}
	configs, err := readTopicConfigs(*in.Configs)
	update.Configs = &configs
	return update, err
}
