// Package kernel keeps the kernel that the machines of the rehearsal boot: Debian's for clouds, as it comes in its package, which is
// unpacked into the user's cache and not installed.
package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
)

// Kernel is one that is there: its image, and the modules that a host of ours needs, in the order in which they are loaded.
type Kernel struct {
	Image   string
	Modules []string
}

var modules = []string{
	"drivers/virtio/virtio_ring.ko", "drivers/virtio/virtio.ko",
	"drivers/virtio/virtio_pci_modern_dev.ko", "drivers/virtio/virtio_pci_legacy_dev.ko", "drivers/virtio/virtio_pci.ko", "drivers/block/virtio_blk.ko",
	"lib/libcrc32c.ko", "fs/xfs/xfs.ko",
	"drivers/md/dm-mod.ko", "drivers/md/dm-log.ko", "drivers/md/dm-region-hash.ko", "drivers/md/dm-mirror.ko",
}

// ErrNone says that no kernel was put on this machine.
var ErrNone = errors.New("no kernel for the rehearsal is there; go run ./cmd/setup test fetches one where it can")

// Find gives the kernel of this machine's user, or ErrNone.
func Find() (Kernel, error) {
	dir, err := place()
	if err != nil {
		return Kernel{}, err
	}
	images, err := filepath.Glob(filepath.Join(dir, "boot", "vmlinuz-*"))
	if err != nil || len(images) != 1 {
		return Kernel{}, ErrNone
	}
	k := Kernel{Image: images[0]}
	for _, m := range modules {
		found, err := filepath.Glob(filepath.Join(dir, "lib", "modules", "*", "kernel", m))
		if err != nil || len(found) != 1 {
			return Kernel{}, ErrNone
		}
		k.Modules = append(k.Modules, found[0])
	}
	return k, nil
}

func place() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "millrace", "kernel"), nil
}

// Architecture is the only one that there is a rehearsal for.
const Architecture = "amd64"

var dependency = regexp.MustCompile(`Depends: (linux-image-\S+)`)

// Ensure fetches Debian's present kernel for clouds, unless one is there. It takes apt, on a machine of the one architecture.
func Ensure(ctx context.Context, say func(format string, args ...any)) error {
	if _, err := Find(); err == nil || runtime.GOARCH != Architecture {
		return nil
	}
	names, _ := exec.CommandContext(ctx, "apt-cache", "depends", "linux-image-cloud-"+Architecture).Output()
	name := dependency.FindSubmatch(names)
	if name == nil {
		say("apt knows no kernel for clouds here, so what happens on a host's disks is not rehearsed")
		return nil
	}
	dir, err := place()
	if err != nil {
		return err
	}
	say("fetching %s", name[1])
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), "kernel-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := os.Chmod(work, 0o755); err != nil { // apt may download as a user of its own
		return err
	}
	download := exec.CommandContext(ctx, "apt-get", "download", string(name[1]))
	download.Dir = work
	if output, err := download.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", download, err, output)
	}
	packages, err := filepath.Glob(filepath.Join(work, "*.deb"))
	if err != nil || len(packages) != 1 {
		return fmt.Errorf("apt has downloaded %q (%w)", packages, err)
	}
	unpacked := filepath.Join(work, "unpacked")
	if output, err := exec.CommandContext(ctx, "dpkg-deb", "--extract", packages[0], unpacked).CombinedOutput(); err != nil {
		return fmt.Errorf("unpack %s: %w\n%s", packages[0], err, output)
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(unpacked, dir)
}
