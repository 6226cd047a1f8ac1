package api

import (
	"context"
	"fmt"
	"maps"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"

	"github.com/millrace/millrace/shared/aasapi"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// A scalable target says up to which size the volumes of a cluster may grow. It may be registered in every state of its cluster, also
// while that is created, and goes with it.

// roleARN is kept and shown, and nobody is asked whether there is such a role.
var roleARN = regexp.MustCompile(`^arn:[a-z-]+:iam::\d*:role/[!-~]{1,512}$`)

// registerScalableTarget registers a target, or changes the members of one that are given.
func (a *API) registerScalableTarget(
	ctx context.Context, in *applicationautoscaling.RegisterScalableTargetInput,
) (*applicationautoscaling.RegisterScalableTargetOutput, error) {
	if err := scalesStorage(in.ServiceNamespace, in.ScalableDimension); err != nil {
		return nil, err
	}
	c, found, err := a.scaledCluster(ctx, *in.ResourceId)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, aasapi.Invalid("The cluster %s does not exist.", *in.ResourceId)
	}
	if c.State() == cluster.Deleting {
		return nil, aasapi.Invalid("The cluster %s is %s: nothing of it grows any more.", c.Name, c.State())
	}
	if err := tagsAreValid(in.Tags); err != nil {
		return nil, err
	}
	fresh, err := a.newScalableTarget()
	if err != nil {
		return nil, err
	}
	said, err := a.changeSaid(ctx, c, func(s *cluster.StorageScaling) error {
		if s.Target == nil {
			if in.MinCapacity == nil || in.MaxCapacity == nil {
				return aasapi.Invalid("A new scalable target needs both MinCapacity and MaxCapacity.")
			}
			s.Target = &fresh
		}
		return register(s.Target, in, c.Spec.VolumeGiB)
	})
	if err != nil {
		return nil, err
	}
	if size := c.Spec.VolumeGiB; said.Target.MaxGiB <= size {
		callOf(ctx).warn([]string{fmt.Sprintf("The volumes have %d GiB, so with a MaxCapacity of %d none grows: they never shrink either.", size, said.Target.MaxGiB)})
	}
	return &applicationautoscaling.RegisterScalableTargetOutput{ScalableTargetARN: &said.Target.ARN}, nil
}

// register sets what a request gives of a target, whose cluster has volumes of a size.
func register(t *cluster.ScalableTarget, in *applicationautoscaling.RegisterScalableTargetInput, sizeGiB int) error {
	if in.MinCapacity != nil {
		t.MinGiB = int(*in.MinCapacity)
		if t.MinGiB > sizeGiB {
			return aasapi.Invalid("MinCapacity %d is more than the %d GiB that the volumes have. They grow as they fill; to grow them now, use "+
				"UpdateBrokerStorage.", t.MinGiB, sizeGiB)
		}
	}
	if in.MaxCapacity != nil {
		t.MaxGiB = int(*in.MaxCapacity)
	}
	if t.MinGiB < 1 || t.MaxGiB > cluster.MostVolumeGiB || t.MinGiB > t.MaxGiB {
		return aasapi.Invalid("Volumes have 1 to %d GiB, so MinCapacity and MaxCapacity can't be %d and %d: the first may not be more than the second.",
			cluster.MostVolumeGiB, t.MinGiB, t.MaxGiB)
	}
	if in.RoleARN != nil {
		if !roleARN.MatchString(*in.RoleARN) {
			return aasapi.Invalid("RoleARN is the ARN of a role of IAM, if anything.")
		}
		t.RoleARN = *in.RoleARN
	}
	if s := in.SuspendedState; s != nil {
		for _, say := range []struct {
			set *bool
			to  *bool
		}{
			{&t.Suspended.In, s.DynamicScalingInSuspended},
			{&t.Suspended.Out, s.DynamicScalingOutSuspended},
			{&t.Suspended.Scheduled, s.ScheduledScalingSuspended},
		} {
			if say.to != nil {
				*say.set = *say.to
			}
		}
	}
	return addTags(t, in.Tags)
}

// addTags puts tags on a target, in the place of those with the same keys.
func addTags(t *cluster.ScalableTarget, tags map[string]string) error {
	if len(tags) == 0 {
		return nil
	}
	all := maps.Clone(t.Tags)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, tags)
	if len(all) > maxTags {
		return &types.TooManyTagsException{
			Message: aws.String(fmt.Sprintf("A scalable target has at most %d tags, not %d.", maxTags, len(all))), ResourceName: &t.ARN,
		}
	}
	t.Tags = all
	return tagsAreValid(all)
}

// maxTags is how many tags anything may have.
const maxTags = 50

// changeSaid changes what was said of how a cluster's volumes grow.
func (a *API) changeSaid(
	ctx context.Context, c cluster.Cluster, change func(*cluster.StorageScaling) error,
) (cluster.StorageScaling, error) {
	said, err := a.Records.ChangeStorageScaling(ctx, c.ID, change)
	if fault.Is(err, fault.NotFound) {
		return said, aasapi.Invalid("The cluster %s does not exist.", c.ARN)
	}
	return said, err
}

// deregisterScalableTarget removes a target with the policies on it.
func (a *API) deregisterScalableTarget(
	ctx context.Context, in *applicationautoscaling.DeregisterScalableTargetInput,
) (*applicationautoscaling.DeregisterScalableTargetOutput, error) {
	c, err := a.scaledFor(ctx, in.ServiceNamespace, in.ScalableDimension, *in.ResourceId)
	if err != nil {
		return nil, err
	}
	_, err = a.changeSaid(ctx, c, func(s *cluster.StorageScaling) error {
		if s.Target == nil {
			return noTarget(c.ARN)
		}
		s.Target, s.Policies = nil, nil
		return nil
	})
	return &applicationautoscaling.DeregisterScalableTargetOutput{}, err
}

