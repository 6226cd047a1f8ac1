package provisioning_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/functions/provisioning"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/platform/platformtest"
	"github.com/millrace/millrace/shared/progress"
)

// forgetful is a cloud that knows that the first launches of each node have ended, and nothing else of them.
type forgetful struct {
	*platformtest.Cloud
	launches int
}

func (f forgetful) LaunchHost(ctx context.Context, r cluster.HostRequest) (cluster.Host, error) {
	if r.Token.Attempt <= f.launches {
		return cluster.Host{State: cluster.HostTerminated}, nil
	}
	return f.Cloud.LaunchHost(ctx, r)
}

func (f forgetful) ForgetHost(ctx context.Context, id string) error {
	if id == "" {
		return fault.New(fault.Invalid, "no host is named")
	}
	return f.Cloud.ForgetHost(ctx, id)
}

func TestLaunchHost_TriesOnceMoreWhenThePlatformHasForgottenTheHostOfATokenThatWasUsed(t *testing.T) {
	s := openSite(t, nil)
	s.do(t, 0, "PlanCluster")
	s.do(t, 1, "EnsureAddress")
	step := provisioning.LaunchHost{Nodes: s.records, Clusters: s.records, Platform: forgetful{s.Cloud, 1}, Mailbox: s.records}
	if _, err := step.Run(t.Context(), provisioning.NodeInput{ClusterID: "c", NodeID: 1}); err != nil {
		t.Fatal(err)
	}
	n, err := s.records.Node(t.Context(), "c", 1)
	if err != nil || n.Launches != 2 || n.Host == nil || n.Host.ID == "" {
		t.Errorf("the node is %+v, %v; want it to have the host of its second launch", n, err)
	}
}

// What a host has said outlives it; once the node has another host nothing leads to it any more.
func TestLaunchHost_ForgetsWhatAHostHasSaidThatThePlatformHasForgotten(t *testing.T) {
	s := openSite(t, nil)
	s.do(t, 0, "PlanCluster")
	s.do(t, 1, "EnsureAddress", "LaunchHost")
	n, err := s.records.Node(t.Context(), "c", 1)
	if err != nil {
		t.Fatal(err)
	}
	old := n.Host.ID
	if err := s.records.PutSpec(t.Context(), old, nodespec.Spec{Generation: 1}); err != nil {
		t.Fatal(err)
	}
	s.Kill(old)
	step := provisioning.LaunchHost{Nodes: s.records, Clusters: s.records, Platform: forgetful{s.Cloud, 1}, Mailbox: s.records}
	if _, err := step.Run(t.Context(), provisioning.NodeInput{ClusterID: "c", NodeID: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.records.Spec(t.Context(), old); !fault.Is(err, fault.NotFound) {
		t.Errorf("the spec of host %s: %v, want it gone", old, err)
	}
}

func TestLaunchHost_RecordsNoHostThatNobodyKnows(t *testing.T) {
	s := openSite(t, nil)
	s.do(t, 0, "PlanCluster")
	s.do(t, 1, "EnsureAddress")
	step := provisioning.LaunchHost{Nodes: s.records, Clusters: s.records, Platform: forgetful{s.Cloud, 2}, Mailbox: s.records}
	if _, err := step.Run(t.Context(), provisioning.NodeInput{ClusterID: "c", NodeID: 1}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("two launches that ended unseen: %v, want Unavailable", err)
	}
	if n, err := s.records.Node(t.Context(), "c", 1); err != nil || n.Host != nil {
		t.Errorf("the node is %+v, %v; want it without a host", n, err)
	}
	if _, err := step.Run(t.Context(), provisioning.NodeInput{ClusterID: "c", NodeID: 1}); err != nil {
		t.Fatal(err)
	}
	if n, err := s.records.Node(t.Context(), "c", 1); err != nil || n.Launches != 3 || n.Host == nil || n.Host.ID == "" {
		t.Errorf("the node is %+v, %v; want it to have the host of its third launch", n, err)
	}
}

// stubborn is a cloud whose hosts end only when they are asked twice.
type stubborn struct {
	*platformtest.Cloud
	asked map[string]int
}

func (s stubborn) RetireHost(ctx context.Context, id string) error {
	if s.asked[id]++; s.asked[id] < 2 {
		return nil
	}
	return s.Cloud.RetireHost(ctx, id)
}

func TestCheckHostRetired_AsksAHostOnceMoreThatDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openSite(t, nil)
		s.do(t, 0, "PlanCluster")
		s.do(t, 1, "EnsureAddress", "EnsureVolume", "LaunchHost", "CheckHostRunning")
		cloud := stubborn{s.Cloud, map[string]int{}}
		retire := provisioning.RetireHost{Nodes: s.records, Platform: cloud}
		if _, err := retire.Run(t.Context(), provisioning.NodeInput{ClusterID: "c", NodeID: 1}); err != nil {
			t.Fatal(err)
		}
		check := provisioning.CheckHostRetired{
			Nodes: s.records, Platform: cloud, Progress: progress.Reporter{Records: s.records}, Now: func() time.Time { return s.now },
		}
		in := provisioning.CheckNodeInput{ClusterID: "c", OperationID: "op", NodeID: 1}
		if out, err := check.Run(t.Context(), in); err != nil || out.Done {
			t.Errorf("the first look: %+v, %v", out, err)
		}
		if out, err := check.Run(t.Context(), in); err != nil || !out.Done {
			t.Errorf("the second look: %+v, %v", out, err)
		}
	})
}
