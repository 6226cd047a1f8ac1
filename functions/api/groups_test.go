package api_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/accesskey"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// billing is a group with a member, which reads a partition that it has committed an offset of and one that it has not.
func billing() cluster.Group {
	return cluster.Group{
		ID: "billing", Type: "consumer", State: "Stable", Protocol: "uniform", Coordinator: 2,
		Members: []cluster.GroupMember{{
			ID: "m-1", InstanceID: "one", ClientID: "app", Host: "10.0.0.9",
			Partitions: []cluster.TopicPartition{{Topic: "payments", ID: 0}, {Topic: "payments", ID: 1}},
		}},
		Offsets: []cluster.GroupOffset{
			{TopicPartition: cluster.TopicPartition{Topic: "payments", ID: 0}, Committed: 4, Begin: 0, End: 10, Lag: new(int64(6)), Behind: new(192500 * time.Millisecond), Member: "m-1"},
			{TopicPartition: cluster.TopicPartition{Topic: "payments", ID: 1}, Committed: -1, Begin: -1, End: -1, Member: "m-1"},
		},
	}
}

// idle is a group without members, whose id holds whatever an id may hold.
func idle() cluster.Group {
	return cluster.Group{
		ID: "idle/groups/ü %41", Type: "classic", State: "Empty", Coordinator: 1,
		Offsets: []cluster.GroupOffset{
			{TopicPartition: cluster.TopicPartition{Topic: "payments", ID: 0}, Committed: 4, Begin: 2, End: 10, Lag: new(int64(6)), Behind: new(time.Minute)},
			{TopicPartition: cluster.TopicPartition{Topic: "payments", ID: 1}, Committed: 9, Begin: 0, End: 9, Lag: new(int64(0)), Behind: new(time.Duration(0))},
		},
	}
}

func openGroupDesk(t *testing.T) *topicDesk {
	t.Helper()
	d := openTopicDesk(t)
	d.kafka.SetGroup(billing())
	d.kafka.SetGroup(idle())
	return d
}

// groups asks something about groups of the desk's cluster.
func (d *topicDesk) groups(t *testing.T, method, what, body string) answer {
	t.Helper()
	return d.send(t, method, "/millrace/v1/clusters/"+url.PathEscape(d.cluster.ARN)+"/"+what, []byte(body))
}

func wantJSON(t *testing.T, a answer, want string) {
	t.Helper()
	if a.Status != 200 || !equalJSON(t, a.Body, want) {
		got, err := json.MarshalIndent(a.Body, "", "  ")
		t.Errorf("status %d: got %s, %v\nwant %s", a.Status, got, err, want)
	}
}

func TestGroups_AreListedWithTheirLag(t *testing.T) {
	desk := openGroupDesk(t)
	wantJSON(t, desk.groups(t, "GET", "groups", ""), `{"groups": [
		{"id": "billing", "type": "consumer", "state": "Stable", "coordinator": 2, "members": 1},
		{"id": "idle/groups/ü %41", "type": "classic", "state": "Empty", "coordinator": 1, "members": 0, "lag": 6, "behindSeconds": 60}
	]}`)
	none := openTopicDesk(t)
	wantJSON(t, none.groups(t, "GET", "groups", ""), `{"groups": []}`)
}

func TestGroup_SaysOfEachPartitionHowFarItIsBehind(t *testing.T) {
	desk := openGroupDesk(t)
	wantJSON(t, desk.groups(t, "GET", "groups/billing", ""), `{
		"id": "billing", "type": "consumer", "state": "Stable", "protocol": "uniform", "coordinator": 2,
		"members": [{"id": "m-1", "instanceId": "one", "clientId": "app", "host": "10.0.0.9",
			"partitions": [{"topic": "payments", "partition": 0}, {"topic": "payments", "partition": 1}]}],
		"offsets": [
			{"topic": "payments", "partition": 0, "committed": 4, "begin": 0, "end": 10, "lag": 6, "behindSeconds": 192.5, "member": "m-1"},
			{"topic": "payments", "partition": 1, "member": "m-1"}
		]
	}`)
	wantJSON(t, desk.groups(t, "GET", "groups/"+url.PathEscape("idle/groups/ü %41"), ""), `{
		"id": "idle/groups/ü %41", "type": "classic", "state": "Empty", "coordinator": 1, "lag": 6, "behindSeconds": 60, "members": [],
		"offsets": [
			{"topic": "payments", "partition": 0, "committed": 4, "begin": 2, "end": 10, "lag": 6, "behindSeconds": 60},
			{"topic": "payments", "partition": 1, "committed": 9, "begin": 0, "end": 9, "lag": 0, "behindSeconds": 0}
		]
	}`)
}

