package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// GrowVolume makes a volume larger, at once: the agent of its host sees the new size within a second, and whatever uses the volume
// goes on. It is as fast as its disk, whatever throughput is asked for. One that is as large already stays as it is; one that rests
// is a Conflict of the reason [cluster.VolumeRests], and one that is not there is NotFound.
func (v Volumes) GrowVolume(_ context.Context, id string, want cluster.VolumeShape) error {
	v.Hosts.changing.Lock()
	defer v.Hosts.changing.Unlock()
	if err := v.exists(id); err != nil {
		return err
	}
	size, known, err := v.size(id)
	if err != nil || known && size >= want.SizeGiB {
		return err
	}
	if changed, err := os.Stat(v.Layout.volumeChanged(id)); err == nil {
		if again := changed.ModTime().Add(v.Rests); time.Now().Before(again) {
			return fault.Refused(fault.Conflict, cluster.VolumeRests, "volume %s takes no other change before %s", id, again.UTC().Format(time.RFC3339))
		}
	}
	if err := v.setSize(id, want.SizeGiB); err != nil {
		return err
	}
	if err := writeFile(v.Layout.volumeChanged(id), nil); err != nil {
		return fmt.Errorf("note the change of volume %s: %w", id, err)
	}
	return nil
}

// VolumeGrown tells whether a volume is as large as it was to be. While the disk that it is on is full that would be no help, and
// is a Conflict: nobody but its owner can make room there.
func (v Volumes) VolumeGrown(_ context.Context, id string, want cluster.VolumeShape) (bool, error) {
	if err := v.exists(id); err != nil {
		return false, err
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(v.Layout.volume(id), &disk); err != nil {
		return false, fmt.Errorf("look at the disk of volume %s: %w", id, err)
	}
	if isFull(disk.Blocks, disk.Bavail) {
		return false, fault.New(fault.Conflict,
			"volume %s has no more room than the disk that it is on, whatever its size, and that disk is full: free space on it, at %s",
			id, v.Layout.volumes())
	}
	size, known, err := v.size(id)
	return known && size >= want.SizeGiB, err
}

// isFull tells whether less than a fiftieth of a disk is free.
func isFull(blocks, available uint64) bool { return available*50 < blocks }

// SizeVolumes gives the volumes of nodes that were made while sizes meant nothing, or whose sizes were lost, those that the nodes'
// records tell of, and further ones what tells them from first ones. One that has a size keeps it.
func (v Volumes) SizeVolumes(nodes []cluster.Node) error {
	v.Hosts.changing.Lock()
	defer v.Hosts.changing.Unlock()
	for _, n := range nodes {
		if n.Volume == nil || fault.Is(v.exists(n.Volume.ID), fault.NotFound) {
			continue
		}
		if _, err := v.ensureSize(n.Volume.ID, n.Volume.SizeGiB); err != nil {
			return fmt.Errorf("volume of %s: %w", n, err)
		}
		for _, f := range n.Volume.Further {
			if f.ID == "" || fault.Is(v.exists(f.ID), fault.NotFound) {
				continue
			}
			_, err := v.ensureSize(f.ID, f.SizeGiB)
			if err == nil && f.WholeGiB > 0 {
				err = v.write(v.Layout.volumeWhole(f.ID), f.WholeGiB)
			}
			if err != nil {
				return fmt.Errorf("further volume of %s: %w", n, err)
			}
		}
	}
	return nil
}

func (v Volumes) exists(id string) error {
	if _, err := os.Stat(v.Layout.volume(id)); errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.NotFound, "there is no volume %s", id)
	}
	return nil
}

// ensureSize gives a volume a size unless it has one, and tells which it has then. The caller holds changing.
func (v Volumes) ensureSize(id string, sizeGiB int) (int, error) {
	size, known, err := v.size(id)
	if err != nil || known || sizeGiB <= 0 {
		return size, err
	}
	return sizeGiB, v.setSize(id, sizeGiB)
}

// size is how large a volume is. A file that says nothing is as good as none: whoever knows the size writes it again.
func (v Volumes) size(id string) (sizeGiB int, known bool, err error) {
	content, err := os.ReadFile(v.Layout.volumeSize(id))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("size of volume %s: %w", id, err)
	}
	bytes, err := strconv.ParseInt(strings.TrimSpace(string(content)), 10, 64)
	if err != nil || bytes <= 0 {
		slog.Warn("the size of a volume can't be read", "volume", id, "file", v.Layout.volumeSize(id))
		return 0, false, nil
	}
	return int(bytes / v.gib()), true, nil
}

func (v Volumes) setSize(id string, sizeGiB int) error {
	if err := v.write(v.Layout.volumeSize(id), sizeGiB); err != nil {
		return fmt.Errorf("set the size of volume %s: %w", id, err)
	}
	return nil
}

// write replaces a file by one that holds a size, in bytes.
func (v Volumes) write(file string, sizeGiB int) error {
	return writeFile(file, fmt.Appendf(nil, "%d\n", int64(sizeGiB)*v.gib()))
}

func (v Volumes) gib() int64 {
	if v.GiB > 0 {
		return v.GiB
	}
	return 1 << 30
}
