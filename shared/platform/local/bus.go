package local

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
)

// Bus carries what happens to hosts to whoever looks after their clusters, in this process, as the stream and EventBridge do
// on AWS: it turns heartbeats into events, and events into the names of clusters that someone should look at.
//
// Telling it something never waits. However much is told of a cluster before somebody takes its name, that is one name: an
// event says no more than that looking is worth it.
type Bus struct {
	eventsOf func(before *nodespec.Heartbeat, now nodespec.Heartbeat) []cluster.HostEvent

	mu        sync.Mutex
	listeners []*Listener
	last      map[string]nodespec.Heartbeat // of every host that was heard lately
}

// Listener is somebody who looks after clusters in one respect. It is told of every event, and takes its time.
type Listener struct {
	woken chan struct{} // holds a signal while named is not empty
	mu    sync.Mutex
	named map[string]bool
}

// NewBus makes a bus. eventsOf is what a heartbeat tells that the one before it (nil for the first) did not.
func NewBus(eventsOf func(before *nodespec.Heartbeat, now nodespec.Heartbeat) []cluster.HostEvent) *Bus {
	return &Bus{eventsOf: eventsOf, last: map[string]nodespec.Heartbeat{}}
}

// Listen makes a listener, who hears what the bus is told from now on.
func (b *Bus) Listen() *Listener {
	l := &Listener{woken: make(chan struct{}, 1), named: map[string]bool{}}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.listeners = append(b.listeners, l)
	return l
}

// Heard tells the bus of a heartbeat.
func (b *Bus) Heard(ctx context.Context, beat nodespec.Heartbeat) {
	for _, e := range b.eventsOf(b.remember(beat), beat) {
		slog.InfoContext(ctx, "host event", "event", e.Type, "cluster", e.Cluster, "node", e.Node, "host", e.Host, "message", e.Message)
		b.name(e.Cluster)
	}
}

// Died tells the bus that a host has died, as EC2 tells of an instance that has changed its state.
func (b *Bus) Died(hostID string, launched cluster.HostRequest) {
	b.mu.Lock()
	delete(b.last, hostID)
	b.mu.Unlock()
	b.name(launched.ClusterName)
}

// forgottenAfter is how long the last heartbeat of a host is kept for the next one.
const forgottenAfter = time.Hour

// remember keeps a heartbeat for the next one of its host, and gives the one before it.
func (b *Bus) remember(beat nodespec.Heartbeat) (before *nodespec.Heartbeat) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if old, known := b.last[beat.HostID]; known {
		before = &old
	} else {
		maps.DeleteFunc(b.last, func(_ string, old nodespec.Heartbeat) bool { return beat.At.Sub(old.At) > forgottenAfter })
	}
	b.last[beat.HostID] = beat
	return before
}

func (b *Bus) name(clusterName string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.listeners {
		l.name(clusterName)
	}
}

func (l *Listener) name(clusterName string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.named[clusterName] = true
	select {
	case l.woken <- struct{}{}:
	default: // a signal is waiting already
	}
}

// Woken signals that there are names to take.
func (l *Listener) Woken() <-chan struct{} { return l.woken }

// Take gives the names of the clusters of which something was told since the last call.
func (l *Listener) Take() (clusters []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	clusters = slices.Sorted(maps.Keys(l.named))
	clear(l.named)
	return clusters
}
