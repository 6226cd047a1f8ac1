package logvolume

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestGrow_MakesTheFileSystemAsLargeAsItsVolumeWhileItIsInUse(t *testing.T) {
	if _, err := exec.LookPath("xfs_growfs"); err != nil {
		t.Skip(err)
	}
	l, target := attach(t).format(), place(t)
	if err := l.bringer(target).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	open, err := os.Create(filepath.Join(target, "record"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	g := Grower{Target: target, Record: Record(t.TempDir()), Log: slog.New(slog.NewTextHandler(t.Output(), nil)), disks: l.disks}
	grow := func() int64 {
		t.Helper()
		if err := g.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := open.WriteString("kept"); err != nil {
			t.Fatal(err)
		}
		size, err := fileSystemBytes(target)
		if err != nil {
			t.Fatal(err)
		}
		return size
	}
	if size := grow(); size != 512<<20 {
		t.Fatalf("a file system of %d bytes on a volume of 512 MiB", size)
	}
	if err := os.Truncate(l.file, 2<<30); err != nil {
		t.Fatal(err)
	}
	if _, err := output(exec.Command("losetup", "--set-capacity", l.device)); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing to do
		if size := grow(); size != 2<<30 {
			t.Errorf("a file system of %d bytes on a volume of 2 GiB", size)
		}
	}
	var s unix.Statfs_t
	if err := unix.Statfs(target, &s); err != nil || int64(s.Blocks)*s.Bsize < 19<<30/10 {
		t.Errorf("%d bytes for Kafka (%v)", int64(s.Blocks)*s.Bsize, err)
	}
	if content, err := os.ReadFile(open.Name()); string(content) != "keptkeptkept" {
		t.Errorf("the record is %q (%v)", content, err)
	}
}

func TestGrow_LeavesAloneWhatIsNoLogVolume(t *testing.T) {
	g := Grower{Target: t.TempDir(), Record: Record(t.TempDir()), Log: slog.New(slog.DiscardHandler)}
	if err := g.Run(t.Context()); err != nil {
		t.Errorf("a place where nothing is mounted: %v", err)
	}
	if _, err := fileSystemBytes("/proc"); err == nil {
		t.Error("/proc has a size as an XFS")
	}
}

func TestGeometry_IsLaidOutAsTheKernelDoes(t *testing.T) {
	if size, at := unsafe.Sizeof(geometry{}), unsafe.Offsetof(geometry{}.DataBlocks); size != 112 || at != 32 {
		t.Errorf("%d bytes, the count of blocks at %d; want 112, 32", size, at)
	}
}
