package harness

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/millrace/millrace/shared/brokeragent"
)

// Use is how much of a log volume is taken, by the files on the machine's disk and not by what anybody says.
type Use struct{ Bytes, Of int64 }

// Percent is how full the volume is.
func (u Use) Percent() float64 { return 100 * float64(u.Bytes) / float64(u.Of) }

// GiB is the size of the volume in units of so many bytes.
func (u Use) GiB(unit int64) int { return int(u.Of / unit) }

func (u Use) String() string {
	return fmt.Sprintf("%.1f %% of %d MiB", u.Percent(), u.Of>>20)
}

// Use looks how much of a node's log volume is taken. What grows meanwhile is taken for fuller than it is.
func (m *Millrace) Use(arn string, node int32) Use {
	m.t.Helper()
	u, err := m.lookAtUse(arn, node)
	if err != nil {
		m.t.Fatal(err)
	}
	return u
}

func (m *Millrace) lookAtUse(arn string, node int32) (u Use, err error) {
	volumes, err := filepath.Glob(filepath.Join(m.Data, "volumes", "vol-"+nodeOfCluster(arn, node)))
	if err == nil && len(volumes) != 1 {
		err = fmt.Errorf("node %d has the volumes %v, want one", node, volumes)
	}
	if err != nil {
		return u, err
	}
	u.Of, _ = brokeragent.VolumeAt(volumes[0]).Bytes()
	err = filepath.WalkDir(volumes[0], func(_ string, entry fs.DirEntry, err error) error {
		var info fs.FileInfo
		if err == nil {
			info, err = entry.Info()
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it has gone since it was listed
		}
		if err == nil {
			if s, ok := info.Sys().(*syscall.Stat_t); ok {
				u.Bytes += s.Blocks * 512
			}
		}
		return err
	})
	if err != nil {
		return u, fmt.Errorf("look at volume %s: %w", volumes[0], err)
	}
	return u, nil
}

// Watch looks at log volumes over and over.
type Watch struct {
	stopping chan struct{}
	stopped  chan struct{}

	mu     sync.Mutex
	looks  int
	within map[int64]Use // the fullest look at any of them, by the size that it had
}

// WatchVolumes begins to look at the log volumes of nodes, until it is stopped or the test is over.
func (m *Millrace) WatchVolumes(arn string, nodes ...int32) *Watch {
	m.t.Helper()
	w := &Watch{stopping: make(chan struct{}), stopped: make(chan struct{}), within: map[int64]Use{}}
	go func() {
		defer close(w.stopped)
		for {
			for _, node := range nodes {
				u, err := m.lookAtUse(arn, node)
				if err != nil {
					m.t.Error(err)
					return
				}
				w.add(u)
			}
			select {
			case <-w.stopping:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	m.t.Cleanup(func() { w.Stop() })
	return w
}

func (w *Watch) add(u Use) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	if u.Bytes > w.within[u.Of].Bytes {
		w.within[u.Of] = u
	}
}

// Stop ends the watch. It gives how often it has looked, and how full the fullest volume was at most, at each size that there was:
// from the smallest to the largest.
func (w *Watch) Stop() (looks int, fullest []Use) {
	select {
	case <-w.stopping:
	default:
		close(w.stopping)
	}
	<-w.stopped
	for _, u := range w.within {
		fullest = append(fullest, u)
	}
	slices.SortFunc(fullest, func(a, b Use) int { return int(a.Of - b.Of) })
	return w.looks, fullest
}

// BrokerStorage is the volume of a broker, as `millrace storage show` tells it: TotalBytes is what its host has found.
type BrokerStorage struct {
	ID                    int32
	VolumeGiB             int
	UsedBytes, TotalBytes int64
}

// Storage is what `millrace storage show` tells of a cluster's brokers.
func (m *Millrace) Storage(arn string) []BrokerStorage {
	m.t.Helper()
	return Decode[struct{ Brokers []BrokerStorage }](m.t, m.Command("storage", "show", arn, "--output", "json")).Brokers
}

// WaitUntilRoom waits until every broker has a volume of so many units, of so many bytes each, and its host, if it has one that says
// so, has found all of that.
func (m *Millrace) WaitUntilRoom(arn string, gib int, unit int64) {
	m.t.Helper()
	Until(m.t, fmt.Sprintf("every broker can use %d GiB", gib), time.Minute, func() (bool, string) {
		storage := m.Storage(arn)
		for _, b := range storage {
			if b.VolumeGiB != gib || b.TotalBytes != int64(gib)*unit {
				return false, fmt.Sprintf("%+v", storage)
			}
		}
		return true, ""
	})
}
