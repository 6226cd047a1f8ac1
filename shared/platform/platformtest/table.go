// Package platformtest holds the conformance suites that both platforms' adapters pass: what one of them promises, the
// other promises too.
package platformtest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/records"
)

// Table checks what every adapter of records.Table promises. open gives an empty table.
func Table(t *testing.T, open func(t *testing.T) records.Table) {
	for name, check := range map[string]func(*testing.T, records.Table){
		"an absent item is NotFound":                         absentIsNotFound,
		"a revision grows by one with every write":           revisionsGrow,
		"a write happens only while its condition holds":     conditionsHold,
		"a transaction happens whole or not at all":          transactionsAreWhole,
		"a transaction of more than 100 writes is refused":   transactionsAreBounded,
		"two writes to one item in a transaction: refused":   transactionsNameAnItemOnce,
		"an item is 400 KB at most, and a key has two parts": itemsAreBounded,
		"an item that may go some day is there until then":   itemsMayExpire,
		"any bytes can be a body":                            bodiesAreBytes,
		"a query gives more than fits into one answer":       queriesAreWhole,
		"of many who create one item, one succeeds":          oneCreatorWins,
		"no change of many concurrent writers is lost":       nothingIsLost,
		"a query gives a partition in order, page by page":   queriesPage,
		"a query sees neither other partitions nor deleted":  queriesKeepToTheirPartition,
		"a watcher hears of a write that it did not miss":    watchersHear,
	} {
		t.Run(name, func(t *testing.T) { check(t, open(t)) })
	}
}

var item = records.Key{Partition: "fruit", Sort: "apple"}

func write(t *testing.T, table records.Table, writes ...records.Write) {
	t.Helper()
	if err := table.Write(t.Context(), writes...); err != nil {
		t.Fatalf("write: %v", err)
	}
}

func wantCode(t *testing.T, what string, err error, want fault.Code) {
	t.Helper()
	if got := fault.CodeOf(err); got != want {
		t.Errorf("%s: %q (%v), want %q", what, got, err, want)
	}
}

func absentIsNotFound(t *testing.T, table records.Table) {
	_, err := table.Get(t.Context(), item)
	wantCode(t, "get", err, fault.NotFound)
	wantCode(t, "removing what is absent", table.Write(t.Context(), records.Write{Key: item, Delete: true}), "")
}

func revisionsGrow(t *testing.T, table records.Table) {
	for want := int64(1); want <= 3; want++ {
		body := fmt.Sprintf("body %d", want)
		write(t, table, records.Write{Key: item, Body: []byte(body)})
		got, err := table.Get(t.Context(), item)
		if err != nil || got.Revision != want || string(got.Body) != body || got.Key != item {
			t.Fatalf("after write %d: %+v, %v", want, got, err)
		}
	}
}

func conditionsHold(t *testing.T, table records.Table) {
	ctx := t.Context()
	wantCode(t, "revision 1 of an absent item", table.Write(ctx, records.Write{Key: item, If: records.IfRevision(1)}), fault.Conflict)
	write(t, table, records.Write{Key: item, If: records.IfAbsent(), Body: []byte("1")})
	wantCode(t, "absent, but there", table.Write(ctx, records.Write{Key: item, If: records.IfAbsent()}), fault.Conflict)
	wantCode(t, "an older revision", table.Write(ctx, records.Write{Key: item, If: records.IfRevision(2)}), fault.Conflict)
	write(t, table, records.Write{Key: item, If: records.IfRevision(1), Body: []byte("2")})
	wantCode(t, "removal of an older revision",
		table.Write(ctx, records.Write{Key: item, If: records.IfRevision(1), Delete: true}), fault.Conflict)
	write(t, table, records.Write{Key: item, If: records.IfRevision(2), Delete: true})
	_, err := table.Get(ctx, item)
	wantCode(t, "get after removal", err, fault.NotFound)
	write(t, table, records.Write{Key: item, If: records.IfAbsent(), Body: []byte("again")})
}

