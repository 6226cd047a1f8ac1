package topicadmin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/functions/topicadmin"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/kafka"
	"github.com/millrace/millrace/shared/kafka/kafkatest"
	"github.com/millrace/millrace/shared/platform/local"
	"github.com/millrace/millrace/shared/records"
	"github.com/millrace/millrace/shared/serve"
)

// slowPool is a Kafka that takes a while for every change, and tells a test before it makes one.
type slowPool struct {
	*kafkatest.Pool
	before func(topic string)
}

func (p slowPool) CreateTopic(ctx context.Context, a kafka.Access, t cluster.TopicSpec, validateOnly bool) error {
	if !validateOnly {
		p.before(t.Name)
	}
	return p.Pool.CreateTopic(ctx, a, t, validateOnly)
}

// countingTable counts the transactions that are written.
type countingTable struct {
	records.Table
	writes int
}

func (t *countingTable) Write(ctx context.Context, writes ...records.Write) error {
	t.writes++
	return t.Table.Write(ctx, writes...)
}

// site is a town in which a declaration is applied, step by step, over time that passes with every change.
type site struct {
	*town
	table  *countingTable
	kafka  slowPool
	now    time.Time
	takes  time.Duration // each change
	before func(topic string)
	steps  local.Functions
}

func openSite(t *testing.T, topics int) *site {
	t.Helper()
	s := &site{town: build(t), now: time.Date(2026, 9, 20, 12, 0, 0, 0, time.UTC)}
	s.admit(t, s.now.Add(24*time.Hour))
	s.kafka = slowPool{&kafkatest.Pool{}, func(topic string) {
		s.now = s.now.Add(s.takes)
		if s.before != nil {
			s.before(topic)
		}
	}}
	op := cluster.Operation{
		ID: "apply", ClusterID: "c", Type: cluster.ApplyTopics, State: cluster.InProgress, Deadline: s.now.Add(time.Minute),
		Topics: &cluster.TopicsApplication{},
	}
	op.Steps = op.Plan()
	d := cluster.Declaration{ID: op.ID}
	for i := range topics {
		spec := cluster.TopicSpec{Name: fmt.Sprintf("topic-%03d", i), Partitions: 1, ReplicationFactor: 3}
		d.Topics = append(d.Topics, cluster.DeclaredTopic{TopicSpec: spec})
	}
	_, err := s.records.StartApplication(t.Context(), "c", op, d, func(c *cluster.Cluster) error {
		op.Claim(c)
		c.Declaration = op.ID
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.table = &countingTable{Table: s.records.Table}
	s.records.Table = s.table
	s.steps = local.Functions{"topicadmin": topicadmin.Steps(topicadmin.Deps{
		Records: s.records, Kafka: s.kafka, Now: func() time.Time { return s.now },
	})}
	return s
}

// run calls a step once.
func (s *site) run(t *testing.T, step string) (topicadmin.ApplyTopicChangesOutput, error) {
	t.Helper()
	var out topicadmin.ApplyTopicChangesOutput
	answer, err := s.steps.Invoke(t.Context(), "topicadmin", []byte(`{"step":"`+step+`","clusterId":"c","operationId":"apply"}`))
	if err == nil {
		err = json.Unmarshal(answer, &out)
	}
	return out, err
}

func (s *site) plan(t *testing.T) {
	t.Helper()
	if out, err := s.run(t, "PlanTopicChanges"); err != nil || !out.Done {
		t.Fatalf("%+v, %v", out, err)
	}
}

// change changes the cluster as another operation does.
func (s *site) change(t *testing.T, change func(c *cluster.Cluster, op *cluster.Operation)) {
	t.Helper()
	_, _, err := s.records.ChangeOperation(t.Context(), "c", "apply", func(c *cluster.Cluster, op *cluster.Operation) error {
		change(c, op)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// codeOf is the code that a state machine would catch.
func codeOf(err error) fault.Code {
	var said *serve.Error
	if errors.As(err, &said) {
		return said.Code
	}
	return fault.CodeOf(err)
}

// A call that was given up may go on for a while, when its operation has been ended and the next one is at work.
func TestApplyTopicChanges_StopsOnceItMayNotGoOn(t *testing.T) {
	for name, tt := range map[string]struct {
		happens func(c *cluster.Cluster, op *cluster.Operation)
		want    string
	}{
		"its operation is over": {func(c *cluster.Cluster, op *cluster.Operation) {
			op.Fail(c, cluster.Failure{Code: "Aborted", Message: "stopped by hand"}, time.Now())
		}, "operation apply holds the topics of cluster orders no longer (2 of 9 changes were made)"},
		"another one is at work": {func(c *cluster.Cluster, op *cluster.Operation) {
			op.Fail(c, cluster.Failure{Code: "Aborted", Message: "stopped by hand"}, time.Now())
			c.Applying = &cluster.ActiveOperation{ID: "later", Type: cluster.ApplyTopics}
		}, "operation apply holds the topics of cluster orders no longer (2 of 9 changes were made)"},
		"the cluster is deleted": {func(c *cluster.Cluster, _ *cluster.Operation) {
			c.Active = &cluster.ActiveOperation{ID: "delete", Type: cluster.DeleteCluster}
		}, "cluster orders is DELETING: its topics are left as they are (2 of 9 changes were made)"},
	} {
		t.Run(name, func(t *testing.T) {
			s := openSite(t, 9)
			s.plan(t)
			s.takes = time.Second
			s.before = func(topic string) {
				if topic == "topic-001" {
					s.change(t, tt.happens)
				}
			}
			_, err := s.run(t, "ApplyTopicChanges")
			if codeOf(err) != fault.Conflict || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
			if got := s.kafka.Changes(); len(got) != 2 {
				t.Errorf("did %q", got)
			}
		})
	}
}

func TestApplyTopicChanges_IsATurnOfTwentySecondsAndTellsHowFarItIs(t *testing.T) {
	s := openSite(t, 300)
	s.plan(t)
	s.takes = 100 * time.Millisecond
	before, began := s.table.writes, s.now
	out, err := s.run(t, "ApplyTopicChanges")
	if err != nil || !out.Done && out.Reason != "100 of 300 changes are to be made" || !out.Changed {
		t.Errorf("%+v, %v", out, err)
	}
	if took := s.now.Sub(began); took != serve.LongPoll {
		t.Errorf("it took %s", took)
	}
	if told := s.table.writes - before; told < 15 || told > 25 {
		t.Errorf("it wrote %d times", told)
	}
	op, err := s.records.Operation(t.Context(), "c", "apply")
	if err != nil || op.Topics.Planned != 300 || !op.HasBegun(cluster.StepApplyTopics) || op.Percent() < 40 {
		t.Errorf("%+v, %v", op, err)
	}
}

// Somebody else may undo what was done before, so that as much is left as in the beginning.
func TestApplyTopicChanges_NeverForgetsThatSomethingWasChanged(t *testing.T) {
	s := openSite(t, 0)
	s.plan(t)
	answer, err := s.steps.Invoke(t.Context(), "topicadmin", []byte(`{"step":"ApplyTopicChanges","clusterId":"c","operationId":"apply","changed":true}`))
	if err != nil || !strings.Contains(string(answer), `"changed":true`) {
		t.Errorf("%s, %v", answer, err)
	}
}

// Nothing is told as changed when nothing was.
func TestApplyTopicChanges_HasChangedNothingWhereNothingWasToBeDone(t *testing.T) {
	s := openSite(t, 0)
	s.plan(t)
	if out, err := s.run(t, "ApplyTopicChanges"); err != nil || !out.Done || out.Changed {
		t.Errorf("%+v, %v", out, err)
	}
	if out, err := s.run(t, "CheckTopics"); err != nil || !out.Done {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestApplication_OfWhatIsNoneIsInvalid(t *testing.T) {
	s := openSite(t, 1)
	s.change(t, func(_ *cluster.Cluster, op *cluster.Operation) { op.Topics = nil })
	for _, step := range []string{"PlanTopicChanges", "ApplyTopicChanges", "CheckTopics"} {
		if _, err := s.run(t, step); codeOf(err) != fault.Invalid {
			t.Errorf("%s: %v", step, err)
		}
	}
}
