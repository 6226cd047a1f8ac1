package local

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/records"
)

var itemsBucket = []byte("items")

// Table keeps records in one bbolt bucket. A bbolt key is the partition, a zero byte and the sort key, so that a partition
// is one run of keys; a value is the revision (8 bytes, big endian) and the body.
type Table struct {
	db       *bbolt.DB
	mu       sync.Mutex
	watchers map[*watcher]struct{}
}

type watcher struct {
	prefix  string
	changed chan struct{}
}

var _ records.Table = (*Table)(nil)

// NewTable makes a table in an opened database.
func NewTable(db *bbolt.DB) (*Table, error) {
	err := db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(itemsBucket)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("prepare table: %w", err)
	}
	return &Table{db: db, watchers: map[*watcher]struct{}{}}, nil
}

func bboltKey(k records.Key) []byte { return []byte(k.Partition + "\x00" + k.Sort) }

func decodeItem(key records.Key, value []byte) records.Item {
	return records.Item{
		Key:      key,
		Revision: int64(binary.BigEndian.Uint64(value)),
		Body:     bytes.Clone(value[8:]),
	}
}

func encodeItem(revision int64, body []byte) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(revision)), body...)
}

// Get implements [records.Table].
func (t *Table) Get(ctx context.Context, key records.Key) (records.Item, error) {
	if err := ctx.Err(); err != nil {
		return records.Item{}, err
	}
	var item records.Item
	err := t.db.View(func(tx *bbolt.Tx) error {
		value := tx.Bucket(itemsBucket).Get(bboltKey(key))
		if value == nil {
			return fault.New(fault.NotFound, "%s/%s does not exist", key.Partition, key.Sort)
		}
		item = decodeItem(key, value)
		return nil
	})
	return item, closed(err)
}

// Query implements [records.Table].
func (t *Table) Query(ctx context.Context, partition, prefix, after string, limit int) ([]records.Item, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	run := bboltKey(records.Key{Partition: partition, Sort: prefix})
	from := run
	if after != "" {
		if past := append(bboltKey(records.Key{Partition: partition, Sort: after}), 0); bytes.Compare(past, from) > 0 {
			from = past // the least key that is greater than after
		}
	}
	var items []records.Item
	err := t.db.View(func(tx *bbolt.Tx) error {
		cursor := tx.Bucket(itemsBucket).Cursor()
		for k, v := cursor.Seek(from); k != nil && bytes.HasPrefix(k, run) && len(items) < limit; k, v = cursor.Next() {
			sort := string(k[len(partition)+1:])
			items = append(items, decodeItem(records.Key{Partition: partition, Sort: sort}, v))
		}
		return nil
	})
	return items, closed(err)
}

// Write implements [records.Table].
func (t *Table) Write(ctx context.Context, writes ...records.Write) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := records.CheckWrites(writes); err != nil {
		return err
	}
	err := t.db.Update(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(itemsBucket)
		for _, w := range writes {
			if err := apply(bucket, w); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return closed(err)
	}
	t.signal(writes)
	return nil
}

func apply(bucket *bbolt.Bucket, w records.Write) error {
	key := bboltKey(w.Key)
	old := bucket.Get(key)
	var revision int64
	if old != nil {
		revision = int64(binary.BigEndian.Uint64(old))
	}
	if w.If.Absent() && old != nil {
		return fault.New(fault.Conflict, "%s/%s exists already", w.Key.Partition, w.Key.Sort)
	}
	if want, ok := w.If.Revision(); ok && want != revision {
		return fault.New(fault.Conflict, "%s/%s was changed in between", w.Key.Partition, w.Key.Sort)
	}
	if w.Delete {
		return bucket.Delete(key)
	}
	return bucket.Put(key, encodeItem(revision+1, w.Body))
}

// closed tells callers of a store that is being closed that their call may succeed later: after the next start.
func closed(err error) error {
	if errors.Is(err, bbolterrors.ErrDatabaseNotOpen) {
		return fault.New(fault.Unavailable, "the store is closed: %w", err)
	}
	return err
}

// Watch implements [records.Table].
func (t *Table) Watch(partitionPrefix string) (<-chan struct{}, func()) {
	w := &watcher{prefix: partitionPrefix, changed: make(chan struct{}, 1)}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watchers[w] = struct{}{}
	return w.changed, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.watchers, w)
	}
}

func (t *Table) signal(writes []records.Write) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for w := range t.watchers {
		for _, write := range writes {
			if strings.HasPrefix(write.Key.Partition, w.prefix) {
				select {
				case w.changed <- struct{}{}:
				default: // a signal is waiting already
				}
				break
			}
		}
	}
}
