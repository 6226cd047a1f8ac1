package asl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// full is a journal on a disk that takes nothing for a while.
type full struct {
	Journal
	refuses func(Write) bool
	tries   atomic.Int32 // refused
}

var errFull = errors.New("no space left on device")

func (j *full) Save(w Write) error {
	if j.refuses(w) {
		j.tries.Add(1)
		return errFull
	}
	return j.Journal.Save(w)
}

// fullFor is how long the disk is full: longer than any time-out of these tests.
const fullFor = time.Hour

func TestAFullDiskDelaysAnExecutionAndDoesNotStrandIt(t *testing.T) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // each delay is reported
	// The parent's own limit goes on while only its child is delayed.
	patient := strings.Replace(everything, `"TimeoutSeconds": 40`, `"TimeoutSeconds": 100000`, 1)
	defined := machines(t, map[string]string{"everything": patient, "child": child})
	for n, undisturbed := 1, false; !undisturbed; n++ {
		t.Run(fmt.Sprintf("full before write %d", n+1), func(t *testing.T) {
			var b *bench
			var writes atomic.Int32
			var mu sync.Mutex
			var freeAt time.Time
			b = newBench(t, Config{Machines: defined, Invoker: everythingFunctions(), Journal: &full{
				Journal: NewMemoryJournal(),
				refuses: func(Write) bool {
					mu.Lock()
					defer mu.Unlock()
					if writes.Add(1) == int32(n+1) { //nolint:gosec // small
						freeAt = b.clock.Now().Add(fullFor)
					}
					return b.clock.Now().Before(freeAt)
				},
			}})
			end := b.end(b.start("everything", "run", `{"cluster":"c","nodes":["a","b","c"]}`))
			if end.Status != Succeeded || string(end.Output) != everythingGives {
				t.Fatalf("%s %s %s\n got %s\nwant %s", end.Status, end.Error, end.Cause, end.Output, everythingGives)
			}
			if len(b.List()) != 2 {
				t.Errorf("%d executions, want the parent and one child", len(b.List()))
			}
			undisturbed = int(writes.Load()) <= n
		})
		if n > 500 || t.Failed() {
			t.Fatal("the machine never runs through")
		}
	}
}

// fullBetween refuses writes for an execution ("": for all) from a moment after the start on, for as long as the disk is
// full.
func fullBetween(b **bench, from time.Duration, name string) *full {
	return &full{Journal: NewMemoryJournal(), refuses: func(w Write) bool {
		passed := (*b).clock.Now().Sub(testStart)
		return passed >= from && passed < from+fullFor && strings.HasSuffix(w.ARN, name)
	}}
}

func TestAMachinesLimitStandsStillWhileTheDiskIsFull(t *testing.T) {
	for _, tt := range []struct {
		works time.Duration // after the disk was full
		want  string
	}{
		{49 * time.Second, "SUCCEEDED "},
		{51 * time.Second, "TIMED_OUT States.Timeout"},
	} {
		t.Run(tt.works.String(), func(t *testing.T) {
			var b *bench
			b = newBench(t, Config{
				Machines: machines(t, map[string]string{"m": `{"TimeoutSeconds":100,"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":50,"Next":"T"},` +
					`"T":{"Type":"Task","TimeoutSeconds":60,"Resource":"arn:aws:lambda:us-east-1:0:function:slow","End":true}}}`}),
				Journal: fullBetween(&b, 50*time.Second, ""),
				Invoker: functions{"slow": func(ctx context.Context, payload []byte) ([]byte, error) {
					return payload, b.clock.Sleep(ctx, tt.works)
				}},
			})
			end := b.end(b.start("m", "run", `{}`))
			if got := string(end.Status) + " " + end.Error; got != tt.want {
				t.Errorf("got %s after %s, want %s", got, end.Stopped.Sub(testStart), tt.want)
			}
		})
	}
}

