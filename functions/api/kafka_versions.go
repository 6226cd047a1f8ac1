package api

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/kafkaversion"
)

func (a *API) listKafkaVersions(
	ctx context.Context, in *kafka.ListKafkaVersionsInput,
) (*kafka.ListKafkaVersionsOutput, error) {
	all := kafkaversion.All()
	position := map[string]string{} // the list keeps MSK's order, in which 4.10 comes after 4.2
	for i, v := range all {
		position[v.Name] = fmt.Sprintf("%04d", i)
	}
	inOrder := func(v kafkaversion.Version) string { return position[v.Name] }
	page, next, err := paginate(ctx, all, inOrder, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	versions, err := convert(page, func(v kafkaversion.Version) (types.KafkaVersion, error) {
		return types.KafkaVersion{Version: aws.String(v.Name), Status: types.KafkaVersionStatus(v.Status)}, nil
	})
	return &kafka.ListKafkaVersionsOutput{KafkaVersions: versions, NextToken: next}, err
}

// getCompatibleKafkaVersions says where a cluster can be upgraded to or, without a cluster, where each version can.
func (a *API) getCompatibleKafkaVersions(
	ctx context.Context, in *kafka.GetCompatibleKafkaVersionsInput,
) (*kafka.GetCompatibleKafkaVersionsOutput, error) {
	var sources []string
	if in.ClusterArn != nil {
		c, err := a.cluster(ctx, *in.ClusterArn)
		if err != nil {
			return nil, err
		}
		sources = []string{c.Spec.KafkaVersion}
	} else {
		for _, v := range kafkaversion.All() {
			sources = append(sources, v.Name)
		}
	}
	compatible, err := convert(sources, func(source string) (types.CompatibleKafkaVersion, error) {
		targets := append([]string{}, kafkaversion.CompatibleTargets(source)...)
		return types.CompatibleKafkaVersion{SourceVersion: aws.String(source), TargetVersions: targets}, nil
	})
	return &kafka.GetCompatibleKafkaVersionsOutput{CompatibleKafkaVersions: compatible}, err
}
