package health_test

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/health"
)

func TestJudgeJoin(t *testing.T) {
	broker := func(id int32, change func(*health.Seen)) health.Seen {
		s := health.Seen{
			Node:  cluster.Node{ID: id, Role: cluster.Broker},
			Known: true, Running: true, Brokers: []int32{1, 2},
		}
		if change != nil {
			change(&s)
		}
		return s
	}
	controller := health.Seen{Node: cluster.Node{ID: 1001, Role: cluster.Controller}, Known: true, Running: true}

	for _, tt := range []struct {
		name    string
		second  func(*health.Seen) // what is odd about broker 2
		done    bool
		waiting string
		failed  string
	}{
		{"every broker lists every other", nil, true, "", ""},
		{
			"a host was not heard of", func(s *health.Seen) { *s = health.Seen{Node: s.Node} },
			false, "broker 2: its host has not reported yet", "",
		},
		{
			"a broker says what it waits for", func(s *health.Seen) { s.Running, s.Reason = false, "downloading Kafka 4.1.2" },
			false, "broker 2: downloading Kafka 4.1.2", "",
		},
		{
			"a broker runs alone", func(s *health.Seen) { s.Brokers = []int32{2} },
			false, "broker 2: does not list broker 1 yet", "",
		},
		{
			"a first start failed", func(s *health.Seen) { s.Running, s.Failing, s.FailedStarts, s.Reason = false, true, 1, "no quorum" },
			false, "broker 2: no quorum", "",
		},
		{
			"three starts failed",
			func(s *health.Seen) {
				s.Running, s.Failing, s.FailedStarts, s.Reason = false, true, 3, "Address already in use"
			},
			false, "", "broker 2 does not start (3 attempts): Address already in use",
		},
		{
			"the agent refuses", func(s *health.Seen) { s.Running, s.Stopped, s.Reason = false, true, "the volume is another node's" },
			false, "", "broker 2 does not run: the volume is another node's",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := health.JudgeJoin([]health.Seen{broker(1, nil), broker(2, tt.second), controller})
			if got.Done != tt.done || !strings.Contains(got.Waiting, tt.waiting) || got.Failed != tt.failed {
				t.Errorf("%+v", got)
			}
			if (got.Waiting == "") != (tt.waiting == "") && tt.failed == "" {
				t.Errorf("waits for %q", got.Waiting)
			}
		})
	}
}

func TestJudgeJoin_NamesOneOfManyThatWait(t *testing.T) {
	silent := func(id int32) health.Seen { return health.Seen{Node: cluster.Node{ID: id, Role: cluster.Broker}} }
	for want, nodes := range map[string][]health.Seen{
		"broker 1: its host has not reported yet":              {silent(1)},
		"broker 1: its host has not reported yet (and 1 more)": {silent(1), silent(2)},
		"broker 1: its host has not reported yet (and 2 more)": {silent(1), silent(2), silent(3)},
	} {
		if got := health.JudgeJoin(nodes); got.Waiting != want || got.Done || got.Ready != 0 || got.Total != len(nodes) {
			t.Errorf("%+v, want %q", got, want)
		}
	}
}

// One node that can't start ends it, whatever the others wait for.
func TestJudgeJoin_TellsAFailureBeforeAWait(t *testing.T) {
	got := health.JudgeJoin([]health.Seen{
		{Node: cluster.Node{ID: 1, Role: cluster.Broker}},
		{Node: cluster.Node{ID: 1001, Role: cluster.Controller}, Known: true, Stopped: true, Reason: "the disk is full"},
	})
	if got.Failed != "controller 1001 does not run: the disk is full" || got.Done {
		t.Errorf("%+v", got)
	}
}
