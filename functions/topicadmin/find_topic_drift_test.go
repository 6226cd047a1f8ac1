package topicadmin_test

import (
	"bytes"
	"encoding/json"
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
)

// watch is a town whose topics are held against what is declared of them, over time that a test lets pass.
type watch struct {
	*town
	pool    *kafkatest.Pool
	now     time.Time
	metrics bytes.Buffer
	steps   local.Functions
}

func openWatch(t *testing.T, declared ...cluster.TopicSpec) *watch {
	t.Helper()
	w := &watch{town: build(t), pool: &kafkatest.Pool{}, now: time.Date(2026, 9, 20, 12, 0, 0, 0, time.UTC)}
	w.admit(t, w.now.Add(240*time.Hour))
	w.steps = local.Functions{"topicadmin": topicadmin.Steps(topicadmin.Deps{
		Deployment: "test", Records: w.records, Kafka: w.pool, Now: func() time.Time { return w.now }, Metrics: &w.metrics,
	})}
	w.pool.Make(kafka.Access{}, declared...)
	w.declare(t, "d-1", declared...)
	return w
}

// declare records a declaration that was applied to its end.
func (w *watch) declare(t *testing.T, id string, specs ...cluster.TopicSpec) {
	t.Helper()
	op := cluster.Operation{ID: id, ClusterID: "c", Type: cluster.ApplyTopics, State: cluster.Complete, Topics: &cluster.TopicsApplication{}}
	d := cluster.Declaration{ID: id}
	for _, s := range specs {
		d.Topics = append(d.Topics, cluster.DeclaredTopic{TopicSpec: s})
	}
	_, err := w.records.StartApplication(t.Context(), "c", op, d, func(c *cluster.Cluster) error {
		c.Declaration = id
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// find looks once, and gives what is recorded afterwards.
func (w *watch) find(t *testing.T) (topicadmin.FindTopicDriftOutput, cluster.TopicDrift) {
	t.Helper()
	answer, err := w.steps.Invoke(t.Context(), "topicadmin", []byte(`{"step":"FindTopicDrift","clusterId":"c"}`))
	if err != nil {
		t.Fatal(err)
	}
	var out topicadmin.FindTopicDriftOutput
	if err := json.Unmarshal(answer, &out); err != nil {
		t.Fatal(err)
	}
	d, err := w.records.TopicDrift(t.Context(), "c")
	if err != nil && !fault.Is(err, fault.NotFound) {
		t.Fatal(err)
	}
	return out, d
}

func specOf(name string) cluster.TopicSpec {
	return cluster.TopicSpec{Name: name, Partitions: 3, ReplicationFactor: 3}
}

func TestFindTopicDrift_RemembersSinceWhenTopicsDiffer(t *testing.T) {
	w := openWatch(t, specOf("orders"), specOf("payments"))
	noon := w.now
	if out, d := w.find(t); !out.Looked || d.Count != 0 || !d.Since.IsZero() || d.At != noon {
		t.Errorf("%+v, %+v", out, d)
	}
	for hour, tt := range []struct {
		partitions, count int
		since             int // hour; -1 for never
	}{{3, 0, -1}, {6, 1, 1}, {9, 1, 1}, {3, 0, -1}, {6, 1, 4}} {
		w.now = noon.Add(time.Duration(hour) * time.Hour)
		grown := specOf("orders")
		grown.Partitions = tt.partitions
		w.pool.Make(kafka.Access{}, grown)
		since := time.Time{}
		if tt.since >= 0 {
			since = noon.Add(time.Duration(tt.since) * time.Hour)
		}
		if out, d := w.find(t); out.Drifted != tt.count || d.Count != tt.count || !d.Since.Equal(since) || !d.At.Equal(w.now) || d.Declaration != "d-1" {
			t.Errorf("at hour %d: %+v, %+v, want %d since %s", hour, out, d, tt.count, since)
		}
	}
	w.now = w.now.Add(time.Hour)
	w.declare(t, "d-2", specOf("orders"))
	if _, d := w.find(t); d.Declaration != "d-2" || d.Count != 1 || !d.Since.Equal(w.now) {
		t.Errorf("by another declaration: %+v", d)
	}
}

// A machine at rest should not write all the time, and whoever reads what was found wants to know that somebody looks.
func TestFindTopicDrift_WritesWhenSomethingIsNewAndNowAndThen(t *testing.T) {
	w := openWatch(t, specOf("orders"))
	began := w.now
	var seen []string
	for w.now.Sub(began) < 12*time.Minute {
		_, d := w.find(t)
		if at := fmt.Sprintf("%s %d", d.At.Sub(began), d.Count); len(seen) == 0 || seen[len(seen)-1] != at {
			seen = append(seen, at)
		}
		w.now = w.now.Add(10 * time.Second)
		if w.now.Sub(began) == 6*time.Minute {
			if err := w.pool.DeleteTopic(t.Context(), kafka.Access{}, "orders"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, want := strings.Join(seen, ", "), "0s 0, 5m0s 0, 6m0s 1, 11m0s 1"; got != want {
		t.Errorf("wrote at %s, want %s", got, want)
	}
	if lines := strings.Count(w.metrics.String(), `"DriftedTopics":1`); lines != 36 {
		t.Errorf("told %d times that a topic differs, of 36 looks", lines)
	}
	for line := range strings.Lines(w.metrics.String()) {
		if !strings.Contains(line, `"Deployment":"test"`) || !strings.Contains(line, `"Namespace":"Millrace/Topics"`) {
			t.Fatalf("told %s", line)
		}
	}
}

func TestFindTopicDrift_NamesAHundredOfMany(t *testing.T) {
	var specs []cluster.TopicSpec
	for i := range 150 {
		specs = append(specs, specOf(fmt.Sprintf("topic-%03d", i)))
	}
	w := openWatch(t)
	w.declare(t, "d-2", specs...)
	if out, d := w.find(t); out.Drifted != 150 || d.Count != 150 || len(d.Topics) != 100 || d.Topics[99].Topic != "topic-099" {
		t.Errorf("%+v, %d of %d", out, len(d.Topics), d.Count)
	}
}

func TestFindTopicDrift_LooksOnlyWhereSomethingIsDeclaredAndNobodyIsAtWork(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(c *cluster.Cluster)
		want   string
	}{
		"nothing is declared":     {func(c *cluster.Cluster) { c.Declaration = "" }, "there is nothing to hold the topics against"},
		"topics are applied":      {func(c *cluster.Cluster) { c.Applying = &cluster.ActiveOperation{ID: "d-2"} }, "topics are being applied"},
		"it is being deleted":     {func(c *cluster.Cluster) { c.Active = &cluster.ActiveOperation{Type: cluster.DeleteCluster} }, "there is nothing"},
		"it has had no access":    {func(*cluster.Cluster) {}, "is being renewed"},
		"no broker is to be had":  {func(*cluster.Cluster) {}, "no broker answers"},
		"its declaration is gone": {func(c *cluster.Cluster) { c.Declaration = "d-0" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := openWatch(t, specOf("orders"))
			if _, err := w.records.ChangeCluster(t.Context(), "c", func(c *cluster.Cluster) error { tt.change(c); return nil }); err != nil {
				t.Fatal(err)
			}
			switch name {
			case "it has had no access":
				w.admit(t, w.now)
			case "no broker is to be had":
				w.pool.FailNext("Topics", fault.Refused(fault.Unavailable, "BROKER_NOT_AVAILABLE", "no broker answers"))
			case "its declaration is gone":
				if _, err := w.steps.Invoke(t.Context(), "topicadmin", []byte(`{"step":"FindTopicDrift","clusterId":"c"}`)); err == nil {
					t.Error("nobody was told")
				}
				return
			}
			if out, d := w.find(t); out.Looked || !strings.Contains(out.Reason, tt.want) || d.Declaration != "" || w.metrics.Len() > 0 {
				t.Errorf("%+v, %+v", out, d)
			}
		})
	}
	w := openWatch(t, specOf("orders"))
	answer, err := w.steps.Invoke(t.Context(), "topicadmin", []byte(`{"step":"FindTopicDrift","clusterId":"gone"}`))
	if err != nil || !strings.Contains(string(answer), "the cluster is gone") {
		t.Errorf("of a cluster that is gone: %s, %v", answer, err)
	}
}
