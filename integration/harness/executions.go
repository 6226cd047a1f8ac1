package harness

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/millrace/millrace/shared/platform/local/asl"
)

// Execution is what the journal of a control plane holds of a machine's latest execution.
type Execution struct {
	// ARN is empty when there is none.
	ARN string
	// Over tells that it has ended; false also when there is none.
	Over bool
	// Transitions counts the states that were entered and exited, States are their names.
	Transitions int
	States      []string
}

// Execution reads the journal while no control plane runs: it belongs to one that does. An execution that is named, and those before
// it, don't count.
func (m *Millrace) Execution(machine, after string) (e Execution) {
	m.t.Helper()
	db, err := bbolt.Open(filepath.Join(m.Data, "control-plane.db"), 0o600, &bbolt.Options{Timeout: ends})
	if err != nil {
		m.t.Fatal(err)
	}
	defer db.Close()
	journal, err := asl.NewBoltJournal(db, "executions")
	if err != nil {
		m.t.Fatal(err)
	}
	last := after
	err = journal.Load(func(arn string, _ []byte) error {
		if strings.Contains(arn, ":"+machine+":") {
			last = max(last, arn) // names begin with the operation's id, which sorts by time
		}
		return nil
	})
	if err != nil {
		m.t.Fatal(err)
	}
	if last == after {
		return e
	}
	e.ARN = last
	texts, err := journal.Events(last)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, text := range texts {
		var event asl.Event
		if err := json.Unmarshal(text, &event); err != nil {
			m.t.Fatal(err)
		}
		if event.State != "" {
			e.Transitions++
			if !slices.Contains(e.States, event.State) {
				e.States = append(e.States, event.State)
			}
		}
		e.Over = e.Over || (event.State == "" && event.Type != "ExecutionStarted")
	}
	return e
}
