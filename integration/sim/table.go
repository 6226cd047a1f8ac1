package sim

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/records"
)

// table is DynamoDB in memory: slow, sometimes throttled, and now and then only its answer is lost. It has a stream.
type table struct {
	w *World

	mu         sync.Mutex
	partitions map[string][]records.Item // sorted
	watchers   map[*watcher]bool
	// written, where it is set, is told of every write that has happened, under no lock.
	written func(key records.Key, before, after []byte)
}

type watcher struct {
	prefix  string
	changed chan struct{}
}

func newTable(w *World) *table {
	return &table{w: w, partitions: map[string][]records.Item{}, watchers: map[*watcher]bool{}}
}

func compare(item records.Item, sort string) int { return strings.Compare(item.Sort, sort) }

func (t *table) find(key records.Key) (items []records.Item, at int, there bool) {
	items = t.partitions[key.Partition]
	at, there = slices.BinarySearchFunc(items, key.Sort, compare)
	return items, at, there
}

// read lets some of the reads take a while, so that others come in between.
func (t *table) read(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a := actorOf(ctx)
	if !odds(a.rng, 12) {
		return nil
	}
	t.w.pass(a, between(a.rng, time.Millisecond, 20*time.Millisecond))
	if err := t.w.weather.strike(a, "table"); err != nil {
		return err
	}
	return ctx.Err()
}

// Get implements [records.Table].
func (t *table) Get(ctx context.Context, key records.Key) (records.Item, error) {
	if err := t.read(ctx); err != nil {
		return records.Item{}, err
	}
	return t.get(key)
}

// get reads without taking any time.
func (t *table) get(key records.Key) (records.Item, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	items, at, there := t.find(key)
	if !there {
		return records.Item{}, fault.New(fault.NotFound, "%s/%s does not exist", key.Partition, key.Sort)
	}
	return items[at], nil
}

// Query implements [records.Table].
func (t *table) Query(ctx context.Context, partition, prefix, after string, limit int) ([]records.Item, error) {
	if err := t.read(ctx); err != nil {
		return nil, err
	}
	return t.query(partition, prefix, after, limit), nil
}

func (t *table) query(partition, prefix, after string, limit int) []records.Item {
	t.mu.Lock()
	defer t.mu.Unlock()
	var found []records.Item
	for _, item := range t.partitions[partition] {
		if len(found) < limit && strings.HasPrefix(item.Sort, prefix) && (after == "" || item.Sort > after) {
			found = append(found, item)
		}
	}
	return found
}

// Write implements [records.Table].
func (t *table) Write(ctx context.Context, writes ...records.Write) error {
	if err := records.CheckWrites(writes); err != nil {
		return err
	}
	a := actorOf(ctx)
	t.w.pass(a, t.w.weather.takes(a, "table", between(a.rng, 2*time.Millisecond, 15*time.Millisecond)))
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := t.w.weather.strike(a, "table"); err != nil {
		return err
	}
	sooner(writes)
	before, err := t.apply(writes)
	t.w.note(a.name, describe(writes, err))
	if err != nil {
		return err
	}
	t.signal(writes)
	if t.written != nil {
		for i, write := range writes {
			if !write.Delete {
				t.written(write.Key, before[i], write.Body)
			}
		}
	}
	return t.w.weather.lose(a, "table")
}

func describe(writes []records.Write, err error) string {
	var b strings.Builder
	b.WriteString("writes")
	for _, w := range writes {
		if w.Delete {
			b.WriteString(" -")
		} else {
			b.WriteString(" ")
		}
		b.WriteString(w.Key.Partition + "/" + w.Key.Sort)
	}
	if err != nil {
		b.WriteString(": " + string(fault.CodeOf(err)))
	}
	return b.String()
}

// apply makes all changes or none, and gives the bodies that were there before.
func (t *table) apply(writes []records.Write) ([][]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := make([][]byte, len(writes))
	for i, w := range writes {
		items, at, there := t.find(w.Key)
		if there {
			before[i] = items[at].Body
		}
		if w.If.Absent() && there {
			return nil, fault.New(fault.Conflict, "%s/%s exists already", w.Key.Partition, w.Key.Sort)
		}
		if want, ok := w.If.Revision(); ok && (!there || items[at].Revision != want) {
			return nil, fault.New(fault.Conflict, "%s/%s was changed in between", w.Key.Partition, w.Key.Sort)
		}
	}
	for _, w := range writes {
		items, at, there := t.find(w.Key)
		switch {
		case w.Delete && there:
			t.partitions[w.Key.Partition] = slices.Delete(items, at, at+1)
		case w.Delete:
		case there:
			items[at] = records.Item{Key: w.Key, Revision: items[at].Revision + 1, Body: w.Body}
		default:
			t.partitions[w.Key.Partition] = slices.Insert(items, at, records.Item{Key: w.Key, Revision: 1, Body: w.Body})
		}
	}
	return before, nil
}

// Watch implements [records.Table].
func (t *table) Watch(partitionPrefix string) (<-chan struct{}, func()) {
	watching := &watcher{prefix: partitionPrefix, changed: make(chan struct{}, 1)}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watchers[watching] = true
	return watching.changed, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.watchers, watching)
	}
}

func (t *table) signal(writes []records.Write) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for watching := range t.watchers {
		if slices.ContainsFunc(writes, func(w records.Write) bool { return strings.HasPrefix(w.Key.Partition, watching.prefix) }) {
			select {
			case watching.changed <- struct{}{}:
			default: // a signal is waiting already
			}
		}
	}
}

// left names every item that there is.
func (t *table) left() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var names []string
	for partition, items := range t.partitions {
		for _, item := range items {
			names = append(names, partition+"/"+item.Sort)
		}
	}
	slices.Sort(names)
	return names
}

// edit changes the body of an item.
func edit[T any](item *records.Item, change func(*T)) {
	var value T
	if err := json.Unmarshal(item.Body, &value); err != nil {
		panic(err)
	}
	change(&value)
	body, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	item.Body = body
}
