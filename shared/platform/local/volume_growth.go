package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// GrowVolume has nothing to do: a volume is a directory, which has as much room as the disk that it is on, whatever its size is
// said to be, and is as fast.
func (v Volumes) GrowVolume(_ context.Context, id string, _ cluster.VolumeShape) error {
	if _, err := os.Stat(v.Layout.volume(id)); errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.NotFound, "there is no volume %s", id)
	}
	return nil
}

// VolumeGrown tells that a volume is as large as anybody wants it to be. While the disk that it is on is full that would be no
// help, and is a Conflict: nobody but its owner can make room there.
func (v Volumes) VolumeGrown(ctx context.Context, id string, want cluster.VolumeShape) (bool, error) {
	if err := v.GrowVolume(ctx, id, want); err != nil {
		return false, err
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(v.Layout.volume(id), &disk); err != nil {
		return false, fmt.Errorf("look at the disk of volume %s: %w", id, err)
	}
	if isFull(disk.Blocks, disk.Bavail) {
		return false, fault.New(fault.Conflict,
			"volume %s has the room of the disk that it is on, whatever its size, and that disk is full: free space on it, at %s", id, v.Layout.volumes())
	}
	return true, nil
}

// isFull tells whether less than a fiftieth of a disk is free.
func isFull(blocks, available uint64) bool { return available*50 < blocks }
