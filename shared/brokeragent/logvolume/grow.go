package logvolume

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// worthGrowing is how much larger than its file system a device has to be. XFS leaves a rest at the end of a device unused that
// is too small for one more of its groups; EBS volumes grow by whole gigabytes.
const worthGrowing = 64 << 20

// Grower makes the file system of a mounted log volume as large as the volume has become. Kafka runs on meanwhile. It has to be
// root.
type Grower struct {
	// Target is the directory where the volume is mounted.
	Target string
	Log    *slog.Logger
}

// Run looks once, and returns when the file system is as large as its device. While no volume is mounted there is nothing to
// do. A file system never gets smaller, and running it again, or twice at once, does no harm.
func (g Grower) Run(ctx context.Context) error {
	if _, attached, err := Place(g.Target).Volume(); !attached {
		return err
	}
	device, err := deviceBytes(g.Target)
	if err != nil {
		return fmt.Errorf("size of the volume at %s: %w", g.Target, err)
	}
	size, err := fileSystemBytes(g.Target)
	if err != nil {
		return fmt.Errorf("size of the %s at %s: %w", FileSystem, g.Target, err)
	}
	if device < size+worthGrowing {
		return nil
	}
	if _, err := output(exec.CommandContext(ctx, "xfs_growfs", "-d", g.Target)); err != nil {
		return fmt.Errorf("grow the file system from %d to %d bytes: %w", size, device, err)
	}
	g.Log.Info("the file system has grown with its volume", "target", g.Target, "from", size, "to", device)
	return nil
}

// deviceBytes is the size of the device that a directory is on, as the kernel knows it now.
func deviceBytes(dir string) (int64, error) {
	var s unix.Stat_t
	if err := unix.Stat(dir, &s); err != nil {
		return 0, err
	}
	number := fmt.Sprintf("%d:%d", unix.Major(s.Dev), unix.Minor(s.Dev))
	content, err := os.ReadFile(filepath.Join("/sys/dev/block", number, "size"))
	if err != nil {
		return 0, err
	}
	const sector = 512 // whatever the device's own is
	sectors, err := strconv.ParseInt(strings.TrimSpace(string(content)), 10, 64)
	return sectors * sector, err
}

// geometry is what XFS says of itself: xfs_fsop_geom_v1 of the kernel's xfs_fs.h.
type geometry struct {
	BlockSize, _, _, _ uint32
	_, _, _, _         uint32
	DataBlocks         uint64
	_                  [9]uint64
}

// fileSystemBytes is how much of its device an XFS uses, log and all, which statfs leaves out.
func fileSystemBytes(dir string) (int64, error) {
	d, err := os.Open(dir)
	if err != nil {
		return 0, err
	}
	defer d.Close()
	const read, kind, number = 2 << 30, 'X' << 8, 100 // _IOR('X', 100, struct xfs_fsop_geom_v1)
	var g geometry
	_, _, failed := unix.Syscall(unix.SYS_IOCTL, d.Fd(), read|unsafe.Sizeof(g)<<16|kind|number, uintptr(unsafe.Pointer(&g)))
	if failed != 0 {
		return 0, failed
	}
	return int64(g.BlockSize) * int64(g.DataBlocks), nil
}
