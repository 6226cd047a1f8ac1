package compute_test

import (
	"testing"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/platform/aws/compute"
)

func TestHeapMiB_LeavesHalfOfTheMemoryToThePageCache(t *testing.T) {
	for _, tt := range []struct {
		instanceType string
		role         cluster.Role
		want         int
	}{
		{"kafka.m7g.large", cluster.Broker, 4096},
		{"kafka.m7g.xlarge", cluster.Broker, 6144},
		{"kafka.m7g.16xlarge", cluster.Broker, 6144},
		{"kafka.t4g.small", cluster.Broker, 1024},
		{"kafka.m7g.large", cluster.Controller, 1024},
	} {
		if got := compute.HeapMiB(tt.instanceType, tt.role); got != tt.want {
			t.Errorf("%s %s has a heap of %d MiB, want %d", tt.instanceType, tt.role, got, tt.want)
		}
	}
}
