package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/shared/cluster"
)

func ref(s string) *string { return &s }

// richPlan is a plan in which everything is said that can be said of one.
func richPlan() client.TopicPlan {
	return client.TopicPlan{
		Changes: []cluster.TopicChange{
			{
				Topic: "orders", Action: cluster.CreateTopic, ToPartitions: 12, ReplicationFactor: 3,
				Configs: []cluster.ConfigChange{{Name: "cleanup.policy", To: ref("compact,delete")}, {Name: "retention.ms", To: ref("604800000")}},
			},
			{Topic: "scratch", Action: cluster.CreateTopic, ToPartitions: 1, ReplicationFactor: 1, Warnings: []string{"replication factor 1:\nwhile …"}},
			{Topic: "payments", Action: cluster.GrowTopic, FromPartitions: 6, ToPartitions: 12, Warnings: []string{"keys go to other partitions"}},
			{Topic: "users", Action: cluster.GrowTopic, FromPartitions: 12, ToPartitions: 6, Refused: "a topic never gets fewer partitions;\ndeclare 12"},
			{Topic: "audit", Action: cluster.ConfigureTopic, Configs: []cluster.ConfigChange{
				{Name: "cleanup.policy", From: ref("compact")}, {Name: "retention.ms", To: ref("1")}, {Name: "x", From: ref("a"), To: ref("")},
			}},
			{Topic: "old", Action: cluster.DeleteTopic, FromPartitions: 6},
			{Topic: "legacy", Action: cluster.ReleaseTopic},
		},
		Unchanged: 7, Warnings: []string{"events: min.insync.replicas 3 with replication factor 3"}, Refused: true,
	}
}

func TestPlan_IsShownForPeople(t *testing.T) {
	var out strings.Builder
	err := writePlan(&out, "demo", richPlan())
	const want = `Topics of demo: 2 to create, 1 to grow, 1 to configure, 1 to delete, 1 to release, 1 refused; 7 are as declared.

CHANGE       TOPIC     DETAIL
+ create     orders    12 partitions, 3 replicas, cleanup.policy=compact,delete, retention.ms=604800000
+ create     scratch   1 partition, 1 replica
~ grow       payments  6 → 12 partitions
! grow       users     12 → 6 partitions
~ configure  audit     cleanup.policy: compact → inherited, retention.ms: inherited → 1, x: a → ""
- delete     old       6 partitions with all records
= release    legacy    stays as it is

warning: scratch: replication factor 1: while …
warning: payments: keys go to other partitions
refused: users: a topic never gets fewer partitions; declare 12
legacy is no longer declared and stays; to delete it with its records: --delete legacy
warning: events: min.insync.replicas 3 with replication factor 3
`
	if err != nil || out.String() != want {
		t.Errorf("%v, got:\n%s\nwant:\n%s", err, out.String(), want)
	}
}

func TestPlan_ThatChangesNothingSaysSo(t *testing.T) {
	for want, plan := range map[string]client.TopicPlan{
		"Topics of demo: nothing is to be done; 1 is as declared.\n":                     {Unchanged: 1},
		"Topics of demo: nothing is to be done; 2 are as declared.\n\nwarning: a: b c\n": {Unchanged: 2, Warnings: []string{"a: b\nc"}},
	} {
		var out strings.Builder
		if err := writePlan(&out, "demo", plan); err != nil || out.String() != want {
			t.Errorf("%v, got:\n%s\nwant:\n%s", err, out.String(), want)
		}
	}
}

func TestPlan_ThatIsRefusedIsAFailure(t *testing.T) {
	if err := refused(richPlan()); err == nil || err.Error() != "1 of 7 changes can't be made, so none is" {
		t.Errorf("it says %v", err)
	}
	if err := refused(client.TopicPlan{Changes: richPlan().Changes[3:4]}); err == nil || err.Error() != "this can't be done, so nothing is" {
		t.Errorf("of one change it says %v", err)
	}
	if err := refused(client.TopicPlan{Changes: richPlan().Changes[:3]}); err != nil {
		t.Errorf("of others it says %v", err)
	}
}

