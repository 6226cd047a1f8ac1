package brokeragent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/shared/nodespec"
)

const (
	// meterPoll lies between two writes that are timed. Kafka itself writes its checkpoints twice as often.
	meterPoll = 10 * time.Second
	// meterMemory is how far back writes count.
	meterMemory = time.Minute
	// sizePatience is how long the size of a disk is waited for before the last one known has to do.
	sizePatience = time.Second
)

// diskMeter tells how full the disk of the volume is and how long a write to it takes. All that may hang with the disk runs
// beside the agent's loops, at most once at a time.
type diskMeter struct {
	write func(dir string) error // one small synchronous write

	mu     sync.Mutex
	dir    string       // empty until the volume is known
	inUse  bool         // Kafka runs on it: before, nothing is written to it
	writes []timedWrite // the last minute's
	began  time.Time    // of the write that is under way; zero when none is
	size   *nodespec.Disk
	asking chan struct{} // closed when the size that is asked for has come; nil when none is
}

type timedWrite struct {
	at   time.Time
	took time.Duration
}

func newDiskMeter() *diskMeter { return &diskMeter{write: writeSomething} }

// watch makes a directory the volume's.
func (m *diskMeter) watch(dir string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dir != dir {
		m.dir, m.writes, m.size = dir, nil, nil
	}
}

// use says whether Kafka runs on the volume.
func (m *diskMeter) use(inUse bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inUse = inUse
}

// run times a write now and then until ctx ends, and the write that may be under way with it.
func (m *diskMeter) run(ctx context.Context) {
	for pause(ctx, meterPoll) {
		m.timeOne()
	}
}

func (m *diskMeter) timeOne() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.inUse {
		return
	}
	dir := m.dir
	m.began = time.Now()
	m.mu.Unlock()
	err := m.write(dir)
	m.mu.Lock()
	now := time.Now()
	if err == nil && m.dir == dir { // a full disk says nothing of how fast it is
		m.writes = append(m.writes, timedWrite{now, now.Sub(m.began)})
	}
	m.began = time.Time{}
}

// disk tells how full the disk of the volume is and how long writes take; nil while that is not known.
func (m *diskMeter) disk() *nodespec.Disk {
	m.awaitSize()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.size == nil {
		return nil
	}
	disk := *m.size
	disk.WriteMillis = m.writeMillis(time.Now())
	return &disk
}

// awaitSize asks how full the disk is, and waits for the answer, but not for ever.
func (m *diskMeter) awaitSize() {
	m.mu.Lock()
	if m.asking == nil && m.dir != "" {
		asking, dir := make(chan struct{}), m.dir
		m.asking = asking
		go func() {
			size := diskOf(dir)
			m.mu.Lock()
			defer m.mu.Unlock()
			if m.asking = nil; m.dir == dir {
				m.size = size
			}
			close(asking)
		}()
	}
	asking := m.asking
	m.mu.Unlock()
	if asking == nil {
		return
	}
	select {
	case <-asking:
	case <-time.After(sizePatience):
	}
}

// writeMillis is the median of the last minute's writes, or what the present one has taken so far if that is more.
func (m *diskMeter) writeMillis(now time.Time) int {
	m.writes = slices.DeleteFunc(m.writes, func(w timedWrite) bool { return now.Sub(w.at) > meterMemory })
	var took time.Duration
	if len(m.writes) > 0 {
		sorted := slices.SortedFunc(slices.Values(m.writes), func(a, b timedWrite) int { return int(a.took - b.took) })
		took = sorted[len(sorted)/2].took
	}
	if !m.began.IsZero() {
		took = max(took, now.Sub(m.began))
	}
	if took == 0 {
		return 0
	}
	return int(max(1, took.Milliseconds()))
}

// writeSomething writes a block into a new file of a directory and waits until it is on the disk. Where the file system can,
// the file has no name, so that nothing is left of it whatever happens.
func writeSomething(dir string) error {
	f, err := openNameless(dir)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, 4096))
	return errors.Join(err, unix.Fdatasync(int(f.Fd())), f.Close())
}

func openNameless(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), dir), nil
	}
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EISDIR) {
		return nil, fmt.Errorf("open a file without a name in %s: %w", dir, err)
	}
	named := filepath.Join(dir, ".millrace-write")
	f, err := os.OpenFile(named, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return f, os.Remove(named)
}
