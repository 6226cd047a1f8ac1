package integration

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/integration/harness"
)

// group is what `millrace groups describe` prints of a group, as far as this test looks at it.
type group struct {
	Type, State   string
	Lag           *int64
	BehindSeconds *float64
	Members       []struct {
		ClientID   string
		Partitions []struct{ Partition int32 }
	}
	Offsets []struct {
		Partition           int32
		Committed, End, Lag int64
	}
}

// lags are in the order of partitions.
func (g group) lags() (lags []int64) {
	for _, o := range g.Offsets {
		lags = append(lags, o.Lag)
	}
	return lags
}

func TestGroups_TellHowFarTheyAreBehindAndGoOnWherePeopleSay(t *testing.T) {
	m := harness.StartMillrace(t)
	arn := m.CreateCluster(t, "orders")
	m.WaitUntilActive(t, arn)
	client, tools := m.TLSClient(t, arn), m.Tools(t, arn)
	for _, kind := range []struct {
		name string
		join func(group, clientID, topic string) *harness.Member
	}{{"classic", client.Join}, {"consumer", client.JoinByTheNewProtocol}} {
		id, topic := "billing-"+kind.name, "payments-"+kind.name
		client.CreateTopic(topic, 3)
		describe := func() group {
			return harness.Decode[group](t, m.Command("groups", "describe", "orders", id, "--output", "json"))
		}
		reset := func(args ...string) string {
			return m.Command(append([]string{"groups", "reset", "orders", id, "--topic", topic}, args...)...)
		}

		// All that was written so far is read and committed, and the member stays.
		began := time.Now().Truncate(time.Second)
		for p := range int32(3) {
			client.ProduceAt(topic, p, fmt.Sprintf("old-%d", p), 4, began.Add(-2*time.Hour))
		}
		member := kind.join(id, "app-of-billing", topic)
		old := member.Read(12)
		member.Commit()
		g := describe()
		if g.Type != kind.name || g.State != "Stable" || len(g.Members) != 1 || g.Members[0].ClientID != "app-of-billing" || len(g.Members[0].Partitions) != 3 {
			t.Errorf("with a member it is %+v", g)
		}
		if !slices.Equal(g.lags(), []int64{0, 0, 0}) || g.BehindSeconds == nil || *g.BehindSeconds != 0 {
			t.Errorf("with all read it is %+v", g)
		}
		for _, args := range [][]string{
			{"groups", "reset", "orders", id, "--topic", topic, "--to-earliest", "--yes"},
			{"groups", "delete", "orders", id, "--yes"},
		} {
			if out, err := m.Try(args...); err == nil || !strings.Contains(err.Error(), "app-of-billing") {
				t.Errorf("with a member, %v: %s, %v", args, out, err)
			}
		}
		member.Leave()

		// What is written meanwhile is its lag, record for record, and it gets ever more behind.
		client.ProduceAt(topic, 0, "new-0", 5, began.Add(-time.Hour))
		client.ProduceAt(topic, 2, "new-2", 2, began.Add(-30*time.Minute))
		g = describe()
		if !slices.Equal(g.lags(), []int64{5, 0, 2}) || *g.Lag != 7 || len(g.Members) != 0 {
			t.Errorf("after 5, 0 and 2 records more it is %+v", g)
		}
		if behind := time.Duration(*g.BehindSeconds * float64(time.Second)); behind < time.Hour || behind > time.Hour+time.Since(began) {
			t.Errorf("it is behind by %s, %s after the test began", behind, time.Since(began))
		}
		if again := describe(); *again.BehindSeconds <= *g.BehindSeconds {
			t.Errorf("it was behind by %.3f s, and later by %.3f s", *g.BehindSeconds, *again.BehindSeconds)
		}
		listed := m.Command("groups", "list", "orders")
		if !slices.ContainsFunc(strings.Split(listed, "\n"), func(line string) bool {
			f := strings.Fields(line)
			return len(f) == 7 && slices.Equal(f[:5], []string{id, kind.name, "Empty", "0", "7"}) && strings.HasPrefix(f[5], "1h")
		}) {
			t.Errorf("listed as\n%s", listed)
		}
		if theirs := lagsOf(t, tools.Groups("--describe", "--group", id), topic); !slices.Equal(theirs, g.lags()) {
			t.Errorf("kafka-consumer-groups says that the lags are %v, we say %v", theirs, g.lags())
		}

		// Set back by time, it reads what was written since; a dry run before that changed nothing.
		since := began.Add(-45 * time.Minute).UTC().Format(time.RFC3339)
		if out := reset("--to-time", since, "--dry-run"); !strings.Contains(out, topic+"  0          4     9") || !slices.Equal(describe().lags(), []int64{5, 0, 2}) {
			t.Errorf("a dry run printed\n%sand left %v", out, describe().lags())
		}
		reset("--back", "45m", "--yes")
		member = kind.join(id, "app-of-billing", topic)
		if got := member.Read(2); !slices.Equal(got, harness.Values("new-2", 2)) {
			t.Errorf("set back to %s it read %q", since, got)
		}
		member.Leave()

		// Set back to the beginning, it reads everything once more.
		reset("--to-earliest", "--yes")
		member = kind.join(id, "app-of-billing", topic)
		all := slices.Sorted(slices.Values(slices.Concat(old, harness.Values("new-0", 5), harness.Values("new-2", 2))))
		if got := member.Read(19); !slices.Equal(got, all) {
			t.Errorf("set back to the beginning it read %q, want %q", got, all)
		}
		member.Commit()
		member.Leave()

		m.Command("groups", "delete-offsets", "orders", id, "--topic", topic, "--partition", "1", "--yes")
		if left := lagsOf(t, tools.Groups("--describe", "--group", id), topic); !slices.Equal(left, []int64{0, 0}) {
			t.Errorf("without the offset of a partition, kafka-consumer-groups says that the lags are %v", left)
		}
		m.Command("groups", "delete", "orders", id, "--yes")
		if listed := m.Command("groups", "list", "orders"); strings.Contains(listed, id) {
			t.Errorf("deleted, it is listed:\n%s", listed)
		}
		if listed := tools.Groups("--list"); strings.Contains(listed, id) {
			t.Errorf("deleted, kafka-consumer-groups lists it:\n%s", listed)
		}
	}
}

// lagsOf reads what kafka-consumer-groups prints, in the order of partitions.
func lagsOf(t *testing.T, printed, topic string) []int64 {
	t.Helper()
	byPartition := map[int]int64{}
	for line := range strings.Lines(printed) {
		f := strings.Fields(line) // GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG …
		if len(f) < 6 || f[1] != topic {
			continue
		}
		partition, err := strconv.Atoi(f[2])
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if byPartition[partition], err = strconv.ParseInt(f[5], 10, 64); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
	}
	var lags []int64
	for p := range 3 {
		if lag, ok := byPartition[p]; ok {
			lags = append(lags, lag)
		}
	}
	return lags
}
