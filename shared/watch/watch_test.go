package watch_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/shared/watch"
)

func TestEvery_SignalsAtEveryIntervalUntilItIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		signals, stop := watch.Every(time.Second)
		for want := time.Second; want <= 3*time.Second; want += time.Second {
			<-signals
			if took := time.Since(began); took != want {
				t.Errorf("a signal after %s, want %s", took, want)
			}
		}
		stop()
		stop()
		select {
		case <-signals:
			t.Error("a signal after the end")
		case <-time.After(time.Minute):
		}
	}) // which waits for every goroutine
}

func TestEvery_KeepsOneSignalForWhoeverIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signals, stop := watch.Every(time.Second)
		defer stop()
		<-time.After(10*time.Second + time.Second/2)
		<-signals
		select {
		case <-signals:
			t.Error("a second signal at once")
		default:
		}
	})
}

func TestEither_SignalsWhenOneOfThemDoesUntilItIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := make(chan struct{}), make(chan struct{})
		ended := 0
		watching := func(changed chan struct{}) func() (<-chan struct{}, func()) {
			return func() (<-chan struct{}, func()) { return changed, func() { ended++ } }
		}
		signals, stop := watch.Either(watching(a), watching(b))
		for _, one := range []chan struct{}{a, b, b} {
			one <- struct{}{}
			<-signals
		}
		stop()
		stop()
		if ended != 2 {
			t.Errorf("%d watches were ended, want both, once", ended)
		}
	}) // which waits for every goroutine
}
