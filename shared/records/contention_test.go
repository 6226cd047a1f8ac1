package records_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/records"
)

// lost is the answer of a table to a write that somebody else was faster with.
func lost([]records.Write) error { return fault.New(fault.Conflict, "it was changed in between") }

func touch(*cluster.Cluster) error { return nil }

func TestContention_IsUnavailableInTheEndAndNeverARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, table := openRecords(t)
		createCluster(t, r, "id-1", "orders")
		tries := 0
		table.before = func(writes []records.Write) error { tries++; return lost(writes) }
		began := time.Now()
		_, err := r.ChangeCluster(t.Context(), "id-1", touch)
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("%v after %d tries", err, tries)
		}
		if took := time.Since(began); took < time.Second || took > 20*time.Second {
			t.Errorf("it gave up after %s and %d tries", took, tries)
		}
	})
}

func TestContention_IsOverAsSoonAsTheOthersAreDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, table := openRecords(t)
		createCluster(t, r, "id-1", "orders")
		tries := 0
		table.before = func(writes []records.Write) error {
			if tries++; tries < 4 {
				return lost(writes)
			}
			return nil
		}
		began := time.Now()
		if _, err := r.ChangeCluster(t.Context(), "id-1", touch); err != nil || tries != 4 {
			t.Errorf("%v after %d tries", err, tries)
		}
		if took := time.Since(began); took > 50*time.Millisecond {
			t.Errorf("the first pauses took %s", took)
		}
	})
}

func TestContention_IsNotWaitedForByACallerWhoHasGone(t *testing.T) {
	r, table := openRecords(t)
	createCluster(t, r, "id-1", "orders")
	ctx, leave := context.WithCancel(t.Context())
	tries := 0
	table.before = func(writes []records.Write) error { tries++; leave(); return lost(writes) }
	if _, err := r.ChangeCluster(ctx, "id-1", touch); !fault.Is(err, fault.Unavailable) || tries != 1 {
		t.Errorf("%v after %d tries", err, tries)
	}
}
