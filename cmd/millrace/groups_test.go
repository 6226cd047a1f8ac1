package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/shared/cluster"
)

func TestGroups_AreShownForPeople(t *testing.T) {
	var out strings.Builder
	err := writeGroups(&out, "demo", []client.GroupSummary{
		{ID: "billing", Type: "consumer", State: "Stable", Members: new(3), Lag: new(int64(1200)), BehindSeconds: new(192.4), Coordinator: 2},
		{ID: "queue", Type: "share", State: "Empty", Coordinator: 1},
	})
	const want = `GROUP    TYPE      STATE   MEMBERS  LAG   BEHIND  COORDINATOR
billing  consumer  Stable  3        1200  3m12s   2
queue    share     Empty   -        -     -       1
`
	if err != nil || out.String() != want {
		t.Errorf("%v, got:\n%s\nwant:\n%s", err, out.String(), want)
	}
	out.Reset()
	if err := writeGroups(&out, "demo", nil); err != nil || out.String() != "There are no groups in demo.\n" {
		t.Errorf("%v, got:\n%s", err, out.String())
	}
}

func TestGroup_IsShownForPeople(t *testing.T) {
	var out strings.Builder
	err := writeGroup(&out, client.Group{
		ID: "billing", Type: "classic", State: "Stable", Protocol: "range", Coordinator: 2,
		Members: []client.GroupMember{{
			ID: "app-8f2c", ClientID: "app", Host: "10.0.0.9", Partitions: []client.TopicPartition{{Topic: "payments"}, {Topic: "payments", Partition: 1}},
		}},
		Offsets: []client.GroupOffset{
			{
				TopicPartition: client.TopicPartition{Topic: "payments"}, Committed: new(int64(4)), Begin: new(int64(0)), End: new(int64(10)),
				Lag: new(int64(6)), BehindSeconds: new(0.25), Member: "app-8f2c",
			},
			{TopicPartition: client.TopicPartition{Topic: "payments", Partition: 1}, Member: "app-8f2c"},
		},
	})
	const want = `Group:        billing
Type:         classic
State:        Stable
Protocol:     range
Coordinator:  broker 2
Lag:          unknown
Behind:       unknown

CLIENT  HOST      INSTANCE  PARTITIONS  MEMBER
app     10.0.0.9  -         2           app-8f2c

TOPIC     PARTITION  COMMITTED  BEGIN  END  LAG  BEHIND  READ BY
payments  0          4          0      10   6    300ms   app
payments  1          -          -      -    -    -       app
`
	if err != nil || out.String() != want {
		t.Errorf("%v, got:\n%s\nwant:\n%s", err, out.String(), want)
	}
}

// withGroups puts a group with a member and one without into a cluster that is ACTIVE.
func (d *deployment) withGroups() {
	d.t.Helper()
	d.activeCluster()
	payments := cluster.TopicPartition{Topic: "payments"}
	d.kafka.SetGroup(cluster.Group{
		ID: "billing", Type: "classic", State: "Empty", Coordinator: 1,
		Offsets: []cluster.GroupOffset{{TopicPartition: payments, Committed: 4, End: 10, Lag: new(int64(6)), Behind: new(2 * time.Hour)}},
	})
	d.kafka.SetGroup(cluster.Group{
		ID: "busy", Type: "consumer", State: "Stable", Coordinator: 1, Members: []cluster.GroupMember{{ID: "m", ClientID: "app"}},
	})
}

