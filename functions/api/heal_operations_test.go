package api_test

import (
	"crypto/rand"
	"net/url"
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

// An operation that does not hold its cluster is listed like any other, and is never taken for what the cluster is about.
func TestClusterOperations_ShowTopicsThatAreApplied(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.activeCluster(t, "orders")
	later := c.CreatedAt.Add(time.Hour)
	id, err := cluster.NewOperationID(later, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	op := cluster.Operation{
		ID: id, ClusterID: c.ID, ARN: c.OperationARN(id), Type: cluster.ApplyTopics, State: cluster.InProgress, CreatedAt: later,
		Topics: &cluster.TopicsApplication{},
	}
	op.Steps = op.Plan()
	op.Advance(cluster.StepApplyTopics, 37, "37 of 100: created orders")
	if _, err := desk.records.StartOperation(t.Context(), c.ID, op, func(c *cluster.Cluster) error {
		op.Claim(c)
		return nil
	}); err != nil {
		t.Fatal(err)
	}

	if described := desk.describe(t, c.ARN); described.State != "ACTIVE" || described.ActiveOperationArn != nil ||
		*described.CurrentVersion != c.Version {
		t.Errorf("the cluster is %+v", described)
	}
	one, err := desk.DescribeClusterOperation(t.Context(), &kafka.DescribeClusterOperationInput{ClusterOperationArn: &op.ARN})
	if err != nil || *one.ClusterOperationInfo.OperationType != "APPLY_TOPICS" || len(one.ClusterOperationInfo.OperationSteps) != 4 {
		t.Errorf("%+v, %v", one, err)
	}
	list, err := desk.ListClusterOperationsV2(t.Context(), &kafka.ListClusterOperationsV2Input{ClusterArn: &c.ARN})
	if err != nil || len(list.ClusterOperationInfoList) != 2 || *list.ClusterOperationInfoList[0].OperationType != "APPLY_TOPICS" {
		t.Errorf("%+v, %v", list, err)
	}
	view := desk.send(t, "GET", "/millrace/v1/clusters/"+url.PathEscape(c.ARN), nil)
	if shown := view.Body["operation"].(map[string]any); shown["type"] != "CREATE_CLUSTER" || view.Body["state"] != "ACTIVE" {
		t.Errorf("the cluster is shown as %v", view.Body)
	}
	if beside := view.Body["applying"].(map[string]any); beside["id"] != id || beside["type"] != "APPLY_TOPICS" {
		t.Errorf("beside it %v is shown", beside)
	}
	if _, err := desk.DeleteCluster(t.Context(), &kafka.DeleteClusterInput{ClusterArn: &c.ARN}); err != nil {
		t.Errorf("deleted while its topics are applied: %v", err)
	}
}