func TestATaskIsNotAskedForBeforeTheJournalSaysSo(t *testing.T) {
	var b *bench
	entered := func(arn, state string) bool {
		history, err := b.History(arn)
		if err != nil {
			t.Error(err)
		}
		for _, e := range history {
			if e.Type == "TaskStateEntered" && e.State == state {
				return true
			}
		}
		return false
	}
	asked := 0
	b = newBench(t, Config{
		Machines: machines(t, map[string]string{"m": `{"StartAt":"A","States":{
			"A":{"Type":"Wait","Seconds":1,"Next":"B"},"B":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:0:function:f","End":true}}}`}),
		Journal: fullBetween(&b, time.Second, ""),
		Invoker: functions{"f": func(_ context.Context, payload []byte) ([]byte, error) {
			asked++
			if !entered(b.ARN("m", "run"), "B") {
				t.Error("asked for while the journal does not know that it was entered")
			}
			return payload, nil
		}},
	})
	if end := b.end(b.start("m", "run", `{}`)); end.Status != Succeeded || asked != 1 {
		t.Errorf("%s after %d invocations, want SUCCEEDED after one", end.Status, asked)
	}
}

// parentAndChild is a task that waits for another execution, which takes more than a day.
func parentAndChild(t *testing.T, timeout string) map[string]*Machine {
	t.Helper()
	return machines(t, map[string]string{
		"parent": `{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync:2",` + timeout + `
			"Parameters":{"StateMachineArn":"child","Name":"c"},"End":true}}}`,
		"child": `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":100000,"End":true}}}`,
	})
}

func TestAChildIsNotGivenUpBeforeTheJournalSaysSo(t *testing.T) {
	var b *bench
	b = newBench(t, Config{Machines: parentAndChild(t, `"TimeoutSeconds":5,`), Journal: fullBetween(&b, 5*time.Second, ":p")})
	parent, child := b.start("parent", "p", `{}`), b.ARN("child", "c")
	half := false
	b.clock.AfterFunc(fullFor/2, func() { half = true })
	b.clock.Run(func() bool { return half })
	if status := describe(t, b.Engine, child).Status; status != Running {
		t.Errorf("while the journal does not know of the time-out, the child is %s", status)
	}
	if end := b.end(parent); end.Error != errTimeout {
		t.Errorf("the parent ended with %s %s", end.Status, end.Error)
	}
	if end := b.end(child); end.Status != Aborted || end.Stopped.Sub(testStart) > 5*time.Second+fullFor+longestPause {
		t.Errorf("the child ended as %s after %s", end.Status, end.Stopped.Sub(testStart))
	}
}

func TestAChildWhoseStartCanNotBeJournalledIsStartedLater(t *testing.T) {
	var b *bench
	b = newBench(t, Config{Machines: parentAndChild(t, ""), Journal: fullBetween(&b, 0, ":c")})
	end := b.end(b.start("parent", "p", `{}`))
	if end.Status != Succeeded || len(b.List()) != 2 {
		t.Errorf("%s %s %s with %d executions", end.Status, end.Error, end.Cause, len(b.List()))
	}
}

func TestAStartThatCanNotBeJournalledIsNone(t *testing.T) {
	var b *bench
	m := load(t, `{"StartAt":"S","States":{"S":{"Type":"Succeed"}}}`)
	b = newBench(t, Config{Machines: map[string]*Machine{"m": m}, Journal: fullBetween(&b, 0, "")})
	if _, err := b.Start(context.Background(), "m", "run", []byte(`{}`)); !errors.Is(err, ErrNotJournalled) || !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
	if len(b.List()) != 0 {
		t.Errorf("it is listed: %v", b.List())
	}
}

func TestAFullDiskIsTriedEverMoreRarelyAndReportedOnce(t *testing.T) {
	var log bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(slog.New(slog.DiscardHandler))
	var b *bench
	journal := fullBetween(&b, time.Second, "")
	m := load(t, `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":1,"Next":"S"},"S":{"Type":"Succeed"}}}`)
	b = newBench(t, Config{Machines: map[string]*Machine{"m": m}, Journal: journal})
	b.end(b.start("m", "run", `{}`))
	if late := b.clock.Now().Sub(testStart) - time.Second - fullFor; late > longestPause {
		t.Errorf("went on %s after the disk had space again", late)
	}
	if n := journal.tries.Load(); n < 700 || n > 730 {
		t.Errorf("tried %d times in an hour, want every 5 s after a few shorter pauses", n)
	}
	if lines := strings.Count(log.String(), "\n"); lines != 2 ||
		!strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), errFull.Error()) {
		t.Errorf("want a warning and that it goes on, got\n%s", log.String())
	}
}

