package records_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

func policy(name string, percent float64) cluster.StoragePolicy {
	return cluster.StoragePolicy{
		Name: name, ARN: "arn:" + name, Configuration: json.RawMessage(`{"TargetValue":60.0}`), TargetPercent: percent, CreatedAt: noon,
	}
}

func TestStorageScaling_IsKeptAsItWasPutAndGoesWithItsCluster(t *testing.T) {
	r, _ := openRecords(t)
	createCluster(t, r, "id-1", "orders")
	if s, err := r.StorageScaling(t.Context(), "id-1"); err != nil || !s.Empty() {
		t.Errorf("before anything was said: %+v, %v", s, err)
	}
	want, err := r.ChangeStorageScaling(t.Context(), "id-1", func(s *cluster.StorageScaling) error {
		s.Target = &cluster.ScalableTarget{ARN: "arn:target", MinGiB: 1, MaxGiB: 500, CreatedAt: noon, Tags: map[string]string{"a": "b"}}
		s.PutPolicy(policy("b", 60))
		s.PutPolicy(policy("a", 70))
		s.PutPolicy(policy("b", 55.5))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.StorageScaling(t.Context(), "id-1")
	if err != nil || !reflect.DeepEqual(got, want) || len(got.Policies) != 2 {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	if rule, ok, err := r.StorageAutoscaling(t.Context(), "id-1"); err != nil || !ok || rule.TargetPercent != 55 || rule.MaxGiB != 500 {
		t.Errorf("in effect is %+v, %t, %v", rule, ok, err)
	}
	refused := errors.New("no")
	if _, err := r.ChangeStorageScaling(t.Context(), "id-1", func(s *cluster.StorageScaling) error { s.Target = nil; return refused }); !errors.Is(err, refused) {
		t.Errorf("a change that was refused: %v", err)
	}
	if all, err := r.AllStorageScaling(t.Context()); err != nil || len(all) != 1 || !reflect.DeepEqual(all[0], want) {
		t.Errorf("of all: %+v, %v", all, err)
	}
	if err := r.ForgetCluster(t.Context(), "id-1"); err != nil {
		t.Fatal(err)
	}
	if all, err := r.AllStorageScaling(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("left of a cluster that is gone: %+v, %v", all, err)
	}
	if _, err := r.ChangeStorageScaling(t.Context(), "id-1", func(s *cluster.StorageScaling) error { s.PutPolicy(policy("c", 60)); return nil }); !fault.Is(err, fault.NotFound) {
		t.Errorf("of a cluster that is gone: %v", err)
	}
}

func TestStorageScaling_LeavesNothingOnceNothingIsSaidAnyMore(t *testing.T) {
	r, _ := openRecords(t)
	createCluster(t, r, "id-1", "orders")
	for _, put := range []bool{true, false, false} {
		_, err := r.ChangeStorageScaling(t.Context(), "id-1", func(s *cluster.StorageScaling) error {
			if put {
				s.PutPolicy(policy("a", 60))
			} else {
				s.RemovePolicy("a")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if all, err := r.AllStorageScaling(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("left is %+v, %v", all, err)
	}
}

// A growth takes a target to scale and a policy, and that nobody has suspended it.
func TestStorageScaling_TakesEffectWithATargetAndAPolicy(t *testing.T) {
	target := &cluster.ScalableTarget{MaxGiB: 500}
	policies := []cluster.StoragePolicy{policy("a", 60)}
	for name, tt := range map[string]struct {
		said cluster.StorageScaling
		ok   bool
	}{
		"nothing":             {},
		"a target alone":      {said: cluster.StorageScaling{Target: target}},
		"a policy alone":      {said: cluster.StorageScaling{Policies: policies}},
		"both":                {said: cluster.StorageScaling{Target: target, Policies: policies}, ok: true},
		"growth is suspended": {said: cluster.StorageScaling{Target: &cluster.ScalableTarget{MaxGiB: 500, Suspended: cluster.SuspendedScaling{Out: true}}, Policies: policies}},
		"shrinking is":        {said: cluster.StorageScaling{Target: &cluster.ScalableTarget{MaxGiB: 500, Suspended: cluster.SuspendedScaling{In: true}}, Policies: policies}, ok: true},
	} {
		if rule, ok := tt.said.Effective(); ok != tt.ok || ok && rule.String() != "target 60 %, at most 500 GiB" {
			t.Errorf("%s: %s, %t", name, rule, ok)
		}
	}
}
