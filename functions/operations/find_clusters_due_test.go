package operations_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/functions/operations"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/platform/local/localtest"
	"github.com/millrace/millrace/shared/records"
)

func TestFindClustersDue_PassesByWhereThereIsNothingToDo(t *testing.T) {
	on := records.Records{Table: localtest.NewTable(t)}
	add := func(name string, c cluster.Cluster, access *records.KafkaAccess) {
		c.ID, c.Name = name, name
		op := cluster.Operation{ID: "op", ClusterID: c.ID, Type: cluster.CreateCluster, State: cluster.Complete, CreatedAt: now}
		if err := on.CreateCluster(t.Context(), c, op); err != nil {
			t.Fatal(err)
		}
		if access != nil {
			if err := on.PutKafkaAccess(t.Context(), c.ID, *access); err != nil {
				t.Fatal(err)
			}
		}
	}
	serving, declared := cluster.Cluster{Ready: true}, cluster.Cluster{Ready: true, Declaration: "op-7"}
	long := &records.KafkaAccess{Ends: now.Add(records.AccessLife/2 + time.Second)}
	add("at rest", serving, long)
	add("by password", serving, &records.KafkaAccess{User: "kafka", Password: "secret"})
	add("ending", serving, &records.KafkaAccess{Ends: now.Add(records.AccessLife / 2)})
	add("without access", serving, nil)
	add("declared", declared, long)
	add("declared and ended", declared, &records.KafkaAccess{Ends: now.Add(-time.Hour)})
	add("not made yet", cluster.Cluster{}, nil)
	add("failed", cluster.Cluster{Ready: true, Failure: &cluster.Failure{}, Declaration: "op-7"}, nil)

	step := operations.FindClustersDue{Records: on, Now: func() time.Time { return now }}
	out, err := step.Run(t.Context(), operations.FindClustersDueInput{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range out.Clusters {
		got = append(got, fmt.Sprintf("%s: renew %v, declared %v", c.ClusterID, c.Renew, c.Declared))
	}
	want := []string{
		"declared: renew false, declared true", "declared and ended: renew true, declared true", "ending: renew true, declared false",
		"without access: renew true, declared false",
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("due are %q, want %q", got, want)
	}
}

// Some clusters may keep a sweep waiting until it is over.
func TestFindClustersDue_PutsEachClusterFirstSoonerOrLater(t *testing.T) {
	on := records.Records{Table: localtest.NewTable(t)}
	names := []string{"a", "b", "c", "d", "e"}
	for _, name := range names {
		op := cluster.Operation{ID: "op", ClusterID: name, Type: cluster.CreateCluster, State: cluster.Complete, CreatedAt: now}
		if err := on.CreateCluster(t.Context(), cluster.Cluster{ID: name, Name: name, Ready: true}, op); err != nil {
			t.Fatal(err)
		}
	}
	first := map[string]bool{}
	for sweep := range 60 {
		at := now.Add(time.Duration(sweep) * 5 * time.Minute) // as many minutes as there are clusters
		out, err := operations.FindClustersDue{Records: on, Now: func() time.Time { return at }}.Run(t.Context(), operations.FindClustersDueInput{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range out.Clusters {
			got = append(got, c.ClusterID)
		}
		first[got[0]] = true
		if slices.Sort(got); !slices.Equal(got, names) {
			t.Fatalf("due are %q", got)
		}
	}
	if len(first) != len(names) {
		t.Errorf("only these were ever first: %v", first)
	}
}