func TestGroups_AreChangedOnceItWasShownHow(t *testing.T) {
	d := deploy(t)
	d.withGroups()
	const wouldReset = `TOPIC     PARTITION  FROM  TO  NOTE
payments  0          4     0   -
`
	for _, step := range []struct {
		args []string
		want []string
	}{
		{[]string{"groups", "list", "demo"}, []string{"billing  classic   Empty   0        6    2h", "busy     consumer  Stable  1"}},
		{[]string{"groups", "describe", "demo", "billing"}, []string{"Lag:          6\n", "Behind:       2h\n", "payments  0          4"}},
		{[]string{"groups", "reset", "demo", "billing", "--all-topics", "--to-earliest", "--dry-run"}, []string{wouldReset}},
		{
			[]string{"groups", "reset", "demo", "billing", "--topic", "payments", "--partition", "0", "--to-earliest", "--yes"},
			[]string{wouldReset, "The offsets of 1 partition of group billing are reset."},
		},
		{[]string{"groups", "reset", "demo", "billing", "--all-topics", "--by", "3", "--yes"}, []string{"payments  0          0     3"}},
		{[]string{"groups", "delete-offsets", "demo", "billing", "--topic", "payments", "--dry-run"}, []string{"payments  0          3     -"}},
		{[]string{"groups", "delete-offsets", "demo", "billing", "--topic", "payments", "--yes"}, []string{"of group billing are deleted."}},
		{[]string{"groups", "delete", "demo", "billing", "--yes"}, []string{"Deleted the group billing of demo."}},
	} {
		out := d.succeeds(ada, step.args...)
		for _, want := range step.want {
			if !strings.Contains(out, want) {
				t.Errorf("millrace %v printed:\n%s\nwant %s", step.args, out, want)
			}
		}
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"groups", "describe", "demo", "billing"}, "there is no group billing"},
		{[]string{"groups", "reset", "demo", "busy", "--all-topics", "--to-latest"}, "group busy has members"},
		{[]string{"groups", "delete", "demo", "busy", "--yes"}, "group busy has members"},
	} {
		if said := d.fails(ada, tt.args...); !strings.Contains(said, tt.want) {
			t.Errorf("millrace %v says %q\nwant %s", tt.args, said, tt.want)
		}
	}
}

func TestGroups_AreLeftAloneUnlessTheAnswerIsYes(t *testing.T) {
	d := deploy(t)
	d.withGroups()
	for _, tt := range []struct {
		args  []string
		shows []string
	}{
		{[]string{"groups", "reset", "demo", "billing", "--all-topics", "--to-latest"}, []string{"payments  0          4     10", "Type yes to go on", "nothing was reset"}},
		{[]string{"groups", "delete-offsets", "demo", "billing", "--all-topics"}, []string{"payments  0          4     -", "Type yes to go on", "nothing was deleted"}},
		{[]string{"groups", "delete", "demo", "billing"}, []string{"what it has committed of 1 partition", "nothing was deleted"}},
	} {
		r := d.millrace(ada.id, ada.secret, append(tt.args, "--endpoint", remoteURL)...) // with nothing to read
		for _, shown := range tt.shows {
			if r.code != exitFailure || r.stdout != "" || !strings.Contains(r.stderr, shown) {
				t.Errorf("millrace %v: %s\nwant %s", tt.args, r, shown)
			}
		}
	}
	if out := d.succeeds(ada, "groups", "describe", "demo", "billing"); !strings.Contains(out, "payments  0          4") {
		t.Errorf("it is\n%s", out)
	}
}

func TestGroups_ArePrintedAsJSONThatPeopleCanRelyOn(t *testing.T) {
	d := deploy(t)
	d.withGroups()
	var all []client.GroupSummary
	var one client.Group
	var would, did client.OffsetChanges
	var deleted deletedGroup
	for _, tt := range []struct {
		args string
		into any
	}{
		{"groups list demo", &all},
		{"groups describe demo billing", &one},
		{"groups reset demo billing --all-topics --to-offset 9 --dry-run", &would},
		{"groups reset demo billing --all-topics --back 2h --yes", &did},
		{"groups delete demo billing --yes", &deleted},
	} {
		out := d.succeeds(ada, append(strings.Fields(tt.args), "--output", "json")...)
		if err := json.Unmarshal([]byte(out), tt.into); err != nil {
			t.Errorf("millrace %s printed %v:\n%s", tt.args, err, out)
		}
	}
	if len(all) != 2 || *all[0].Lag != 6 || *all[0].BehindSeconds != 7200 || *one.Offsets[0].Committed != 4 ||
		!would.DryRun || *would.Changes[0].To != 9 || did.DryRun || *did.Changes[0].To != 10 || deleted.Deleted != "billing" {
		t.Errorf("read %+v\n%+v\n%+v\n%+v\n%+v", all, one, would, did, deleted)
	}
}
