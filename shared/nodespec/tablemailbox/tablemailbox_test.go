package tablemailbox_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/nodespec/mailboxtest"
	"github.com/millrace/millrace/shared/nodespec/tablemailbox"
	"github.com/millrace/millrace/shared/platform/local/localtest"
	"github.com/millrace/millrace/shared/records"
)

const (
	hostID = mailboxtest.HostID
	role   = "AROAABCDEFGHIJKLMNOPQ" // as long as role ids are
)

// hostsTable lets through what a host on AWS may do, counts it, and can be broken.
type hostsTable struct {
	t *testing.T
	records.Table

	mu     sync.Mutex
	broken bool
	looks  int
	writes map[string]int // by sort key
	bytes  map[string]int // of the last item, by sort key
}

func (h *hostsTable) Get(ctx context.Context, key records.Key) (records.Item, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if key.Partition != "spec#"+role+":"+hostID {
		h.t.Errorf("a host may not read %s", key.Partition)
	}
	h.looks++
	if h.broken {
		return records.Item{}, fault.New(fault.Unavailable, "request timed out")
	}
	return h.Table.Get(ctx, key)
}

func (h *hostsTable) Write(ctx context.Context, writes ...records.Write) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken {
		return fault.New(fault.Unavailable, "request timed out")
	}
	w := writes[0]
	if len(writes) != 1 || w.Key.Partition != "beat#"+role+":"+hostID || w.If != records.Always() || w.Delete {
		h.t.Errorf("a host may not write %+v", writes)
	}
	h.writes[w.Key.Sort]++
	h.bytes[w.Key.Sort] = sizeOf(w)
	return h.Table.Write(ctx, w)
}

func (h *hostsTable) Query(context.Context, string, string, string, int) ([]records.Item, error) {
	h.t.Error("a host may not query")
	return nil, nil
}

// wrote gives the writes since it was last called.
func (h *hostsTable) wrote() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer clear(h.writes)
	var parts []string
	for _, sort := range slices.Sorted(maps.Keys(h.writes)) {
		parts = append(parts, fmt.Sprintf("%d %s", h.writes[sort], sort))
	}
	return strings.Join(parts, ", ")
}

// looked gives the looks since it was last called.
func (h *hostsTable) looked() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer func() { h.looks = 0 }()
	return h.looks
}

// sizeOf is what DynamoDB counts of an item: names and values as UTF-8, a number as a byte for two digits and one more.
func sizeOf(w records.Write) int {
	const names, revision, expires = len("pk" + "sk" + "rev" + "body" + "expires"), 11, 6
	return len(w.Key.Partition) + len(w.Key.Sort) + len(w.Body) + names + revision + expires
}

// site is one host in a bubble of virtual time, and the control plane.
type site struct {
	*hostsTable
	controlPlane records.Records
	mailbox      *tablemailbox.Mailbox
}

func bubble(t *testing.T, test func(t *testing.T, s site)) {
	table := localtest.NewTable(t)
	synctest.Test(t, func(t *testing.T) {
		h := &hostsTable{t: t, Table: table, writes: map[string]int{}, bytes: map[string]int{}}
		test(t, site{
			hostsTable:   h,
			controlPlane: records.Records{Table: table, HostRole: role},
			mailbox:      tablemailbox.New(hostID, records.Records{Table: h, HostRole: role}),
		})
	})
}

func (s site) beat(t *testing.T, beat nodespec.Heartbeat) {
	t.Helper()
	beat.HostID, beat.At = hostID, time.Now()
	if err := s.mailbox.Beat(t.Context(), beat); err != nil {
		t.Fatal(err)
	}
}

