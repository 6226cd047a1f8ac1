package asl

import "time"

// Clock is the engine's time and its only way to do things in the background, so that a test or a simulation decides
// when time passes and what runs meanwhile.
type Clock interface {
	Now() time.Time
	// AfterFunc runs f once d has passed, unless it is stopped before.
	AfterFunc(d time.Duration, f func()) (stop func())
	// Go runs f in the background. A virtual clock stands still while f runs.
	Go(f func())
}

// RealTime is the clock on the wall.
type RealTime struct{}

func (RealTime) Now() time.Time { return time.Now() }

func (RealTime) AfterFunc(d time.Duration, f func()) func() {
	t := time.AfterFunc(d, f)
	return func() { t.Stop() }
}

func (RealTime) Go(f func()) { go f() }
