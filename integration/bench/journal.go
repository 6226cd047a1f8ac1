package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/millrace/millrace/shared/platform/local/asl"
)

// countTransitions reads the journal of a control plane that has ended, and counts the transitions of each create as
// Step Functions does: one for each state entered, one for each attempt that was repeated, and one for the end.
func (b *bench) countTransitions(c *controlPlane) (err error) {
	db, err := bbolt.Open(filepath.Join(c.layout.Dir, "control-plane.db"), 0o600, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	journal, err := asl.NewBoltJournal(db, "executions")
	if err != nil {
		return err
	}
	var creates []string
	err = journal.Load(func(arn string, _ []byte) error {
		if strings.Contains(arn, ":create-cluster:") {
			creates = append(creates, arn)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, arn := range creates {
		events, err := journal.Events(arn)
		if err != nil {
			return err
		}
		count, err := transitionsIn(events)
		if err != nil {
			return fmt.Errorf("history of %s: %w", arn, err)
		}
		b.samples.add(transitions, ours, float64(count))
	}
	return nil
}

func transitionsIn(events [][]byte) (int, error) {
	count := 1 // the end
	for _, text := range events {
		var event asl.Event
		if err := json.Unmarshal(text, &event); err != nil {
			return 0, err
		}
		if strings.HasSuffix(event.Type, "StateEntered") || strings.HasSuffix(event.Type, "StateFailed") {
			count++
		}
	}
	return count, nil
}
