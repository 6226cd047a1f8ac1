package kafka

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/IBM/sarama"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

func TestLag_CountsWhatCanStillBeRead(t *testing.T) {
	at := cluster.TopicPartition{Topic: "payments"}
	for _, tt := range []struct {
		name                  string
		committed, begin, end int64
		want                  string
	}{
		{"some is unread", 4, 0, 10, "6"},
		{"all is read", 10, 0, 10, "0"},
		{"nothing was ever committed", -1, 0, 10, "unknown"},
		{"what is unread is not all kept any more", 4, 7, 10, "3"},
		{"nothing is kept any more", 4, 10, 10, "0"},
		{"the topic was made anew since", 100, 0, 10, "0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := cluster.GroupOffset{TopicPartition: at, Committed: tt.committed, Begin: -1, End: -1}
			count(&o, map[cluster.TopicPartition]offset{at: {at: tt.begin}}, map[cluster.TopicPartition]offset{at: {at: tt.end}})
			got := "unknown"
			if o.Lag != nil {
				got = fmt.Sprint(*o.Lag)
			}
			if got != tt.want || o.Begin != tt.begin || o.End != tt.end {
				t.Errorf("got %s of %+v, want %s", got, o, tt.want)
			}
		})
	}
	o := cluster.GroupOffset{TopicPartition: at, Committed: 4, Begin: -1, End: -1}
	if count(&o, nil, nil); o.Lag != nil || o.Begin != -1 || o.End != -1 {
		t.Errorf("without a leader it is %+v", o)
	}
}

func TestLooks_GoToTheGroupsThatTakeTheFewest(t *testing.T) {
	groups := map[string][]cluster.GroupOffset{}
	for group, unread := range map[string]int32{"none": 0, "few": 2, "same": 2, "many": 5} {
		for id := range int32(6) {
			lag := int64(0)
			if id < unread {
				lag = 3
			}
			groups[group] = append(groups[group], cluster.GroupOffset{
				TopicPartition: cluster.TopicPartition{Topic: strings.Replace(group, "same", "few", 1), ID: id}, Committed: 4, End: 4 + lag, Lag: &lag,
			})
		}
	}
	for most, want := range map[int]int{0: 0, 1: 0, 4: 2, 6: 2, 7: 7, 100: 7} { // few and same look at the same places
		if got := len(placesOf(groups, most)); got != want {
			t.Errorf("within %d looks there are %d, want %d", most, got, want)
		}
	}
}

func TestFetches_NameAPartitionOnceAndAreBounded(t *testing.T) {
	var places []place
	for p := range 7 {
		for o := range 3 {
			places = append(places, place{cluster.TopicPartition{Topic: "payments", ID: int32(p)}, int64(o)})
		}
	}
	requests := requestsFor(places, 5)
	seen := map[place]int{}
	for _, r := range requests {
		named := map[cluster.TopicPartition]bool{}
		for _, p := range r {
			if named[p.TopicPartition] {
				t.Errorf("%v is twice in %v", p.TopicPartition, r)
			}
			named[p.TopicPartition] = true
			seen[p]++
		}
		if len(r) > 5 {
			t.Errorf("%d partitions are in one request", len(r))
		}
	}
	if len(seen) != len(places) {
		t.Errorf("%d of %d places are looked at", len(seen), len(places))
	}
}

func TestReset_IsRefusedInTheNameOfThoseWhoAreInTheGroup(t *testing.T) {
	if err := nonEmpty("billing", nil); err != nil {
		t.Errorf("without members: %v", err)
	}
	members := []cluster.GroupMember{{ID: "a-1", ClientID: "a", Host: "10.0.0.1"}, {ID: "a-2", ClientID: "a", Host: "10.0.0.1"}, {ID: "b-1", ClientID: "b", InstanceID: "fixed", Host: "10.0.0.2"}}
	err := nonEmpty("billing", members)
	if want := "group billing has members, which have to be stopped first: a at 10.0.0.1, fixed at 10.0.0.2"; err == nil || err.Error() != want || !fault.Is(err, fault.Conflict) {
		t.Errorf("%v, want %s", err, want)
	}
	for i := range 20 {
		members = append(members, cluster.GroupMember{ClientID: fmt.Sprint("c-", i), Host: "10.0.0.3"})
	}
	if err := nonEmpty("billing", members); !strings.HasSuffix(err.Error(), "c-7 at 10.0.0.3, and 12 more") {
		t.Errorf("of many: %v", err)
	}
	// A member that joins between the look and the change is found by Kafka itself.
	if !joined(sarama.ErrUnknownMemberId) || joined(sarama.ErrNotCoordinatorForConsumer) {
		t.Error("what Kafka says of members is not understood")
	}
}

func TestReset_ByRecordsBeyondAllNumbersIsTheNearestOffset(t *testing.T) {
	for by, want := range map[int64]int64{math.MaxInt64: 60, math.MaxInt64 - 20: 60, 41: 60, 40: 60, -20: 0, -21: 0, math.MinInt64: 0} {
		if offset, _ := goal(cluster.OffsetTarget{By: &by}, 20, 0, 60, -1); offset != want {
			t.Errorf("by %d from 20 of 0 to 60: %d, want %d", by, offset, want)
		}
	}
}