func transactionsAreWhole(t *testing.T, table records.Table) {
	other := records.Key{Partition: "vegetables", Sort: "leek"}
	write(t, table, records.Write{Key: item, Body: []byte("old")})
	err := table.Write(t.Context(),
		records.Write{Key: other, If: records.IfAbsent(), Body: []byte("new")},
		records.Write{Key: item, If: records.IfRevision(7), Body: []byte("new")})
	wantCode(t, "transaction", err, fault.Conflict)
	_, err = table.Get(t.Context(), other)
	wantCode(t, "the other item", err, fault.NotFound)
}

func transactionsAreBounded(t *testing.T, table records.Table) {
	var writes []records.Write
	for i := range records.MaxWrites + 1 {
		writes = append(writes, records.Write{Key: records.Key{Partition: "many", Sort: fmt.Sprint(i)}, Body: []byte("x")})
	}
	wantCode(t, "101 writes", table.Write(t.Context(), writes...), fault.Invalid)
	write(t, table, writes[:records.MaxWrites]...)
}

func transactionsNameAnItemOnce(t *testing.T, table records.Table) {
	err := table.Write(t.Context(),
		records.Write{Key: item, If: records.IfAbsent(), Body: []byte("1")}, records.Write{Key: item, Body: []byte("2")})
	wantCode(t, "two writes", err, fault.Invalid)
	_, err = table.Get(t.Context(), item)
	wantCode(t, "the item", err, fault.NotFound)
}

func itemsAreBounded(t *testing.T, table records.Table) {
	large := records.Write{Key: item, Body: bytes.Repeat([]byte("x"), 400_000)}
	write(t, table, large)
	large.Body = bytes.Repeat([]byte("x"), 400<<10)
	wantCode(t, "an item over 400 KB", table.Write(t.Context(), large), fault.Invalid)
	for _, key := range []records.Key{{Partition: "p"}, {Sort: "s"}} {
		wantCode(t, fmt.Sprintf("key %+v", key), table.Write(t.Context(), records.Write{Key: key}), fault.Invalid)
	}
	var many []records.Write
	for i := range 11 {
		many = append(many, records.Write{Key: records.Key{Partition: "many", Sort: fmt.Sprint(i)}, Body: large.Body[:400_000]})
	}
	wantCode(t, "a transaction over 4 MB", table.Write(t.Context(), many...), fault.Invalid)
}

func itemsMayExpire(t *testing.T, table records.Table) {
	inAnHour := time.Now().Add(time.Hour)
	write(t, table, records.Write{Key: item, If: records.IfAbsent(), Body: []byte("1"), Expires: inAnHour})
	write(t, table, records.Write{Key: item, Body: []byte("2"), Expires: inAnHour})
	if got, err := table.Get(t.Context(), item); err != nil || got.Revision != 2 || string(got.Body) != "2" {
		t.Errorf("%+v, %v", got, err)
	}
	write(t, table, records.Write{Key: item, If: records.IfRevision(2), Body: []byte("3")})
	if got, err := table.Get(t.Context(), item); err != nil || got.Revision != 3 || string(got.Body) != "3" {
		t.Errorf("after a write that does not let it go: %+v, %v", got, err)
	}
}

func bodiesAreBytes(t *testing.T, table records.Table) {
	for _, body := range []string{"", "text: \u2713 \U0001f6a2 \x00 \"quoted\"\n", "\xff\x00 no text"} {
		write(t, table, records.Write{Key: item, Body: []byte(body)})
		if got, err := table.Get(t.Context(), item); err != nil || string(got.Body) != body {
			t.Errorf("%q became %q, %v", body, got.Body, err)
		}
	}
}

func queriesAreWhole(t *testing.T, table records.Table) {
	body := bytes.Repeat([]byte("x"), 300_000) // DynamoDB answers 1 MB at a time
	for i := range 8 {
		write(t, table, records.Write{Key: records.Key{Partition: "large", Sort: fmt.Sprintf("a%d", i)}, Body: body})
	}
	for _, tt := range []struct {
		prefix, after string
		limit, want   int
	}{{"", "", 100, 8}, {"", "", 7, 7}, {"a", "a1", 100, 6}, {"a", "a7", 100, 0}} {
		items, err := table.Query(t.Context(), "large", tt.prefix, tt.after, tt.limit)
		if err != nil || len(items) != tt.want {
			t.Errorf("prefix %q after %q limit %d: %d items, %v; want %d", tt.prefix, tt.after, tt.limit, len(items), err, tt.want)
		}
	}
}

