package main

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/kafka"
)

// write makes a file with a text and gives its path.
func (d *deployment) write(text string) string {
	d.t.Helper()
	file := filepath.Join(d.t.TempDir(), "topics.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return file
}

// make puts topics of three replicas into the cluster.
func (d *deployment) make(partitions int, configs map[string]string, names ...string) {
	for _, name := range names {
		d.kafka.Make(kafka.Access{}, cluster.TopicSpec{Name: name, Partitions: partitions, ReplicationFactor: 3, Configs: configs})
	}
}

// run runs the program at the deployment's endpoint, whatever comes of it.
func (d *deployment) run(args ...string) result {
	d.t.Helper()
	return d.millrace(ada.id, ada.secret, append(args, "--endpoint", remoteURL)...)
}

// applying waits until an application is under way, and changes it.
func (d *deployment) applying(change func(c *cluster.Cluster, op *cluster.Operation)) {
	d.t.Helper()
	d.underWay(cluster.ApplyTopics, change)
}

// underWay waits until an operation holds what one of a type needs, and changes it.
func (d *deployment) underWay(kind cluster.OperationType, change func(c *cluster.Cluster, op *cluster.Operation)) {
	d.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		c := d.cluster()
		holder := c.Holder(kind)
		if holder == nil {
			continue
		}
		if _, _, err := d.records.ChangeOperation(d.t.Context(), c.ID, holder.ID, func(c *cluster.Cluster, op *cluster.Operation) error {
			if len(op.Steps) == 0 {
				op.Steps = op.Plan()
			}
			change(c, op)
			return nil
		}); err != nil {
			d.t.Error(err)
		}
		return
	}
	d.t.Errorf("no %s is under way", kind)
}

// waiting is a run of the program that waits for something.
type waiting struct {
	d       *deployment
	command *exec.Cmd
	stdout  *foreground
	stderr  *foreground
}

// start runs the program at the deployment's endpoint, and does not wait for its end.
func (d *deployment) start(args ...string) *waiting {
	d.t.Helper()
	w := &waiting{d, exec.Command(filepath.Join(programs, "millrace"), append(args, "--endpoint", remoteURL)...), &foreground{}, &foreground{}}
	w.command.Env, w.command.Stdout, w.command.Stderr = d.environ(ada.id, ada.secret), w.stdout, w.stderr
	if err := w.command.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = w.command.Process.Kill() })
	return w
}

func (w *waiting) untilItSays(text string) {
	w.d.t.Helper()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(w.stderr.said(), text); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.d.t.Fatalf("it says %q, want %q", w.stderr.said(), text)
		}
	}
}

const shop = `topics:
  - name: orders
    partitions: 12
    replicationFactor: 3
    configs:
      retention.ms: 604800000
    owner: team-orders
    protected: true
  - name: payments
    partitions: 6
    replicationFactor: 3
`

func TestTopics_ArePlannedAndApplied(t *testing.T) {
	d := deploy(t)
	d.activeCluster()
	d.make(3, nil, "payments")
	document := d.write(shop)

	r := d.run("topics", "plan", "-f", document, "demo", "--exit-code")
	if r.code != exitChanges || r.stderr != "" {
		t.Errorf("the plan: %s", r)
	}
	for _, want := range []string{
		"Topics of demo: 1 to create, 1 to grow; 0 are as declared.\n", "+ create  orders    12 partitions, 3 replicas, retention.ms=604800000\n",
		"~ grow    payments  3 → 6 partitions\n", "warning: payments: ",
	} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("the plan is:\n%s\nwant %s", r.stdout, want)
		}
	}
	var plan client.TopicPlan
	if err := json.Unmarshal([]byte(d.succeeds(ada, "topics", "plan", "-f", document, "demo", "-o", "json")), &plan); err != nil || len(plan.Changes) != 2 || plan.Refused {
		t.Errorf("as JSON it is %+v, %v", plan, err)
	}

	// Nobody says yes.
	if r := d.run("topics", "apply", "-f", document, "demo"); r.code != exitFailure || !strings.Contains(r.stdout, "+ create  orders") ||
		!strings.Contains(r.stderr, "nothing was changed; answer yes, or give --yes, to apply it") || d.cluster().Applying != nil {
		t.Errorf("without an answer: %s", r)
	}

	apply := d.start("topics", "apply", "-f", document, "demo", "--yes")
	d.applying(func(_ *cluster.Cluster, op *cluster.Operation) {
		op.Advance(cluster.StepApplyTopics, 50, "1 of 2: created orders")
	})
	apply.untilItSays("APPLY_TOPICS: 1 of 2: created orders\n")
	for _, command := range [][]string{{"status"}, {"topics", "list", "demo"}} {
		if out := d.succeeds(ada, command...); !strings.Contains(out, "APPLY_TOPICS: 1 of 2: created orders") {
			t.Errorf("meanwhile %v shows:\n%s", command, out)
		}
	}
	d.make(12, map[string]string{"retention.ms": "604800000"}, "orders")
	d.make(6, nil, "payments")
	d.applying(func(c *cluster.Cluster, op *cluster.Operation) { op.Succeed(c, "", time.Now()) })
	if err := apply.command.Wait(); err != nil || !strings.Contains(apply.stdout.said(), "Topics of demo are as declared; it took ") {
		t.Errorf("applied: %v\n%s%s", err, apply.stdout.said(), apply.stderr.said())
	}

	if r := d.run("topics", "plan", "-f", document, "demo", "--exit-code"); r.code != 0 || r.stdout != "Topics of demo: nothing is to be done; 2 are as declared.\n" {
		t.Errorf("the plan is now: %s", r)
	}
	out := d.succeeds(ada, "topics", "list", "demo")
	for _, want := range []string{"Declaration:  2 topics, of ", ", by " + ada.arn, "orders    12          3         0            protected  team-orders  -\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("the list is:\n%s\nwant %s", out, want)
		}
	}
	if said := d.fails(ada, "topics", "apply", "demo"); !strings.Contains(said, "no topics of demo are being applied; to apply a document: millrace topics apply -f FILE demo") {
		t.Errorf("it says %q", said)
	}
	if got := d.succeeds(ada, "topics", "export", "demo"); got != strings.Replace(shop, "604800000", `"604800000"`, 1) {
		t.Errorf("exported:\n%s", got)
	}
	if got := d.succeeds(ada, "topics", "export", "demo", "payments"); got != "topics:\n"+shop[strings.Index(shop, "  - name: payments"):] {
		t.Errorf("exported one:\n%s", got)
	}
}

