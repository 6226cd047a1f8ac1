package harness

import (
	"testing"
	"time"
)

// Until waits until something is true and fails the test when it is not in time. state says how things are, for the
// message; it may be empty.
func Until(t testing.TB, what string, atMost time.Duration, check func() (ok bool, state string)) {
	t.Helper()
	var state string
	deadline := time.Now().Add(atMost)
	for {
		var ok bool
		if ok, state = check(); ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s\n%s", atMost, what, state)
		}
		pause()
	}
}

// pause lies between two looks at something that can't be waited for in any other way.
func pause() { time.Sleep(20 * time.Millisecond) }