func TestMailbox_KeepsThePromisesOfEveryMailbox(t *testing.T) {
	for _, promise := range mailboxtest.Promises {
		t.Run(promise.Name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s site) {
				promise.Check(t, mailboxtest.Link{
					Mailbox: s.mailbox,
					PutSpec: func(spec nodespec.Spec) {
						if err := s.controlPlane.PutSpec(t.Context(), hostID, spec); err != nil {
							t.Error(err)
						}
					},
					Beat: func() (nodespec.Heartbeat, bool) {
						beat, ok, err := s.controlPlane.Beat(t.Context(), hostID)
						if err != nil {
							t.Error(err)
						}
						return beat, ok
					},
					Break: func(broken bool) {
						s.mu.Lock()
						defer s.mu.Unlock()
						s.broken = broken
					},
				})
			})
		})
	}
}

func TestSpec_IsLookedForOftenOnTheWayAndSeldomInPeace(t *testing.T) {
	bubble(t, func(t *testing.T, s site) {
		follow := func(during time.Duration) int {
			for until := time.Now().Add(during); time.Now().Before(until); {
				if _, ok, err := s.mailbox.Spec(t.Context(), 0); ok || err != nil {
					t.Fatalf("ok=%t, err=%v", ok, err)
				}
			}
			return s.looked()
		}
		if looks := follow(time.Minute); looks < 60 || looks > 61 {
			t.Errorf("%d looks in a minute before the first heartbeat, want one each second", looks)
		}
		s.beat(t, nodespec.Heartbeat{State: nodespec.Running})
		if looks := follow(10 * time.Minute); looks < 13 || looks > 14 {
			t.Errorf("%d looks in ten minutes of peace, want one each 45 s", looks)
		}
		s.beat(t, nodespec.Heartbeat{State: nodespec.Starting})
		if looks := follow(time.Minute); looks < 60 || looks > 61 {
			t.Errorf("%d looks in a minute of trouble, want one each second", looks)
		}
	})
}

func TestSpec_WhoWaitsInPeaceLooksAtOnceWhenTheNodeGetsIntoTrouble(t *testing.T) {
	bubble(t, func(t *testing.T, s site) {
		s.beat(t, nodespec.Heartbeat{State: nodespec.Running})
		if err := s.controlPlane.PutSpec(t.Context(), hostID, nodespec.Spec{Generation: 1}); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := s.mailbox.Spec(t.Context(), 0); !ok || err != nil {
			t.Fatalf("ok=%t, err=%v", ok, err)
		}
		began := time.Now()
		told := make(chan struct{})
		time.AfterFunc(2*time.Second, func() {
			defer close(told)
			s.beat(t, nodespec.Heartbeat{State: nodespec.Failing})
		})
		time.AfterFunc(time.Second, func() {
			if err := s.controlPlane.PutSpec(t.Context(), hostID, nodespec.Spec{Generation: 2}); err != nil {
				t.Error(err)
			}
		})
		spec, ok, err := s.mailbox.Spec(t.Context(), 1)
		if took := time.Since(began); spec.Generation != 2 || !ok || err != nil || took != 2*time.Second {
			t.Errorf("generation %d, %t, %v after %v; want 2 after 2s", spec.Generation, ok, err, took)
		}
		<-told
	})
}

func TestSpec_EndsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T, s site) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		if _, ok, err := s.mailbox.Spec(ctx, 0); ok || err == nil || time.Since(began) != 3*time.Second {
			t.Errorf("ok=%t, err=%v after %v", ok, err, time.Since(began))
		}
	})
}

func TestBeat_CostsOneWriteUnlessItIsNews(t *testing.T) {
	bubble(t, func(t *testing.T, s site) {
		want := func(what, writes string) {
			t.Helper()
			if got := s.wrote(); got != writes {
				t.Errorf("%s: wrote %q, want %q", what, got, writes)
			}
		}
		s.beat(t, nodespec.Heartbeat{State: nodespec.Running, SigningRequest: "mine"})
		want("the first heartbeat", "1 last, 1 news, 1 request")
		for range 100 {
			time.Sleep(30 * time.Second)
			s.beat(t, nodespec.Heartbeat{State: nodespec.Running, SigningRequest: "mine"})
		}
		want("a hundred in peace", "100 last")
		s.beat(t, nodespec.Heartbeat{State: nodespec.Starting, SigningRequest: "mine"})
		want("another state", "1 last, 1 news")
		s.beat(t, nodespec.Heartbeat{State: nodespec.Starting, SigningRequest: "another"})
		want("another key", "1 last, 1 request")
		time.Sleep(24 * time.Hour)
		s.beat(t, nodespec.Heartbeat{State: nodespec.Starting, SigningRequest: "another"})
		want("a day later, before anything expires", "1 last, 1 news, 1 request")
	})
}