func TestTopics_ThatAreRefusedKeepBackAllOthers(t *testing.T) {
	d := deploy(t)
	d.activeCluster()
	d.make(12, nil, "payments")
	document := d.write(shop)
	for _, command := range []string{"plan", "apply"} {
		r := d.run("topics", command, "-f", document, "demo")
		if r.code != exitFailure || r.stderr != "millrace: 1 of 2 changes can't be made, so none is\n" ||
			!strings.Contains(r.stdout, "! grow    payments  12 → 6 partitions\n") || !strings.Contains(r.stdout, "\nrefused: payments: ") {
			t.Errorf("%s: %s", command, r)
		}
		var plan client.TopicPlan
		r = d.run("topics", command, "-f", document, "demo", "--output", "json")
		if err := json.Unmarshal([]byte(r.stdout), &plan); r.code != exitFailure || err != nil || !plan.Refused {
			t.Errorf("%s as JSON: %s, %v", command, r, err)
		}
	}
	if c := d.cluster(); c.Declaration != "" || len(d.kafka.Changes()) > 0 {
		t.Errorf("declared is %q, and changed was %v", c.Declaration, d.kafka.Changes())
	}
	for text, want := range map[string]string{
		"topics:\n  - name: orders\n    partition: 1":                   ":3: a topic has no member partition",
		"topics: [{name: ../etc, partitions: 1, replicationFactor: 3}]": `"../etc" is no name of a topic`,
	} {
		if r := d.run("topics", "plan", "-f", d.write(text), "demo"); r.code != exitFailure || !strings.Contains(r.stderr, want) {
			t.Errorf("%s: %s, want %s", text, r, want)
		}
	}
}

func TestTopics_ThatAreNoLongerDeclaredAreDeletedByNameAlone(t *testing.T) {
	d := deploy(t)
	d.activeCluster()
	d.make(6, nil, "payments")
	both := d.write("topics: [{name: payments, partitions: 6, replicationFactor: 3}]")
	go d.applying(func(c *cluster.Cluster, op *cluster.Operation) { op.Succeed(c, "", time.Now()) })
	d.succeeds(ada, "topics", "apply", "-f", both, "demo", "--yes")
	none := d.write("topics: []")
	if out := d.succeeds(ada, "topics", "plan", "-f", none, "demo", "--exit-code"); !strings.Contains(out, "= release  payments  stays as it is\n") ||
		!strings.Contains(out, "payments is no longer declared and stays; to delete it with its records: --delete payments\n") {
		t.Errorf("the plan is:\n%s", out)
	}
	if out := d.succeeds(ada, "topics", "plan", "-f", none, "demo", "--delete", "payments"); !strings.Contains(out, "- delete  payments  6 partitions with all records\n") {
		t.Errorf("the plan is:\n%s", out)
	}
	d.make(1, nil, "orders")
	if r := d.run("topics", "plan", "-f", none, "demo", "--delete", "orders"); r.code != exitFailure || !strings.Contains(r.stdout, "\nrefused: orders: ") {
		t.Errorf("a topic that never was declared: %s", r)
	}
}

