// Package kafkatest stands in for a cluster's admin protocol where no Kafka can run: in tests of steps and state machines,
// and in the simulation.
package kafkatest

import (
	"context"
	"slices"
	"sync"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/kafka"
)

// Admin is one cluster, as its brokers would describe it. Its zero value is a cluster without topics.
type Admin struct {
	mu         sync.Mutex
	partitions []cluster.Partition
	fails      []error
	asked      []kafka.Access
}

// SetPartitions says what the cluster looks like from now on.
func (a *Admin) SetPartitions(partitions ...cluster.Partition) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.partitions = slices.Clone(partitions)
}

// FailNext lets the next questions fail, one with each error.
func (a *Admin) FailNext(faults ...error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fails = append(a.fails, faults...)
}

// Asked gives the access of every question so far.
func (a *Admin) Asked() []kafka.Access {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.asked)
}

// Partitions answers as kafka.Admin does.
func (a *Admin) Partitions(_ context.Context, access kafka.Access) ([]cluster.Partition, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, access)
	if len(a.fails) > 0 {
		err := a.fails[0]
		a.fails = a.fails[1:]
		return nil, err
	}
	return slices.Clone(a.partitions), nil
}
