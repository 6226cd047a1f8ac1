package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/shared/bill"
	"github.com/millrace/millrace/shared/cluster"
)

func TestCost_ShowsBothBillsAndSaysWhichIsCheaper(t *testing.T) {
	var out, errors bytes.Buffer
	a := &app{out: &out, err: &errors}
	if code := a.run(t.Context(), []string{"cost", "--traffic-mb-s", "3"}); code != 0 {
		t.Fatalf("exit code %d: %s", code, &errors)
	}
	for _, want := range []string{"$178.70", "$446.76", "Traffic: replication", "MSK is the cheaper one", "Control plane at rest"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

func TestCost_TakesTheShapeOfACluster(t *testing.T) {
	node := func(role cluster.Role, zone string) client.Node { return client.Node{Role: role, Zone: zone} }
	found := client.Cluster{
		InstanceType: "kafka.m7g.xlarge", VolumeGiB: 250,
		Nodes: []client.Node{
			node(cluster.Broker, "use1-az1"), node(cluster.Broker, "use1-az2"), node(cluster.Broker, "use1-az1"),
			node(cluster.Broker, "use1-az2"), node(cluster.Controller, "use1-az4"),
		},
	}
	got := bill.Cluster{WrittenMBs: 2, Consumers: 5}
	takeShape(found, &got)
	want := bill.Cluster{
		Brokers: 4, InstanceType: "kafka.m7g.xlarge", VolumeGiB: 250, Controllers: 1, Zones: 2, PlainInside: true,
		WrittenMBs: 2, Consumers: 5,
	}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
