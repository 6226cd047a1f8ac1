package cluster_test

import (
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
)

var noon = time.Date(2026, 9, 20, 12, 0, 0, 0, time.UTC)

func TestOperation_OfTopicsLeavesTheClusterAsItIs(t *testing.T) {
	c := cluster.Cluster{Name: "orders", Version: "K1", Ready: true}
	heal := cluster.Operation{ID: "heal", Type: cluster.HealBroker}
	heal.Claim(&c)
	for _, end := range []func(op *cluster.Operation){
		func(op *cluster.Operation) { op.Succeed(&c, "K2", noon) },
		func(op *cluster.Operation) {
			op.Fail(&c, cluster.Failure{Code: "Invalid", Message: "no such property"}, noon)
		},
	} {
		op := cluster.Operation{ID: "apply", Type: cluster.ApplyTopics, State: cluster.Pending}
		op.Steps = op.Plan()
		op.Claim(&c)
		if !op.Holds(c) || !heal.Holds(c) || c.State() != cluster.Healing {
			t.Errorf("both at work: %+v, %s", c, c.State())
		}
		if op.TryAgain(&c) {
			t.Error("topics that are being applied may be applied again")
		}
		end(&op)
		if !op.Ended() || op.EndedAt != noon || op.Holds(c) || c.Applying != nil {
			t.Errorf("ended as %+v, the cluster is %+v", op, c)
		}
		if op.TryAgain(&c) {
			t.Error("topics are applied by a new operation, not by the same again")
		}
		if !heal.Holds(c) || c.Version != "K1" || c.Failure != nil || !c.Ready {
			t.Errorf("it left the cluster as %+v", c)
		}
	}
	heal.Succeed(&c, "K2", noon)
	if c.Active != nil || c.Version != "K2" {
		t.Errorf("the heal left the cluster as %+v", c)
	}
}

func TestOperation_ThatHoldsAClusterLeavesItsTopicsToTheirOwn(t *testing.T) {
	c := cluster.Cluster{Name: "orders", Version: "K1", Ready: true}
	apply := cluster.Operation{ID: "apply", Type: cluster.ApplyTopics}
	apply.Claim(&c)
	remove := cluster.Operation{ID: "delete", Type: cluster.DeleteCluster, Steps: []cluster.Step{{Name: cluster.StepPlan}}}
	remove.Claim(&c)
	remove.Fail(&c, cluster.Failure{Code: "Internal", Message: "a host is on fire"}, noon)
	if !apply.Holds(c) || remove.Holds(c) || c.State() != cluster.Failed {
		t.Errorf("the cluster is %s: %+v", c.State(), c)
	}
}

func TestOperation_ThatFailsAfterAllVolumesHaveGrownLeavesTheClusterWithWhatTheyHave(t *testing.T) {
	has, wanted := cluster.VolumeShape{SizeGiB: 100}, cluster.VolumeShape{SizeGiB: 110}
	for _, tt := range []struct {
		grown  int
		merges bool
		want   int
	}{{1, false, 100}, {2, false, 110}, {2, true, 100}} {
		c := cluster.Cluster{Name: "orders", Ready: true, Spec: cluster.Spec{VolumeGiB: 100}}
		op := cluster.Operation{ID: "grow", Type: cluster.UpdateBrokerStorage, Storage: &cluster.StorageChange{
			Volumes: []cluster.VolumeChange{{NodeID: 1, From: has, To: wanted}, {NodeID: 2, From: has, To: wanted}},
			Every:   wanted, Merges: tt.merges,
		}}
		for node := range int32(tt.grown) {
			op.Storage.ChangeOf(1+node, func(v *cluster.VolumeChange) { v.DoneAt = noon })
		}
		op.Claim(&c)
		op.Fail(&c, cluster.Failure{Code: "Internal", Message: "it was stopped"}, noon)
		if c.Spec.VolumeGiB != tt.want || c.Growing != nil {
			t.Errorf("after %d of 2, merge %t: %+v", tt.grown, tt.merges, c)
		}
	}
}

func TestCluster_ServesOnceItWasMadeAndUntilItIsDeleted(t *testing.T) {
	for _, tt := range []struct {
		name string
		c    cluster.Cluster
		want bool
	}{
		{"it is being made", cluster.Cluster{Active: &cluster.ActiveOperation{Type: cluster.CreateCluster}}, false},
		{"it could not be made", cluster.Cluster{Failure: &cluster.Failure{}}, false},
		{"it is ready", cluster.Cluster{Ready: true}, true},
		{"it is healed", cluster.Cluster{Ready: true, Active: &cluster.ActiveOperation{Type: cluster.HealBroker}}, true},
		{"its topics are made", cluster.Cluster{Ready: true, Applying: &cluster.ActiveOperation{Type: cluster.ApplyTopics}}, true},
		{"it is being deleted", cluster.Cluster{Ready: true, Active: &cluster.ActiveOperation{Type: cluster.DeleteCluster}}, false},
		{"it could not be deleted", cluster.Cluster{Ready: true, Failure: &cluster.Failure{}}, false},
	} {
		if got := tt.c.Serves(); got != tt.want {
			t.Errorf("%s: serves %t", tt.name, got)
		}
	}
}
