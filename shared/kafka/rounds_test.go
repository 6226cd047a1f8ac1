package kafka

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/shared/fault"
)

// Each request answers with how many were begun before it, and takes a second.
func counting(begun *atomic.Int64) func(context.Context) (int64, error) {
	return func(context.Context) (int64, error) {
		n := begun.Add(1)
		time.Sleep(time.Second)
		return n, nil
	}
}

func TestRounds_ManyWhoAskAtOnceShareOneAnswerThatIsNoOlderThanTheirQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r rounds[int64]
		var begun atomic.Int64
		var all sync.WaitGroup
		want := func(n int64) {
			all.Go(func() {
				if got, err := r.ask(t.Context(), counting(&begun)); err != nil || got != n {
					t.Errorf("the answer is of request %d, %v; want %d", got, err, n)
				}
			})
		}
		want(1)
		synctest.Wait() // it is under way
		for range 10 {
			want(2)
		}
		time.Sleep(1500 * time.Millisecond) // that is under way, too
		want(3)
		all.Wait()
		if n := begun.Load(); n != 3 {
			t.Errorf("%d requests were made", n)
		}
	})
}

func TestRounds_GoOnForTheOthersWhenOneGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r rounds[int64]
		var begun atomic.Int64
		var all sync.WaitGroup
		impatient, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		all.Go(func() {
			if _, err := r.ask(impatient, counting(&begun)); !fault.Is(err, fault.Unavailable) || fault.ReasonOf(err) != reasonTimedOut {
				t.Errorf("who has no more time gets %v", err)
			}
		})
		synctest.Wait()
		all.Go(func() {
			if got, err := r.ask(t.Context(), counting(&begun)); err != nil || got != 2 {
				t.Errorf("the other one gets %d, %v", got, err)
			}
		})
		all.Wait()
	})
}

func TestRounds_TellAllWhoWaitWhatWentWrong(t *testing.T) {
	var r rounds[int64]
	broken := errors.New("no broker answers")
	for range 2 {
		if _, err := r.ask(t.Context(), func(context.Context) (int64, error) { return 0, broken }); !errors.Is(err, broken) {
			t.Error(err)
		}
	}
}
