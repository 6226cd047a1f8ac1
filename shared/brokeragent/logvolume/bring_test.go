package logvolume

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// loop is a volume of this test: a file of 512 MiB, most of it a hole, behind a loop device.
type loop struct {
	t      *testing.T
	file   string
	device string
}

// attach makes a loop device of a new file. The test is skipped where that, or xfs, is not to be had.
func attach(t *testing.T) loop {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may make file systems and mount them")
	}
	for _, program := range []string{"mkfs." + FileSystem, "losetup", "mount", "blkid"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	l := loop{t: t, file: filepath.Join(t.TempDir(), "volume")}
	if err := os.WriteFile(l.file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(l.file, 512<<20); err != nil {
		t.Fatal(err)
	}
	out, err := output(exec.Command("losetup", "--find", "--show", l.file))
	if err != nil {
		t.Skipf("this machine has no loop devices to lend: %v", err)
	}
	l.device = strings.TrimSpace(string(out))
	t.Cleanup(func() { _, _ = output(exec.Command("losetup", "--detach", l.device)) })
	return l
}

// format makes the volume one of those that are a file system and nothing else. What LVM does takes more than loop devices: see
// integration/host.
func (l loop) format() loop {
	l.t.Helper()
	if _, err := output(exec.Command("mkfs."+FileSystem, "-q", l.device)); err != nil {
		l.t.Fatal(err)
	}
	return l
}

// disks shows the loop device as an EBS volume beside a root device, and what is really on it.
func (l loop) disks(ctx context.Context) (disks []Device, err error) {
	d := Device{Path: l.device, Serial: "vol0test"}
	size, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(l.device), "size"))
	if err != nil {
		return nil, err
	}
	sectors, err := strconv.ParseInt(strings.TrimSpace(string(size)), 10, 64)
	if err != nil {
		return nil, err
	}
	d.Bytes = 512 * sectors
	if d.Signature, err = signature(ctx, l.device); err != nil {
		return nil, err
	}
	if d.Blank, err = isBlank(l.device); err != nil {
		return nil, err
	}
	points, err := output(exec.CommandContext(ctx, "lsblk", "--noheadings", "--output", "MOUNTPOINTS", l.device))
	if err != nil {
		return nil, err
	}
	d.MountPoints = strings.Fields(string(points))
	return []Device{{Path: "/dev/root", Serial: "vol0root", MountPoints: []string{"/"}}, d}, nil
}

// beginning is the first 2 MiB of the volume: every file system begins there.
func (l loop) beginning() []byte {
	l.t.Helper()
	f, err := os.Open(l.device)
	if err != nil {
		l.t.Fatal(err)
	}
	defer f.Close()
	content := make([]byte, 2<<20)
	if _, err := io.ReadFull(f, content); err != nil {
		l.t.Fatal(err)
	}
	return content
}

// place is a directory that nothing is mounted at any more when the test ends.
func place(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "volume")
	t.Cleanup(func() { _, _ = output(exec.Command("umount", "--quiet", dir)) })
	return dir
}

func (l loop) bringer(target string) Bringer {
	l.t.Helper()
	first := filepath.Join(l.t.TempDir(), "first-volume")
	if err := os.WriteFile(first, []byte("vol-0test"), 0o600); err != nil {
		l.t.Fatal(err)
	}
	return Bringer{Target: target, Owner: "root", First: first, Record: Record(l.t.TempDir()), Log: slog.New(slog.NewTextHandler(l.t.Output(), nil)), disks: l.disks}
}

