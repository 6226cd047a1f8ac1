package compute

import (
	"strings"

	"github.com/millrace/millrace/shared/cluster"
)

// controllerType is the instance type of every controller: a metadata log is small, whatever the brokers hold.
const controllerType = "t4g.small"

// memoryMiB is the memory of the instance types that hosts can have, all of them arm64 as the hosts' image is.
var memoryMiB = map[string]int{
	"t4g.small":    2 << 10,
	"m7g.large":    8 << 10,
	"m7g.xlarge":   16 << 10,
	"m7g.2xlarge":  32 << 10,
	"m7g.4xlarge":  64 << 10,
	"m7g.8xlarge":  128 << 10,
	"m7g.12xlarge": 192 << 10,
	"m7g.16xlarge": 256 << 10,
}

// Heaps: Kafka lives from the page cache, so a heap takes half of the memory at most, and no more than a broker of MSK's
// size can use.
const (
	leastHeapMiB     = 1 << 10
	mostBrokerHeap   = 6 << 10
	controllerHeap   = 1 << 10
	heapPartOfMemory = 2
)

// HeapMiB is the maximum heap of a node of an instance type, as MSK names it.
func HeapMiB(instanceType string, role cluster.Role) int {
	if role == cluster.Controller {
		return controllerHeap
	}
	return min(max(memoryMiB[hostType(instanceType, role)]/heapPartOfMemory, leastHeapMiB), mostBrokerHeap)
}

// hostType is EC2's name of the type that a node's host has.
func hostType(instanceType string, role cluster.Role) string {
	if role == cluster.Controller {
		return controllerType
	}
	return strings.TrimPrefix(instanceType, "kafka.")
}
