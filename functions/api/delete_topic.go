package api

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/errand"
)

// deleteTopic deletes a topic with all its records, and answers when no broker knows of it any more.
func (a *API) deleteTopic(ctx context.Context, in *kafka.DeleteTopicInput) (*kafka.DeleteTopicOutput, error) {
	if err := topicNameIsValid(*in.TopicName); err != nil {
		return nil, err
	}
	c, err := a.clusterWithTopics(ctx, *in.ClusterArn)
	if err != nil {
		return nil, err
	}
	if _, err := ask[errand.Done](ctx, a, "DeleteTopic", errand.DeleteTopic{ClusterID: c.ID, Topic: *in.TopicName}); err != nil {
		return nil, err
	}
	return &kafka.DeleteTopicOutput{
		Status: types.TopicStateDeleting, TopicArn: aws.String(c.TopicARN(*in.TopicName)), TopicName: in.TopicName,
	}, nil
}