func oneCreatorWins(t *testing.T, table records.Table) {
	var won, lost atomic.Int32
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			err := table.Write(context.WithoutCancel(t.Context()),
				records.Write{Key: item, If: records.IfAbsent(), Body: fmt.Appendf(nil, "%d", i)})
			switch fault.CodeOf(err) {
			case "":
				won.Add(1)
			case fault.Conflict:
				lost.Add(1)
			default:
				t.Errorf("create: %v", err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || lost.Load() != 49 {
		t.Errorf("%d creators won and %d met a conflict", won.Load(), lost.Load())
	}
}

func nothingIsLost(t *testing.T, table records.Table) {
	write(t, table, records.Write{Key: item, Body: nil})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for added := 0; added < 5; {
				current, err := table.Get(t.Context(), item)
				if err != nil {
					t.Errorf("get: %v", err)
					return
				}
				err = table.Write(t.Context(), records.Write{
					Key: item, If: records.IfRevision(current.Revision), Body: append(current.Body, 'x'),
				})
				switch fault.CodeOf(err) {
				case "":
					added++
				case fault.Conflict: // someone was quicker: look again
				default:
					t.Errorf("write: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	if got, err := table.Get(t.Context(), item); err != nil || len(got.Body) != 40 {
		t.Errorf("%d of 40 changes remain (%v)", len(got.Body), err)
	}
}

func queriesPage(t *testing.T, table records.Table) {
	names := []string{"a", "ab", "abc", "b", "ba", "c"}
	for _, name := range []string{"c", "ab", "b", "a", "ba", "abc"} {
		write(t, table, records.Write{Key: records.Key{Partition: "p", Sort: name}, Body: []byte(name)})
	}
	for _, tt := range []struct {
		prefix, after string
		limit         int
		want          []string
	}{
		{"", "", 10, names},
		{"", "", 2, []string{"a", "ab"}},
		{"", "ab", 2, []string{"abc", "b"}},
		{"", "aa", 2, []string{"ab", "abc"}},
		{"", "c", 2, nil},
		{"ab", "", 10, []string{"ab", "abc"}},
		{"ab", "ab", 10, []string{"abc"}},
		{"b", "a", 10, []string{"b", "ba"}},
		{"b", "c", 10, nil},
		{"x", "", 10, nil},
	} {
		items, err := table.Query(t.Context(), "p", tt.prefix, tt.after, tt.limit)
		if err != nil {
			t.Fatalf("query: %v", err)
		}
		var got []string
		for _, i := range items {
			got = append(got, i.Sort)
			if i.Partition != "p" || i.Revision != 1 || string(i.Body) != i.Sort {
				t.Errorf("item %+v", i)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("prefix %q after %q limit %d: %v, want %v", tt.prefix, tt.after, tt.limit, got, tt.want)
		}
	}
}

func queriesKeepToTheirPartition(t *testing.T, table records.Table) {
	for _, partition := range []string{"p", "p#1", "pp", "q"} {
		write(t, table, records.Write{Key: records.Key{Partition: partition, Sort: "in " + partition}, Body: []byte("x")})
	}
	write(t, table, records.Write{Key: records.Key{Partition: "p", Sort: "gone"}, Body: []byte("x")})
	write(t, table, records.Write{Key: records.Key{Partition: "p", Sort: "gone"}, Delete: true})
	items, err := table.Query(t.Context(), "p", "", "", 10)
	if err != nil || len(items) != 1 || !strings.HasSuffix(items[0].Sort, "in p") {
		t.Errorf("%+v, %v", items, err)
	}
}

func watchersHear(t *testing.T, table records.Table) {
	changed, stop := table.Watch("beat#")
	defer stop()
	write(t, table, records.Write{Key: records.Key{Partition: "beat#host-1", Sort: "only"}, Body: []byte("x")})
	select {
	case <-changed:
	case <-time.After(time.Minute):
		t.Error("no signal within a minute")
	}
}