func TestOffsets_AreResetAndDeletedOnceADryRunHasShownHow(t *testing.T) {
	desk := openGroupDesk(t)
	const reset = `{"group": "idle/groups/ü %%41", "topic": "payments", "partitions": [0], "to": {"by": -3}, "dryRun": %t}`
	for _, dryRun := range []bool{true, false} {
		wantJSON(t, desk.groups(t, "POST", "group-offsets", fmt.Sprintf(reset, dryRun)), fmt.Sprintf(
			`{"group": "idle/groups/ü %%41", "dryRun": %t, "changes": [{"topic": "payments", "partition": 0, "from": 4, "to": 2}]}`, dryRun))
	}
	// Without a topic, of all that it has committed.
	for _, dryRun := range []string{"true", "false"} {
		wantJSON(t, desk.groups(t, "DELETE", "group-offsets", `{"group": "idle/groups/ü %41", "dryRun": `+dryRun+`}`), `{
			"group": "idle/groups/ü %41", "dryRun": `+dryRun+`, "changes": [
				{"topic": "payments", "partition": 0, "from": 2}, {"topic": "payments", "partition": 1, "from": 9}
			]
		}`)
	}
}

func TestGroup_IsDeletedWithAllThatItHasCommitted(t *testing.T) {
	desk := openGroupDesk(t)
	path := "groups/" + url.PathEscape("idle/groups/ü %41")
	wantJSON(t, desk.groups(t, "DELETE", path, ""), `{"id": "idle/groups/ü %41"}`)
	if a := desk.groups(t, "DELETE", path, ""); a.Status != 404 || a.Type != "NotFoundException" || a.Body["invalidParameter"] != "group" {
		t.Errorf("deleted twice: %+v", a)
	}
}

// The rest of a path is the id, also where it looks like another path.
func TestGroup_IsFoundByAnyID(t *testing.T) {
	desk := openTopicDesk(t)
	for _, id := range []string{"ca", "team/health", "team/heals", "team/maintenance", "team/topics", "a/topics/b", "team/operations/1", "team/groups", "/", ".."} {
		desk.kafka.SetGroup(cluster.Group{ID: id, Type: "classic", State: "Empty"})
		path := "groups/" + url.PathEscape(id)
		if a := desk.groups(t, "GET", path, ""); a.Status != 200 || a.Body["id"] != id {
			t.Errorf("%s is described by %+v", id, a)
		}
		if a := desk.groups(t, "DELETE", path, ""); a.Status != 200 || a.Body["id"] != id {
			t.Errorf("%s is deleted by %+v", id, a)
		}
	}
}

func TestGroups_RefusalsSayWhatIsWrong(t *testing.T) {
	desk := openGroupDesk(t)
	for _, tt := range []struct {
		name, method, what, body string
		status                   int
		parameter, says          string
	}{
		{"a group that is not there", "GET", "groups/nobody", "", 404, "group", "there is no group nobody"},
		{"a reset with members", "POST", "group-offsets", `{"group": "billing", "topic": "payments", "to": {"earliest": true}}`, 400, "group", "has members"},
		{"a delete with members", "DELETE", "groups/billing", "", 400, "group", "has members"},
		{"no group", "POST", "group-offsets", `{"to": {"earliest": true}}`, 400, "group", "is missing"},
		{"an endless group", "DELETE", "group-offsets", `{"group": "` + strings.Repeat("x", 40_000) + `"}`, 400, "group", "bytes at most"},
		{"partitions of no topic", "DELETE", "group-offsets", `{"group": "billing", "partitions": [0]}`, 400, "topic", "is missing"},
		{"a partition below 0", "DELETE", "group-offsets", `{"group": "billing", "topic": "payments", "partitions": [-1]}`, 400, "partitions", "from 0"},
		{"nowhere to go on", "POST", "group-offsets", `{"group": "billing"}`, 400, "to", "Say in one way"},
		{"two ways to go on", "POST", "group-offsets", `{"group": "billing", "to": {"earliest": true, "offset": 1}}`, 400, "to", "Say in one way"},
		{"no way to go on", "POST", "group-offsets", `{"group": "billing", "to": {"earliest": false}}`, 400, "to", "Say in one way"},
		{"an offset below 0", "POST", "group-offsets", `{"group": "billing", "to": {"offset": -1}}`, 400, "to.offset", "from 0"},
		{"a time before records", "POST", "group-offsets", `{"group": "billing", "to": {"at": "1969-01-01T00:00:00Z"}}`, 400, "to.at", "1970"},
		{"a time that is none", "POST", "group-offsets", `{"group": "billing", "to": {"at": "noon"}}`, 400, "", "request body"},
		{"a member that nobody knows", "DELETE", "group-offsets", `{"group": "billing", "to": {}}`, 400, "", "unknown field"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := desk.groups(t, tt.method, tt.what, tt.body)
			said, _ := a.Body["message"].(string)
			parameter, _ := a.Body["invalidParameter"].(string)
			if a.Status != tt.status || parameter != tt.parameter || !strings.Contains(said, tt.says) {
				t.Errorf("%d %s %q, want %d %s %q", a.Status, parameter, said, tt.status, tt.parameter, tt.says)
			}
		})
	}
}

