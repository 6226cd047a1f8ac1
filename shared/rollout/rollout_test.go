package rollout_test

import (
	"testing"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/rollout"
)

func TestCanStop(t *testing.T) {
	for _, tt := range []struct {
		name   string
		broker int32
		leader int32
		isr    []int32 // of a partition on brokers 1, 2, 3 with min.insync.replicas=2
		want   string  // the reason to wait; empty when it is safe
	}{
		{"all replicas are in sync", 1, 1, []int32{1, 2, 3}, ""},
		{"the broker is one of the last two in sync", 1, 1, []int32{1, 2}, "orders-3 would keep 1 of 2 replicas in sync"},
		{"the broker has already left the ISR", 3, 1, []int32{1, 2}, ""},
		{"the partition is below min ISR without it", 3, 1, []int32{1}, ""},
		{"the broker is the last one in sync", 1, 1, []int32{1}, "orders-3 would keep 0 of 2 replicas in sync"},
		{"the partition has no leader, and the broker is the last one in sync", 1, -1, []int32{1}, ""},
		{"the broker has no replica of it", 4, 1, []int32{1, 2}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := rollout.CanStop(tt.broker, []cluster.Partition{
				{Topic: "quiet", Leader: 1, Replicas: []int32{1, 2, 3}, InSync: []int32{1, 2, 3}, MinInSync: 1},
				{Topic: "orders", ID: 3, Leader: tt.leader, Replicas: []int32{1, 2, 3}, InSync: tt.isr, MinInSync: 2},
			})
			if v.Reason != tt.want || v.Safe != (tt.want == "") {
				t.Errorf("%+v, want %q", v, tt.want)
			}
		})
	}
}

func TestCanStop_OfATopicThatNeedsOneReplica(t *testing.T) {
	for _, tt := range []struct {
		name string
		isr  []int32
		want string
	}{
		{"another one is in sync", []int32{1, 2}, ""},
		{"no other one is", []int32{1}, "logs-0 would keep 0 of 1 replicas in sync"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := cluster.Partition{Topic: "logs", Leader: 1, Replicas: []int32{1, 2}, InSync: tt.isr, MinInSync: 1}
			if v := rollout.CanStop(1, []cluster.Partition{p}); v.Reason != tt.want {
				t.Errorf("%+v, want %q", v, tt.want)
			}
		})
	}
}

func TestCanStop_AClusterWithoutTopicsLosesNothing(t *testing.T) {
	if v := rollout.CanStop(1, nil); !v.Safe {
		t.Errorf("%+v", v)
	}
}

func TestCanStopController(t *testing.T) {
	for _, tt := range []struct {
		name             string
		id               int32
		caughtUp, behind []int32
		want             string
	}{
		{"all of three are caught up", 1001, []int32{1001, 1002, 1003}, nil, ""},
		{"the one is behind", 1003, []int32{1001, 1002}, []int32{1003}, ""},
		{"another one is behind", 1001, []int32{1001, 1002}, []int32{1003}, "the quorum would keep 1 of 3 controllers that are caught up, and needs 2"},
		{"it leads alone", 1001, []int32{1001}, []int32{1002, 1003}, "the quorum would keep 0 of 3 controllers that are caught up, and needs 2"},
		{"the quorum has no majority, with or without it", 1003, []int32{1001}, []int32{1002, 1003}, "the quorum would keep 1 of 3 controllers that are caught up, and needs 2"},
		{"two of five may be missing", 1001, []int32{1001, 1002, 1003, 1004}, []int32{1005}, ""},
		{"it is alone", 1001, []int32{1001}, nil, "the quorum would keep 0 of 1 controllers that are caught up, and needs 1"},
		{"nothing is known of the quorum", 1001, nil, nil, "the quorum would keep 0 of 0 controllers that are caught up, and needs 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := rollout.CanStopController(tt.id, tt.caughtUp, tt.behind)
			if v.Reason != tt.want || v.Safe != (tt.want == "") {
				t.Errorf("%+v, want %q", v, tt.want)
			}
		})
	}
}
