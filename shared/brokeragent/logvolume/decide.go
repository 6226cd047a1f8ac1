// Package logvolume brings an EC2 host's log volume to the path where its agent looks for it: it waits for the device,
// makes a file system on it if it is blank, and mounts it.
//
// Records of a cluster may be on any device that is found, so every doubt ends in leaving it alone, and in a reason that
// the host's heartbeats carry to the control plane.
package logvolume

import (
	"fmt"
	"slices"
	"strings"
)

// Device is a disk of the host, as it was seen.
type Device struct {
	// Path is the disk's, such as /dev/nvme1n1.
	Path string
	// Serial is what the disk says it is: vol0123456789abcdef0 of an EBS volume, something else of an instance's own disks.
	Serial string
	// MountPoints are those of the disk and of everything on it.
	MountPoints []string
	// Parts counts what the disk is divided into, or is a part of: partitions, mappings.
	Parts int
	// Signature names the file system, partition table, RAID or other format that was found on it; empty for none.
	Signature string
	// Blank says that its first MiB, its end and places all over it were read and hold nothing but zeros.
	Blank bool
}

// isEBS tells whether a disk is an EBS volume. Instances on Nitro, and there are no others for Arm, show volumes as NVMe
// disks with the volume's id, less its dash, as serial number.
func (d Device) isEBS() bool { return strings.HasPrefix(d.Serial, "vol") }

func (d Device) isRoot() bool { return slices.Contains(d.MountPoints, "/") }

// Action is what to do about the log volume.
type Action string

const (
	Wait   Action = "wait"   // nothing is attached yet
	Mount  Action = "mount"  // it has a file system of ours
	Format Action = "format" // it is blank: make a file system, then mount it
	Done   Action = "done"   // it is mounted where it should be
	Refuse Action = "refuse" // somebody has to look at it
)

// Verdict is what to do with which device; Reason says why it is none when there is none.
type Verdict struct {
	Action Action
	Device string
	Reason string
}

// FileSystem is what log volumes have. XFS: Kafka's own documentation finds it the faster one for its large, appended
// files, it grows while it is in use, making one of any size takes under a second, and a new one is empty: ext4's
// lost+found would have to be told from somebody's data.
const FileSystem = "xfs"

// Decide judges the disks of a host. The agent does not know its volume's id before it has a spec, so it expects exactly
// one EBS volume beside the root's, whole and undivided.
func Decide(disks []Device, target string) Verdict {
	if !slices.ContainsFunc(disks, Device.isRoot) {
		return Verdict{Refuse, "", "the root device is not among the disks, so none can be told from it"}
	}
	var volumes []Device
	for _, d := range disks {
		if d.isEBS() && !d.isRoot() {
			volumes = append(volumes, d)
		}
	}
	switch len(volumes) {
	case 0:
		return Verdict{Wait, "", "no EBS volume is attached beside the root device"}
	case 1:
		return judge(volumes[0], target)
	}
	var serials []string
	for _, d := range volumes {
		serials = append(serials, d.Serial)
	}
	slices.Sort(serials)
	return Verdict{Refuse, "", fmt.Sprintf("one EBS volume is expected beside the root device, and %d are attached: %s",
		len(volumes), strings.Join(serials, ", "))}
}

func judge(d Device, target string) Verdict {
	refuse := func(format string, args ...any) Verdict {
		return Verdict{Refuse, d.Path, fmt.Sprintf("%s ", d.Serial) + fmt.Sprintf(format, args...)}
	}
	switch {
	case len(d.MountPoints) == 1 && d.MountPoints[0] == target:
		return Verdict{Done, d.Path, ""}
	case len(d.MountPoints) > 0:
		return refuse("is mounted at %s already", strings.Join(d.MountPoints, ", "))
	case d.Parts > 0:
		return refuse("has partitions, and log volumes have none: it is left alone")
	case d.Signature == FileSystem:
		return Verdict{Mount, d.Path, ""}
	case d.Signature != "":
		return refuse("holds %s, and log volumes hold %s: it is left alone", d.Signature, FileSystem)
	case !d.Blank:
		return refuse("has no file system and is not blank: it is left alone")
	default:
		return Verdict{Format, d.Path, ""}
	}
}