func TestGroups_OfAClusterThatCanNotBeAskedAreUnavailable(t *testing.T) {
	desk := openGroupDesk(t)
	for reason, says := range map[string]string{
		"COORDINATOR_NOT_AVAILABLE": "no coordinator", "BROKER_NOT_AVAILABLE": "No broker of the cluster answers.", "": "try again",
	} {
		desk.kafka.FailNext("Groups", fault.Refused(fault.Unavailable, reason, "there is no coordinator"))
		a := desk.groups(t, "GET", "groups", "")
		if said, _ := a.Body["message"].(string); a.Status != 503 || !strings.Contains(said, says) {
			t.Errorf("%s: %+v, want %q", reason, a, says)
		}
	}
	made := desk.create(t, "young")
	a := desk.send(t, "GET", "/millrace/v1/clusters/"+url.PathEscape(made.ARN)+"/groups", nil)
	if said, _ := a.Body["message"].(string); a.Status != 400 || !strings.Contains(said, "CREATING") {
		t.Errorf("of a cluster that is being made: %+v", a)
	}
}

func TestOffsets_OfATopicThatIsNotThereBlameTheMemberThatNamesIt(t *testing.T) {
	desk := openGroupDesk(t)
	desk.kafka.FailNext("DeleteOffsets", fault.Refused(fault.NotFound, "UNKNOWN_TOPIC_OR_PARTITION", "there is no topic nothing"))
	a := desk.groups(t, "DELETE", "group-offsets", `{"group": "idle/groups/ü %41", "topic": "nothing"}`)
	if a.Status != 404 || a.Body["invalidParameter"] != "topic" || a.Body["message"] != "there is no topic nothing" {
		t.Errorf("%+v", a)
	}
}

func TestDeleteGroup_IsLoggedOnceWithWhoDidIt(t *testing.T) {
	desk := openGroupDesk(t)
	log := captureLog(t)
	if a := desk.groups(t, "DELETE", "groups/"+url.PathEscape("idle/groups/ü %41"), ""); a.Status != 200 {
		t.Fatalf("%+v", a)
	}
	if text := log.String(); strings.Count(text, "deleted group") != 1 || !strings.Contains(text, "by=") {
		t.Errorf("the log has:\n%s", text)
	}
}

func TestGroups_AreSeenByAllAndChangedByOperators(t *testing.T) {
	desk := openGroupDesk(t)
	path := "/millrace/v1/clusters/" + url.PathEscape(desk.cluster.ARN) + "/"
	reader, worker := desk.issue(t, accesskey.ReadOnly), desk.issue(t, accesskey.Operator)
	id := url.PathEscape("idle/groups/ü %41")
	for _, tt := range []struct {
		method, what, body string
		changes            bool
	}{
		{"GET", "groups", "", false},
		{"GET", "groups/" + id, "", false},
		{"POST", "group-offsets", `{"group": "idle/groups/ü %41", "to": {"latest": true}, "dryRun": true}`, false},
		{"POST", "group-offsets", `{"group": "idle/groups/ü %41", "to": {"latest": true}}`, true},
		{"DELETE", "group-offsets", `{"group": "idle/groups/ü %41", "dryRun": true}`, false},
		{"DELETE", "group-offsets", `{"group": "idle/groups/ü %41"}`, true},
		{"DELETE", "groups/" + id, "", true},
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
