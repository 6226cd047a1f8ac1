package asl

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"go.etcd.io/bbolt"
)

func openBolt(t testing.TB) *BoltJournal {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "journal.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	j, err := NewBoltJournal(db, "executions")
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func TestJournalsKeepWhatIsSaved(t *testing.T) {
	for name, j := range map[string]Journal{"memory": NewMemoryJournal(), "bolt": openBolt(t)} {
		t.Run(name, func(t *testing.T) {
			var all sync.WaitGroup
			for _, arn := range []string{"a", "ab", "b"} {
				all.Go(func() {
					for i := range 20 {
						w := Write{ARN: arn, Position: fmt.Append(nil, arn, i), Events: [][]byte{fmt.Append(nil, i)}, First: i + 1}
						if err := j.Save(w); err != nil {
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
			if err := j.Delete("b", "none"); err != nil {
				t.Fatal(err)
			}
			var got string
			if err := j.Load(func(arn string, position []byte) error {
				events, err := j.Events(arn)
				got += fmt.Sprintf("%s:%s:%d:%s ", arn, position, len(events), events[19])
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if got != "a:a19:20:19 ab:ab19:20:19 " {
				t.Errorf("got %s", got)
			}
			if events, err := j.Events("b"); err != nil || len(events) != 0 {
				t.Errorf("deleted, but %d events, %v", len(events), err)
			}
		})
	}
}

// BenchmarkTransitions runs machines of 54 states, tasks and choices by turns as in a long poll, on a file that is
// synced to the disk: one execution alone, and eight together, which share syncs.
func BenchmarkTransitions(b *testing.B) {
	const pairs = 26
	definition := `{"StartAt":"T0","States":{`
	for i := range pairs {
		definition += fmt.Sprintf(`"T%d":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:0:function:f","Next":"C%d"},`+
			`"C%d":{"Type":"Choice","Choices":[{"Variable":"$.clusterId","IsString":true,"Next":"T%d"}]},`, i, i, i, i+1)
	}
	definition += fmt.Sprintf(`"T%d":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:0:function:f","Next":"S"},"S":{"Type":"Succeed"}}}`, pairs)
	const states = 2*pairs + 2
	m, err := Load("m", []byte(definition))
	if err != nil {
		b.Fatal(err)
	}
	echo := functions{"f": func(_ context.Context, payload []byte) ([]byte, error) { return payload, nil }}
	for _, together := range []int{1, 8} {
		b.Run(fmt.Sprintf("%d together", together), func(b *testing.B) {
			e, err := New(Config{Machines: map[string]*Machine{"m": m}, Invoker: echo, Journal: openBolt(b)})
			if err != nil {
				b.Fatal(err)
			}
			ended := make(chan Execution, together)
			for b.Loop() {
				for range together {
					arn, err := e.Start(context.Background(), "m", "", []byte(`{"clusterId":"c","nodes":["b-1","b-2","b-3"]}`))
					if err != nil {
						b.Fatal(err)
					}
					e.whenEnded(arn, func(x Execution) { ended <- x })
				}
				for range together {
					if x := <-ended; x.Status != Succeeded {
						b.Fatal(x)
					}
				}
			}
			b.ReportMetric(float64(b.N*together*states)/b.Elapsed().Seconds(), "transitions/s")
			if err := e.Close(context.Background()); err != nil {
				b.Fatal(err)
			}
		})
	}
}
