package records_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/accesskey"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/local/localtest"
	"github.com/millrace/millrace/shared/records"
)

func TestAccessKeys_AreTakenOnceAndGoneWhenRemoved(t *testing.T) {
	r := records.Records{Table: localtest.NewTable(t)}
	key := accesskey.Key{ID: "MILLRACEAAAAAAAAAAAA", Role: accesskey.Operator, Sealed: []byte{0, 255}}
	if err := r.AddAccessKey(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if err := r.AddAccessKey(t.Context(), key); !fault.Is(err, fault.Conflict) {
		t.Errorf("a second of the same id: %v", err)
	}
	got, err := r.AccessKey(t.Context(), key.ID)
	if err != nil || got.Role != key.Role || string(got.Sealed) != string(key.Sealed) {
		t.Errorf("got %+v, %v", got, err)
	}
	for range 2 {
		if err := r.RemoveAccessKey(t.Context(), key.ID); err != nil {
			t.Error(err)
		}
	}
	if _, err := r.AccessKey(t.Context(), key.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("after its removal: %v", err)
	}
}

func TestAccessKeys_OfManyWhoReplaceOneOnlyOneSucceeds(t *testing.T) {
	r := records.Records{Table: localtest.NewTable(t)}
	if err := r.AddAccessKey(t.Context(), accesskey.Key{ID: "old"}); err != nil {
		t.Fatal(err)
	}
	errTooLate := errors.New("somebody was faster")
	var won atomic.Int32
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			_, _, err := r.ReplaceAccessKey(t.Context(), "old", func(old *accesskey.Key) (accesskey.Key, error) {
				if old.ReplacedBy != "" {
					return accesskey.Key{}, errTooLate
				}
				end := time.Now()
				old.EndsAt, old.ReplacedBy = &end, fmt.Sprint("new ", i)
				return accesskey.Key{ID: old.ReplacedBy}, nil
			})
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, errTooLate):
				t.Error(err)
			}
		})
	}
	all.Wait()
	keys, err := r.AccessKeys(t.Context())
	if err != nil || won.Load() != 1 || len(keys) != 2 {
		t.Errorf("%d have won and %d keys are there, %v; want one and two", won.Load(), len(keys), err)
	}
}

func TestAccessKeys_OneThatWasRevokedIsNotReplaced(t *testing.T) {
	r := records.Records{Table: localtest.NewTable(t)}
	_, _, err := r.ReplaceAccessKey(t.Context(), "gone", func(*accesskey.Key) (accesskey.Key, error) {
		return accesskey.Key{ID: "new"}, nil
	})
	if !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
	if keys, err := r.AccessKeys(t.Context()); err != nil || len(keys) > 0 {
		t.Errorf("left %v, %v", keys, err)
	}
}