func TestTopics_GoOnBeingAppliedWhenNobodyWaits(t *testing.T) {
	d := deploy(t)
	d.activeCluster()
	document := d.write(shop)
	waits := d.start("topics", "apply", "-f", document, "demo", "--yes")
	d.applying(func(_ *cluster.Cluster, op *cluster.Operation) { op.Advance(cluster.StepApplyTopics, 10, "begun") })
	waits.untilItSays("APPLY_TOPICS: begun")
	if err := waits.command.Process.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	const goesOn = "millrace: the topics of demo go on being applied; see how with: millrace topics apply demo --endpoint " + remoteURL
	if err := waits.command.Wait(); err == nil || !strings.Contains(waits.stderr.said(), goesOn) {
		t.Errorf("interrupted: %v, it says %q", err, waits.stderr.said())
	}
	if d.cluster().Applying == nil {
		t.Error("they do not")
	}

	// Whoever comes again sees the end of it, with or without a document.
	without, with := d.start("topics", "apply", "demo", "--output", "json"), d.start("topics", "apply", "-f", document, "demo")
	without.untilItSays("APPLY_TOPICS: begun")
	with.untilItSays("already; this waits for it.\n27%, APPLY_TOPICS: begun")
	d.applying(func(c *cluster.Cluster, op *cluster.Operation) {
		op.Advance(cluster.StepApplyTopics, 50, "1 of 2: created orders")
		op.Fail(c, cluster.Failure{Code: "Unavailable", Message: "no broker answers"}, time.Now())
	})
	for _, again := range []*waiting{without, with} {
		if err := again.command.Wait(); err == nil || !strings.Contains(again.stderr.said(), "could not be applied: Unavailable: no broker answers; what was done stays") {
			t.Errorf("come again: %v, it says %q", err, again.stderr.said())
		}
	}
}

func TestTopics_AreCreatedDescribedAndDeletedAsByAWSClients(t *testing.T) {
	d := deploy(t)
	c := d.activeCluster()
	r := d.run("topics", "create", "demo", "scratch", "--partitions", "2", "--replication-factor", "1", "--config", "retention.ms=1000")
	if r.code != 0 || r.stdout != "Created the topic scratch of demo with 2 partitions, 1 replica.\n" || !strings.HasPrefix(r.stderr, "warning: replication factor 1: ") {
		t.Errorf("created: %s", r)
	}
	if !d.saw("/iam/{proxy+} POST /iam/v1/clusters/" + url.QueryEscape(c.ARN) + "/topics") {
		t.Errorf("it came as %v", d.came)
	}
	var answer struct{ TopicName, Status string }
	r = d.run("topics", "create", "demo", "orders", "--partitions", "12", "--output", "json")
	if err := json.Unmarshal([]byte(r.stdout), &answer); err != nil || answer.TopicName != "orders" || answer.Status != "CREATING" || r.stderr != "" {
		t.Errorf("created: %s, %v", r, err)
	}
	out := d.succeeds(ada, "topics", "describe", "demo", "scratch")
	for _, want := range []string{"Topic:       scratch\n", "Replicas:    1 of each, 0 not in sync\n", "retention.ms", "1000", "topic\n", "inherited\n", "warning: replication factor 1: "} {
		if !strings.Contains(out, want) {
			t.Errorf("described as:\n%s\nwant %s", out, want)
		}
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"create", "demo", "orders", "--partitions", "1"}, "already exists"},
		{[]string{"create", "demo", "a..b/c", "--partitions", "1"}, "a..b/c"},
		{[]string{"create", "demo", "many", "--partitions", "1", "--replication-factor", "4"}, "4"},
		{[]string{"create", "demo", "odd", "--partitions", "1", "--config", "retention.ms=long"}, "retention.ms"},
		{[]string{"create", "demo", "__consumer_offsets", "--partitions", "1"}, "Kafka's own"},
		{[]string{"describe", "demo", "absent"}, "absent"},
		{[]string{"export", "demo", "absent"}, "absent"},
		{[]string{"delete", "demo", "absent", "--confirm", "absent"}, "absent"},
		{[]string{"delete", "demo", "absent"}, "absent"},
	} {
		if said := d.fails(ada, append([]string{"topics"}, tt.args...)...); !strings.Contains(said, tt.want) {
			t.Errorf("topics %v says %q, want %s", tt.args, said, tt.want)
		}
	}

	if said := d.fails(rhea, "topics", "delete", "demo", "orders", "--confirm", "orders"); !strings.Contains(said, "not authorized") {
		t.Errorf("who may only look is told %q", said)
	}
	for _, input := range []string{"", "yes\n", "Orders\n", "orders \n"} {
		var stderr bytes.Buffer
		asks := exec.CommandContext(t.Context(), filepath.Join(programs, "millrace"), "topics", "delete", "demo", "orders", "--endpoint", remoteURL)
		asks.Env, asks.Stdin, asks.Stderr = d.environ(ada.id, ada.secret), strings.NewReader(input), &stderr
		err := asks.Run()
		if typed := strings.TrimSpace(input) == "orders"; typed != (err == nil) || !strings.Contains(stderr.String(), "Type orders to go on: ") ||
			typed == strings.Contains(stderr.String(), "nothing was deleted; type the topic's name") {
			t.Errorf("to %q: %v, %s", input, err, stderr.String())
		}
	}
	d.succeeds(ada, "topics", "delete", "demo", "scratch", "--confirm", "scratch")
	if out := d.succeeds(ada, "topics", "list", "demo"); !strings.Contains(out, "There are no topics yet.") {
		t.Errorf("what is left:\n%s", out)
	}
}