func TestTopics_AreShownForPeople(t *testing.T) {
	var out strings.Builder
	err := (&app{data: "/srv/second"}).writeTopics(&out, "demo", client.Topics{
		Topics: []client.Topic{
			{Name: "audit", Partitions: 6, ReplicationFactor: 3, Declared: true, Owner: "team audit", Drift: "partitions: 6, declared are 12"},
			{Name: "orders", Partitions: 12, ReplicationFactor: 3, OutOfSync: 2, Declared: true, Protected: true},
			{Name: "scratch", Partitions: 1, ReplicationFactor: 1, Warnings: []string{"replication factor 1:\nwhile …"}},
		},
		Declaration: &client.DeclarationSummary{ID: "op-1", At: noon, By: "MILLRACEX", Topics: 2},
		Drift:       &cluster.TopicDrift{At: noon.Add(time.Hour), Since: noon.Add(time.Minute), Count: 1},
		Applying: &client.Operation{Percent: 37, Steps: []client.Step{
			{Name: cluster.StepPlanTopics, Status: cluster.StepCompleted}, {Name: cluster.StepApplyTopics, Detail: "37 of 100: created orders"},
		}},
	})
	const want = `Cluster:      demo
Declaration:  2 topics, of 2026-09-20 12:00:00, by MILLRACEX
Applying:     37%, APPLY_TOPICS: 37 of 100: created orders; follow it with: millrace topics apply demo --data /srv/second
Drift:        1 topic differs from what is declared, since 2026-09-20 12:01:00

TOPIC    PARTITIONS  REPLICAS  OUT-OF-SYNC  DECLARED   OWNER       DRIFT
audit    6           3         0            yes        team audit  partitions: 6, declared are 12
orders   12          3         2            protected  -           -
scratch  1           1         0            no         -           -

warning: scratch: replication factor 1: while …
`
	if err != nil || out.String() != want {
		t.Errorf("%v, got:\n%s\nwant:\n%s", err, out.String(), want)
	}
	out.Reset()
	err = (&app{}).writeTopics(&out, "demo", client.Topics{Drift: &cluster.TopicDrift{At: noon}})
	const none = "Cluster:      demo\nDeclaration:  none\nDrift:        none, as of 2026-09-20 12:00:00\n\nThere are no topics yet.\n"
	if err != nil || out.String() != none {
		t.Errorf("%v, got:\n%s\nwant:\n%s", err, out.String(), none)
	}
}

func TestTopic_IsShownForPeople(t *testing.T) {
	var out strings.Builder
	err := writeTopic(&out, client.TopicDetail{
		Topic: client.Topic{
			Name: "orders", Partitions: 2, ReplicationFactor: 3, OutOfSync: 1, Declared: true, Owner: "team-orders", Drift: "retention.ms is 1",
			Warnings: []string{"a\nb"},
		},
		Configs:   map[string]string{"retention.ms": "1", "cleanup.policy": "compact"},
		Inherited: map[string]string{"retention.ms": "604800000", "max.message.bytes": "1048588"},
		PartitionList: []client.Partition{
			{ID: 0, Leader: 1, Replicas: []int32{1, 2, 3}, InSync: []int32{1, 3}}, {ID: 1, Leader: -1, Replicas: []int32{2, 3, 1}},
		},
	})
	const want = `Topic:       orders
Partitions:  2
Replicas:    3 of each, 1 not in sync
Declared:    yes
Owner:       team-orders
Drift:       retention.ms is 1

PROPERTY           VALUE    FROM
cleanup.policy     compact  topic
retention.ms       1        topic
max.message.bytes  1048588  inherited

PARTITION  LEADER  REPLICAS  IN-SYNC
0          1       1,2,3     1,3
1          none    2,3,1     -

warning: a b
`
	if err != nil || out.String() != want {
		t.Errorf("%v, got:\n%s\nwant:\n%s", err, out.String(), want)
	}
}

func TestApply_SaysWhyItFailedAndHowFarItGot(t *testing.T) {
	c := client.Cluster{Name: "demo"}
	failed := func(detail string) client.Operation {
		return client.Operation{
			State: cluster.OperationFailed, Failure: &client.Failure{Code: "Unavailable", Message: "no broker answers"},
			Steps: []client.Step{{Name: cluster.StepPlanTopics, Status: cluster.StepCompleted}, {Name: cluster.StepApplyTopics, Status: cluster.StepFailed, Detail: detail}},
		}
	}
	const rest = "Unavailable: no broker answers; what was done stays; once the cause is mended, apply the document again, which goes on from there"
	for detail, want := range map[string]string{
		"37 of 100: created orders": "the topics of demo could not be applied (37 of 100: created orders): " + rest,
		"no broker answers":         "the topics of demo could not be applied: " + rest,
	} {
		if err := applicationFailed(c, failed(detail)); err == nil || err.Error() != want {
			t.Errorf("it says %v\nwant %s", err, want)
		}
	}
}

func TestProgress_IsToldOnceForEachChange(t *testing.T) {
	var out strings.Builder
	line := progressLine{w: &out}
	for _, text := range []string{"0%, PLAN_TOPICS", "0%, PLAN_TOPICS", "50%, APPLY_TOPICS: 1 of 2: created a", "50%, APPLY_TOPICS: 1 of 2:\ncreated a"} {
		line.show(text)
	}
	line.end()
	if want := "0%, PLAN_TOPICS\n50%, APPLY_TOPICS: 1 of 2: created a\n"; out.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", out.String(), want)
	}
}

func TestConfigs_AreReadFromTheCommandLine(t *testing.T) {
	got, err := readConfigs([]string{"retention.ms=1", "a=b=c", "empty="})
	if err != nil || len(got) != 3 || got["retention.ms"] != "1" || got["a"] != "b=c" || got["empty"] != "" {
		t.Errorf("read %v, %v", got, err)
	}
	for _, wrong := range [][]string{{"retention.ms"}, {"=1"}, {"a=1", "a=2"}} {
		var usage usageError
		if _, err := readConfigs(wrong); !errors.As(err, &usage) {
			t.Errorf("%v: %v, want a mistake in the command line", wrong, err)
		}
	}
}
