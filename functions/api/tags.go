package api

import (
	"context"
	"maps"

	"github.com/aws/aws-sdk-go-v2/service/kafka"

	"github.com/millrace/millrace/shared/cluster"
)

// Tags may be changed in every state, also while a cluster is created, and they do not touch its version.

func (a *API) tagResource(ctx context.Context, in *kafka.TagResourceInput) (*kafka.TagResourceOutput, error) {
	return &kafka.TagResourceOutput{}, a.changeTags(ctx, *in.ResourceArn, func(c *cluster.Cluster) error {
		tags := tagsOf(*c)
		maps.Copy(tags, in.Tags)
		c.Tags = tags
		return tagsAreValid(tags)
	})
}

func (a *API) untagResource(ctx context.Context, in *kafka.UntagResourceInput) (*kafka.UntagResourceOutput, error) {
	return &kafka.UntagResourceOutput{}, a.changeTags(ctx, *in.ResourceArn, func(c *cluster.Cluster) error {
		for _, key := range in.TagKeys {
			delete(c.Tags, key)
		}
		return nil
	})
}

func (a *API) listTagsForResource(
	ctx context.Context, in *kafka.ListTagsForResourceInput,
) (*kafka.ListTagsForResourceOutput, error) {
	c, err := a.taggedCluster(ctx, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &kafka.ListTagsForResourceOutput{Tags: tagsOf(c)}, nil
}

func (a *API) changeTags(ctx context.Context, arn string, change func(*cluster.Cluster) error) error {
	c, err := a.taggedCluster(ctx, arn)
	if err != nil {
		return err
	}
	_, err = a.Records.ChangeCluster(ctx, c.ID, change)
	return err
}

// taggedCluster finds the cluster that a tag call means. Nothing else carries tags here.
func (a *API) taggedCluster(ctx context.Context, arn string) (cluster.Cluster, error) {
	return a.clusterOf(ctx, "resourceArn", arn)
}

// tagsOf gives a copy of a cluster's tags; without any it is empty, as the API shows it, not missing.
func tagsOf(c cluster.Cluster) map[string]string {
	tags := make(map[string]string, len(c.Tags))
	maps.Copy(tags, c.Tags)
	return tags
}
