// Package mailboxtest holds what every [nodespec.Mailbox] promises, as tests that each of them passes.
package mailboxtest

import (
	"reflect"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
)

// Link is the mailbox of the host [HostID], seen from both ends.
type Link struct {
	Mailbox nodespec.Mailbox
	// PutSpec is the control plane's: it replaces the host's spec.
	PutSpec func(nodespec.Spec)
	// Beat is what the control plane last heard of the host; ok is false while that is nothing.
	Beat func() (beat nodespec.Heartbeat, ok bool)
	// Break makes whatever lies between both ends fail until it is called with false.
	Break func(broken bool)
}

// HostID is the host whose mailbox a [Link] has.
const HostID = "i-0123456789abcdef0"

// Promise is one thing that every mailbox promises. Check may wait as long as the mailbox does, so a test with a virtual
// clock runs it in its bubble.
type Promise struct {
	Name  string
	Check func(t *testing.T, l Link)
}

// Promises are all of them.
var Promises = []Promise{
	{"carries a spec whole, once there is one", carriesSpecs},
	{"gives no spec again that the host has", givesNoSpecTwice},
	{"carries a heartbeat whole, its signing request too", carriesHeartbeats},
	{"keeps the last heartbeat, and the last signing request", keepsTheLast},
	{"does not let a host speak for another", refusesOthers},
	{"says that it does not answer, and carries on when it does again", comesBack},
}

func carriesSpecs(t *testing.T, l Link) {
	if _, ok, err := l.Mailbox.Spec(t.Context(), 0); ok || err != nil {
		t.Fatalf("a host without a spec: ok=%t, err=%v", ok, err)
	}
	want := nodespec.Spec{
		Generation: 2, Restarts: 1, Cluster: "orders", ClusterID: "AAAAAAAAAAAAAAAAAAAAAA", NodeID: 1, Role: nodespec.Broker, Release: "4.1.2",
		Volume: nodespec.Volume{
			New: true, DirectoryID: "BBBBBBBBBBBBBBBBBBBBBA",
			Users: []nodespec.ScramUser{{Name: "admin", Salt: []byte{0, 1}, StoredKey: []byte{2}, ServerKey: []byte{3}, Iterations: 4096}},
		},
		Properties: map[string]string{"node.id": "1", "odd": "<&\"\n☃>"},
		JVM:        nodespec.JVM{HeapMiB: 512, Lean: true}, Certificate: "PEM\n", Authority: "PEM\n",
	}
	l.PutSpec(want)
	got, ok, err := l.Mailbox.Spec(t.Context(), 1)
	if err != nil || !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("Spec = %+v, %t, %v; want %+v", got, ok, err, want)
	}
}

func givesNoSpecTwice(t *testing.T, l Link) {
	l.PutSpec(nodespec.Spec{Generation: 2})
	for above, want := range map[int64]bool{0: true, 1: true, 2: false, 3: false} {
		if spec, ok, err := l.Mailbox.Spec(t.Context(), above); ok != want || err != nil {
			t.Errorf("above %d: generation %d, %t, %v", above, spec.Generation, ok, err)
		}
	}
}

func carriesHeartbeats(t *testing.T, l Link) {
	if beat, ok := l.Beat(); ok {
		t.Fatalf("%+v of a host that never sent one", beat)
	}
	at := time.Date(2026, 11, 27, 12, 30, 0, 123456789, time.UTC)
	ends := at.AddDate(1, 0, 0)
	want := nodespec.Heartbeat{
		HostID: HostID, At: at, Cluster: "orders", NodeID: 1, Role: cluster.Broker,
		Generation: 3, State: nodespec.Running, Reason: "odd: <&\"\n☃>", FailedStarts: 2, Restarts: 1,
		SigningRequest: "PEM\n", CertificateEnds: &ends,
		Process: &nodespec.Process{PID: 7, Release: "4.1.2", StartedAt: at, HeldSince: &at},
		Brokers: []int32{1, 2, 3}, Disk: &nodespec.Disk{TotalBytes: 1 << 40, UsedBytes: 1 << 30, WriteMillis: 3},
		SilentSince: &at,
		Replication: &nodespec.Replication{Leads: 7, UnderReplicated: 2, OutOfSync: map[int32]int{2: 1, 3: 1}, Offline: 1},
		Quorum:      &nodespec.Quorum{CaughtUp: []int32{1001}, Behind: []int32{1002}},
	}
	if err := l.Mailbox.Beat(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if got, ok := l.Beat(); !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("heartbeat %+v, %t; want %+v", got, ok, want)
	}
}

func keepsTheLast(t *testing.T, l Link) {
	for _, beat := range []nodespec.Heartbeat{
		{HostID: HostID, State: nodespec.Waiting, SigningRequest: "first"},
		{HostID: HostID, State: nodespec.Running, SigningRequest: "first", Brokers: []int32{1}},
		{HostID: HostID, State: nodespec.Failing, SigningRequest: "second"},
	} {
		if err := l.Mailbox.Beat(t.Context(), beat); err != nil {
			t.Fatal(err)
		}
		if got, ok := l.Beat(); !ok || !reflect.DeepEqual(got, beat) {
			t.Errorf("heartbeat %+v, %t; want %+v", got, ok, beat)
		}
	}
}

func refusesOthers(t *testing.T, l Link) {
	if err := l.Mailbox.Beat(t.Context(), nodespec.Heartbeat{HostID: "i-2"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("err = %v, want Invalid", err)
	}
	if beat, ok := l.Beat(); ok {
		t.Errorf("taken: %+v", beat)
	}
}

func comesBack(t *testing.T, l Link) {
	l.PutSpec(nodespec.Spec{Generation: 1})
	beat := nodespec.Heartbeat{HostID: HostID, State: nodespec.Waiting, SigningRequest: "mine"}
	l.Break(true)
	if _, ok, err := l.Mailbox.Spec(t.Context(), 0); ok || !fault.Is(err, fault.Unavailable) {
		t.Errorf("Spec: ok=%t, err=%v; want Unavailable", ok, err)
	}
	if err := l.Mailbox.Beat(t.Context(), beat); !fault.Is(err, fault.Unavailable) {
		t.Errorf("Beat: err=%v, want Unavailable", err)
	}
	l.Break(false)
	if _, ok, err := l.Mailbox.Spec(t.Context(), 0); !ok || err != nil {
		t.Errorf("Spec: ok=%t, err=%v", ok, err)
	}
	if err := l.Mailbox.Beat(t.Context(), beat); err != nil {
		t.Error(err)
	}
	if got, ok := l.Beat(); !ok || !reflect.DeepEqual(got, beat) {
		t.Errorf("heartbeat %+v, %t; want %+v", got, ok, beat)
	}
}
