package compute

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestSettled_ALookThatTookLongIsNotTheLastOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, looks := region{Config: Config{Settle: 15 * time.Second, Look: time.Second}}, 0
		seen, err := r.settled(t.Context(), func() (bool, error) {
			looks++
			time.Sleep(20 * time.Second) // throttled
			return looks == 2, nil
		})
		if !seen || err != nil {
			t.Errorf("seen: %t, %v", seen, err)
		}
	})
}

func TestSettled_EndsOnceEC2HasHadItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, began := region{Config: Config{Settle: 15 * time.Second, Look: time.Second}}, time.Now()
		seen, err := r.settled(t.Context(), func() (bool, error) { return false, nil })
		if took := time.Since(began); seen || err != nil || took != 15*time.Second {
			t.Errorf("seen: %t, %v after %s", seen, err, took)
		}
		ctx, end := context.WithTimeout(t.Context(), 3*time.Second)
		defer end()
		if _, err := r.settled(ctx, func() (bool, error) { return false, nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("err = %v, want the caller's deadline", err)
		}
	})
}
