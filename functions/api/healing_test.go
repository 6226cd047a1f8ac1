package api_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kafka"

	"github.com/millrace/millrace/shared/accesskey"
	"github.com/millrace/millrace/shared/cluster"
)

var noon = time.Date(2026, 9, 20, 12, 0, 0, 0, time.UTC)

// activeCluster is a cluster of three brokers and a controller, which nothing holds.
func (d *frontDesk) activeCluster(t *testing.T, name string) cluster.Cluster {
	t.Helper()
	c := d.create(t, name)
	d.addNodes(t, c, 3)
	return d.end(t, c, nil)
}

// healing asks something about the healing of a cluster.
func (d *frontDesk) healing(t *testing.T, c cluster.Cluster, method, what, body string) answer {
	t.Helper()
	return d.send(t, method, "/millrace/v1/clusters/"+url.PathEscape(c.ARN)+"/"+what, []byte(body))
}

// found records what a look at a cluster gave.
func (d *frontDesk) found(t *testing.T, h cluster.Health) {
	t.Helper()
	if err := d.records.PutHealth(t.Context(), h); err != nil {
		t.Fatal(err)
	}
}

// heal has a healing operation hold a cluster.
func (d *frontDesk) heal(t *testing.T, c cluster.Cluster, id string, h cluster.Heal) cluster.Operation {
	t.Helper()
	op := cluster.Operation{ID: id, ClusterID: c.ID, Type: cluster.HealBroker, State: cluster.InProgress, CreatedAt: noon, Attempt: 1, Heal: &h}
	op.Steps = op.Plan()
	op.Advance(cluster.StepJudge, 50, "orders-3 would keep 1 of 2 replicas in sync")
	_, err := d.records.StartOperation(t.Context(), c.ID, op, func(c *cluster.Cluster) error {
		c.Active = &cluster.ActiveOperation{ID: op.ID, Type: op.Type}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return op
}

// without removes what no test can know from an answer.
func without(object any, members ...string) {
	if o, ok := object.(map[string]any); ok {
		for _, m := range members {
			delete(o, m)
		}
	}
}

func TestHealth_ShowsEachNodesVerdictAndWhatKeepsItFromBeingHealed(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.activeCluster(t, "orders")
	desk.found(t, cluster.Health{
		ClusterID: c.ID, LookedAt: noon, Breaker: "2 of 4 nodes are sick",
		Findings: []cluster.Finding{
			{NodeID: 1, Role: cluster.Broker, Host: "host-1", Condition: cluster.Well, Since: noon},
			{NodeID: 2, Role: cluster.Broker, Host: "host-2", Condition: cluster.HostDead, Since: noon, Reason: "the host is terminated", Remedy: cluster.Replace},
			{NodeID: 3, Role: cluster.Broker, Host: "host-3", Condition: cluster.DiskFull, Since: noon, Reason: "99 % are used", Advice: "free space"},
		},
	})
	desk.heal(t, c, "op-1", cluster.Heal{
		NodeID: 2, Role: cluster.Broker, Remedy: cluster.Replace, Condition: cluster.HostDead, Reason: "the host is terminated",
		Since: noon, Host: "host-2", Launch: 1, Proven: true,
	})
	a := desk.healing(t, c, "GET", "health", "")
	want := `{
		"name": "orders", "arn": "` + c.ARN + `", "state": "HEALING", "lookedAt": "2026-09-20T12:00:00.000Z",
		"breaker": "2 of 4 nodes are sick", "maxVolumeGiB": 0, "maintenance": [],
		"nodes": [
			{"id": 1, "role": "broker", "zone": "zone-a", "address": "b-1.test", "host": "host-1", "state": "launched",
			 "health": {"condition": "well", "since": "2026-09-20T12:00:00.000Z", "host": "host-1"}},
			{"id": 2, "role": "broker", "zone": "zone-b", "address": "b-2.test", "host": "host-2", "state": "launched",
			 "health": {"condition": "host dead", "since": "2026-09-20T12:00:00.000Z", "host": "host-2",
			            "reason": "the host is terminated", "remedy": "replace"}},
			{"id": 3, "role": "broker", "zone": "zone-c", "address": "b-3.test", "host": "host-3", "state": "launched",
			 "health": {"condition": "disk full", "since": "2026-09-20T12:00:00.000Z", "host": "host-3",
			            "reason": "99 % are used", "advice": "free space"}},
			{"id": 1001, "role": "controller", "zone": "zone-a", "address": "c-1001.test", "state": "planned"}
		],
		"heal": {
			"nodeId": 2, "role": "broker", "condition": "host dead", "since": "2026-09-20T12:00:00.000Z",
			"reason": "the host is terminated", "remedy": "replace", "host": "host-2",
			"operation": {"id": "op-1", "type": "HEAL_BROKER", "state": "UPDATE_IN_PROGRESS", "attempt": 1, "percent": 8,
				"startedAt": "2026-09-20T12:00:00.000Z"}
		}
	}`
	if heal, ok := a.Body["heal"].(map[string]any); ok {
		steps, _ := heal["operation"].(map[string]any)["steps"].([]any)
		if len(steps) != 6 || steps[0].(map[string]any)["detail"] != "orders-3 would keep 1 of 2 replicas in sync" {
			t.Errorf("steps %v", steps)
		}
		without(heal["operation"], "steps")
	}
	if !equalJSON(t, a.Body, want) {
		got, err := json.MarshalIndent(a.Body, "", "  ")
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
	// The cluster's own view has the same verdicts.
	view := desk.send(t, "GET", "/millrace/v1/clusters/"+url.PathEscape(c.ARN), nil)
	nodes, _ := view.Body["nodes"].([]any)
	if len(nodes) != 4 || view.Body["breaker"] != "2 of 4 nodes are sick" ||
		nodes[1].(map[string]any)["health"].(map[string]any)["condition"] != "host dead" {
		t.Errorf("described %+v", view)
	}
}

func TestHealth_BeforeAnybodyHasLookedSaysNothingOfNodes(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.activeCluster(t, "orders")
	a := desk.healing(t, c, "GET", "health", "")
	nodes, _ := a.Body["nodes"].([]any)
	if a.Status != 200 || len(nodes) != 4 || nodes[0].(map[string]any)["health"] != nil || a.Body["lookedAt"] != nil || a.Body["heal"] != nil {
		t.Errorf("got %+v", a)
	}
}

func TestHeals_AreToldNewestFirst(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.activeCluster(t, "orders")
	if a := desk.healing(t, c, "GET", "heals", ""); a.Status != 200 || len(a.Body["heals"].([]any)) != 0 {
		t.Errorf("before there was any: %+v", a)
	}
	for i, failure := range []*cluster.Failure{nil, {Code: "Unavailable", Message: "no capacity"}} {
		// Ids sort by time, and those of creates begin with the time of today.
		id := fmt.Sprintf("ffffffff-heal-%d", i)
		desk.heal(t, c, id, cluster.Heal{NodeID: 2, Role: cluster.Broker, Remedy: cluster.Grow, Condition: cluster.DiskFull, Since: noon, VolumeGiB: 110})
		desk.end(t, desk.recorded(t, "orders"), failure)
	}
	heals, _ := desk.healing(t, c, "GET", "heals", "").Body["heals"].([]any)
	if len(heals) != 2 {
		t.Fatalf("got %v", heals)
	}
	last := heals[0].(map[string]any)
	op := last["operation"].(map[string]any)
	if op["id"] != "ffffffff-heal-1" || op["state"] != "UPDATE_FAILED" || op["failure"].(map[string]any)["message"] != "no capacity" ||
		op["endedAt"] == nil || last["volumeGiB"] != 110.0 || last["nodeId"] != 2.0 {
		t.Errorf("the last is %v", last)
	}
}

func TestMaintenance_KeepsHealingAwayAndEndsByItself(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.activeCluster(t, "orders")
	version := c.Version

	a := desk.healing(t, c, "POST", "maintenance", `{"nodeId": 2, "reason": "new disk"}`)
	windows, _ := a.Body["maintenance"].([]any)
	if a.Status != 200 || len(windows) != 1 {
		t.Fatalf("got %+v", a)
	}
	w := windows[0].(map[string]any)
	if lasts := lasting(t, w); w["nodeId"] != 2.0 || w["reason"] != "new disk" || lasts != 2*time.Hour {
		t.Errorf("the window is %v, and lasts %s", w, lasts)
	}
	a = desk.healing(t, c, "POST", "maintenance", `{"forSeconds": 60}`)
	windows, _ = a.Body["maintenance"].([]any)
	if len(windows) != 2 || windows[0].(map[string]any)["nodeId"] != nil || lasting(t, windows[0].(map[string]any)) != time.Minute {
		t.Errorf("for all: %+v", a)
	}
	c = desk.recorded(t, "orders")
	if c.Version != version || c.State() != cluster.Active || len(c.Healing.Maintenance) != 2 {
		t.Errorf("the cluster is %+v", c)
	}
	a = desk.healing(t, c, "DELETE", "maintenance", `{"nodeId": 2}`)
	if windows, _ = a.Body["maintenance"].([]any); len(windows) != 1 {
		t.Errorf("ended that of node 2: %+v", a)
	}
	// It is the cluster's that keeps node 2 now, and nobody shall think that it is healed again.
	a = desk.healing(t, c, "DELETE", "maintenance", `{"nodeId": 2}`)
	if message, _ := a.Body["message"].(string); a.Status != 400 || !strings.Contains(message, "that of the whole cluster keeps it until") {
		t.Errorf("ended that of node 2 again: %+v", a)
	}
	for range 2 {
		if a = desk.healing(t, c, "DELETE", "maintenance", ""); a.Status != 200 || len(a.Body["maintenance"].([]any)) != 0 {
			t.Errorf("ended that of the cluster: %+v", a)
		}
	}
	if a = desk.healing(t, c, "DELETE", "maintenance", `{"nodeId": 2}`); a.Status != 200 {
		t.Errorf("where there is none: %+v", a)
	}
}

func lasting(t *testing.T, window map[string]any) time.Duration {
	t.Helper()
	since, err := time.Parse(time.RFC3339, window["since"].(string))
	if err != nil {
		t.Fatal(err)
	}
	until, err := time.Parse(time.RFC3339, window["until"].(string))
	if err != nil {
		t.Fatal(err)
	}
	return until.Sub(since)
}

func TestHealing_ThatIsUnderWayIsToldToWhoeverBeginsMaintenance(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.activeCluster(t, "orders")
	desk.heal(t, c, "op-1", cluster.Heal{NodeID: 2, Role: cluster.Broker, Remedy: cluster.Replace, Condition: cluster.HostDead, Since: noon})
	a := desk.healing(t, c, "POST", "maintenance", `{"nodeId": 2}`)
	heal, _ := a.Body["heal"].(map[string]any)
	if a.Status != 200 || heal["nodeId"] != 2.0 || a.Body["state"] != "HEALING" {
		t.Errorf("got %+v", a)
	}
}

func TestHealAllowance_LastsAWhileAndIsTakenBack(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.activeCluster(t, "orders")
	before := time.Now()
	a := desk.healing(t, c, "POST", "heal-allowance", "")
	until, err := time.Parse(time.RFC3339, fmt.Sprint(a.Body["allowedUntil"]))
	if err != nil || until.Sub(before).Round(time.Minute) != time.Hour {
		t.Errorf("got %+v, %v", a, err)
	}
	a = desk.healing(t, c, "POST", "heal-allowance", `{"forSeconds": 0}`)
	if a.Status != 200 || a.Body["allowedUntil"] != nil || !desk.recorded(t, "orders").Healing.AllowedUntil.IsZero() {
		t.Errorf("taken back: %+v", a)
	}
}

func TestHealing_LimitsHowFarVolumesGrow(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.activeCluster(t, "orders") // 100 GiB each
	for _, gib := range []int{200, 0} {
		a := desk.healing(t, c, "PUT", "healing", fmt.Sprintf(`{"maxVolumeGiB": %d}`, gib))
		if a.Status != 200 || a.Body["maxVolumeGiB"] != float64(gib) || desk.recorded(t, "orders").Healing.MaxVolumeGiB != gib {
			t.Errorf("%d: %+v", gib, a)
		}
	}
}

func TestHealing_RefusesNonsenseAndSaysWhatItTakes(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.activeCluster(t, "orders")
	for _, tt := range []struct{ method, what, body, want string }{
		{"POST", "maintenance", `{"nodeId": 9}`, "has no node 9; its nodes are 1, 2, 3, 1001"},
		{"POST", "maintenance", `{"nodeId": 0}`, "has no node 0"},
		{"POST", "maintenance", `{"nodeId": "all"}`, "nodeId can't be a string"},
		{"POST", "maintenance", `{"nodeId": 2.5}`, "nodeId can't be a number 2.5"},
		{"POST", "maintenance", `{"nodeId": 99999999999}`, "nodeId can't be a number"},
		{"POST", "maintenance", `{"forSeconds": 0}`, "1 to 86400 seconds (24 hours), not 0"},
		{"POST", "maintenance", `{"forSeconds": -1}`, "not -1"},
		{"POST", "maintenance", `{"forSeconds": 86401}`, "not 86401"},
		{"POST", "maintenance", `{"until": "tomorrow"}`, `unknown field "until"`},
		{"POST", "maintenance", `[]`, "can't be a array"},
		{"POST", "maintenance", `{"reason": "a\u001b[2Jb"}`, "one line of printable text"},
		{"POST", "maintenance", `{"reason": "` + strings.Repeat("a", 257) + `"}`, "at most 256 characters"},
		{"DELETE", "maintenance", `{"nodeId": 9}`, "has no node 9"},
		{"DELETE", "maintenance", `{"forSeconds": 9}`, "forSeconds"},
		{"PUT", "maintenance", `{}`, "not an operation"},
		{"POST", "heal-allowance", `{"forSeconds": -1}`, "An allowance lasts 1 to 86400 seconds"},
		{"POST", "heal-allowance", `{"forSeconds": 86401}`, "24 hours"},
		{"PUT", "healing", ``, "The size is missing"},
		{"PUT", "healing", `{"maxVolumeGiB": 100}`, "have 100 GiB: they can be let grow up to 101 to 16384 GiB, or not at all by 0, not up to 100"},
		{"PUT", "healing", `{"maxVolumeGiB": -1}`, "not up to -1"},
		{"PUT", "healing", `{"maxVolumeGiB": 16385}`, "not up to 16385"},
		{"GET", "health", `{}`, "takes no body"},
		{"GET", "heals", `{}`, "takes no body"},
	} {
		a := desk.healing(t, c, tt.method, tt.what, tt.body)
		message, _ := a.Body["message"].(string)
		if a.Status != 400 && a.Status != 404 || !strings.Contains(message, tt.want) {
			t.Errorf("%s %s %s: %+v\nwant %s", tt.method, tt.what, tt.body, a, tt.want)
		}
	}
	if got := desk.recorded(t, "orders").Healing; len(got.Maintenance) > 0 || !got.AllowedUntil.IsZero() || got.MaxVolumeGiB > 0 {
		t.Errorf("it is healed by the rules %+v", got)
	}
}

func TestHealing_OfAClusterThatGoesOrIsGoneIsNotChanged(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.activeCluster(t, "orders")
	changes := [][3]string{
		{"POST", "maintenance", `{"nodeId": 2}`},
		{"POST", "maintenance", ``},
		{"DELETE", "maintenance", ``},
		{"POST", "heal-allowance", ``},
		{"PUT", "healing", `{"maxVolumeGiB": 200}`},
	}
	absent := c
	absent.ARN = absentCluster
	for _, change := range append(changes, [3]string{"GET", "health", ""}, [3]string{"GET", "heals", ""}) {
		if a := desk.healing(t, absent, change[0], change[1], change[2]); a.Status != 404 || a.Type != "NotFoundException" {
			t.Errorf("%v of no cluster: %+v", change, a)
		}
	}
	if _, err := desk.DeleteCluster(t.Context(), &kafka.DeleteClusterInput{ClusterArn: &c.ARN}); err != nil {
		t.Fatal(err)
	}
	for _, change := range changes {
		a := desk.healing(t, c, change[0], change[1], change[2])
		if message, _ := a.Body["message"].(string); a.Status != 400 || !strings.Contains(message, "is DELETING") {
			t.Errorf("%v: %+v", change, a)
		}
	}
	if a := desk.healing(t, c, "GET", "health", ""); a.Status != 200 || a.Body["state"] != "DELETING" {
		t.Errorf("its health: %+v", a)
	}
}

func TestHealing_IsSeenByAllAndChangedByOperators(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.activeCluster(t, "orders")
	path := "/millrace/v1/clusters/" + url.PathEscape(c.ARN) + "/"
	reader, worker := desk.issue(t, accesskey.ReadOnly), desk.issue(t, accesskey.Operator)
	for _, tt := range []struct {
		method, what, body string
		changes            bool
	}{
		{"GET", "health", "", false},
		{"GET", "heals", "", false},
		{"POST", "maintenance", "", true},
		{"DELETE", "maintenance", "", true},
		{"POST", "heal-allowance", "", true},
		{"PUT", "healing", `{"maxVolumeGiB": 200}`, true},
	} {
		a := desk.sendAs(t, reader.id, reader.secret, tt.method, path+tt.what, []byte(tt.body))
		if refused := a.Status == 403 && a.Type == "ForbiddenException"; refused != tt.changes {
			t.Errorf("%s %s with a read-only key: %+v", tt.method, tt.what, a)
		}
		if a := desk.sendAs(t, worker.id, worker.secret, tt.method, path+tt.what, []byte(tt.body)); a.Status != 200 {
			t.Errorf("%s %s with an operator's key: %+v", tt.method, tt.what, a)
		}
	}
}