func TestCloseDoesNotWaitForAFullDisk(t *testing.T) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	var isFull atomic.Bool
	journal := &full{Journal: NewMemoryJournal(), refuses: func(Write) bool { return isFull.Load() }}
	m := load(t, `{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:0:function:f","End":true}}}`)
	config := Config{Machines: map[string]*Machine{"m": m}, Journal: journal, Invoker: functions{
		"f": func(_ context.Context, payload []byte) ([]byte, error) {
			isFull.Store(true)
			return payload, nil
		},
	}}
	e, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	arn, err := e.Start(context.Background(), "m", "run", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); journal.tries.Load() < 2; {
		if time.Now().After(deadline) {
			t.Fatal("the write is not tried again")
		}
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	tries := journal.tries.Load()

	config.Invoker = functions{"f": func(_ context.Context, payload []byte) ([]byte, error) { return payload, nil }}
	isFull.Store(false)
	second := newBench(t, config)
	if err := second.Resume(context.Background()); err != nil {
		t.Fatal(err)
	}
	if end := second.end(arn); end.Status != Succeeded {
		t.Errorf("got %+v", end)
	}
	if journal.tries.Load() != tries {
		t.Error("the closed engine went on trying")
	}
}

func TestAFileThatCanNotGrowDelaysAnExecution(t *testing.T) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "journal.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	limit := func(bytes int) {
		// Within a transaction, because only one at a time looks at it.
		if err := db.Update(func(*bbolt.Tx) error { db.MaxSize = bytes; return nil }); err != nil {
			t.Error(err)
		}
	}
	journal, err := NewBoltJournal(db, "executions")
	if err != nil {
		t.Fatal(err)
	}
	var b *bench
	b = newBench(t, Config{
		Machines: machines(t, map[string]string{
			"large": `{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:0:function:large","Next":"S"},"S":{"Type":"Succeed"}}}`,
			"small": `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":60,"Next":"S"},"S":{"Type":"Succeed"}}}`,
		}),
		Journal: journal,
		Invoker: functions{"large": func(context.Context, []byte) ([]byte, error) {
			limit(64 << 10)
			b.clock.AfterFunc(fullFor, func() { limit(0) })
			return []byte(`"` + strings.Repeat("a", 200<<10) + `"`), nil
		}},
	})
	large, small := b.start("large", "run", `{}`), b.start("small", "run", `{}`)
	if end := b.end(small); end.Status != Succeeded || end.Stopped.Sub(testStart) != time.Minute {
		t.Errorf("the small one, for which there is space: %s after %s", end.Status, end.Stopped.Sub(testStart))
	}
	if status := describe(t, b.Engine, large).Status; status != Running {
		t.Errorf("the large one is %s while there is no space for it", status)
	}
	if end := b.end(large); end.Status != Succeeded || len(end.Output) < 200<<10 {
		t.Errorf("the large one: %s %s with %d bytes", end.Status, end.Error, len(end.Output))
	}
}

func TestAWriteThatFailsLeavesItsCompanyAlone(t *testing.T) {
	j := openBolt(t)
	hold, err := j.db.Begin(true) // so that the writes have to share a transaction
	if err != nil {
		t.Fatal(err)
	}
	saved := make(chan error, 4)
	save := func(arn string) { saved <- j.Save(Write{ARN: arn, Position: []byte("{}")}) }
	wait := func(n int) {
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			j.mu.Lock()
			waiting, committing := len(j.waiting), j.committing
			j.mu.Unlock()
			if committing && waiting == n {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d writes wait, want %d", waiting, n)
			}
		}
	}
	go save("first")
	wait(0)
	for _, arn := range []string{"a", strings.Repeat("too long for a key", 10_000), "b"} {
		go save(arn)
	}
	wait(3)
	if err := hold.Rollback(); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for range 4 {
		if <-saved != nil {
			failed++
		}
	}
	var kept []string
	if err := j.Load(func(arn string, _ []byte) error { kept = append(kept, arn); return nil }); err != nil {
		t.Fatal(err)
	}
	if failed != 1 || fmt.Sprint(kept) != "[a b first]" {
		t.Errorf("%d writes failed and %q are kept, want all but the one that can't be", failed, kept)
	}
}
