package logvolume

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// looksBlank is how much of a device has to be zeros at its beginning for it to count as blank: everything that puts something
// onto a disk without a signature that blkid knows leaves a trace there.
const looksBlank = 1 << 20

// A device that has lost its beginning holds data further on: XFS keeps a copy of what it is at the head of each of its groups,
// of which a new one has four, and writes them all over the device.
const (
	samples    = 64
	sampleSize = 64 << 10
)

// Disks looks at the disks of this machine. It writes to none of them, and reads only those that may be log volumes.
func Disks(ctx context.Context) ([]Device, error) {
	// With the column NAME it tells what is on which disk; without, it would only list all.
	out, err := output(exec.CommandContext(ctx, "lsblk", "--json", "--bytes", "--output", "NAME,PATH,TYPE,SERIAL,SIZE,MOUNTPOINTS"))
	if err != nil {
		return nil, err
	}
	disks, err := parseDisks(out)
	if err != nil {
		return nil, err
	}
	for i, d := range disks {
		if !d.isEBS() || d.isRoot() {
			continue
		}
		if disks[i].Signature, err = signature(ctx, d.Path); err != nil {
			return nil, err
		}
		switch {
		case d.Parts > 0 || len(d.MountPoints) > 0: // it is in use, whatever is on it
		case disks[i].Signature == "":
			disks[i].Blank, err = isBlank(d.Path)
		case disks[i].Signature == lvmMember:
			disks[i].Empty, err = isEmpty(d.Path)
		}
		if err != nil {
			return nil, err
		}
	}
	return disks, nil
}

// block is a block device as lsblk tells of it.
type block struct {
	Path        string    `json:"path"`
	Type        string    `json:"type"`
	Serial      string    `json:"serial"`
	Bytes       int64     `json:"size"`
	MountPoints []*string `json:"mountpoints"` // with a null for no mount point
	Children    []block   `json:"children"`
}

func parseDisks(lsblk []byte) ([]Device, error) {
	var answer struct {
		Devices []block `json:"blockdevices"`
	}
	if err := json.Unmarshal(lsblk, &answer); err != nil {
		return nil, fmt.Errorf("read what lsblk says: %w", err)
	}
	var disks []Device
	for _, b := range answer.Devices {
		if b.Type == "disk" {
			disks = append(disks, Device{Path: b.Path, Serial: strings.TrimSpace(b.Serial), Bytes: b.Bytes, MountPoints: b.mountPoints(), Parts: b.parts()})
		}
	}
	return disks, nil
}

// parts counts what is made of a disk by anybody but LVM, which says itself what it makes of one.
func (b block) parts() (count int) {
	for _, child := range b.Children {
		if child.Type != "lvm" {
			count++
		}
	}
	return count
}

func (b block) mountPoints() (points []string) {
	for _, p := range b.MountPoints {
		if p != nil {
			points = append(points, *p)
		}
	}
	for _, child := range b.Children {
		points = append(points, child.mountPoints()...)
	}
	// While LVM moves something, what is made of a disk hangs on it by several ways.
	slices.Sort(points)
	return slices.Compact(points)
}

// signature asks blkid what is on a device; it looks at the end too, where some formats keep theirs.
func signature(ctx context.Context, path string) (string, error) {
	out, err := output(exec.CommandContext(ctx, "blkid", "--probe", "--output", "export", path))
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == 2:
		return "", nil // nothing that it knows
	case errors.As(err, &exit) && exit.ExitCode() == 8:
		return "signatures of several formats", nil
	case err != nil:
		return "", err
	}
	return parseSignature(out), nil
}

func parseSignature(blkid []byte) string {
	for _, name := range []string{"TYPE=", "PTTYPE="} {
		for line := range strings.Lines(string(blkid)) {
			if value, ok := strings.CutPrefix(strings.TrimSpace(line), name); ok {
				return value
			}
		}
	}
	return "something that blkid does not name"
}

func isBlank(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if blank, err := beginsBlank(f); !blank || err != nil {
		return false, err
	}
	return goesOnBlank(f)
}

// isEmpty tells whether nothing was ever written to a disk of LVM's but what LVM itself keeps at its beginning.
func isEmpty(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	return goesOnBlank(f)
}

// goesOnBlank looks behind the beginning of a device, first where the data of LVM's begins.
func goesOnBlank(device *os.File) (bool, error) {
	size, err := device.Seek(0, io.SeekEnd)
	if err != nil {
		return false, fmt.Errorf("size of the device: %w", err)
	}
	places := []int64{looksBlank, size - sampleSize}
	for i := range int64(samples) {
		places = append(places, size/samples*i)
	}
	for _, at := range places {
		if at < looksBlank {
			continue
		}
		if blank, err := isZero(device, at, sampleSize); !blank || err != nil {
			return false, err
		}
	}
	return true, nil
}

// What makes a disk ready for LVM begins with the head of an area for its records, which says by magic what it is and is all zeros
// after its fifth number while nothing was ever recorded; the label by which it counts as LVM's comes last.
const (
	lvmHead      = 4096
	lvmHeadSize  = 512
	lvmMagic     = " LVM2 x[5A%r0N*>"
	lvmMagicAt   = 4
	lvmRecordsAt = 40
)

// beginsBlank tells whether the beginning of a device holds nothing but zeros, or what was begun to make it ready for LVM.
func beginsBlank(device io.ReaderAt) (bool, error) {
	content := make([]byte, looksBlank)
	if _, err := device.ReadAt(content, 0); err != nil {
		return false, fmt.Errorf("read the beginning of the device: %w", err)
	}
	head := content[lvmHead : lvmHead+lvmHeadSize]
	if bytes.HasPrefix(head[lvmMagicAt:], []byte(lvmMagic)) && len(bytes.Trim(head[lvmRecordsAt:], "\x00")) == 0 {
		clear(head)
	}
	return len(bytes.Trim(content, "\x00")) == 0, nil
}

// isZero tells whether part of a device holds nothing but zeros.
func isZero(device io.ReaderAt, at, size int64) (bool, error) {
	content := make([]byte, size)
	if _, err := device.ReadAt(content, at); err != nil {
		return false, fmt.Errorf("read the device at %d: %w", at, err)
	}
	return len(bytes.Trim(content, "\x00")) == 0, nil
}

// output runs a command; its error ends with the last words of the command.
func output(command *exec.Cmd) ([]byte, error) {
	out, err := command.Output()
	if err == nil {
		return out, nil
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("%s: %w: %s", command, err, bytes.TrimSpace(exit.Stderr))
	}
	return nil, fmt.Errorf("%s: %w", command, err)
}
