package cluster

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// StorageScaling is what was said of how a cluster's volumes grow by themselves, in the terms of Application Auto Scaling: what may be
// scaled and within which limits, and the policies by which it is.
type StorageScaling struct {
	ClusterID string          `json:"clusterId"`
	Target    *ScalableTarget `json:"target,omitempty"`
	Policies  []StoragePolicy `json:"policies,omitempty"` // by name
}

// ScalableTarget lets the volumes of a cluster be scaled, up to a size. Without one no policy has any effect.
type ScalableTarget struct {
	ARN string `json:"arn"`
	// MinGiB means nothing: volumes never shrink. It is kept because whoever set it reads it again.
	MinGiB int `json:"minGiB"`
	MaxGiB int `json:"maxGiB"`
	// RoleARN is the role that was named for the scaling; empty for none. Nothing is done in it.
	RoleARN string `json:"roleArn,omitempty"`
	// Suspended are the ways of scaling that are suspended at the moment.
	Suspended SuspendedScaling  `json:"suspended,omitzero"`
	CreatedAt time.Time         `json:"createdAt"`
	Tags      map[string]string `json:"tags,omitempty"`
}

// SuspendedScaling says which ways of scaling are suspended, in the terms of Application Auto Scaling. Of these, volumes know growth
// by a policy alone, which is Out.
type SuspendedScaling struct {
	In        bool `json:"in,omitempty"`
	Out       bool `json:"out,omitempty"`
	Scheduled bool `json:"scheduled,omitempty"`
}

// StoragePolicy is one policy by which volumes grow.
type StoragePolicy struct {
	Name string `json:"name"`
	ARN  string `json:"arn"`
	// Configuration is the target tracking configuration as it was put, a JSON object, so that it is echoed exactly.
	Configuration json.RawMessage `json:"configuration"`
	// TargetPercent is the target value in it.
	TargetPercent float64   `json:"targetPercent"`
	CreatedAt     time.Time `json:"createdAt"`
}

// Effective gives the rule by which the volumes grow: of several policies, the one with the lowest target. ok is false when they do
// not: there is no target to scale, or no policy, or growth is suspended.
func (s StorageScaling) Effective() (rule StorageAutoscaling, ok bool) {
	if s.Target == nil || len(s.Policies) == 0 || s.Target.Suspended.Out {
		return StorageAutoscaling{}, false
	}
	lowest := s.Policies[0].TargetPercent
	for _, p := range s.Policies {
		lowest = min(lowest, p.TargetPercent)
	}
	return StorageAutoscaling{TargetPercent: int(lowest), MaxGiB: s.Target.MaxGiB}, true
}

// Empty tells whether nothing is said any more.
func (s StorageScaling) Empty() bool { return s.Target == nil && len(s.Policies) == 0 }

// PutPolicy puts a policy in the place of the one of the same name, or adds it.
func (s *StorageScaling) PutPolicy(p StoragePolicy) {
	s.RemovePolicy(p.Name)
	s.Policies = append(s.Policies, p)
	slices.SortFunc(s.Policies, func(a, b StoragePolicy) int { return strings.Compare(a.Name, b.Name) })
}

// RemovePolicy removes the policy of a name; false when there is none.
func (s *StorageScaling) RemovePolicy(name string) bool {
	before := len(s.Policies)
	s.Policies = slices.DeleteFunc(s.Policies, func(p StoragePolicy) bool { return p.Name == name })
	return len(s.Policies) < before
}
