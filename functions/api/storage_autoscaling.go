package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/mskapi"
)

// ownPolicy is the name of the policy that is put here, where there is none yet.
const ownPolicy = "millrace-storage-autoscaling"

type storageAutoscalingInput struct {
	TargetPercent *int // how full the fullest broker may get before all volumes grow
	MaxGiB        *int // how large they may get
}

// putStorageAutoscaling lets the volumes of a cluster grow by themselves, or changes how.
//
// It says the same as a target that was registered with Application Auto Scaling and a policy that was put there, and where there are
// such it changes them, so that there is one rule, whoever asks for it.
func (a *API) putStorageAutoscaling(ctx context.Context, arn string, in storageAutoscalingInput) (any, error) {
	c, err := a.cluster(ctx, arn)
	if err != nil {
		return nil, err
	}
	rule, err := readRule(c, in)
	if err != nil {
		return nil, err
	}
	target, policy, err := a.newScaling(c, rule)
	if err != nil {
		return nil, err
	}
	return a.changeScaling(ctx, c, func(s *cluster.StorageScaling) {
		if s.Target == nil {
			s.Target = &target
		}
		s.Target.MaxGiB, s.Target.Suspended.Out = rule.MaxGiB, false
		if len(s.Policies) == 0 {
			s.PutPolicy(policy)
			return
		}
		first := s.Policies[0]
		policy.Name, policy.ARN, policy.CreatedAt = first.Name, first.ARN, first.CreatedAt
		s.Policies = []cluster.StoragePolicy{policy}
	})
}

// deleteStorageAutoscaling lets volumes grow by themselves no more. What has grown stays so.
func (a *API) deleteStorageAutoscaling(ctx context.Context, arn, _ string) (any, error) {
	c, err := a.cluster(ctx, arn)
	if err != nil {
		return nil, err
	}
	return a.changeScaling(ctx, c, func(s *cluster.StorageScaling) { s.Target, s.Policies = nil, nil })
}

func (a *API) changeScaling(ctx context.Context, c cluster.Cluster, change func(*cluster.StorageScaling)) (any, error) {
	s, err := a.Records.ChangeStorageScaling(ctx, c.ID, func(s *cluster.StorageScaling) error {
		change(s)
		return nil
	})
	if fault.Is(err, fault.NotFound) { // deleted since it was found
		return nil, mskapi.NotFound("clusterArn", "The cluster %s does not exist.", c.ARN)
	}
	if err != nil {
		return nil, err
	}
	rule, on := s.Effective()
	slog.InfoContext(ctx, "changed how storage grows by itself", "cluster", c.ID, "on", on, "target", rule.TargetPercent, "gib", rule.MaxGiB, "by", callOf(ctx).caller.name)
	return a.viewStorage(ctx, c.ARN)
}

func readRule(c cluster.Cluster, in storageAutoscalingInput) (rule cluster.StorageAutoscaling, err error) {
	if state := c.State(); state == cluster.Deleting {
		return rule, mskapi.BadRequest("clusterArn", "The cluster %s is %s: nothing of it grows any more.", c.Name, state)
	}
	if in.TargetPercent == nil || *in.TargetPercent < cluster.LeastTargetPercent || *in.TargetPercent > cluster.MostTargetPercent {
		return rule, mskapi.BadRequest("targetPercent",
			"Say by targetPercent how full the fullest broker may get before all volumes grow: %d to %d.",
			cluster.LeastTargetPercent, cluster.MostTargetPercent)
	}
	if c.Spec.VolumeGiB >= cluster.MostVolumeGiB {
		return rule, mskapi.BadRequest("maxGiB", "The volumes of %s have %d GiB already, and none can have more.", c.Name, c.Spec.VolumeGiB)
	}
	if in.MaxGiB == nil || *in.MaxGiB <= c.Spec.VolumeGiB || *in.MaxGiB > cluster.MostVolumeGiB {
		return rule, mskapi.BadRequest("maxGiB", "Say by maxGiB how large volumes may get: those of %s have %d GiB, so %d to %d.",
			c.Name, c.Spec.VolumeGiB, c.Spec.VolumeGiB+1, cluster.MostVolumeGiB)
	}
	return cluster.StorageAutoscaling{TargetPercent: *in.TargetPercent, MaxGiB: *in.MaxGiB}, nil
}

// newScaling is a rule in the terms of Application Auto Scaling.
func (a *API) newScaling(c cluster.Cluster, rule cluster.StorageAutoscaling) (target cluster.ScalableTarget, policy cluster.StoragePolicy, err error) {
	configuration, err := json.Marshal(map[string]any{
		"TargetValue":                   float64(rule.TargetPercent),
		"PredefinedMetricSpecification": map[string]string{"PredefinedMetricType": "KafkaBrokerStorageUtilization"},
		"DisableScaleIn":                true,
	})
	if err != nil {
		return target, policy, err
	}
	if target, err = a.newScalableTarget(); err != nil {
		return target, policy, err
	}
	target.MinGiB, target.MaxGiB = 1, rule.MaxGiB
	policy, err = a.newStoragePolicy(c, ownPolicy)
	policy.Configuration, policy.TargetPercent = configuration, float64(rule.TargetPercent)
	return target, policy, err
}

// newScalableTarget makes a target with a name of its own, as Application Auto Scaling names them.
func (a *API) newScalableTarget() (cluster.ScalableTarget, error) {
	var id [16]byte
	if _, err := io.ReadFull(a.Random, id[:]); err != nil {
		return cluster.ScalableTarget{}, fmt.Errorf("name a scalable target: %w", err)
	}
	return cluster.ScalableTarget{
		ARN:       fmt.Sprintf("arn:aws:application-autoscaling:%s:%s:scalable-target/%x", a.Region, a.Account, id),
		CreatedAt: a.now(),
	}, nil
}

// newStoragePolicy makes a policy with an ARN of its own, as Application Auto Scaling names them.
func (a *API) newStoragePolicy(c cluster.Cluster, name string) (cluster.StoragePolicy, error) {
	now := a.now()
	id, err := cluster.NewOperationID(now, a.Random)
	if err != nil {
		return cluster.StoragePolicy{}, fmt.Errorf("name a scaling policy: %w", err)
	}
	return cluster.StoragePolicy{
		Name: name, CreatedAt: now,
		ARN: fmt.Sprintf("arn:aws:autoscaling:%s:%s:scalingPolicy:%s:resource/kafka/%s:policyName/%s", a.Region, a.Account, id, c.ARN, name),
	}, nil
}
