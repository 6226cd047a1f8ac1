package records_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/local/localtest"
	"github.com/millrace/millrace/shared/records"
)

var noon = time.Date(2026, 9, 20, 12, 0, 0, 0, time.UTC)

func look(id string, at time.Time, breaker string) cluster.Health {
	return cluster.Health{ClusterID: id, LookedAt: at, Breaker: breaker}
}

func TestHealth_ALaterLookIsNotOverwrittenByAnEarlierOne(t *testing.T) {
	r := records.Records{Table: localtest.NewTable(t)}
	if _, err := r.Health(t.Context(), "c"); !fault.Is(err, fault.NotFound) {
		t.Fatalf("before anybody looked: %v", err)
	}
	for _, h := range []cluster.Health{look("c", noon, "first"), look("c", noon.Add(time.Minute), "later"), look("c", noon, "late to come")} {
		if err := r.PutHealth(t.Context(), h); err != nil {
			t.Fatal(err)
		}
	}
	if h, err := r.Health(t.Context(), "c"); err != nil || h.Breaker != "later" {
		t.Errorf("%+v, %v", h, err)
	}
}

func TestHealth_ALookByAClockThatWasSetBackIsRecorded(t *testing.T) {
	r := records.Records{Table: localtest.NewTable(t)}
	for _, h := range []cluster.Health{look("c", noon.Add(time.Hour), "by a clock that is fast"), look("c", noon, "by a clock that is right")} {
		if err := r.PutHealth(t.Context(), h); err != nil {
			t.Fatal(err)
		}
	}
	if h, err := r.Health(t.Context(), "c"); err != nil || h.Breaker != "by a clock that is right" {
		t.Errorf("%+v, %v", h, err)
	}
}

func TestAllHealth_IsOfEveryClusterUntilItIsForgotten(t *testing.T) {
	r := records.Records{Table: localtest.NewTable(t)}
	for _, id := range []string{"a", "b"} {
		if err := r.PutHealth(t.Context(), look(id, noon, "")); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := r.AllHealth(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("%+v, %v", all, err)
	}
	if err := r.ForgetHealth(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if all, err := r.AllHealth(t.Context()); err != nil || len(all) != 1 || all[0].ClusterID != "b" {
		t.Errorf("%+v, %v", all, err)
	}
}

// heal begins a heal of a new cluster of that name and gives the turn that it has.
func heal(t *testing.T, r records.Records, turn int64, name string, at time.Time) (int64, error) {
	t.Helper()
	id := fmt.Sprintf("op-%s", name)
	c := cluster.Cluster{ID: "c-" + name, Name: name, Ready: true}
	if err := r.CreateCluster(t.Context(), c, cluster.Operation{ID: "0", ClusterID: c.ID}); err != nil {
		t.Fatal(err)
	}
	op := cluster.Operation{ID: id, ClusterID: c.ID, Type: cluster.HealBroker, CreatedAt: at, Heal: &cluster.Heal{NodeID: 2}}
	return r.StartHeal(t.Context(), turn, c.ID, op, func(c *cluster.Cluster) error {
		c.Active = &cluster.ActiveOperation{ID: id, Type: op.Type}
		return nil
	})
}

func TestStartHeal_IsRefusedWhenAnotherHealWasBegunSinceTheLook(t *testing.T) {
	r := records.Records{Table: localtest.NewTable(t)}
	looked, err := r.HealTurn(t.Context())
	if err != nil || looked != 0 {
		t.Fatalf("before the first heal: turn %d, %v", looked, err)
	}
	next, err := heal(t, r, looked, "orders", noon)
	if err != nil {
		t.Fatal(err)
	}
	if turn, err := r.HealTurn(t.Context()); err != nil || turn != next {
		t.Errorf("turn %d after a heal of turn %d: %v", turn, next, err)
	}
	if _, err := heal(t, r, looked, "late", noon); !fault.Is(err, fault.Conflict) {
		t.Errorf("on an earlier look: %v", err)
	}
	if c, err := r.Cluster(t.Context(), "c-late"); err != nil || c.Active != nil {
		t.Errorf("what was refused left its mark: %+v, %v", c.Active, err)
	}
	if _, err := heal(t, r, next, "next", noon); err != nil {
		t.Errorf("on a later look: %v", err)
	}
}

func TestHealsSince_AreTheHealsOfATimeAndLater(t *testing.T) {
	r := records.Records{Table: localtest.NewTable(t)}
	c := cluster.Cluster{ID: "c", Name: "orders", Ready: true}
	if err := r.CreateCluster(t.Context(), c, cluster.Operation{ID: "0", ClusterID: "c", Type: cluster.CreateCluster, CreatedAt: noon}); err != nil {
		t.Fatal(err)
	}
	const many = 500 // more than a page
	for i := range many {
		at := noon.Add(time.Duration(i) * time.Minute)
		id, err := cluster.NewOperationID(at, zeros{})
		if err != nil {
			t.Fatal(err)
		}
		op := cluster.Operation{ID: id, ClusterID: "c", Type: cluster.HealBroker, CreatedAt: at, Heal: &cluster.Heal{NodeID: 2}}
		if i%2 == 1 {
			op.Type, op.Heal = cluster.DeleteCluster, nil
		}
		if _, err := r.StartOperation(t.Context(), "c", op, func(*cluster.Cluster) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	since := noon.Add(100 * time.Minute)
	heals, err := r.HealsSince(t.Context(), "c", since)
	if err != nil || len(heals) != (many-100)/2 || !heals[0].CreatedAt.Equal(since) {
		t.Errorf("%d heals, the first of %v: %v", len(heals), heals[0].CreatedAt, err)
	}
}

// zeros is no randomness at all.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
