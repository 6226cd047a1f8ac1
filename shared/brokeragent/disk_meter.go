package brokeragent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
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

// diskMeter tells how full the disk of the volume is and how long a write to it takes, and ends a Kafka that has filled its
// volume. All that may hang with the disk runs beside the agent's loops, at most once at a time.
type diskMeter struct {
	write   func(dir string) error // one small synchronous write
	limit   VolumeLimit            // nil where volumes are file systems of their own
	parts   VolumeParts            // nil where nobody says what the volume is made of
	crossed func()                 // called when the use of the disk has crossed a step that others should hear of, or its size or its parts have changed

	mu     sync.Mutex
	dir    string        // empty until the volume is known
	kafka  process       // that runs on it; nil when none does: then nothing is written to it
	ended  process       // the last one that was ended for want of room
	writes []timedWrite  // the last minute's
	began  time.Time     // of the write that is under way; zero when none is
	room   *room         // that was found last
	size   int64         // that the volume was last said to have; 0 where nobody has
	told   *room         // that the use was compared with last
	asking chan struct{} // closed when the room that is asked for has come; nil when none is
}

type timedWrite struct {
	at   time.Time
	took time.Duration
}

func newDiskMeter() *diskMeter { return &diskMeter{write: writeSomething, crossed: func() {}} }

// watch makes a directory the volume's.
func (m *diskMeter) watch(dir string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dir != dir {
		m.dir, m.writes, m.room, m.told, m.size = dir, nil, nil, nil, 0
	}
}

// use says which Kafka runs on the volume; nil for none.
func (m *diskMeter) use(kafka process) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kafka = kafka
}

// hasEnded tells whether a Kafka was ended because it had filled its volume.
func (m *diskMeter) hasEnded(kafka process) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return kafka != nil && m.ended == kafka
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
	if m.kafka == nil {
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
	found := m.look(false)
	if found == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	disk := found.disk
	disk.WriteMillis = m.writeMillis(time.Now())
	return &disk
}

// watchRoom looks at the volume until ctx ends, the more often the less room there is.
func (m *diskMeter) watchRoom(ctx context.Context) {
	for pause(ctx, m.untilLook()) {
		m.look(m.isResized())
	}
}

// isResized tells whether the volume has another size than when it was looked at.
func (m *diskMeter) isResized() bool {
	if m.limit == nil {
		return false
	}
	size, known := m.limit.Bytes() // it may hang with the disk: heartbeats must not wait for it
	m.mu.Lock()
	defer m.mu.Unlock()
	return known && m.room != nil && size != m.room.limit
}

// untilLook is how long the room that was found last holds, but no longer than a growth may stay unnoticed.
func (m *diskMeter) untilLook() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.room == nil {
		return limitPoll
	}
	return max(nearPoll, min(limitPoll, m.room.pace()-time.Since(m.room.at)))
}

// look gives the room of the volume, and waits for it, but not for ever; nil when it is not known. What was found a moment ago
// does, unless it has to be fresh.
func (m *diskMeter) look(fresh bool) *room {
	m.mu.Lock()
	last := m.room
	m.mu.Unlock()
	if !fresh && last != nil && last.enforced() && time.Since(last.at) < last.pace() {
		return last
	}
	m.awaitRoom()
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.room
}

// awaitRoom asks how full the disk is, and waits for the answer, but not for ever.
func (m *diskMeter) awaitRoom() {
	m.mu.Lock()
	if m.asking == nil && m.dir != "" {
		asking, dir, last := make(chan struct{}), m.dir, m.size
		m.asking = asking
		go func() {
			found := lookAt(dir, m.limit, last, m.parts)
			m.mu.Lock()
			defer m.mu.Unlock()
			if m.asking = nil; m.dir == dir {
				m.found(found)
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

// found takes what a look has found: it ends a Kafka that has no room any more, as a full disk would, and lets others hear of
// it when the disk has filled, or emptied, by a step, has grown, or is made of other volumes.
func (m *diskMeter) found(r *room) {
	m.room = r
	if r == nil {
		return
	}
	m.size = r.limit
	if m.kafka != nil && m.ended != m.kafka && r.isFull() && m.kafka.signal(syscall.SIGKILL) == nil {
		m.ended = m.kafka
	}
	was := m.told
	if was != nil && was.limit == r.limit && !r.disk.FillsBeyond(&was.disk) && !r.disk.FallsBelow(&was.disk) && r.disk.MadeAs(was.disk) {
		return
	}
	m.told = r
	if was != nil {
		m.crossed()
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
