package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kafka"

	"github.com/millrace/millrace/shared/accesskey"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	kafkaclient "github.com/millrace/millrace/shared/kafka"
	"github.com/millrace/millrace/shared/platform/local"
)

// ask asks something about the topics of the cluster.
func (d *topicDesk) ask(t *testing.T, method, what, body string) answer {
	t.Helper()
	return d.send(t, method, "/millrace/v1/clusters/"+url.PathEscape(d.cluster.ARN)+"/"+what, []byte(body))
}

// has gives the cluster topics that somebody has made.
func (d *topicDesk) has(specs ...cluster.TopicSpec) { d.kafka.Make(kafkaclient.Access{}, specs...) }

// applied ends the operation that applies a declaration, as its machine would.
func (d *topicDesk) applied(t *testing.T, failure *cluster.Failure) {
	t.Helper()
	c := d.recorded(t, "orders")
	_, _, err := d.records.ChangeOperation(t.Context(), c.ID, c.Applying.ID, func(c *cluster.Cluster, op *cluster.Operation) error {
		if failure != nil {
			op.Fail(c, *failure, time.Now())
			return nil
		}
		op.Succeed(c, c.Version, time.Now())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// wantRefusal wants an answer that says no, and why.
func (a answer) wantRefusal(t *testing.T, status int, why string) {
	t.Helper()
	if message, _ := a.Body["message"].(string); a.Status != status || !strings.Contains(message, why) {
		t.Errorf("got %d %+v, want %d with %q", a.Status, a.Body, status, why)
	}
}

func spec(name string, partitions, factor int, configs map[string]string) cluster.TopicSpec {
	return cluster.TopicSpec{Name: name, Partitions: partitions, ReplicationFactor: factor, Configs: configs}
}

// id of the operation that an application was answered with.
func (a answer) operation(t *testing.T) string {
	t.Helper()
	op, _ := a.Body["operation"].(map[string]any)
	id, _ := op["id"].(string)
	if a.Status != 200 || id == "" {
		t.Fatalf("got %d %+v", a.Status, a.Body)
	}
	return id
}

const document = `{"topics": [
	{"name": "payments", "partitions": 6, "replicationFactor": 3, "owner": "team-money", "protected": true},
	{"name": "events", "partitions": 12, "replicationFactor": 3, "configs": {"retention.ms": "604800000"}}
]}`

func TestApplyTopics_RecordsWhatIsDeclaredAndStartsItsMachine(t *testing.T) {
	desk := openTopicDesk(t)
	desk.has(spec("payments", 3, 3, nil))
	a := desk.ask(t, "POST", "topic-apply", document)
	id := a.operation(t)
	changes := a.Body["plan"].(map[string]any)["changes"].([]any)
	if len(changes) != 2 || changes[0].(map[string]any)["action"] != "create" || changes[1].(map[string]any)["action"] != "grow" {
		t.Errorf("the plan is %v", changes)
	}
	c := desk.recorded(t, "orders")
	if c.Declaration != id || c.Applying == nil || c.Applying.ID != id || c.State() != cluster.Active || c.Version != desk.cluster.Version {
		t.Errorf("the cluster is %+v", c)
	}
	d, err := desk.records.Declaration(t.Context(), c.ID, id)
	want := []cluster.DeclaredTopic{
		{TopicSpec: spec("events", 12, 3, map[string]string{"retention.ms": "604800000"})},
		{TopicSpec: spec("payments", 6, 3, nil), Owner: "team-money", Protected: true},
	}
	if err != nil || !reflect.DeepEqual(d.Topics, want) || d.By != accessKey || d.Former != nil {
		t.Errorf("declared is %+v, %v", d, err)
	}
	if want := "topic-administration " + id + "-1"; !slices.Contains(desk.workflows.started, want) {
		t.Errorf("started %v, want %s", desk.workflows.started, want)
	}
	if changes := desk.kafka.Changes(); len(changes) > 0 {
		t.Errorf("the API itself has made %v", changes)
	}
	op := desk.ask(t, "GET", "operations/"+id, "")
	if op.Body["type"] != "APPLY_TOPICS" || op.Body["state"] != "PENDING" {
		t.Errorf("its operation is %+v", op)
	}
	shown := desk.ask(t, "GET", "topic-declaration", "")
	topics, _ := shown.Body["topics"].([]any)
	if shown.Body["id"] != id || shown.Body["by"] != accessKey || len(topics) != 2 ||
		!maps.Equal(topics[1].(map[string]any), map[string]any{
			"name": "payments", "partitions": 6.0, "replicationFactor": 3.0, "owner": "team-money", "protected": true,
		}) {
		t.Errorf("declared is shown as %+v", shown)
	}
}

func TestApplyTopics_OfWhatIsThereAlreadyIsAnOperationToo(t *testing.T) {
	desk := openTopicDesk(t)
	desk.has(spec("events", 12, 3, nil))
	a := desk.ask(t, "POST", "topic-apply", `{"topics": [{"name": "events", "partitions": 12, "replicationFactor": 3}]}`)
	id := a.operation(t)
	plan := a.Body["plan"].(map[string]any)
	if len(plan["changes"].([]any)) != 0 || plan["unchanged"] != 1.0 || plan["refused"] != false ||
		!strings.Contains(fmt.Sprint(plan["warnings"]), "events: exists already") {
		t.Errorf("the plan is %v", plan)
	}
	if c := desk.recorded(t, "orders"); c.Declaration != id {
		t.Errorf("the cluster is %+v", c)
	}
}

func TestApplyTopics_RefusesBeforeAnythingIsTouched(t *testing.T) {
	desk := openTopicDesk(t)
	desk.has(spec("events", 12, 3, nil), spec("payments", 6, 3, nil))
	topic := func(members string) string {
		return `{"topics": [{"name": "events", "partitions": 12, ` + members + `}]}`
	}
	for _, tt := range []struct {
		name, body string
		want       string
	}{
		{"no document", ``, "The topics are missing"},
		{"no topics", `{"delete": ["events"]}`, "The topics are missing"},
		{"a list", `[]`, "can't be a array"},
		{"an unknown member", `{"topics": [{"name": "events", "partitons": 12}]}`, `unknown field "partitons"`},
		{"another unknown member", `{"topics": [], "force": true}`, `unknown field "force"`},
		{"a number as a value", topic(`"replicationFactor": 3, "configs": {"retention.ms": 5}`), "topics.configs can't be a number"},
		{"half a partition", `{"topics": [{"name": "events", "partitions": 1.5, "replicationFactor": 3}]}`, "topics.partitions can't be a number 1.5"},
		{"a name that is a way up", `{"topics": [{"name": "..", "partitions": 1, "replicationFactor": 3}]}`, "is no name of a topic"},
		{"no replication factor", topic(`"owner": "me"`), "events: replicationFactor is 0"},
		{"fewer partitions", `{"topics": [{"name": "events", "partitions": 6, "replicationFactor": 3}]}`, "events: it has 12 partitions, and partitions can't be taken away"},
		{"another replication factor", topic(`"replicationFactor": 2`), "events: its replication factor is 3, which stays until"},
		{"shorter retention", topic(`"replicationFactor": 3, "configs": {"retention.ms": "5"}`), "events: it may make Kafka throw records away"},
		{"what Kafka has no word for", topic(`"replicationFactor": 3, "configs": {"retention.days": "5"}`), "Unknown topic config name: retention.days"},
		{"a topic to delete that nobody has declared", `{"topics": [], "delete": ["payments"]}`, "payments: it was not declared before"},
		{"a topic to delete that is declared", `{"topics": [{"name": "events", "partitions": 12, "replicationFactor": 3}], "delete": ["events"]}`, "events: it is still declared"},
		{"Kafka's own", `{"topics": [{"name": "__consumer_offsets", "partitions": 50, "replicationFactor": 3}]}`, "it is Kafka's own"},
		{"two of which one is refused", `{"topics": [
			{"name": "events", "partitions": 6, "replicationFactor": 3}, {"name": "new", "partitions": 6, "replicationFactor": 3}
		]}`, "Nothing was applied, because 1 of 2 changes can't be made. events: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := desk.ask(t, "POST", "topic-apply", tt.body)
			a.wantRefusal(t, 400, tt.want)
			if a.Type != "BadRequestException" {
				t.Errorf("it is a %s", a.Type)
			}
		})
	}
	c := desk.recorded(t, "orders")
	if c.Declaration != "" || c.Applying != nil || slices.ContainsFunc(desk.workflows.started, func(s string) bool { return strings.HasPrefix(s, "topic") }) {
		t.Errorf("the cluster is %+v, and %v were started", c, desk.workflows.started)
	}
	if changes := desk.kafka.Changes(); len(changes) > 0 {
		t.Errorf("it has made %v", changes)
	}
	desk.ask(t, "GET", "topic-declaration", "").wantRefusal(t, 404, "No topics were declared")
}

func TestApplyTopics_NamesManyRefusalsAndCountsTheRest(t *testing.T) {
	desk := openTopicDesk(t)
	var topics []string
	for i := range 30 {
		topics = append(topics, fmt.Sprintf(`{"name": "topic-%02d", "partitions": 1, "replicationFactor": 4}`, i))
	}
	a := desk.ask(t, "POST", "topic-apply", `{"topics": [`+strings.Join(topics, ",")+`]}`)
	a.wantRefusal(t, 400, "30 of 30 changes can't be made. topic-00: replication factor 4 needs as many brokers; the cluster has 3. topic-01")
	a.wantRefusal(t, 400, "topic-19: replication factor 4 needs as many brokers; the cluster has 3. and 10 more, which the plan tells.")
}

func TestPlanTopics_TellsAndChangesNothing(t *testing.T) {
	desk := openTopicDesk(t)
	desk.has(spec("events", 3, 3, map[string]string{"segment.ms": "1000"}))
	a := desk.ask(t, "POST", "topic-plan", document)
	var got struct {
		Changes   []cluster.TopicChange
		Unchanged int
		Warnings  []string
		Refused   bool
	}
	text, err := json.Marshal(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &got); err != nil || a.Status != 200 {
		t.Fatalf("%+v: %v", a, err)
	}
	week, second := "604800000", "1000"
	want := []cluster.TopicChange{
		{Topic: "payments", Action: cluster.CreateTopic, ToPartitions: 6, ReplicationFactor: 3},
		{
			Topic: "events", Action: cluster.GrowTopic, FromPartitions: 3, ToPartitions: 12,
			Warnings: []string{"new records of a key may go to another partition than its records so far"},
		},
		{
			Topic: "events", Action: cluster.ConfigureTopic,
			Configs:  []cluster.ConfigChange{{Name: "retention.ms", To: &week}, {Name: "segment.ms", From: &second}},
			Warnings: []string{"exists already, made by somebody else: from now on it is declared"},
		},
	}
	if !reflect.DeepEqual(got.Changes, want) || got.Unchanged != 0 || got.Refused || got.Warnings == nil {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if a := desk.ask(t, "POST", "topic-plan", `{"topics": [{"name": "events", "partitions": 1, "replicationFactor": 3}]}`); a.Status != 200 || a.Body["refused"] != true {
		t.Errorf("what can't be done is planned as %+v", a)
	}
	if c := desk.recorded(t, "orders"); c.Declaration != "" || c.Applying != nil || len(desk.kafka.Changes()) > 0 {
		t.Errorf("the cluster is %+v, its brokers were told %v", c, desk.kafka.Changes())
	}
}

func TestApplyTopics_OnceMoreWhileItIsAppliedIsTheSameOperation(t *testing.T) {
	desk := openTopicDesk(t)
	id := desk.ask(t, "POST", "topic-apply", document).operation(t)
	started := len(desk.workflows.started)
	again := `{"topics": [
		{"name": "events", "partitions": 12, "replicationFactor": 3, "configs": {"retention.ms": "604800000"}},
		{"protected": true, "name": "payments", "partitions": 6, "replicationFactor": 3, "owner": "team-money", "configs": {}}
	], "delete": []}`
	if got := desk.ask(t, "POST", "topic-apply", again).operation(t); got != id {
		t.Errorf("the operation is %s, want %s", got, id)
	}
	if len(desk.workflows.started) != started {
		t.Errorf("started %v", desk.workflows.started)
	}
	for name, other := range map[string]string{
		"an owner":      strings.Replace(document, "team-money", "team-gold", 1),
		"a protection":  strings.Replace(document, "true", "false", 1),
		"a permit":      strings.Replace(document, "]}", `], "discard": ["events"]}`, 1),
		"no topics":     `{"topics": []}`,
		"a property":    strings.Replace(document, "604800000", "604800001", 1),
		"more of a key": strings.Replace(document, `"partitions": 6`, `"partitions": 7`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			desk.ask(t, "POST", "topic-apply", other).wantRefusal(t, 400, "The operation "+id+" applies other topics")
		})
	}
	desk.applied(t, nil)
	if got := desk.ask(t, "POST", "topic-apply", document).operation(t); got == id {
		t.Error("the same operation applies it once more after it has ended")
	}
}

func TestApplyTopics_OfManyAtOnceOneIsBegun(t *testing.T) {
	desk := openTopicDesk(t)
	var mu sync.Mutex
	ids, refused := map[string]int{}, 0
	var callers sync.WaitGroup
	for i := range 12 {
		callers.Go(func() {
			body := document
			if i%2 == 1 {
				body = `{"topics": [{"name": "other", "partitions": 1, "replicationFactor": 3}]}`
			}
			a := desk.ask(t, "POST", "topic-apply", body)
			mu.Lock()
			defer mu.Unlock()
			switch message, _ := a.Body["message"].(string); {
			case a.Status == 200:
				ids[a.operation(t)]++
			case a.Status == 400 && strings.Contains(message, "applies other topics"):
				refused++
			default:
				t.Errorf("got %+v", a)
			}
		})
	}
	callers.Wait()
	if len(ids) != 1 || refused != 6 {
		t.Errorf("the operations are %v, %d were refused", ids, refused)
	}
	unfinished, err := desk.records.UnfinishedOperations(t.Context())
	if err != nil || len(unfinished) != 1 {
		t.Errorf("unfinished are %v, %v", unfinished, err)
	}
}

// What was to be deleted may be deleted at the next try, too: the declaration that failed has not forgotten it.
func TestApplyTopics_AfterOneThatFailedGoesOnWithWhatThatGaveUp(t *testing.T) {
	desk := openTopicDesk(t)
	desk.has(spec("events", 12, 3, nil), spec("payments", 6, 3, nil))
	both := `{"topics": [{"name": "events", "partitions": 12, "replicationFactor": 3}, {"name": "payments", "partitions": 6, "replicationFactor": 3}]}`
	desk.ask(t, "POST", "topic-apply", both).operation(t)
	desk.applied(t, nil)
	one := `{"topics": [{"name": "events", "partitions": 12, "replicationFactor": 3}], "delete": ["payments"]}`
	for range 2 {
		id := desk.ask(t, "POST", "topic-apply", one).operation(t)
		d, err := desk.records.Declaration(t.Context(), desk.cluster.ID, id)
		if err != nil || len(d.Former) != 1 || d.Former[0].Name != "payments" {
			t.Errorf("declared is %+v, %v", d, err)
		}
		op, err := desk.records.Operation(t.Context(), desk.cluster.ID, id)
		if err != nil || !slices.Equal(op.Topics.Permits.Delete, []string{"payments"}) {
			t.Errorf("the operation is %+v, %v", op, err)
		}
		desk.applied(t, &cluster.Failure{Code: "Unavailable", Message: "no broker answers"})
	}
	// Once it was applied to the end, nobody has declared the topic any more.
	desk.ask(t, "POST", "topic-apply", strings.Replace(one, `["payments"]`, "[]", 1)).operation(t)
	desk.applied(t, nil)
	desk.ask(t, "POST", "topic-apply", one).wantRefusal(t, 400, "payments: it was not declared before")
}

// Who was shown a plan has not agreed to another one.
func TestApplyTopics_IsRefusedWhenOthersWereAppliedSinceThePlan(t *testing.T) {
	desk := openTopicDesk(t)
	between := &meanwhile{Functions: desk.deps.Functions.(local.Functions)}
	desk.deps.Functions = between
	desk.listen(t)
	between.do = func() {
		desk.ask(t, "POST", "topic-apply", `{"topics": []}`).operation(t)
		desk.applied(t, nil)
	}
	desk.ask(t, "POST", "topic-apply", document).wantRefusal(t, 400, "Other topics were applied to the cluster orders since these were planned. Plan again.")
	between.do = func() {
		if _, err := desk.DeleteCluster(t.Context(), &kafka.DeleteClusterInput{ClusterArn: &desk.cluster.ARN}); err != nil {
			t.Error(err)
		}
	}
	desk.ask(t, "POST", "topic-apply", document).wantRefusal(t, 400, "You can't reach the topics of a cluster in DELETING state.")
	if c := desk.recorded(t, "orders"); c.Applying != nil {
		t.Errorf("the cluster is %+v", c)
	}
}

func TestTopics_OfAClusterThatHasNoneToAskAreNotAskedFor(t *testing.T) {
	desk := openTopicDesk(t)
	desk.cluster = desk.create(t, "new")
	for _, ask := range [][3]string{
		{"GET", "topics", ""}, {"GET", "topics/events", ""}, {"POST", "topic-plan", document}, {"POST", "topic-apply", document},
	} {
		desk.ask(t, ask[0], ask[1], ask[2]).wantRefusal(t, 400, "You can't reach the topics of a cluster in CREATING state. Try again once it is ACTIVE.")
	}
	desk.cluster.ARN = absentCluster
	for _, ask := range [][3]string{
		{"GET", "topics", ""},
		{"GET", "topics/events", ""},
		{"POST", "topic-plan", document},
		{"POST", "topic-apply", document},
		{"GET", "topic-declaration", ""},
		{"GET", "operations/x", ""},
	} {
		desk.ask(t, ask[0], ask[1], ask[2]).wantRefusal(t, 404, "does not exist")
	}
	if calls := desk.kafka.Calls(); len(calls) > 0 {
		t.Errorf("asked %v", calls)
	}
}

func TestTopics_WhileNoBrokerAnswersSayThat(t *testing.T) {
	desk := openTopicDesk(t)
	for _, ask := range [][3]string{
		{"GET", "topics", ""}, {"GET", "topics/events", ""}, {"POST", "topic-plan", document}, {"POST", "topic-apply", document},
	} {
		desk.kafka.FailNext("", fault.Refused(fault.Unavailable, "BROKER_NOT_AVAILABLE", "no broker answers"))
		desk.ask(t, ask[0], ask[1], ask[2]).wantRefusal(t, 503, "No broker of the cluster answers.")
	}
	// They go while the plan is checked with them.
	desk.kafka.FailNext("CreateTopic", fault.Refused(fault.Unavailable, "BROKER_NOT_AVAILABLE", "no broker answers"))
	desk.ask(t, "POST", "topic-apply", document).wantRefusal(t, 503, "No broker of the cluster answers.")
	if c := desk.recorded(t, "orders"); c.Declaration != "" || c.Applying != nil {
		t.Errorf("the cluster is %+v", c)
	}
}

func TestTopics_AreShownWithWhatIsDeclaredOfThem(t *testing.T) {
	desk := openTopicDesk(t)
	desk.has(spec("events", 12, 3, nil), spec("single", 1, 1, nil), spec("__consumer_offsets", 50, 3, nil))
	list := func() map[string]any { return desk.ask(t, "GET", "topics", "").Body }
	if got := list(); got["declaration"] != nil || got["drift"] != nil || got["applying"] != nil || len(got["topics"].([]any)) != 2 {
		t.Errorf("before anything was declared: %v", got)
	}
	id := desk.ask(t, "POST", "topic-apply", document).operation(t)
	if got := list(); got["applying"].(map[string]any)["id"] != id || got["declaration"].(map[string]any)["topics"] != 2.0 {
		t.Errorf("while it is applied: %v", got)
	}
	desk.applied(t, nil)
	drift := cluster.TopicDrift{
		Declaration: id, At: noon.Add(time.Hour), Since: noon, Count: 1, Topics: []cluster.DriftedTopic{{Topic: "events", Reason: "has 12 partitions, not 6"}},
	}
	if err := desk.records.PutTopicDrift(t.Context(), desk.cluster.ID, drift); err != nil {
		t.Fatal(err)
	}
	got := list()
	topics := got["topics"].([]any)
	want := []any{
		map[string]any{
			"name": "events", "partitions": 12.0, "replicationFactor": 3.0, "outOfSync": 0.0, "declared": true, "protected": false,
			"drift": "has 12 partitions, not 6", "warnings": []any{},
		},
		map[string]any{
			"name": "payments", "partitions": 0.0, "replicationFactor": 0.0, "outOfSync": 0.0, "declared": true, "protected": true,
			"owner": "team-money", "drift": "does not exist", "warnings": []any{},
		},
		map[string]any{
			"name": "single", "partitions": 1.0, "replicationFactor": 1.0, "outOfSync": 0.0, "declared": false, "protected": false,
			"warnings": []any{"replication factor 1: while a broker is restarted or replaced, its part of the 1 partition can be neither written nor read, and with its volume their records are gone"},
		},
	}
	if !reflect.DeepEqual(topics, want) {
		t.Errorf("got %v\nwant %v", topics, want)
	}
	if seen := got["drift"].(map[string]any); seen["declaration"] != id || seen["count"] != 1.0 || seen["since"] != "2026-09-20T12:00:00.000Z" || got["applying"] != nil {
		t.Errorf("drift is %v", seen)
	}
	// What was seen of another declaration says nothing of this one.
	desk.ask(t, "POST", "topic-apply", document).operation(t)
	if got := list(); got["drift"] != nil {
		t.Errorf("drift is %v", got["drift"])
	}
}

func TestTopic_IsShownAsItIsAndAsItIsDeclared(t *testing.T) {
	desk := openTopicDesk(t)
	desk.has(spec("events", 2, 3, map[string]string{"retention.ms": "5"}), spec("foreign", 1, 2, map[string]string{"min.insync.replicas": "2"}))
	desk.ask(t, "POST", "topic-apply", `{"topics": [{"name": "events", "partitions": 3, "replicationFactor": 3, "owner": "me"}]}`).operation(t)
	got := desk.ask(t, "GET", "topics/events", "").Body
	inherited, _ := got["inherited"].(map[string]any)
	if inherited["retention.ms"] != "604800000" {
		t.Errorf("it would inherit %v", inherited)
	}
	delete(got, "inherited")
	want := map[string]any{
		"name": "events", "partitions": 2.0, "replicationFactor": 3.0, "outOfSync": 0.0, "declared": true, "owner": "me", "protected": false,
		"drift":    "has 2 partitions, not 3, retention.ms is set to 5, and not declared",
		"warnings": []any{}, "configs": map[string]any{"retention.ms": "5"},
		"partitionList": []any{
			map[string]any{"id": 0.0, "leader": 1.0, "replicas": []any{1.0, 2.0, 3.0}, "inSync": []any{1.0, 2.0, 3.0}},
			map[string]any{"id": 1.0, "leader": 2.0, "replicas": []any{2.0, 3.0, 1.0}, "inSync": []any{2.0, 3.0, 1.0}},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	foreign := desk.ask(t, "GET", "topics/foreign", "").Body
	if foreign["declared"] != false || foreign["drift"] != nil || !strings.Contains(fmt.Sprint(foreign["warnings"]), "min.insync.replicas 2 with replication factor 2") {
		t.Errorf("got %v", foreign)
	}
	desk.ask(t, "GET", "topics/none", "").wantRefusal(t, 404, "none")
	desk.ask(t, "GET", "topics/__consumer_offsets", "").wantRefusal(t, 404, "__consumer_offsets")
	desk.ask(t, "GET", "topics/..", "").wantRefusal(t, 400, "is no name of a topic")
	desk.ask(t, "GET", "topics/a%2Fb", "").wantRefusal(t, 400, "is no name of a topic")
	desk.ask(t, "GET", "operations/none", "").wantRefusal(t, 404, "has no operation none")
}

func TestTopics_AreSeenByAllAndAppliedByOperatorsAndGivenUpByAdmins(t *testing.T) {
	desk := openTopicDesk(t)
	desk.has(spec("payments", 6, 3, nil))
	reader, worker := desk.issue(t, accesskey.ReadOnly), desk.issue(t, accesskey.Operator)
	path := "/millrace/v1/clusters/" + url.PathEscape(desk.cluster.ARN) + "/"
	id := desk.ask(t, "POST", "topic-apply", `{"topics": [{"name": "payments", "partitions": 6, "replicationFactor": 3}]}`).operation(t)
	desk.applied(t, nil)
	for _, tt := range []struct {
		method, what, body string
		least              accesskey.Role
	}{
		{"GET", "topics", "", accesskey.ReadOnly},
		{"GET", "topics/payments", "", accesskey.ReadOnly},
		{"GET", "topic-declaration", "", accesskey.ReadOnly},
		{"GET", "operations/" + id, "", accesskey.ReadOnly},
		{"POST", "topic-plan", `{"topics": [], "delete": ["payments"]}`, accesskey.ReadOnly},
		{"POST", "topic-apply", `{"topics": [], "delete": ["payments"]}`, accesskey.Admin},
		{"POST", "topic-apply", `{"topics": [{"name": "payments", "partitions": 6, "replicationFactor": 3}], "discard": ["payments"]}`, accesskey.Admin},
		{"POST", "topic-apply", `{"topics": [{"name": "payments", "partitions": 6, "replicationFactor": 3}], "delete": [], "discard": []}`, accesskey.Operator},
	} {
		for _, k := range []issuedKey{reader, worker} {
			a := desk.sendAs(t, k.id, k.secret, tt.method, path+tt.what, []byte(tt.body))
			role := map[string]accesskey.Role{reader.id: accesskey.ReadOnly, worker.id: accesskey.Operator}[k.id]
			if allowed := a.Status == 200; allowed != role.Covers(tt.least) || !allowed && a.Type != "ForbiddenException" {
				t.Errorf("%s %s %s with the role %s: %+v", tt.method, tt.what, tt.body, role, a)
			}
		}
	}
}

// meanwhile does something once, after a function was called and before its answer arrives.
type meanwhile struct {
	local.Functions
	do func()
}

func (m *meanwhile) Call(ctx context.Context, function string, payload []byte) ([]byte, error) {
	answer, err := m.Functions.Call(ctx, function, payload)
	if do := m.do; do != nil {
		m.do = nil
		do()
	}
	return answer, err
}