// scaledFor finds the cluster whose target or policy a request means. A cluster that is gone has neither any more.
func (a *API) scaledFor(
	ctx context.Context, namespace types.ServiceNamespace, dimension types.ScalableDimension, resource string,
) (cluster.Cluster, error) {
	if err := scalesStorage(namespace, dimension); err != nil {
		return cluster.Cluster{}, err
	}
	c, found, err := a.scaledCluster(ctx, resource)
	if err == nil && !found {
		err = noTarget(resource)
	}
	return c, err
}

func noTarget(resource string) error {
	return aasapi.NotFound("No scalable target is registered for service namespace %s, resource ID %s, scalable dimension %s.",
		types.ServiceNamespaceKafka, resource, types.ScalableDimensionKafkaBrokerStorageVolumeSize)
}

func (a *API) describeScalableTargets(
	ctx context.Context, in *applicationautoscaling.DescribeScalableTargetsInput,
) (*applicationautoscaling.DescribeScalableTargetsOutput, error) {
	if err := scalesStorage(in.ServiceNamespace, in.ScalableDimension); err != nil {
		return nil, err
	}
	if err := namedWithDimension(in.ScalableDimension, len(in.ResourceIds)); err != nil {
		return nil, err
	}
	clusters, err := a.scaledClusters(ctx, in.ResourceIds)
	if err != nil {
		return nil, err
	}
	targets := []types.ScalableTarget{}
	for _, s := range clusters {
		if s.said.Target != nil {
			targets = append(targets, a.scalableTarget(s.cluster, *s.said.Target))
		}
	}
	page, next, err := pageOf(ctx, targets, func(t types.ScalableTarget) string { return *t.ResourceId }, 50, in.MaxResults, in.NextToken)
	return &applicationautoscaling.DescribeScalableTargetsOutput{ScalableTargets: page, NextToken: next}, err
}

func (a *API) scalableTarget(c cluster.Cluster, t cluster.ScalableTarget) types.ScalableTarget {
	role := t.RoleARN
	if role == "" { // every target has one; this is the name of the one that MSK's have
		role = fmt.Sprintf("arn:aws:iam::%s:role/aws-service-role/kafka.application-autoscaling.amazonaws.com/"+
			"AWSServiceRoleForApplicationAutoScaling_KafkaCluster", a.Account)
	}
	return types.ScalableTarget{
		CreationTime:      &t.CreatedAt,
		MinCapacity:       aws.Int32(int32(t.MinGiB)),
		MaxCapacity:       aws.Int32(int32(t.MaxGiB)),
		ResourceId:        &c.ARN,
		RoleARN:           &role,
		ScalableDimension: types.ScalableDimensionKafkaBrokerStorageVolumeSize,
		ServiceNamespace:  types.ServiceNamespaceKafka,
		ScalableTargetARN: &t.ARN,
		SuspendedState: &types.SuspendedState{
			DynamicScalingInSuspended:  &t.Suspended.In,
			DynamicScalingOutSuspended: &t.Suspended.Out,
			ScheduledScalingSuspended:  &t.Suspended.Scheduled,
		},
	}
}

func (a *API) tagTarget(
	ctx context.Context, in *applicationautoscaling.TagResourceInput,
) (*applicationautoscaling.TagResourceOutput, error) {
	return &applicationautoscaling.TagResourceOutput{}, a.changeTarget(ctx, *in.ResourceARN, func(t *cluster.ScalableTarget) error {
		return addTags(t, in.Tags)
	})
}

func (a *API) untagTarget(
	ctx context.Context, in *applicationautoscaling.UntagResourceInput,
) (*applicationautoscaling.UntagResourceOutput, error) {
	return &applicationautoscaling.UntagResourceOutput{}, a.changeTarget(ctx, *in.ResourceARN, func(t *cluster.ScalableTarget) error {
		for _, key := range in.TagKeys {
			delete(t.Tags, key)
		}
		return nil
	})
}

func (a *API) listTagsOfTarget(
	ctx context.Context, in *applicationautoscaling.ListTagsForResourceInput,
) (*applicationautoscaling.ListTagsForResourceOutput, error) {
	s, err := a.targetOf(ctx, *in.ResourceARN)
	if err != nil {
		return nil, err
	}
	tags := map[string]string{}
	maps.Copy(tags, s.said.Target.Tags)
	return &applicationautoscaling.ListTagsForResourceOutput{Tags: tags}, nil
}

// targetOf finds the target with an ARN. There are as many as clusters that scale, so it looks through them.
func (a *API) targetOf(ctx context.Context, arn string) (scaled, error) {
	all, err := a.allScaled(ctx)
	if err != nil {
		return scaled{}, err
	}
	for _, s := range all {
		if s.said.Target != nil && s.said.Target.ARN == arn {
			return s, nil
		}
	}
	return scaled{}, noSuchTarget(arn)
}

func noSuchTarget(arn string) error {
	return aasapi.NoResource(arn, "There is no scalable target %s.", arn)
}

func (a *API) changeTarget(ctx context.Context, arn string, change func(*cluster.ScalableTarget) error) error {
	s, err := a.targetOf(ctx, arn)
	if err != nil {
		return err
	}
	_, err = a.changeSaid(ctx, s.cluster, func(now *cluster.StorageScaling) error {
		if now.Target == nil || now.Target.ARN != arn {
			return noSuchTarget(arn)
		}
		return change(now.Target)
	})
	return err
}
