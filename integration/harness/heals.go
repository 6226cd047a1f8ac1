package harness

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"
)

// Healing is a cluster as the API tells of its healing.
type Healing struct {
	t      testing.TB
	client *kafka.Client
	arn    string
}

// HealingOf follows the healing of a cluster.
func (m *Millrace) HealingOf(t testing.TB, arn string) Healing {
	t.Helper()
	return Healing{t, m.KafkaClient(t), arn}
}

// State is the cluster's state.
func (h Healing) State() types.ClusterState {
	h.t.Helper()
	out, err := h.client.DescribeCluster(h.t.Context(), &kafka.DescribeClusterInput{ClusterArn: aws.String(h.arn)})
	if err != nil {
		h.t.Fatalf("describe cluster: %v", err)
	}
	return out.ClusterInfo.State
}

// Heals are the cluster's healing operations, the oldest first.
func (h Healing) Heals() (heals []types.ClusterOperationV2) {
	h.t.Helper()
	listed, err := h.client.ListClusterOperationsV2(h.t.Context(), &kafka.ListClusterOperationsV2Input{
		ClusterArn: aws.String(h.arn), MaxResults: aws.Int32(100),
	})
	if err != nil {
		h.t.Fatalf("list operations: %v", err)
	}
	for _, o := range slices.Backward(listed.ClusterOperationInfoList) {
		if aws.ToString(o.OperationType) != "HEAL_BROKER" {
			continue
		}
		out, err := h.client.DescribeClusterOperationV2(h.t.Context(), &kafka.DescribeClusterOperationV2Input{ClusterOperationArn: o.OperationArn})
		if err != nil {
			h.t.Fatalf("describe operation: %v", err)
		}
		heals = append(heals, *out.ClusterOperationInfo)
	}
	return heals
}

// WaitUntilBegun waits until the cluster is HEALING, in its latest operation of so many.
func (h Healing) WaitUntilBegun(heals int) {
	h.t.Helper()
	Until(h.t, "cluster "+h.arn+" is HEALING", settled, func() (bool, string) {
		state, had := h.State(), h.Heals()
		return state == types.ClusterStateHealing && len(had) >= heals, fmt.Sprintf("%s\n%s", state, Tell(had))
	})
}

// WaitUntilOver waits until the cluster has had so many healing operations, has none any more, and is ACTIVE. All of them
// went well.
func (h Healing) WaitUntilOver(heals int) (had []types.ClusterOperationV2) {
	h.t.Helper()
	Until(h.t, fmt.Sprintf("cluster %s was healed %d times and is ACTIVE", h.arn, heals), settled, func() (bool, string) {
		had = h.Heals()
		over := 0
		for _, o := range had {
			switch aws.ToString(o.OperationState) {
			case "UPDATE_COMPLETE":
				over++
			case "UPDATE_FAILED":
				h.t.Fatalf("a healing operation failed:\n%s", Tell(had))
			}
		}
		state := h.State()
		return over == len(had) && over >= heals && state == types.ClusterStateActive, fmt.Sprintf("%s\n%s", state, Tell(had))
	})
	return had
}

// Tell tells operations with their steps, for messages.
func Tell(operations []types.ClusterOperationV2) string {
	var lines []string
	for _, o := range operations {
		line := fmt.Sprintf("%s %s since %s", aws.ToString(o.OperationType), aws.ToString(o.OperationState),
			aws.ToTime(o.StartTime).Format(time.TimeOnly))
		if o.EndTime != nil {
			line += fmt.Sprintf(", for %.1f s", o.EndTime.Sub(*o.StartTime).Seconds())
		}
		if o.ErrorInfo != nil {
			line += ": " + aws.ToString(o.ErrorInfo.ErrorString)
		}
		if o.Provisioned != nil {
			for _, s := range o.Provisioned.OperationSteps {
				line += fmt.Sprintf("\n  %s %s", aws.ToString(s.StepName), aws.ToString(s.StepInfo.StepStatus))
			}
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}
