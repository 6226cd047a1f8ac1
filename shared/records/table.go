// Package records keeps the nouns: clusters, nodes, operations, configurations, node specs, heartbeats and access keys, as
// items of one narrow table that both platforms provide.
//
// It decides what belongs into one write. It does not decide anything about clusters.
package records

import (
	"context"
	"time"

	"github.com/millrace/millrace/shared/fault"
)

// Key places an item: items of one partition are kept together, sorted by Sort (bytewise).
type Key struct {
	Partition string
	Sort      string
}

// Item is a stored document with its revision, which grows by one with every write and starts at 1.
type Item struct {
	Key
	Revision int64
	Body     []byte
}

// Condition is what must hold for a write to happen.
type Condition struct {
	absent   bool
	revision int64
}

// Always writes whatever is there.
func Always() Condition { return Condition{} }

// IfAbsent writes only where no item stands.
func IfAbsent() Condition { return Condition{absent: true} }

// IfRevision writes only over the item of exactly this revision.
func IfRevision(revision int64) Condition { return Condition{revision: revision} }

// Absent tells whether the condition is IfAbsent.
func (c Condition) Absent() bool { return c.absent }

// Revision gives the revision of IfRevision; ok is false for the other conditions.
func (c Condition) Revision() (revision int64, ok bool) { return c.revision, c.revision > 0 }

// Write is one change of a transaction: a new body for an item, or its removal.
type Write struct {
	Key    Key
	If     Condition
	Body   []byte
	Delete bool
	// Expires, where it is set, is when the item may be removed: a table that cleans up does so within days after it, one
	// that does not keeps the item. The next write of the item sets it anew or, without one, clears it.
	Expires time.Time
}

// Limits of DynamoDB's, held to everywhere.
const (
	// MaxWrites is how many writes one transaction may hold.
	MaxWrites = 100
	// maxItem is how large an item may be with its keys, attribute names and revision, maxTransaction all of them together.
	maxItem        = 400 << 10
	maxTransaction = 4 << 20
	// itemOverhead is what the names of attributes, the revision and the time of expiry take at most.
	itemOverhead = 64
)

// CheckWrites returns Invalid for writes that no table can make in one transaction. Every table asks it first.
func CheckWrites(writes []Write) error {
	if len(writes) > MaxWrites {
		return fault.New(fault.Invalid, "%d writes in one transaction; at most %d are possible", len(writes), MaxWrites)
	}
	total := 0
	seen := make(map[Key]bool, len(writes))
	for _, w := range writes {
		if w.Key.Partition == "" || w.Key.Sort == "" {
			return fault.New(fault.Invalid, "%q/%q is no key: both parts are needed", w.Key.Partition, w.Key.Sort)
		}
		if seen[w.Key] {
			return fault.New(fault.Invalid, "two writes to %s/%s in one transaction; one is possible", w.Key.Partition, w.Key.Sort)
		}
		seen[w.Key] = true
		size := len(w.Key.Partition) + len(w.Key.Sort) + len(w.Body) + itemOverhead
		if size > maxItem {
			return fault.New(fault.Invalid, "%s/%s would take %d KiB; an item may have %d",
				w.Key.Partition, w.Key.Sort, size>>10, maxItem>>10)
		}
		total += size
	}
	if total > maxTransaction {
		return fault.New(fault.Invalid, "a transaction of %d KiB; %d are possible", total>>10, maxTransaction>>10)
	}
	return nil
}

// Table keeps items. Each platform has one; both pass platformtest.Table.
type Table interface {
	// Get gives one item, or a NotFound error. It sees every write that ended before it began.
	Get(ctx context.Context, key Key) (Item, error)
	// Query gives up to limit items of a partition whose sort key begins with prefix and is greater than after, in order.
	Query(ctx context.Context, partition, prefix, after string, limit int) ([]Item, error)
	// Write makes all changes or none. A condition that does not hold is a Conflict; removing an absent item is success
	// unless its condition says otherwise.
	Write(ctx context.Context, writes ...Write) error
	// Watch signals on the channel after writes to partitions that begin with the prefix. Signals may be merged, and may
	// come without a change: whoever is woken looks again. stop ends it.
	Watch(partitionPrefix string) (changed <-chan struct{}, stop func())
}