func TestBring_MountsAVolumeThatHasAFileSystemAndLeavesItAsItIs(t *testing.T) {
	l, target := attach(t).format(), place(t)
	record := filepath.Join(target, "record")
	for life := range 3 {
		if err := l.bringer(target).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		dir, attached, err := Place(target).Volume()
		if dir != target || !attached || err != nil {
			t.Fatalf("life %d: %q, %t, %v", life, dir, attached, err)
		}
		if life == 0 {
			if entries, err := os.ReadDir(target); err != nil || len(entries) != 0 {
				t.Errorf("a new volume holds %v (%v)", entries, err)
			}
			if err := os.WriteFile(record, []byte("kept"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(record); string(got) != "kept" {
			t.Fatalf("life %d: the record is %q (%v)", life, got, err)
		}
		if life == 1 {
			continue // the next run finds it mounted
		}
		if _, err := output(exec.Command("umount", target)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBring_FindsTheRoomOfAVolumeThatHasGrownWhileNoHostHadIt(t *testing.T) {
	if _, err := exec.LookPath("xfs_growfs"); err != nil {
		t.Skip(err)
	}
	l, target := attach(t).format(), place(t)
	if err := l.bringer(target).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, do := range []*exec.Cmd{
		exec.Command("umount", target),
		exec.Command("truncate", "--size", "2G", l.file),
		exec.Command("losetup", "--set-capacity", l.device),
	} {
		if _, err := output(do); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.bringer(target).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if size, err := fileSystemBytes(target); err != nil || size != 2<<30 {
		t.Errorf("a file system of %d bytes on a volume of 2 GiB (%v)", size, err)
	}
}

func TestBring_LeavesAloneWhatIsNotBlankAndSaysSoAtItsPlace(t *testing.T) {
	for _, tt := range []struct {
		name   string
		put    func(l loop) error
		reason string
	}{
		{
			"another file system", func(l loop) error {
				_, err := output(exec.Command("mkfs.ext4", "-q", l.device))
				return err
			},
			"vol-0test holds ext4, and log volumes hold xfs: it is left alone",
		},
		{
			"one byte in the first MiB", func(l loop) error {
				f, err := os.OpenFile(l.device, os.O_WRONLY, 0)
				if err != nil {
					return err
				}
				_, err = f.WriteAt([]byte{1}, looksBlank-1)
				return errors.Join(err, f.Close())
			},
			"vol-0test has no file system and is not blank: it is left alone",
		},
		{
			"a log volume that has lost its beginning", func(l loop) error {
				l.format()
				f, err := os.OpenFile(l.device, os.O_WRONLY, 0)
				if err != nil {
					return err
				}
				_, err = f.Write(make([]byte, 2<<20))
				return errors.Join(err, f.Close())
			},
			"vol-0test has no file system and is not blank: it is left alone",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, target := attach(t), place(t)
			if err := tt.put(l); err != nil {
				t.Fatal(err)
			}
			before := l.beginning()
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- l.bringer(target).Run(ctx) }()
			for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
				if _, attached, err := Place(target).Volume(); attached || err != nil {
					if attached || err.Error() != tt.reason {
						t.Errorf("attached %t, reason %q; want %q", attached, err, tt.reason)
					}
					break
				}
				if time.Now().After(deadline) {
					t.Error("no word within a minute")
					break
				}
			}
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("it ended with %v", err)
			}
			if !bytes.Equal(before, l.beginning()) {
				t.Error("the volume was written to")
			}
		})
	}
}

func TestBring_SaysThatACommandHasChangedNothingAndWaits(t *testing.T) {
	blank := Device{Path: "/dev/nvme1n1", Serial: "vol0aaa", Blank: true}
	done := Device{Path: "/dev/nvme1n1", Serial: "vol0aaa", Blank: true, Parts: 1}
	for _, tt := range []struct {
		name   string
		looks  []Device // as the volume is at each look; the last one stays
		reason string
	}{
		{"a command that says it is done, and is not", []Device{blank}, "to make ready /dev/nvme1n1 has changed nothing"},
		{"one that is done the first time", []Device{blank, done}, "vol-0aaa has partitions, and log volumes have none: it is left alone"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, target := t.TempDir(), filepath.Join(t.TempDir(), "volume")
			first := filepath.Join(dir, "first-volume")
			err := errors.Join(
				os.WriteFile(filepath.Join(dir, "lvm"), []byte("#!/bin/sh\n"), 0o700), //nolint:gosec // a program has to be one
				os.WriteFile(first, []byte("vol-0aaa"), 0o600))
			if err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
			ctx, cancel := context.WithCancel(t.Context())
			b := Bringer{Target: target, First: first, Record: Record(dir), Log: slog.New(slog.DiscardHandler)}
			looks := 0
			b.disks = func(context.Context) ([]Device, error) {
				d := tt.looks[min(looks, len(tt.looks)-1)]
				if looks++; looks == 3 {
					cancel() // it has said by now whatever it says of the look before
				}
				return []Device{{Path: "/dev/nvme0n1", Serial: "vol0root", MountPoints: []string{"/"}}, d}, nil
			}
			began := time.Now()
			if err := b.Run(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("it ended with %v", err)
			}
			if took := time.Since(began); took < interval {
				t.Errorf("it looked %d times in %s", looks, took)
			}
			if _, _, err := Place(target).Volume(); err == nil || err.Error() != tt.reason {
				t.Errorf("reason %q, want %q", err, tt.reason)
			}
		})
	}
}

func TestBring_MakesNothingForAnOwnerWhoIsNotThere(t *testing.T) {
	target := place(t)
	ctx, cancel := context.WithCancel(t.Context())
	b := Bringer{Target: target, Owner: "nobody-of-that-name", Record: Record(t.TempDir()), Log: slog.New(slog.DiscardHandler)}
	b.disks = func(context.Context) ([]Device, error) {
		t.Error("it looks for a volume to format")
		return nil, errors.New("no disks")
	}
	ended := make(chan error)
	go func() { ended <- b.Run(ctx) }()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if reason, err := os.ReadFile(filepath.Join(target, refusal)); err == nil && len(reason) > 0 {
			if !strings.Contains(string(reason), "unknown user nobody-of-that-name") {
				t.Errorf("reason %q", reason)
			}
			break
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}

func TestPlace_IsNotTheVolumeItWaitsFor(t *testing.T) {
	dir := t.TempDir()
	if _, attached, err := Place(filepath.Join(dir, "nothing")).Volume(); attached || err != nil {
		t.Errorf("no directory at all: %t, %v", attached, err)
	}
	if err := os.Mkdir(filepath.Join(dir, "volume"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, attached, err := Place(filepath.Join(dir, "volume")).Volume(); attached || err != nil {
		t.Errorf("an empty directory on the same file system: %t, %v", attached, err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, attached, err := Place(file).Volume(); attached || err == nil {
		t.Errorf("a file: %t, %v", attached, err)
	}
}

func TestBring_TakesNoSuchWordForTheNameOfAVolume(t *testing.T) {
	dir := t.TempDir()
	elsewhere := filepath.Join(dir, "elsewhere")
	if err := os.WriteFile(elsewhere, []byte("vol-0aaa\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if serial, err := readFirst(elsewhere); serial != "vol0aaa" || err != nil {
		t.Errorf("%q, %v", serial, err)
	}
	if serial, err := readFirst(filepath.Join(dir, "nothing")); serial != "" || err != nil {
		t.Errorf("no file: %q, %v", serial, err)
	}
	link, pipe, word := filepath.Join(dir, "link"), filepath.Join(dir, "pipe"), filepath.Join(dir, "word")
	if err := errors.Join(os.Symlink(elsewhere, link), syscall.Mkfifo(pipe, 0o600), os.WriteFile(word, []byte("/dev/sda"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, pipe, word} {
		if serial, err := readFirst(path); serial != "" || err == nil {
			t.Errorf("%s: %q, %v", path, serial, err)
		}
	}
}

func TestDisks_TakesForBlankWhatWasCutOffWhileItWasMadeReadyAndNothingElse(t *testing.T) {
	head := append([]byte{1, 2, 3, 4}, lvmMagic...)
	for _, tt := range []struct {
		name string
		put  map[int][]byte
		want bool
	}{
		{"zeros", nil, true},
		{"the head of an area for LVM's records", map[int][]byte{lvmHead: head}, true},
		{"with a record in it", map[int][]byte{lvmHead: head, lvmHead + lvmRecordsAt: {1}}, false},
		{"with something behind it", map[int][]byte{lvmHead: head, lvmHead + lvmHeadSize: {1}}, false},
		{"with LVM's label", map[int][]byte{lvmHead: head, 512: []byte("LABELONE")}, false},
		{"something else in its place", map[int][]byte{lvmHead: {1}}, false},
	} {
		content := make([]byte, looksBlank)
		for at, bytes := range tt.put {
			copy(content[at:], bytes)
		}
		if got, err := beginsBlank(bytes.NewReader(content)); got != tt.want || err != nil {
			t.Errorf("%s: blank %t (%v)", tt.name, got, err)
		}
	}
}

func TestDisks_TakesForEmptyWhatHoldsNothingBehindLVMsOwn(t *testing.T) {
	const size = 256 << 20
	for _, tt := range []struct {
		name string
		at   int64
		want bool
	}{
		{"LVM's label", 512, true},
		{"LVM's last record", looksBlank - 1, true},
		{"the beginning of a file system", looksBlank, false},
		{"the copy of it in the middle", size / 2, false},
		{"the last byte", size - 1, false},
	} {
		path := filepath.Join(t.TempDir(), "volume")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteAt([]byte{1}, tt.at)
		if err := errors.Join(err, f.Truncate(size), f.Close()); err != nil {
			t.Fatal(err)
		}
		if got, err := isEmpty(path); got != tt.want || err != nil {
			t.Errorf("%s: empty %t (%v)", tt.name, got, err)
		}
	}
}

func TestDisks_ReadsWhatTheToolsSay(t *testing.T) {
	disks, err := parseDisks([]byte(`{"blockdevices": [
		{"path":"/dev/zram0", "type":"disk", "serial":null, "mountpoints":["[SWAP]"]},
		{"path":"/dev/loop0", "type":"loop", "serial":null, "mountpoints":[null]},
		{"path":"/dev/nvme0n1", "type":"disk", "serial":"vol0aaa", "mountpoints":[null], "children": [
			{"path":"/dev/nvme0n1p1", "type":"part", "serial":null, "mountpoints":["/"]},
			{"path":"/dev/nvme0n1p128", "type":"part", "serial":null, "mountpoints":["/boot/efi"]}]},
		{"path":"/dev/nvme1n1", "type":"disk", "serial":"vol0bbb", "mountpoints":[null]}]}`))
	if err != nil || len(disks) != 3 {
		t.Fatalf("%+v, %v", disks, err)
	}
	root, volume := disks[1], disks[2]
	if !root.isRoot() || root.Parts != 2 || !root.isEBS() {
		t.Errorf("root device %+v", root)
	}
	if volume.Path != "/dev/nvme1n1" || !volume.isEBS() || volume.isRoot() || volume.Parts != 0 || len(volume.MountPoints) != 0 {
		t.Errorf("volume %+v", volume)
	}
	lvm, err := parseDisks([]byte(`{"blockdevices": [{"path":"/dev/nvme1n1", "type":"disk", "serial":"vol0bbb   ", "size":1073741824, "mountpoints":[null], "children": [
		{"path":"/dev/mapper/log--vol0bbb-log", "type":"lvm", "serial":null, "size":1, "mountpoints":["/var/lib/millrace/volume"]},
		{"path":"/dev/mapper/log--vol0bbb-pvmove0", "type":"lvm", "serial":null, "size":1, "mountpoints":[null], "children": [
			{"path":"/dev/mapper/log--vol0bbb-log", "type":"lvm", "serial":null, "size":1, "mountpoints":["/var/lib/millrace/volume"]}]}]}]}`))
	if want := []string{"/var/lib/millrace/volume"}; err != nil || lvm[0].Parts != 0 || !slices.Equal(lvm[0].MountPoints, want) || lvm[0].Serial != "vol0bbb" || lvm[0].Bytes != 1<<30 {
		t.Errorf("a disk of LVM's is %+v (%v)", lvm, err)
	}
	for blkid, want := range map[string]string{
		"DEVNAME=/dev/nvme1n1\nUUID=1\nBLOCK_SIZE=512\nTYPE=xfs\nUSAGE=filesystem\n": "xfs",
		"DEVNAME=/dev/nvme1n1\nPTUUID=1\nPTTYPE=gpt\n":                               "gpt",
		"DEVNAME=/dev/nvme1n1\n":                                                     "something that blkid does not name",
	} {
		if got := parseSignature([]byte(blkid)); got != want {
			t.Errorf("%q is %q, want %q", blkid, got, want)
		}
	}
	if _, err := exec.LookPath("lsblk"); err != nil {
		t.Skip(err)
	}
	if _, err := Disks(t.Context()); err != nil {
		t.Errorf("the disks of this machine: %v", err)
	}
}
