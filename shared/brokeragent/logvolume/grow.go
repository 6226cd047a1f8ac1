package logvolume

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/shared/brokeragent"
)

// Grower keeps a mounted log volume as large as what it is made of: it joins further volumes to it, makes its file system as large as
// they all, and moves everything back onto the first volume once that has room for it. Kafka runs on meanwhile. It has to be root.
type Grower struct {
	// Target is the directory where the volume is mounted.
	Target string
	// Record is where to tell what the log volume is made of.
	Record Record
	Log    *slog.Logger

	disks func(context.Context) ([]Device, error) // what tests replace; nil means Disks
}

// Run returns when there is nothing to do, which may be in hours: data is moved slice by slice, and whatever gives Kafka more room
// comes in between. While no volume is mounted there is nothing to do, nor while another run is at work. It may end at any moment:
// the next one goes on.
func (g Grower) Run(ctx context.Context) error {
	if _, attached, err := Place(g.Target).Volume(); !attached {
		var incomplete brokeragent.VolumeIncomplete
		if errors.As(err, &incomplete) {
			return nil
		}
		return err
	}
	lock, ok, err := g.Record.lock()
	if !ok || err != nil {
		return err
	}
	defer lock.Close()
	w := worker{target: g.Target, record: g.Record, log: g.Log, disks: g.disks}
	if w.disks == nil {
		w.disks = Disks
	}
	return w.keep(ctx, true)
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
