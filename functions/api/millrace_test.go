package api_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kafka"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
)

func TestMillraceClusters_ShowWhatEachNodeAndStepWaitsFor(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.create(t, "orders")
	desk.addNodes(t, c, 3)
	if err := desk.records.PutBeat(t.Context(), "host-2", nodespec.Heartbeat{
		HostID: "host-2", At: time.Date(2026, 9, 20, 12, 0, 0, 0, time.UTC), State: nodespec.Failing, Reason: "the volume is full",
	}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := desk.records.ChangeOperation(t.Context(), c.ID, c.Active.ID,
		func(_ *cluster.Cluster, op *cluster.Operation) error {
			op.State = cluster.InProgress
			op.Steps = []cluster.Step{
				{Name: "LaunchHosts", Status: cluster.StepCompleted, Percent: 100},
				{Name: "CheckNodesJoined", Status: cluster.StepInProgress, Percent: 50, Detail: "broker 2 waits for its volume"},
			}
			return nil
		}); err != nil {
		t.Fatal(err)
	}
	c = desk.recorded(t, "orders")
	a := desk.send(t, "GET", "/millrace/v1/clusters/"+url.PathEscape(c.ARN), nil)
	want := `{
		"name": "orders", "arn": "` + c.ARN + `", "state": "CREATING", "version": "` + c.Version + `",
		"kafkaVersion": "4.1.x.kraft", "instanceType": "kafka.m7g.large", "volumeGiB": 100, "inCluster": true,
		"maintenance": [],
		"nodes": [
			{"id": 1, "role": "broker", "zone": "zone-a", "address": "b-1.test", "host": "host-1", "state": "launched"},
			{"id": 2, "role": "broker", "zone": "zone-b", "address": "b-2.test", "host": "host-2", "state": "failing",
			 "reason": "the volume is full", "seenAt": "2026-09-20T12:00:00.000Z"},
			{"id": 3, "role": "broker", "zone": "zone-c", "address": "b-3.test", "host": "host-3", "state": "launched"},
			{"id": 1001, "role": "controller", "zone": "zone-a", "address": "c-1001.test", "state": "planned"}
		],
		"operation": {
			"id": "` + c.Active.ID + `", "type": "CREATE_CLUSTER", "state": "UPDATE_IN_PROGRESS", "attempt": 1, "percent": 75,
			"arn": "` + strings.Replace(c.ARN, ":cluster/", ":cluster-operation/", 1) + "/" + c.Active.ID + `",
			"steps": [
				{"name": "LaunchHosts", "status": "COMPLETED", "percent": 100},
				{"name": "CheckNodesJoined", "status": "IN_PROGRESS", "percent": 50, "detail": "broker 2 waits for its volume"}
			]
		}
	}`
	delete(a.Body, "createdAt")
	delete(a.Body["operation"].(map[string]any), "startedAt")
	if !equalJSON(t, a.Body, want) {
		got, err := json.MarshalIndent(a.Body, "", "  ")
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
	list := desk.send(t, "GET", "/millrace/v1/clusters", nil)
	if clusters, _ := list.Body["clusters"].([]any); len(clusters) != 1 {
		t.Errorf("listed %+v", list)
	}
}

func equalJSON(t *testing.T, got any, want string) bool {
	t.Helper()
	var wanted any
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatal(err)
	}
	one, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	two, err := json.Marshal(wanted)
	if err != nil {
		t.Fatal(err)
	}
	return string(one) == string(two)
}

func TestMillraceAuthority_IsTheClustersCertificate(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.create(t, "orders")
	path := "/millrace/v1/clusters/" + url.PathEscape(c.ARN) + "/ca"
	if a := desk.send(t, "GET", path, nil); a.Status != 404 || a.Type != "NotFoundException" {
		t.Errorf("before there is one: %+v", a)
	}
	if _, err := desk.records.ChangeCluster(t.Context(), c.ID, func(c *cluster.Cluster) error {
		c.Authority = "-----BEGIN CERTIFICATE-----"
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if a := desk.send(t, "GET", path, nil); a.Status != 200 || a.Body["certificate"] != "-----BEGIN CERTIFICATE-----" {
		t.Errorf("got %+v", a)
	}
	if a := desk.send(t, "GET", "/millrace/v1/clusters/"+url.PathEscape(absentCluster)+"/ca", nil); a.Status != 404 {
		t.Errorf("of a cluster that is not there: %+v", a)
	}
}

func TestMillraceResume_StartsAFailedCreateAgainAsANewAttempt(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.create(t, "orders")
	operation := c.Active.ID
	desk.end(t, c, &cluster.Failure{Code: "Unavailable", Message: "no capacity"})

	a := desk.send(t, "POST", "/millrace/v1/clusters/"+url.PathEscape(c.ARN)+"/resume", nil)
	if a.Status != 200 || a.Body["state"] != "CREATING" || a.Body["failure"] != nil {
		t.Fatalf("got %+v", a)
	}
	c = desk.recorded(t, "orders")
	op, err := desk.records.Operation(t.Context(), c.ID, operation)
	if err != nil {
		t.Fatal(err)
	}
	if op.Attempt != 2 || op.State != cluster.Pending || op.Failure != nil || op.Ended() || !op.EndedAt.IsZero() {
		t.Errorf("operation %+v", op)
	}
	if c.Active == nil || c.Active.ID != operation || c.Failure != nil {
		t.Errorf("the cluster is held by %+v, failure %+v", c.Active, c.Failure)
	}
	if got := desk.workflows.started; len(got) != 2 || got[1] != "create-cluster "+operation+"-2" {
		t.Errorf("started %v", got)
	}
	if unfinished, err := desk.records.UnfinishedOperations(t.Context()); err != nil || len(unfinished) != 1 {
		t.Errorf("the sweep would find %v, %v", unfinished, err)
	}
}

func TestMillraceResume_IsForFailedCreatesOnly(t *testing.T) {
	failure := &cluster.Failure{Code: "Unavailable", Message: "no capacity"}
	for _, tt := range []struct {
		name string
		make func(*testing.T, *frontDesk) cluster.Cluster
		want string
	}{
		{"CREATING", func(t *testing.T, d *frontDesk) cluster.Cluster { return d.create(t, "orders") }, "orders is CREATING"},
		{"ACTIVE", func(t *testing.T, d *frontDesk) cluster.Cluster { return d.end(t, d.create(t, "orders"), nil) }, "orders is ACTIVE"},
		{"a delete that failed", func(t *testing.T, d *frontDesk) cluster.Cluster {
			c := d.end(t, d.create(t, "orders"), failure)
			if _, err := d.DeleteCluster(t.Context(), &kafka.DeleteClusterInput{ClusterArn: &c.ARN}); err != nil {
				t.Fatal(err)
			}
			return d.end(t, d.recorded(t, "orders"), failure)
		}, "orders is FAILED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			desk := openFrontDesk(t)
			c := tt.make(t, desk)
			before := len(desk.workflows.started)
			a := desk.send(t, "POST", "/millrace/v1/clusters/"+url.PathEscape(c.ARN)+"/resume", nil)
			if message, _ := a.Body["message"].(string); a.Status != 400 || !strings.Contains(message, tt.want) {
				t.Errorf("got %+v", a)
			}
			if len(desk.workflows.started) != before {
				t.Errorf("started %v", desk.workflows.started)
			}
		})
	}
}
