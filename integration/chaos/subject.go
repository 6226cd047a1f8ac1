package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// subject stands where the harness expects a test, so that a program can use its verbs. What is fatal to a test ends the
// goroutine that it happens in, as it does there.
type subject struct {
	testing.TB // nil: whatever else the harness would ask of a test, it gets a panic for

	ctx context.Context //nolint:containedctx // a test has one, too
	dir string          // of everything that is temporary
	log io.Writer

	mu       sync.Mutex
	failures []string
	cleanups []func()
}

func (s *subject) Helper() {}

func (s *subject) Context() context.Context { return s.ctx }

func (s *subject) Logf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.log, "%s %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

func (s *subject) Log(args ...any) { s.Logf("%s", fmt.Sprint(args...)) }

func (s *subject) Errorf(format string, args ...any) {
	s.Logf(format, args...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = append(s.failures, fmt.Sprintf(format, args...))
}

func (s *subject) Error(args ...any) { s.Errorf("%s", fmt.Sprint(args...)) }

func (s *subject) Fatalf(format string, args ...any) {
	s.Errorf(format, args...)
	runtime.Goexit()
}

func (s *subject) Fatal(args ...any) { s.Fatalf("%s", fmt.Sprint(args...)) }

func (s *subject) Failed() bool { return len(s.failed()) > 0 }

// failed gives everything that has failed so far.
func (s *subject) failed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.failures)
}

func (s *subject) TempDir() string {
	dir, err := os.MkdirTemp(s.dir, "")
	if err != nil {
		s.Fatal(err)
	}
	return dir
}

func (s *subject) Cleanup(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cleanups = append(s.cleanups, f)
}

// run does something in a goroutine of its own, because that may end by Fatal, and waits for it. Then it cleans up, what was
// begun last first.
func (s *subject) run(do func()) {
	s.apart(do)
	for {
		s.mu.Lock()
		n := len(s.cleanups)
		if n == 0 {
			s.mu.Unlock()
			return
		}
		last := s.cleanups[n-1]
		s.cleanups = s.cleanups[:n-1]
		s.mu.Unlock()
		s.apart(last)
	}
}

func (s *subject) apart(do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	<-done
}
