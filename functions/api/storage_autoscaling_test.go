package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/aws/aws-sdk-go-v2/service/kafka"

	"github.com/millrace/millrace/shared/cluster"
)

func (d *storageDesk) said(t *testing.T) cluster.StorageScaling {
	t.Helper()
	s, err := d.records.StorageScaling(t.Context(), d.c.ID)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// text is the body of an answer, its members sorted.
func text(t *testing.T, a answer) string {
	t.Helper()
	body, err := json.Marshal(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestStorageAutoscaling_IsSetChangedAndTakenBack(t *testing.T) {
	desk := openStorageDesk(t)
	for _, body := range []string{`{"maxGiB":500,"targetPercent":60}`, `{"maxGiB":600,"targetPercent":70}`} {
		before := desk.said(t)
		shown := desk.healing(t, desk.c, http.MethodPut, "storage-autoscaling", body)
		if shown.Status != http.StatusOK || !strings.Contains(text(t, shown), `"autoscaling":`+body) {
			t.Fatalf("answered %+v", shown)
		}
		now := desk.said(t)
		rule, ok := now.Effective()
		if !ok || len(now.Policies) != 1 || rule.TargetPercent != int(now.Policies[0].TargetPercent) || rule.MaxGiB != now.Target.MaxGiB {
			t.Errorf("said is %+v", now)
		}
		p := now.Policies[0]
		if !strings.Contains(string(p.Configuration), `"KafkaBrokerStorageUtilization"`) || !strings.Contains(p.ARN, "resource/kafka/"+desk.c.ARN+":policyName/"+p.Name) {
			t.Errorf("the policy is %+v", p)
		}
		if before.Target != nil && (before.Target.ARN != now.Target.ARN || before.Policies[0].ARN != p.ARN) {
			t.Errorf("%+v became %+v", before, now)
		}
	}
	for range 2 { // taking back what there is not is success
		if shown := desk.healing(t, desk.c, http.MethodDelete, "storage-autoscaling", ""); shown.Status != http.StatusOK || shown.Body["autoscaling"] != nil {
			t.Errorf("answered %+v", shown)
		}
	}
	if s := desk.said(t); !s.Empty() {
		t.Errorf("left is %+v", s)
	}
}

func TestStorageAutoscaling_RefusesWhatIsNoRule(t *testing.T) {
	desk := openStorageDesk(t)
	for body, want := range map[string]string{
		`{}`:                                  "10 to 80",
		`{"targetPercent":9,"maxGiB":500}`:    "10 to 80",
		`{"targetPercent":81,"maxGiB":500}`:   "10 to 80",
		`{"targetPercent":60}`:                "those of orders have 100 GiB, so 101 to 16384",
		`{"targetPercent":60,"maxGiB":100}`:   "101 to 16384",
		`{"targetPercent":60,"maxGiB":16385}`: "101 to 16384",
		`{"target":60}`:                       "target",
	} {
		if shown := desk.healing(t, desk.c, http.MethodPut, "storage-autoscaling", body); shown.Status != http.StatusBadRequest || !strings.Contains(text(t, shown), want) {
			t.Errorf("%s: answered %+v", body, shown)
		}
	}
	desk.change(t, func(c *cluster.Cluster) { c.Spec.VolumeGiB = cluster.MostVolumeGiB })
	shown := desk.healing(t, desk.c, http.MethodPut, "storage-autoscaling", `{"targetPercent":60,"maxGiB":16384}`)
	if want := "have 16384 GiB already, and none can have more"; !strings.Contains(text(t, shown), want) {
		t.Errorf("where no rule can be, it answers %+v", shown)
	}
	if s := desk.said(t); !s.Empty() {
		t.Errorf("said is %+v", s)
	}
}

func TestDescribeCluster_SaysWhenPeopleHaveToActAtOnce(t *testing.T) {
	desk := openStorageDesk(t)
	for _, urgent := range []bool{false, true} {
		want, why := "NONE", ""
		if urgent {
			want, why = "CRITICAL_ACTION_REQUIRED", "broker 1: the log volume is full. Let it grow."
		}
		at := noon
		if urgent {
			at = noon.Add(time.Minute)
		}
		desk.found(t, cluster.Health{ClusterID: desk.c.ID, LookedAt: at, Findings: []cluster.Finding{{
			NodeID: 1, Role: cluster.Broker, Condition: cluster.Well, Urgent: urgent, Reason: "the log volume is full", Advice: "Let it grow.",
		}}})
		described := desk.describe(t, desk.c.ARN)
		said := ""
		if described.StateInfo != nil {
			said = aws.ToString(described.StateInfo.Message)
		}
		if got := described.CustomerActionStatus; string(got) != want || said != why {
			t.Errorf("described is %s (%s), want %s (%s)", got, said, want, why)
		}
		one, err := desk.ListClusters(t.Context(), &kafka.ListClustersInput{})
		if err != nil || string(one.ClusterInfoList[0].CustomerActionStatus) != want {
			t.Errorf("listed is %+v, %v, want %s", one, err, want)
		}
		two, err := desk.ListClustersV2(t.Context(), &kafka.ListClustersV2Input{})
		if err != nil || string(two.ClusterInfoList[0].Provisioned.CustomerActionStatus) != want {
			t.Errorf("listed is %+v, %v, want %s", two, err, want)
		}
	}
}
