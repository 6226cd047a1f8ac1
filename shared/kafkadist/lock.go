package kafkadist

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// workPrefix starts the names of directories in which something is being made.
const workPrefix = "unfinished-"

// lock waits until this process is the only one that changes the store. The kernel frees it when the process ends, however
// it ends.
func (s Store) lock(ctx context.Context, say func(format string, args ...any)) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(s.Dir, "lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	const pause = 50 * time.Millisecond
	for first := true; ; first = false {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		if first {
			say("waiting for another process that prepares Kafka")
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("wait for the lock on %s: %w", s.Dir, ctx.Err())
		case <-time.After(pause):
		}
	}
}

// workDir is a directory to make something in, on the file system of the store so that it can be renamed into place.
func (s Store) workDir() (string, error) { return os.MkdirTemp(s.Dir, workPrefix) }

// removeLeftovers removes what a process that was killed left behind. Only the holder of the lock may call it.
func (s Store) removeLeftovers() {
	leftovers, _ := filepath.Glob(filepath.Join(s.Dir, workPrefix+"*"))
	for _, dir := range leftovers {
		os.RemoveAll(dir)
	}
}
