package asl

import (
	"context"
	"sync"
	"time"
)

// VirtualTime is a clock that moves only inside Run, from one timer to the next, and only while nothing runs in the
// background. Timers due at the same moment fire in the order they were set. So a test waits for hours in no time, and
// twice in the same way.
type VirtualTime struct {
	mu     sync.Mutex
	idle   *sync.Cond
	now    time.Time
	timers []*virtualTimer // unordered; there are few
	set    int             // timers set so far: their order
	busy   int             // functions running in the background, sleepers excepted
}

type virtualTimer struct {
	at    time.Time
	order int
	fire  func()
}

// NewVirtualTime gives a clock that stands at start.
func NewVirtualTime(start time.Time) *VirtualTime {
	v := &VirtualTime{now: start}
	v.idle = sync.NewCond(&v.mu)
	return v
}

func (v *VirtualTime) Now() time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.now
}

func (v *VirtualTime) AfterFunc(d time.Duration, f func()) func() {
	v.mu.Lock()
	defer v.mu.Unlock()
	t := v.add(d, f)
	return func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.remove(t)
	}
}

func (v *VirtualTime) Go(f func()) {
	v.mu.Lock()
	v.busy++
	v.mu.Unlock()
	go func() {
		defer v.rest()
		f()
	}()
}

func (v *VirtualTime) rest() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.busy--
	v.idle.Broadcast()
}

// Sleep lets time pass inside a function started with Go. It gives the context's error when that ends first.
func (v *VirtualTime) Sleep(ctx context.Context, d time.Duration) error {
	woken := make(chan struct{})
	v.mu.Lock()
	t := v.add(d, func() {
		v.mu.Lock()
		v.busy++ // before the sleeper runs, so that time can't pass in between
		v.mu.Unlock()
		close(woken)
	})
	v.busy--
	v.idle.Broadcast()
	v.mu.Unlock()
	select {
	case <-woken:
		return nil
	case <-ctx.Done():
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.remove(t) {
		v.busy++
		return ctx.Err()
	}
	v.mu.Unlock()
	<-woken // it fired at the same time
	v.mu.Lock()
	return ctx.Err()
}

// Run lets time pass until done says so, asking whenever nothing runs. It gives false when there is nothing left to
// wait for.
func (v *VirtualTime) Run(done func() bool) bool {
	for {
		v.mu.Lock()
		for v.busy > 0 {
			v.idle.Wait()
		}
		v.mu.Unlock()
		if done() {
			return true
		}
		t := v.next()
		if t == nil {
			return false
		}
		t.fire()
	}
}

// next takes the earliest timer and sets the clock to it.
func (v *VirtualTime) next() *virtualTimer {
	v.mu.Lock()
	defer v.mu.Unlock()
	var first *virtualTimer
	for _, t := range v.timers {
		if first == nil || t.at.Before(first.at) || (t.at.Equal(first.at) && t.order < first.order) {
			first = t
		}
	}
	if first != nil {
		v.remove(first)
		if first.at.After(v.now) {
			v.now = first.at
		}
	}
	return first
}

func (v *VirtualTime) add(d time.Duration, f func()) *virtualTimer {
	v.set++
	t := &virtualTimer{at: v.now.Add(d), order: v.set, fire: f}
	v.timers = append(v.timers, t)
	return t
}

func (v *VirtualTime) remove(t *virtualTimer) bool {
	for i := range v.timers {
		if v.timers[i] == t {
			v.timers = append(v.timers[:i], v.timers[i+1:]...)
			return true
		}
	}
	return false
}
