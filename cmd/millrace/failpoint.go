package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/shared/platform/local/asl"
)

// failPoint makes the control plane end itself, as hard as kill -9, at a transition of a state machine. Tests use it to
// prove that every operation goes on after a crash at any step.
//
// The text is <machine>:<n>:<before|after>: at the n-th transition of the machine since the start, right before or right
// after it is journalled. An empty text is no fail point.
func failPoint(text string) func(asl.Transition) {
	if text == "" {
		return nil
	}
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		panic(fmt.Sprintf("fail point %q is not <machine>:<n>:<before|after>", text))
	}
	n, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		panic(fmt.Sprintf("fail point %q: %v", text, err))
	}
	var seen atomic.Int64
	return func(t asl.Transition) {
		if t.Machine != parts[0] || t.Journaled != (parts[2] == "after") {
			return
		}
		if seen.Add(1) == n {
			_ = unix.Kill(os.Getpid(), unix.SIGKILL)
			select {} // the signal ends it here
		}
	}
}
