package brokeragent

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A frozen file system is a disk that hangs: it takes no write until somebody thaws it.
func TestDiskMeter_AWriteThatHangsIsToldWhileItDoes(t *testing.T) {
	dir := mountLoop(t)
	m := newDiskMeter()
	m.watch(dir)
	m.use(&fakeProcess{})
	m.timeOne()
	healthy := m.disk()
	if healthy == nil || healthy.WriteMillis == 0 {
		t.Fatalf("disk = %+v", healthy)
	}

	command(t, "fsfreeze", "--freeze", dir)
	thaw := func() { _ = exec.Command("fsfreeze", "--unfreeze", dir).Run() }
	t.Cleanup(thaw) // also when the test fails: nobody could unmount it
	done := make(chan struct{})
	go func() { defer close(done); m.timeOne() }()
	for deadline := time.Now().Add(time.Minute); m.disk().WriteMillis < 1000; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("disk = %+v", m.disk())
		}
	}
	asked := time.Now()
	if disk := m.disk(); disk.TotalBytes != healthy.TotalBytes || time.Since(asked) > sizePatience+time.Second {
		t.Errorf("asked for %s: %+v", time.Since(asked), disk)
	}
	select {
	case <-done:
		t.Error("the write did not hang")
	default:
	}
	thaw()
	<-done
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left: %v (%v)", entries, err)
	}
}

// mountLoop mounts an XFS on a file, until the test ends.
func mountLoop(t *testing.T) (dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may make file systems and mount them")
	}
	for _, program := range []string{"mkfs.xfs", "losetup", "mount", "fsfreeze"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	file := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, 512<<20); err != nil {
		t.Fatal(err)
	}
	device, err := exec.Command("losetup", "--find", "--show", file).Output()
	if err != nil {
		t.Skipf("this machine has no loop devices to lend: %v", err)
	}
	loop := strings.TrimSpace(string(device))
	t.Cleanup(func() { command(t, "losetup", "--detach", loop) })
	command(t, "mkfs.xfs", "-q", loop)
	dir = filepath.Join(t.TempDir(), "volume")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	command(t, "mount", loop, dir)
	t.Cleanup(func() { command(t, "umount", dir) })
	return dir
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}
