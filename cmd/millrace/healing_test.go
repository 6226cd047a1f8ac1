package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/records"
)

func TestSpan_IsReadAsPeopleWriteIt(t *testing.T) {
	for text, want := range map[string]string{
		"2h":          "2h",
		"90m":         "1h30m",
		"1h30m":       "1h30m",
		"1h 30m":      "1h30m",
		"1d":          "24h",
		"1d12h":       "36h",
		"1.5h":        "1h30m",
		"2 hours":     "2h",
		"1 hour":      "1h",
		"45 Minutes":  "45m",
		"30sec":       "30s",
		"90s":         "1m30s",
		"0s":          "0s",
		"":            "write it like",
		"2":           "write it like",
		"h":           "write it like",
		"-2h":         "write it like",
		"2 weeks":     "write it like",
		"2h!":         "write it like",
		"tomorrow":    "write it like",
		"1..5h":       "write it like",
		"99999999d":   "longer than anything",
		"9e9h":        "write it like",
		"9999999999h": "longer than anything",
	} {
		var s span
		got := ""
		if err := s.Set(text); err != nil {
			got = err.Error()
		} else {
			got = s.String()
		}
		if got != want && (!strings.HasPrefix(want, "write") && !strings.HasPrefix(want, "longer") || !strings.Contains(got, want)) {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

var noon = time.Date(2026, 9, 20, 12, 0, 0, 0, time.Local)

// sickCluster is a cluster in which everything is said that can be said of health.
func sickCluster() client.Health {
	looked, allowed := noon.Add(time.Minute), noon.Add(2*time.Hour)
	return client.Health{
		Name: "demo", ARN: "arn", State: cluster.Healing, LookedAt: &looked, Breaker: "2 of 4 nodes are sick", AllowedUntil: &allowed, MaxVolumeGiB: 200,
		TopicDrift:  &cluster.TopicDrift{At: noon.Add(time.Hour), Since: noon, Count: 2},
		Maintenance: []client.Maintenance{{Until: noon.Add(time.Hour)}, {NodeID: 3, Until: noon.Add(time.Hour), Reason: "new\ndisk"}},
		Heal: &client.Heal{
			NodeID: 2, Role: cluster.Broker, Condition: cluster.HostDead, Remedy: cluster.Replace,
			Operation: client.Operation{Percent: 8, Steps: []client.Step{{Name: cluster.StepJudge, Status: cluster.StepInProgress, Detail: "a; b"}}},
		},
		Nodes: []client.Node{
			{ID: 1, Role: cluster.Broker, State: "running", Health: &client.Finding{Condition: cluster.Well, Since: noon}},
			{ID: 2, Role: cluster.Broker, State: "running", Health: &client.Finding{
				Condition: cluster.HostDead, Since: noon, Reason: "the host is terminated", Remedy: cluster.Replace, Waits: "its turn",
			}},
			{ID: 3, Role: cluster.Broker, State: "failing", Reason: "no space", Health: &client.Finding{
				Condition: cluster.DiskFull, Since: noon, Reason: "99 % are used", Remedy: cluster.Grow, Waits: "maintenance", Advice: "free\nspace",
			}},
			{ID: 1001, Role: cluster.Controller, State: "planned"},
		},
	}
}

func TestHealth_IsShownForPeople(t *testing.T) {
	var out strings.Builder
	if err := (&app{}).writeHealth(&out, sickCluster()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	lines[2], _, _ = strings.Cut(lines[2], ", ") // how long ago that was
	const want = `Cluster:       demo
State:         HEALING
Looked at:     2026-09-20 12:01:00
Healing:       broker 2: replace, because it is "host dead"; 8%, JUDGE: a; and 1 more
Breaker:       open: 2 of 4 nodes are sick
Allowed:       healing goes on whatever the circuit breaker says, until 2026-09-20 14:00:00
Maintenance:   the whole cluster until 2026-09-20 13:00:00
Maintenance:   broker 3 until 2026-09-20 13:00:00 (new disk)
Topics:        2 topics differ from what is declared, since 2026-09-20 12:00:00; see: millrace topics list demo
Full volumes:  grow up to 200 GiB

NODE  ROLE        HEALTH     SINCE                REMEDY   WAITS        REASON
1     broker      well       2026-09-20 12:00:00  -        -            -
2     broker      host dead  2026-09-20 12:00:00  replace  -            the host is terminated
3     broker      disk full  2026-09-20 12:00:00  grow     maintenance  99 % are used
1001  controller  -          -                    -        -            nobody has looked yet

broker 3: free space
`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestHealth_SaysHowToGoOn(t *testing.T) {
	h := sickCluster()
	h.AllowedUntil, h.LookedAt, h.MaxVolumeGiB = nil, nil, 0
	var out strings.Builder
	if err := (&app{data: "/srv/second"}).writeHealth(&out, h); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"2 of 4 nodes are sick; once you have looked: millrace heal allow demo --data /srv/second\n", "Looked at:     not yet\n", "Full volumes:  are not grown\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got:\n%s\nwant %s", out.String(), want)
		}
	}
	long := time.Now().Add(-10 * time.Minute)
	h.LookedAt = &long
	if facts := (&app{}).healthFacts(h); !strings.HasSuffix(facts[2][1], ", 10m ago: nobody looks at the moment") {
		t.Errorf("looked at: %s", facts[2][1])
	}
}

func TestStatus_TellsSickNodesAndMaintenance(t *testing.T) {
	h := sickCluster()
	var out strings.Builder
	err := writeClusters(&out, []client.Cluster{{
		Name: h.Name, State: cluster.Active, KafkaVersion: "4.1.x.kraft", Nodes: h.Nodes, Breaker: h.Breaker, Maintenance: h.Maintenance,
	}})
	const want = `
CLUSTER  STATE   KAFKA        OPERATION  DONE  DETAIL
demo     ACTIVE  4.1.x.kraft  -          -     broker 2: host dead; broker 3: disk full

CLUSTER  NODE  ROLE        ZONE  ADDRESS  STATE    HEALTH     REASON
demo     1     broker      -     -        running  well       -
demo     2     broker      -     -        running  host dead  the host is terminated
demo     3     broker      -     -        failing  disk full  no space
demo     1001  controller  -     -        planned  -          -

demo: maintenance keeps healing away from the whole cluster until 2026-09-20 13:00:00.
demo: maintenance keeps healing away from broker 3 until 2026-09-20 13:00:00 (new disk).
demo: the circuit breaker is open: 2 of 4 nodes are sick.
demo: broker 3: free space
`
	if err != nil || out.String() != want {
		t.Errorf("%v, got:\n%s\nwant:\n%s", err, out.String(), want)
	}
}

func TestHealHistory_TellsHowEachHealWent(t *testing.T) {
	ended := noon.Add(18*time.Second + 400*time.Millisecond)
	heal := func(op client.Operation) client.Heal {
		op.StartedAt = noon
		return client.Heal{NodeID: 2, Role: cluster.Broker, Condition: cluster.HostDead, Remedy: cluster.Replace, Reason: "it is terminated", Operation: op}
	}
	var out strings.Builder
	err := writeHeals(&out, "demo", []client.Heal{
		heal(client.Operation{State: cluster.InProgress, Percent: 40, Steps: []client.Step{{Name: cluster.StepLaunch, Status: cluster.StepInProgress}}}),
		heal(client.Operation{State: cluster.OperationFailed, EndedAt: &ended, Failure: &client.Failure{Code: "Unavailable", Message: "no capacity"}}),
		heal(client.Operation{State: cluster.Complete, EndedAt: &ended}),
	})
	const want = `STARTED              NODE      CONDITION  REMEDY   OUTCOME                           TOOK   REASON
2026-09-20 12:00:00  broker 2  host dead  replace  40%, LAUNCH_HOST                  -      it is terminated
2026-09-20 12:00:00  broker 2  host dead  replace  failed: Unavailable: no capacity  18.4s  it is terminated
2026-09-20 12:00:00  broker 2  host dead  replace  healed                            18.4s  it is terminated
`
	if err != nil || out.String() != want {
		t.Errorf("%v, got:\n%s\nwant:\n%s", err, out.String(), want)
	}
}

// activeCluster makes a cluster of one broker and a controller whose create has ended well.
func (d *deployment) activeCluster() cluster.Cluster {
	d.t.Helper()
	if out, err := d.aws(d.issue(ada, "admin"), remoteURL)(createArgs("demo")...); err != nil {
		d.t.Fatalf("create: %v\n%s", err, out)
	}
	ctx := d.t.Context()
	c := d.cluster()
	if err := d.records.AddNodes(ctx, []cluster.Node{
		{ClusterID: c.ID, ID: 1, Role: cluster.Broker, Host: &cluster.Host{ID: "i-1"}}, {ClusterID: c.ID, ID: 1001, Role: cluster.Controller},
	}); err != nil {
		d.t.Fatal(err)
	}
	if err := d.records.PutKafkaAccess(ctx, c.ID, records.KafkaAccess{Ends: time.Now().Add(time.Hour)}); err != nil {
		d.t.Fatal(err)
	}
	c, _, err := d.records.ChangeOperation(ctx, c.ID, c.Active.ID, func(c *cluster.Cluster, op *cluster.Operation) error {
		op.Succeed(c, "K2", time.Now())
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return c
}

// heal has a healing operation hold the cluster.
func (d *deployment) heal(c cluster.Cluster) {
	d.t.Helper()
	op := cluster.Operation{ID: "op-1", ClusterID: c.ID, Type: cluster.HealBroker, State: cluster.Pending, Attempt: 1, Heal: &cluster.Heal{
		NodeID: 1, Role: cluster.Broker, Remedy: cluster.Replace, Condition: cluster.HostDead, Reason: "it is terminated", Since: noon, Host: "i-1",
	}}
	op.Steps = op.Plan()
	if _, err := d.records.StartOperation(d.t.Context(), c.ID, op, func(c *cluster.Cluster) error {
		c.Active = &cluster.ActiveOperation{ID: op.ID, Type: op.Type}
		return nil
	}); err != nil {
		d.t.Fatal(err)
	}
}

func TestMaintenance_IsBegunAndEndedByCommands(t *testing.T) {
	d := deploy(t)
	c := d.activeCluster()
	for _, step := range []struct {
		args []string
		want []string
	}{
		{[]string{"health"}, []string{"Cluster:       demo", "nobody has looked yet"}},
		{[]string{"heal", "history", "demo"}, []string{"Nothing of demo has been healed so far."}},
		{
			[]string{"maintenance", "on", "demo", "1", "--for", "30m", "--reason", "new disk"},
			[]string{"Maintenance of demo, broker 1 until ", "(new disk)", "earlier by: millrace maintenance off demo 1"},
		},
		{[]string{"status"}, []string{"demo: maintenance keeps healing away from broker 1 until "}},
		{[]string{"clusters", "describe", "demo"}, []string{"demo: maintenance keeps healing away from broker 1 until "}},
		{[]string{"maintenance", "on", c.ARN}, []string{"Maintenance of demo, the whole cluster until ", "millrace maintenance off demo --endpoint"}},
		{[]string{"maintenance", "off", "demo", "1"}, []string{"Ended maintenance of demo, broker 1.", "goes on for: the whole cluster until "}},
		{[]string{"maintenance", "off", "demo"}, []string{"Ended maintenance of demo, the whole cluster."}},
		{[]string{"maintenance", "off", "demo"}, []string{"there was no maintenance"}},
		{[]string{"maintenance", "off", "demo", "1001"}, []string{"controller 1001: there was no maintenance"}},
		{[]string{"heal", "limit", "demo", "--max-volume", "500"}, []string{"grow up to 500 GiB"}},
		{[]string{"heal", "allow", "demo", "--for", "30m"}, []string{"Allowed: "}},
		{[]string{"heal", "allow", "demo", "--end"}, []string{"Full volumes:"}},
	} {
		out := d.succeeds(ada, step.args...)
		for _, want := range step.want {
			if !strings.Contains(out, want) {
				t.Errorf("millrace %v printed:\n%s\nwant %s", step.args, out, want)
			}
		}
	}
	if c = d.cluster(); len(c.Healing.Maintenance) > 0 || !c.Healing.AllowedUntil.IsZero() || c.Healing.MaxVolumeGiB != 500 {
		t.Errorf("what is left is %+v", c.Healing)
	}
}

func TestMaintenance_SaysWhatItCannotDo(t *testing.T) {
	d := deploy(t)
	d.heal(d.activeCluster())
	out := d.succeeds(ada, "maintenance", "on", "demo")
	if !strings.Contains(out, `A heal that has begun to act goes on, one that only waits ends: broker 1: replace, because it is "host dead"; 0%, JUDGE.`) {
		t.Errorf("while a heal runs it says:\n%s", out)
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"maintenance", "off", "demo", "1"}, "broker 1 has no maintenance of its own; that of the whole cluster keeps healing away from it until "},
		{[]string{"maintenance", "off", "demo", "1"}, "for all nodes, with: millrace maintenance off demo --endpoint"},
		{[]string{"maintenance", "on", "demo", "7"}, "The cluster demo has no node 7; its nodes are 1, 1001."},
		{[]string{"maintenance", "on", "demo", "--for", "25h"}, "1 to 86400 seconds (24 hours)"},
		{[]string{"maintenance", "on", "nothing"}, "there is no cluster nothing"},
		{[]string{"health", "nothing"}, "there is no cluster nothing"},
		{[]string{"heal", "limit", "demo", "--max-volume", "1"}, "or not at all by 0"},
	} {
		if said := d.fails(ada, tt.args...); !strings.Contains(said, tt.want) {
			t.Errorf("millrace %v says %q\nwant %s", tt.args, said, tt.want)
		}
	}
}

func TestHealing_IsPrintedAsJSONThatPeopleCanRelyOn(t *testing.T) {
	d := deploy(t)
	d.heal(d.activeCluster())
	var all []client.Health
	var one client.Health
	var heals []client.Heal
	for _, tt := range []struct {
		args string
		into any
	}{
		{"health", &all},
		{"health demo", &one},
		{"heal history demo", &heals},
		{"heal allow demo", &client.Health{}},
		{"heal allow demo --end", &client.Health{}},
		{"heal limit demo --max-volume 500", &client.Health{}},
		{"maintenance on demo 1", &client.Health{}},
		{"maintenance off demo 1", &client.Health{}},
		{"clusters describe demo", &client.Cluster{}},
	} {
		out := d.succeeds(ada, append(strings.Fields(tt.args), "--output", "json")...)
		if err := json.Unmarshal([]byte(out), tt.into); err != nil {
			t.Errorf("millrace %s printed %v:\n%s", tt.args, err, out)
		}
	}
	if len(all) != 1 || all[0].Heal == nil || all[0].Heal.NodeID != 1 || one.State != cluster.Healing || len(heals) != 1 || heals[0].Remedy != cluster.Replace {
		t.Errorf("read %+v\n%+v\n%+v", all, one, heals)
	}
}
