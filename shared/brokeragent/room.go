package brokeragent

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/shared/nodespec"
)

// VolumeLimit says how large a log volume is where the file system that it is on does not: on one machine, where volumes are
// directories of a disk that they share. The agent keeps Kafka within it.
type VolumeLimit interface {
	// Bytes is the size of the volume that is attached, which may grow at any moment; known is false while nobody has said.
	Bytes() (bytes int64, known bool)
}

// VolumeParts says what a log volume is made of, where that may be several of the platform's volumes.
type VolumeParts interface {
	// Parts are the ids of those that it is made of, the first one first, and of those that it was made of once and that hold nothing
	// of it any more; nothing where no further ones can be joined to it.
	Parts() (made, left []string)
}

const (
	// fastestFill, in bytes a second, is more than the disks and networks of the machines that share one can bring.
	fastestFill = 1 << 30
	// nearPoll lies between two looks at a volume that may be full at any moment, farPoll between two at any other.
	nearPoll = 250 * time.Millisecond
	farPoll  = 10 * time.Second
	// limitPoll is how late it may be noticed that a volume has grown.
	limitPoll = time.Second
	// lookShare bounds what looks cost: after one that took 10 ms, there is none for 200.
	lookShare = 20
)

// room is what a look at a volume has found.
type room struct {
	disk  nodespec.Disk
	limit int64 // the size that the agent keeps Kafka within; 0 where the file system does that
	used  int64 // of the limit
	at    time.Time
	took  time.Duration
}

// lookAt looks how full a volume is; nil when nobody can tell. last is the size that the volume had so far, 0 where nobody has said: one
// that can't be read at the moment is not taken for none, because then the disk under it would be.
func lookAt(dir string, limit VolumeLimit, last int64, parts VolumeParts) *room {
	began := time.Now()
	disk := diskOf(dir)
	if disk == nil {
		return nil
	}
	r := room{disk: *disk, at: began}
	if limit != nil {
		bytes, known := limit.Bytes()
		if !known {
			bytes = last
		}
		if bytes > 0 {
			used, err := usedBytes(dir)
			if err != nil {
				return nil
			}
			r.disk, r.limit, r.used = within(bytes, used, *disk), bytes, used
		}
	}
	if parts != nil {
		r.disk.Volumes, r.disk.Left = parts.Parts()
	}
	r.took = time.Since(began)
	return &r
}

// within is what there is to tell of a volume of a size on a disk. Once the disk is full itself, and has less room than the volume,
// that is the disk: whatever is done about the volume would be no help.
func within(size, used int64, disk nodespec.Disk) nodespec.Disk {
	if disk.UsedPercent() >= nodespec.FullPercent && disk.FreeBytes() < size-used {
		return disk
	}
	return nodespec.Disk{TotalBytes: size, UsedBytes: used}
}

// usedBytes is how much of its disk all that is in a directory takes. What comes and goes meanwhile counts or does not.
func usedBytes(dir string) (used int64, err error) {
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			if path != dir && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)) {
				return nil
			}
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			used += occupied(info.Size(), s.Blocks)
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("add up what is in %s: %w", dir, err)
	}
	return used, nil
}

// occupied is what a file takes: of one with holes, such as Kafka's indexes, its blocks; of one for which the file system keeps
// blocks in advance of what is written, as XFS does, no more than its length.
func occupied(size, blocks int64) int64 {
	const block, page = 512, 4096
	return min(blocks*block, (size+page-1)/page*page)
}

// margin is how much of an enforced size is left when Kafka is ended: looks come after the writes, so a little more than nothing.
func (r room) margin() int64 { return max(asGoodAsFull, min(r.limit/200, 256<<20)) }

func (r room) enforced() bool { return r.limit > 0 }

// left is how much room Kafka has before it is ended.
func (r room) left() int64 {
	if !r.enforced() {
		return r.disk.FreeBytes()
	}
	return min(r.limit-r.used-r.margin(), r.disk.FreeBytes())
}

// isFull tells whether Kafka has to be ended, because it keeps within the volume's size no longer.
func (r room) isFull() bool { return r.enforced() && r.limit-r.used < r.margin() }

// letsStart tells whether Kafka may be started: with more room than it is ended at, so that it can work for a while.
func (r room) letsStart() bool { return !r.enforced() || r.limit-r.used >= 2*r.margin() }

// pace is how long what was seen holds, however fast Kafka writes: until half of what is left may be taken, so that a volume that may
// grow does so before it is full.
func (r room) pace() time.Duration {
	filled := time.Duration(max(0, r.left()/2)/(fastestFill/1000)) * time.Millisecond
	return max(min(max(filled, nearPoll), farPoll), lookShare*r.took)
}

// noRoom says that a volume is full, in the words of an operating system whose disk is.
func (r room) noRoom() string {
	return fullDisk(max(0, r.limit-r.used), r.limit, unix.ENOSPC.Error()+": Kafka does not run before there is room")
}
