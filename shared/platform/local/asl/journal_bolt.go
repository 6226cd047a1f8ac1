package asl

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"

	"go.etcd.io/bbolt"
)

// BoltJournal keeps a journal in one bucket of an open bbolt file. Writes that come in while one is being synced to
// the disk share the next transaction; a lone write waits for nobody (DB.Batch would wait for company).
type BoltJournal struct {
	db     *bbolt.DB
	bucket []byte

	mu         sync.Mutex
	waiting    []*boltWrite
	committing bool
}

type boltWrite struct {
	Write
	done chan error
}

var (
	positionsBucket = []byte("positions")
	eventsBucket    = []byte("events")
)

// NewBoltJournal makes the bucket when it is missing. The file stays the caller's to close, after the engine.
func NewBoltJournal(db *bbolt.DB, bucket string) (*BoltJournal, error) {
	err := db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte(bucket))
		if err != nil {
			return err
		}
		for _, name := range [][]byte{positionsBucket, eventsBucket} {
			if _, err := b.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open journal %s: %w", bucket, err)
	}
	return &BoltJournal{db: db, bucket: []byte(bucket)}, nil
}

func (j *BoltJournal) Save(w Write) error {
	mine := &boltWrite{Write: w, done: make(chan error, 1)}
	j.mu.Lock()
	j.waiting = append(j.waiting, mine)
	lead := !j.committing
	j.committing = true
	j.mu.Unlock()
	if lead {
		j.commit()
	}
	return <-mine.done
}

// commit writes everything that waits in one transaction, and leaves what came meanwhile to another goroutine.
func (j *BoltJournal) commit() {
	j.mu.Lock()
	writes := j.waiting
	j.waiting = nil
	j.mu.Unlock()

	err := j.update(writes...)
	for _, w := range writes {
		if err != nil && len(writes) > 1 {
			w.done <- j.update(w) // alone, so that it does not fail for another's fault
		} else {
			w.done <- err
		}
	}

	j.mu.Lock()
	defer j.mu.Unlock()
	if j.committing = len(j.waiting) > 0; j.committing {
		go j.commit()
	}
}

// update makes writes durable, all or none.
func (j *BoltJournal) update(writes ...*boltWrite) error {
	return j.db.Update(func(tx *bbolt.Tx) error {
		for _, w := range writes {
			if err := j.put(tx, w.Write); err != nil {
				return fmt.Errorf("journal %s: %w", w.ARN, err)
			}
		}
		return nil
	})
}

func (j *BoltJournal) put(tx *bbolt.Tx, w Write) error {
	b := tx.Bucket(j.bucket)
	for i, event := range w.Events {
		if err := b.Bucket(eventsBucket).Put(eventKey(w.ARN, w.First+i), event); err != nil {
			return err
		}
	}
	return b.Bucket(positionsBucket).Put([]byte(w.ARN), w.Position)
}

// eventKey sorts the events of one execution together and by number; 0 can't be part of an ARN.
func eventKey(arn string, number int) []byte {
	return binary.BigEndian.AppendUint32(append([]byte(arn), 0), uint32(number)) //nolint:gosec // at most 25,000
}

func (j *BoltJournal) Load(show func(arn string, position []byte) error) error {
	return j.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(j.bucket).Bucket(positionsBucket).ForEach(func(arn, position []byte) error {
			return show(string(arn), position)
		})
	})
}

func (j *BoltJournal) Events(arn string) ([][]byte, error) {
	var out [][]byte
	err := j.db.View(func(tx *bbolt.Tx) error {
		j.eachEvent(tx, arn, func(_, event []byte) { out = append(out, bytes.Clone(event)) })
		return nil
	})
	return out, err
}

func (j *BoltJournal) Delete(arns ...string) error {
	return j.db.Update(func(tx *bbolt.Tx) error {
		for _, arn := range arns {
			if err := tx.Bucket(j.bucket).Bucket(positionsBucket).Delete([]byte(arn)); err != nil {
				return err
			}
			var keys [][]byte // deleting under a moving cursor would skip some
			j.eachEvent(tx, arn, func(key, _ []byte) { keys = append(keys, bytes.Clone(key)) })
			for _, key := range keys {
				if err := tx.Bucket(j.bucket).Bucket(eventsBucket).Delete(key); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (j *BoltJournal) eachEvent(tx *bbolt.Tx, arn string, visit func(key, event []byte)) {
	prefix := append([]byte(arn), 0)
	c := tx.Bucket(j.bucket).Bucket(eventsBucket).Cursor()
	for key, event := c.Seek(prefix); bytes.HasPrefix(key, prefix); key, event = c.Next() {
		visit(key, event)
	}
}
