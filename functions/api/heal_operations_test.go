package api_test

import (
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kafka"

	"github.com/millrace/millrace/shared/cluster"
)

// MSK has no word for it, and clients of MSK show it all the same.
func TestClusterOperations_ShowHeals(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.activeCluster(t, "orders")
	later := c.CreatedAt.Add(time.Hour)
	id, err := cluster.NewOperationID(later, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	op := cluster.Operation{
		ID: id, ClusterID: c.ID, ARN: c.OperationARN(id), Type: cluster.HealBroker, State: cluster.InProgress, CreatedAt: later,
		Heal: &cluster.Heal{NodeID: 2, Role: cluster.Broker, Remedy: cluster.Replace},
	}
	op.Steps = op.Plan()
	op.Advance(cluster.StepFence, 50, "host h-2 is shutting-down")
	_, err = desk.records.StartOperation(t.Context(), c.ID, op, func(c *cluster.Cluster) error {
		c.Active = &cluster.ActiveOperation{ID: op.ID, Type: op.Type}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	described := desk.describe(t, c.ARN)
	if described.State != "HEALING" || *described.ActiveOperationArn != op.ARN {
		t.Fatalf("the cluster is %s with the operation %s", described.State, *described.ActiveOperationArn)
	}
	one, err := desk.DescribeClusterOperation(t.Context(), &kafka.DescribeClusterOperationInput{ClusterOperationArn: &op.ARN})
	if err != nil {
		t.Fatal(err)
	}
	var steps []string
	for _, s := range one.ClusterOperationInfo.OperationSteps {
		steps = append(steps, *s.StepName+" "+*s.StepInfo.StepStatus)
	}
	want := []string{
		"JUDGE COMPLETED", "FENCE_HOST IN_PROGRESS", "LAUNCH_HOST PENDING", "START_KAFKA PENDING", "CATCH_UP PENDING", "FINALIZE PENDING",
	}
	if *one.ClusterOperationInfo.OperationType != "HEAL_BROKER" || *one.ClusterOperationInfo.OperationState != "UPDATE_IN_PROGRESS" ||
		!slices.Equal(steps, want) {
		t.Errorf("%s %s: %v", *one.ClusterOperationInfo.OperationType, *one.ClusterOperationInfo.OperationState, steps)
	}
	two, err := desk.DescribeClusterOperationV2(t.Context(), &kafka.DescribeClusterOperationV2Input{ClusterOperationArn: &op.ARN})
	if err != nil || *two.ClusterOperationInfo.OperationType != "HEAL_BROKER" {
		t.Errorf("%+v, %v", two, err)
	}
	list, err := desk.ListClusterOperations(t.Context(), &kafka.ListClusterOperationsInput{ClusterArn: &c.ARN})
	if err != nil || len(list.ClusterOperationInfoList) != 2 || *list.ClusterOperationInfoList[0].OperationArn != op.ARN {
		t.Errorf("%+v, %v", list, err)
	}
	again, err := desk.ListClusterOperationsV2(t.Context(), &kafka.ListClusterOperationsV2Input{ClusterArn: &c.ARN})
	if err != nil || len(again.ClusterOperationInfoList) != 2 || *again.ClusterOperationInfoList[0].OperationType != "HEAL_BROKER" {
		t.Errorf("%+v, %v", again, err)
	}
}
