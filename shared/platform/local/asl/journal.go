package asl

import (
	"bytes"
	"maps"
	"slices"
	"sync"
)

// Journal keeps the positions and histories of executions. All its methods may be called at the same time.
type Journal interface {
	// Save makes one step of one execution durable, as a whole or not at all, before it returns.
	Save(Write) error
	// Load shows the last position of every execution.
	Load(show func(arn string, position []byte) error) error
	// Events gives the history of an execution, oldest first.
	Events(arn string) ([][]byte, error)
	// Delete forgets executions.
	Delete(arns ...string) error
}

// Write is what Save stores: the new position in place of the old one, and the events that led to it.
type Write struct {
	ARN      string
	Position []byte
	Events   [][]byte
	First    int // the number of the first of these events, from 1
}

// MemoryJournal keeps everything in memory: for tests and simulations.
type MemoryJournal struct {
	mu        sync.Mutex
	positions map[string][]byte
	events    map[string][][]byte
}

// NewMemoryJournal gives an empty journal.
func NewMemoryJournal() *MemoryJournal {
	return &MemoryJournal{positions: map[string][]byte{}, events: map[string][][]byte{}}
}

func (j *MemoryJournal) Save(w Write) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.positions[w.ARN] = bytes.Clone(w.Position)
	j.events[w.ARN] = append(j.events[w.ARN], w.Events...)
	return nil
}

func (j *MemoryJournal) Load(show func(arn string, position []byte) error) error {
	j.mu.Lock()
	positions := maps.Clone(j.positions)
	j.mu.Unlock()
	for _, arn := range slices.Sorted(maps.Keys(positions)) {
		if err := show(arn, positions[arn]); err != nil {
			return err
		}
	}
	return nil
}

func (j *MemoryJournal) Events(arn string) ([][]byte, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.events[arn]), nil
}

func (j *MemoryJournal) Delete(arns ...string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, arn := range arns {
		delete(j.positions, arn)
		delete(j.events, arn)
	}
	return nil
}