func TestBeat_NewsThatDidNotArriveIsToldByTheNextOne(t *testing.T) {
	bubble(t, func(t *testing.T, s site) {
		s.beat(t, nodespec.Heartbeat{State: nodespec.Starting, SigningRequest: "mine"})
		s.wrote()
		s.broken = true
		if err := s.mailbox.Beat(t.Context(), nodespec.Heartbeat{HostID: hostID, State: nodespec.Running}); !fault.Is(err, fault.Unavailable) {
			t.Errorf("err = %v, want Unavailable", err)
		}
		s.broken = false
		s.beat(t, nodespec.Heartbeat{State: nodespec.Running})
		if got := s.wrote(); got != "1 last, 1 news" {
			t.Errorf("wrote %q", got)
		}
	})
}

// DynamoDB charges a write by the kilobyte, and heartbeats are most of what an idle cluster writes.
func TestBeat_TakesAtMostAKilobyte(t *testing.T) {
	end := time.Date(2027, 11, 27, 12, 30, 0, 123456789, time.UTC)
	broker := nodespec.Heartbeat{
		Cluster: strings.Repeat("c", 64), NodeID: math.MaxInt32, Role: nodespec.Broker,
		Generation: math.MaxInt64, State: nodespec.Preparing,
		FailedStarts: 1e6, Restarts: 1e6, CertificateEnds: &end,
		Process:     &nodespec.Process{PID: math.MaxInt32, Release: "10.10.10", StartedAt: end},
		Disk:        &nodespec.Disk{TotalBytes: 1 << 62, UsedBytes: 1 << 62, WriteMillis: math.MaxInt32},
		Replication: &nodespec.Replication{Leads: 1e5, UnderReplicated: 1e5, Offline: 1e5, OutOfSync: map[int32]int{}},
	}
	broker.Process.HeldSince = &end
	for id := range int32(60) {
		broker.Brokers = append(broker.Brokers, 100+id) // MSK's most brokers, each replaced a few times
		broker.Replication.OutOfSync[100+id] = 1e4 + int(id)
	}
	silent := broker
	silent.Replication, silent.SilentSince = nil, &end
	controller := silent
	controller.Role, controller.Brokers = nodespec.Controller, nil
	controller.Quorum = &nodespec.Quorum{CaughtUp: []int32{1001, 1002}, Behind: []int32{1003, 1004, 1005}}
	for _, reason := range []string{"", "a reason", strings.Repeat("x", 10_000), strings.Repeat("\x00<é", 10_000)} {
		for _, largest := range []nodespec.Heartbeat{broker, silent, controller} {
			largest.Reason, largest.SigningRequest = reason, strings.Repeat("s", 2000)
			bubble(t, func(t *testing.T, s site) {
				s.beat(t, largest)
				if size := s.bytes[records.LastBeat]; size > 1024 {
					t.Errorf("a heartbeat with a reason of %d bytes takes %d", len(reason), size)
				}
				beat, _, err := s.controlPlane.Beat(t.Context(), hostID)
				if err != nil || len(beat.Brokers) != len(largest.Brokers) || reason != "" && beat.Reason == "" {
					t.Errorf("arrived: %+v, %v", beat, err)
				}
				if beat.Replication != nil && beat.Replication.OutOfSync[159] != 1e4+59 {
					t.Errorf("the broker that is most out of sync is not among %v", beat.Replication.OutOfSync)
				}
			})
		}
	}
}
