package api

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"

	"github.com/millrace/millrace/shared/aasapi"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/mskapi"
)

// describeScalingActivities shows the operations by which volumes grew by themselves, newest first.
func (a *API) describeScalingActivities(
	ctx context.Context, in *applicationautoscaling.DescribeScalingActivitiesInput,
) (*applicationautoscaling.DescribeScalingActivitiesOutput, error) {
	if err := scalesStorage(in.ServiceNamespace, in.ScalableDimension); err != nil {
		return nil, err
	}
	resources := oneOrNone(in.ResourceId)
	if err := namedWithDimension(in.ScalableDimension, len(resources)); err != nil {
		return nil, err
	}
	if aws.ToBool(in.IncludeNotScaledActivities) {
		return nil, aasapi.Invalid("IncludeNotScaledActivities is not supported: that volumes do not grow any more is told by DescribeCluster and `millrace health`.")
	}
	clusters, err := a.scaledClusters(ctx, resources)
	if err != nil {
		return nil, err
	}
	activities := []types.ScalingActivity{}
	for _, s := range clusters {
		growths, err := a.Records.GrowthsSince(ctx, s.cluster.ID, time.Time{})
		if err != nil {
			return nil, err
		}
		for _, op := range growths {
			if op.Storage.Scales() {
				activities = append(activities, scalingActivity(s.cluster, op))
			}
		}
	}
	newestFirst := func(x types.ScalingActivity) string { return mskapi.NewestFirst(*x.StartTime, *x.ActivityId) }
	page, next, err := pageOf(ctx, activities, newestFirst, 50, in.MaxResults, in.NextToken)
	return &applicationautoscaling.DescribeScalingActivitiesOutput{ScalingActivities: page, NextToken: next}, err
}

func scalingActivity(c cluster.Cluster, op cluster.Operation) types.ScalingActivity {
	size := op.Storage.Every.SizeGiB
	activity := types.ScalingActivity{
		ActivityId:        &op.ID,
		Cause:             aws.String("the fullest broker has reached the target of the scaling policy"),
		Description:       aws.String(fmt.Sprintf("Setting volume size to %d.", size)),
		ResourceId:        &c.ARN,
		ScalableDimension: types.ScalableDimensionKafkaBrokerStorageVolumeSize,
		ServiceNamespace:  types.ServiceNamespaceKafka,
		StartTime:         &op.CreatedAt,
		EndTime:           endTime(op),
		StatusCode:        types.ScalingActivityStatusCodeInProgress,
		StatusMessage:     aws.String(fmt.Sprintf("%d of 100 done", op.Percent())),
	}
	switch {
	case op.Failure != nil:
		activity.StatusCode, activity.StatusMessage = types.ScalingActivityStatusCodeFailed, &op.Failure.Message
	case op.Ended():
		activity.StatusCode, activity.StatusMessage = types.ScalingActivityStatusCodeSuccessful, aws.String(fmt.Sprintf("Successfully set volume size to %d.", size))
	}
	return activity
}
