package local_test

import (
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/platform/local"
)

// stateChanges is an event for every heartbeat with another state than the one before.
func stateChanges(before *nodespec.Heartbeat, now nodespec.Heartbeat) []cluster.HostEvent {
	if before != nil && before.State == now.State {
		return nil
	}
	return []cluster.HostEvent{{Type: cluster.NodeInTrouble, Cluster: now.Cluster, Host: now.HostID}}
}

func wantNames(t *testing.T, heard *local.Listener, want ...string) {
	t.Helper()
	select {
	case <-heard.Woken():
		if len(want) == 0 {
			t.Error("woken for nothing")
		}
	default:
		if len(want) > 0 {
			t.Error("nobody is woken")
		}
	}
	if got := heard.Take(); !slices.Equal(got, want) {
		t.Errorf("to be looked at: %v, want %v", got, want)
	}
}

func TestBus_NamesTheClustersOfWhichSomethingIsNew(t *testing.T) {
	bus := local.NewBus(stateChanges)
	heard := bus.Listen()
	hear := func(host, clusterName string, state nodespec.State) {
		bus.Heard(t.Context(), nodespec.Heartbeat{HostID: host, Cluster: clusterName, State: state})
	}
	wantNames(t, heard)
	hear("h-1", "orders", nodespec.Running)
	hear("h-2", "payments", nodespec.Running)
	hear("h-3", "orders", nodespec.Running)
	wantNames(t, heard, "orders", "payments")
	hear("h-1", "orders", nodespec.Running)
	hear("h-2", "payments", nodespec.Running)
	wantNames(t, heard)
	hear("h-2", "payments", nodespec.Failing)
	wantNames(t, heard, "payments")
	bus.Died("h-3", cluster.HostRequest{ClusterName: "orders"})
	wantNames(t, heard, "orders")
}

func TestBus_NeverMakesAHostWait(t *testing.T) {
	bus := local.NewBus(stateChanges)
	heard := bus.Listen()
	for i := range 1000 { // and nobody takes a name
		bus.Heard(t.Context(), nodespec.Heartbeat{
			HostID: "h-1", Cluster: "orders", State: []nodespec.State{nodespec.Running, nodespec.Failing}[i%2],
		})
	}
	wantNames(t, heard, "orders")
}

func TestBus_ForgetsHostsThatWereNotHeardForLong(t *testing.T) {
	bus := local.NewBus(stateChanges)
	heard := bus.Listen()
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	bus.Heard(t.Context(), nodespec.Heartbeat{HostID: "h-1", Cluster: "orders", At: now})
	bus.Heard(t.Context(), nodespec.Heartbeat{HostID: "h-2", Cluster: "payments", At: now.Add(2 * time.Hour)})
	wantNames(t, heard, "orders", "payments")
	bus.Heard(t.Context(), nodespec.Heartbeat{HostID: "h-1", Cluster: "orders", At: now.Add(2 * time.Hour)})
	wantNames(t, heard, "orders")
}

func TestBus_TellsEveryListener(t *testing.T) {
	bus := local.NewBus(stateChanges)
	health, storage := bus.Listen(), bus.Listen()
	bus.Died("h-1", cluster.HostRequest{ClusterName: "orders"})
	wantNames(t, health, "orders")
	bus.Died("h-2", cluster.HostRequest{ClusterName: "payments"})
	wantNames(t, storage, "orders", "payments")
	wantNames(t, health, "payments")
}
