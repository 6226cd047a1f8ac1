package placement_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/placement"
)

// plan gives the nodes of a cluster as "id@rack", brokers first.
func plan(brokers, controllers int, subnets, zones []string) []string {
	nodes := placement.NewNodes(cluster.Cluster{
		ID: "c", Spec: cluster.Spec{Brokers: brokers, Controllers: controllers, Subnets: subnets},
	}, zones)
	var plan []string
	for _, n := range nodes {
		plan = append(plan, fmt.Sprintf("%d@%s", n.ID, n.Rack))
	}
	return plan
}

func TestNewNodes(t *testing.T) {
	abc, zones := []string{"subnet-a", "subnet-b", "subnet-c"}, []string{"z1", "z2", "z3"}
	for _, tt := range []struct {
		name                 string
		brokers, controllers int
		subnets, zones       []string
		want                 []string
	}{
		{"one broker for each zone", 3, 1, abc, zones, []string{"1@z1", "2@z2", "3@z3", "1001@z1"}},
		{
			"every zone has as many brokers as the next", 6, 3, abc, zones,
			[]string{"1@z1", "2@z2", "3@z3", "4@z1", "5@z2", "6@z3", "1001@z1", "1002@z2", "1003@z3"},
		},
		{
			"controllers are as far apart as two zones let them", 2, 3, abc[:2], zones[:2],
			[]string{"1@z1", "2@z2", "1001@z1", "1002@z2", "1003@z1"},
		},
		{
			"the order of the subnets does not matter", 3, 1,
			[]string{"subnet-c", "subnet-a", "subnet-b"},
			[]string{"z3", "z1", "z2"},
			[]string{"1@z1", "2@z2", "3@z3", "1001@z1"},
		},
		{"a zone keeps its subnet's name, not its place", 2, 0, []string{"subnet-b", "subnet-a"}, []string{"z9", "z5"}, []string{"1@z5", "2@z9"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := plan(tt.brokers, tt.controllers, tt.subnets, tt.zones); !slices.Equal(got, tt.want) {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

func TestNewNodes_SayWhoAndWhereTheyAre(t *testing.T) {
	nodes := placement.NewNodes(cluster.Cluster{
		ID: "c", Spec: cluster.Spec{Brokers: 1, Controllers: 1, Subnets: []string{"subnet-a"}},
	}, []string{"z1"})
	want := []cluster.Node{
		{ClusterID: "c", ID: 1, Role: cluster.Broker, Subnet: "subnet-a", Rack: "z1"},
		{ClusterID: "c", ID: 1001, Role: cluster.Controller, Subnet: "subnet-a", Rack: "z1"},
	}
	if !slices.Equal(nodes, want) {
		t.Errorf("%+v, want %+v", nodes, want)
	}
}
