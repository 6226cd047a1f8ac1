package records_test

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/records"
)

// declare begins to apply a declaration of topics, by an operation of the given id.
func declare(t *testing.T, r records.Records, id string, d cluster.Declaration) error {
	t.Helper()
	d.ID = id
	op := cluster.Operation{ID: id, ClusterID: "id-1", Type: cluster.ApplyTopics, State: cluster.Pending, CreatedAt: noon}
	_, err := r.StartApplication(t.Context(), "id-1", op, d, func(c *cluster.Cluster) error {
		if c.Applying != nil {
			return fault.New(fault.Conflict, "%s is at work", c.Applying.ID)
		}
		c.Declaration = id
		op.Claim(c)
		return nil
	})
	return err
}

// applied ends an operation that applies a declaration.
func applied(t *testing.T, r records.Records, id string, failure *cluster.Failure) {
	t.Helper()
	_, _, err := r.ChangeOperation(t.Context(), "id-1", id, func(c *cluster.Cluster, op *cluster.Operation) error {
		if failure != nil {
			op.Fail(c, *failure, noon)
			return nil
		}
		op.Succeed(c, "K2", noon)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func declaredTopics(names ...string) (topics []cluster.DeclaredTopic) {
	for _, name := range names {
		topics = append(topics, cluster.DeclaredTopic{
			TopicSpec: cluster.TopicSpec{Name: name, Partitions: 6, ReplicationFactor: 3, Configs: map[string]string{"retention.ms": "5"}},
			Owner:     "team " + name, Protected: true,
		})
	}
	return topics
}

func TestStartApplication_KeepsWhatIsDeclaredAsItIs(t *testing.T) {
	r, _ := openRecords(t)
	createCluster(t, r, "id-1", "orders")
	d := cluster.Declaration{ID: "op-1", At: noon, By: "AKIA", Topics: declaredTopics("a", "b"), Former: declaredTopics("c")}
	if err := declare(t, r, "op-1", d); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Declaration(t.Context(), "id-1", "op-1"); err != nil || !reflect.DeepEqual(got, d) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, d)
	}
	c, err := r.Cluster(t.Context(), "id-1")
	if err != nil || c.Declaration != "op-1" || c.Applying.ID != "op-1" {
		t.Errorf("the cluster is %+v, %v", c, err)
	}
	if got := unfinished(t, r); !slices.Contains(got, "op-1") {
		t.Errorf("unfinished are %v", got)
	}
	if _, err := r.Declaration(t.Context(), "id-1", "op-2"); !fault.Is(err, fault.NotFound) {
		t.Errorf("another: %v", err)
	}
}

func TestStartApplication_ThatIsRefusedLeavesNothing(t *testing.T) {
	r, table := openRecords(t)
	createCluster(t, r, "id-1", "orders")
	if err := declare(t, r, "op-1", cluster.Declaration{Topics: declaredTopics("a")}); err != nil {
		t.Fatal(err)
	}
	before := table.left(t)
	if err := declare(t, r, "op-2", cluster.Declaration{Topics: declaredTopics("b")}); !fault.Is(err, fault.Conflict) {
		t.Errorf("while another is at work: %v", err)
	}
	if after := table.left(t); !slices.Equal(after, before) {
		t.Errorf("it has left %v", after)
	}
}

func TestStartApplication_OfTwoThousandTopicsIsKeptAndOfTooMuchIsNot(t *testing.T) {
	r, table := openRecords(t)
	createCluster(t, r, "id-1", "orders")
	var d cluster.Declaration
	for i := range 2000 {
		d.Topics = append(d.Topics, cluster.DeclaredTopic{
			TopicSpec: cluster.TopicSpec{Name: fmt.Sprintf("team-%d.domain.event-%d", i%30, i), Partitions: 6, ReplicationFactor: 3, Configs: map[string]string{
				"retention.ms": "604800000", "cleanup.policy": "compact", "max.message.bytes": "1048588",
			}},
			Owner: fmt.Sprint("team-", i%30),
		})
	}
	if err := declare(t, r, "op-1", d); err != nil {
		t.Errorf("2,000 topics: %v", err)
	}
	applied(t, r, "op-1", nil)
	before := table.left(t)
	for i := range d.Topics {
		d.Topics[i].Owner = unlikeAnything(t)
	}
	err := declare(t, r, "op-2", d)
	var said *fault.Error
	if !errors.As(err, &said) || said.Code != fault.Invalid || said.Parameter != "topics" || !strings.Contains(err.Error(), "declare fewer topics") {
		t.Errorf("what can't be compressed: %v", err)
	}
	if after := table.left(t); !slices.Equal(after, before) {
		t.Errorf("it has left %v", after)
	}
}

// unlikeAnything is text that can't be made shorter than two thirds.
func unlikeAnything(t *testing.T) string {
	t.Helper()
	b := make([]byte, 256)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(b)
}

func TestStartApplication_KeepsTheLatestDeclarationsAndTheOneBefore(t *testing.T) {
	r, _ := openRecords(t)
	createCluster(t, r, "id-1", "orders")
	kept := func(ids ...string) {
		t.Helper()
		for i := range 9 {
			id := fmt.Sprint("op-", i)
			_, err := r.Declaration(t.Context(), "id-1", id)
			if is := err == nil; is != slices.Contains(ids, id) {
				t.Errorf("%s: %v; want %v", id, err, ids)
			}
		}
	}
	for _, id := range []string{"op-3", "op-4", "op-5", "op-6"} {
		if err := declare(t, r, id, cluster.Declaration{}); err != nil {
			t.Fatal(err)
		}
		applied(t, r, id, nil)
	}
	kept("op-4", "op-5", "op-6")
	// By a clock that is slow: its id says that it is older than all others, and it is the one that holds.
	for _, id := range []string{"op-0", "op-7"} {
		if err := declare(t, r, id, cluster.Declaration{}); err != nil {
			t.Fatal(err)
		}
		applied(t, r, id, nil)
		if _, err := r.Declaration(t.Context(), "id-1", id); err != nil {
			t.Error(err)
		}
	}
	kept("op-0", "op-5", "op-6", "op-7")
}

func TestDeclaredSoFar_IsWhatAnApplicationThatFailedWasToGiveUpToo(t *testing.T) {
	r, _ := openRecords(t)
	c, _ := createCluster(t, r, "id-1", "orders")
	is := func(want ...string) {
		t.Helper()
		c, err := r.Cluster(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		topics, err := r.DeclaredSoFar(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, topic := range topics {
			got = append(got, topic.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	is()
	d := cluster.Declaration{Topics: declaredTopics("a", "b"), Former: declaredTopics("c")}
	if err := declare(t, r, "op-1", d); err != nil {
		t.Fatal(err)
	}
	is("a", "b", "c")
	applied(t, r, "op-1", &cluster.Failure{Code: "Invalid", Message: "no"})
	is("a", "b", "c")
	if err := declare(t, r, "op-2", d); err != nil {
		t.Fatal(err)
	}
	applied(t, r, "op-2", nil)
	is("a", "b")
}

func TestForgetCluster_TakesDeclarationsAndDriftWithIt(t *testing.T) {
	r, table := openRecords(t)
	createCluster(t, r, "id-1", "orders")
	if err := declare(t, r, "op-1", cluster.Declaration{Topics: declaredTopics("a")}); err != nil {
		t.Fatal(err)
	}
	applied(t, r, "op-1", nil)
	drift := cluster.TopicDrift{Declaration: "op-1", At: noon, Since: noon, Count: 1, Topics: []cluster.DriftedTopic{{Topic: "a", Reason: "does not exist"}}}
	if err := r.PutTopicDrift(t.Context(), "id-1", drift); err != nil {
		t.Fatal(err)
	}
	if got, err := r.TopicDrift(t.Context(), "id-1"); err != nil || !reflect.DeepEqual(got, drift) {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := r.ForgetCluster(t.Context(), "id-1"); err != nil {
		t.Fatal(err)
	}
	// Somebody who has begun to look before comes late.
	if err := r.PutTopicDrift(t.Context(), "id-1", cluster.TopicDrift{At: noon.Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	if left := table.left(t); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
	if _, err := r.TopicDrift(t.Context(), "id-1"); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

// Looks that began before an application has ended may come to their end after it.
func TestPutTopicDrift_KeepsTheLatestLook(t *testing.T) {
	r, _ := openRecords(t)
	createCluster(t, r, "id-1", "orders")
	latest := cluster.TopicDrift{Declaration: "op-2", At: noon.Add(time.Minute)}
	for _, d := range []cluster.TopicDrift{{Declaration: "op-1", At: noon.Add(-time.Minute)}, latest, {Declaration: "op-1", At: noon}} {
		if err := r.PutTopicDrift(t.Context(), "id-1", d); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := r.TopicDrift(t.Context(), "id-1"); err != nil || !reflect.DeepEqual(got, latest) {
		t.Errorf("got %+v, %v", got, err)
	}
}
