package api

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"

	"github.com/millrace/millrace/shared/aasapi"
	"github.com/millrace/millrace/shared/cluster"
)

// A scaling policy says how full the fullest broker may get before all volumes grow. There is one kind of it: target tracking of the
// use of brokers' storage.

var policyName = regexp.MustCompile(`^[ -~]{1,256}$`)

func (a *API) putScalingPolicy(
	ctx context.Context, in *applicationautoscaling.PutScalingPolicyInput,
) (*applicationautoscaling.PutScalingPolicyOutput, error) {
	if err := scalesStorage(in.ServiceNamespace, in.ScalableDimension); err != nil {
		return nil, err
	}
	if err := policyIsOfStorage(in); err != nil {
		return nil, err
	}
	c, err := a.scaledFor(ctx, in.ServiceNamespace, in.ScalableDimension, *in.ResourceId)
	if err != nil {
		return nil, err
	}
	p, err := a.newStoragePolicy(c, *in.PolicyName)
	if err != nil {
		return nil, err
	}
	p.TargetPercent = *in.TargetTrackingScalingPolicyConfiguration.TargetValue
	if p.Configuration, err = aasapi.Marshal(in.TargetTrackingScalingPolicyConfiguration); err != nil {
		return nil, fmt.Errorf("keep the configuration of policy %s: %w", p.Name, err)
	}
	_, err = a.changeSaid(ctx, c, func(s *cluster.StorageScaling) error {
		if s.Target == nil {
			return noTarget(c.ARN)
		}
		for _, other := range s.Policies {
			if other.Name != p.Name {
				return aasapi.Invalid("Only one policy on %s is possible, and there is one, %q: change that, or delete it first.",
					types.MetricTypeKafkaBrokerStorageUtilization, other.Name)
			}
			p.ARN, p.CreatedAt = other.ARN, other.CreatedAt
		}
		s.PutPolicy(p)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if aws.ToInt32(in.TargetTrackingScalingPolicyConfiguration.ScaleOutCooldown) > 0 {
		callOf(ctx).warn([]string{"ScaleOutCooldown is kept and not waited for: a disk that fills does not wait either."})
	}
	return &applicationautoscaling.PutScalingPolicyOutput{PolicyARN: &p.ARN, Alarms: []types.Alarm{}}, nil
}

// policyIsOfStorage holds a policy to the one kind that there is for brokers' storage.
func policyIsOfStorage(in *applicationautoscaling.PutScalingPolicyInput) error {
	const kind = types.PolicyTypeTargetTrackingScaling
	if !policyName.MatchString(*in.PolicyName) {
		return aasapi.Invalid("PolicyName has 1 to 256 printable characters.")
	}
	switch {
	case in.PolicyType != "" && in.PolicyType != kind:
		return aasapi.Invalid("Storage of brokers is scaled by policies of the type %s: PolicyType can't be %q.", kind, in.PolicyType)
	case in.StepScalingPolicyConfiguration != nil:
		return aasapi.Invalid("StepScalingPolicyConfiguration is for policies that storage of brokers can't have.")
	case in.PredictiveScalingPolicyConfiguration != nil:
		return aasapi.Invalid("PredictiveScalingPolicyConfiguration is for policies that storage of brokers can't have.")
	case in.PolicyType == "":
		return aasapi.Invalid("The member PolicyType is required; it is %s.", kind)
	case in.TargetTrackingScalingPolicyConfiguration == nil:
		return aasapi.Invalid("The member TargetTrackingScalingPolicyConfiguration is required.")
	}
	return configurationIsOfStorage(*in.TargetTrackingScalingPolicyConfiguration)
}

func configurationIsOfStorage(c types.TargetTrackingScalingPolicyConfiguration) error {
	const metric = types.MetricTypeKafkaBrokerStorageUtilization
	switch {
	case c.CustomizedMetricSpecification != nil:
		return aasapi.Invalid("Storage of brokers is scaled by its own use: give a PredefinedMetricSpecification of %s, no CustomizedMetricSpecification.", metric)
	case c.PredefinedMetricSpecification == nil:
		return aasapi.Invalid("The member PredefinedMetricSpecification is required; its PredefinedMetricType is %s.", metric)
	case c.PredefinedMetricSpecification.PredefinedMetricType != metric:
		return aasapi.Invalid("Storage of brokers is scaled by %s: PredefinedMetricType can't be %q.", metric, c.PredefinedMetricSpecification.PredefinedMetricType)
	case aws.ToString(c.PredefinedMetricSpecification.ResourceLabel) != "":
		return aasapi.Invalid("%s takes no ResourceLabel.", metric)
	case !(*c.TargetValue >= cluster.LeastTargetPercent && *c.TargetValue <= cluster.MostTargetPercent):
		return aasapi.Invalid("TargetValue is the percentage at which volumes grow, %d to %d: it can't be %v.",
			cluster.LeastTargetPercent, cluster.MostTargetPercent, *c.TargetValue)
	case aws.ToInt32(c.ScaleInCooldown) < 0, aws.ToInt32(c.ScaleOutCooldown) < 0:
		return aasapi.Invalid("A cooldown can't be negative.")
	}
	return nil
}

func (a *API) deleteScalingPolicy(
	ctx context.Context, in *applicationautoscaling.DeleteScalingPolicyInput,
) (*applicationautoscaling.DeleteScalingPolicyOutput, error) {
	c, err := a.scaledFor(ctx, in.ServiceNamespace, in.ScalableDimension, *in.ResourceId)
	if err != nil {
		return nil, err
	}
	_, err = a.changeSaid(ctx, c, func(s *cluster.StorageScaling) error {
		if !s.RemovePolicy(*in.PolicyName) {
			return aasapi.NotFound("There is no scaling policy %q for service namespace %s, resource ID %s, scalable dimension %s.",
				*in.PolicyName, in.ServiceNamespace, c.ARN, in.ScalableDimension)
		}
		return nil
	})
	return &applicationautoscaling.DeleteScalingPolicyOutput{}, err
}

func (a *API) describeScalingPolicies(
	ctx context.Context, in *applicationautoscaling.DescribeScalingPoliciesInput,
) (*applicationautoscaling.DescribeScalingPoliciesOutput, error) {
	if err := scalesStorage(in.ServiceNamespace, in.ScalableDimension); err != nil {
		return nil, err
	}
	resources := oneOrNone(in.ResourceId)
	if err := namedWithDimension(in.ScalableDimension, len(resources)); err != nil {
		return nil, err
	}
	clusters, err := a.scaledClusters(ctx, resources)
	if err != nil {
		return nil, err
	}
	policies := []types.ScalingPolicy{}
	for _, s := range clusters {
		for _, p := range s.said.Policies {
			if len(in.PolicyNames) > 0 && !slices.Contains(in.PolicyNames, p.Name) && !slices.Contains(in.PolicyNames, p.ARN) {
				continue
			}
			policy, err := scalingPolicy(s.cluster, p)
			if err != nil {
				return nil, err
			}
			policies = append(policies, policy)
		}
	}
	page, next, err := pageOf(ctx, policies, func(p types.ScalingPolicy) string { return *p.ResourceId + " " + *p.PolicyName }, 10, in.MaxResults, in.NextToken)
	return &applicationautoscaling.DescribeScalingPoliciesOutput{ScalingPolicies: page, NextToken: next}, err
}

func oneOrNone(resource *string) []string {
	if resource == nil {
		return nil
	}
	return []string{*resource}
}

func scalingPolicy(c cluster.Cluster, p cluster.StoragePolicy) (types.ScalingPolicy, error) {
	var configuration types.TargetTrackingScalingPolicyConfiguration
	if err := json.Unmarshal(p.Configuration, &configuration); err != nil {
		return types.ScalingPolicy{}, fmt.Errorf("decode the configuration of policy %s: %w", p.ARN, err)
	}
	return types.ScalingPolicy{
		CreationTime:                             &p.CreatedAt,
		PolicyARN:                                &p.ARN,
		PolicyName:                               &p.Name,
		PolicyType:                               types.PolicyTypeTargetTrackingScaling,
		ResourceId:                               &c.ARN,
		ScalableDimension:                        types.ScalableDimensionKafkaBrokerStorageVolumeSize,
		ServiceNamespace:                         types.ServiceNamespaceKafka,
		Alarms:                                   []types.Alarm{}, // the alarm on used space is the deployment's own, one for all clusters
		TargetTrackingScalingPolicyConfiguration: &configuration,
	}, nil
}
