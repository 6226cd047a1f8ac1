package main

import (
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/shared/cluster"
)

func TestShellQuote_GivesTheWordBack(t *testing.T) {
	for word, want := range map[string]string{
		"http://127.0.0.1:4600": "http://127.0.0.1:4600",
		"/srv/a b":              `'/srv/a b'`,
		"it's":                  `'it'\''s'`,
		"$(reboot)":             `'$(reboot)'`,
		"":                      `''`,
	} {
		if got := shellQuote(word); got != want {
			t.Errorf("%q is quoted as %s, want %s", word, got, want)
		}
	}
}

func TestTable_GivesEveryCellOneColumnOfOneLine(t *testing.T) {
	var out strings.Builder
	err := table(&out, []string{"A", "B", "C"}, [][]string{{"1", "", "two\n  lines"}, {"longer", "2", "x"}})
	if err != nil {
		t.Fatal(err)
	}
	const want = "A       B  C\n1       -  two lines\nlonger  2  x\n"
	if out.String() != want {
		t.Errorf("got:\n%swant:\n%s", out.String(), want)
	}
}

func TestProgress_NamesTheCause(t *testing.T) {
	ended := time.Now()
	starting := []client.Step{
		{Name: cluster.StepPlan, Status: cluster.StepCompleted, Percent: 100},
		{Name: cluster.StepStartKafka, Status: cluster.StepInProgress, Detail: "broker 1 starts; broker 2 starts; broker 3 starts"},
	}
	for _, tt := range []struct {
		name    string
		cluster client.Cluster
		want    string
	}{
		{
			"an operation waits for several nodes",
			client.Cluster{State: cluster.Creating, Operation: &client.Operation{Type: cluster.CreateCluster, Percent: 50, Steps: starting}},
			"CREATE_CLUSTER 50% START_KAFKA: broker 1 starts; and 2 more",
		},
		{
			"an operation has only been asked for",
			client.Cluster{State: cluster.Creating, Operation: &client.Operation{Type: cluster.CreateCluster}},
			"CREATE_CLUSTER 0% ",
		},
		{
			"nothing holds the cluster",
			client.Cluster{State: cluster.Active, Operation: &client.Operation{Type: cluster.CreateCluster, Percent: 100, EndedAt: &ended}},
			"  ",
		},
		{
			"the cluster has failed",
			client.Cluster{State: cluster.Failed, Failure: &client.Failure{Code: "Unavailable", Message: "broker 2: disk full"}},
			"  Unavailable: broker 2: disk full",
		},
	} {
		operation, done, detail := progress(tt.cluster)
		if got := operation + " " + done + " " + detail; got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
