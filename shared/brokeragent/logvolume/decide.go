// Package logvolume brings an EC2 host's log volume to the path where its agent looks for it, and keeps it as large as what it is
// made of: it waits for the device, makes a file system on it if it is blank, mounts it, joins further volumes to it by LVM, and moves
// everything back onto the first once that has become large enough.
//
// Records of a cluster may be on any device that is found, so every doubt ends in leaving it alone, and in a reason that
// the host's heartbeats carry to the control plane. Whatever is done may be cut off at any moment, by the end of the host too: what
// is there then says how to go on.
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
	Bytes  int64
	// MountPoints are those of the disk and of everything on it.
	MountPoints []string
	// Parts counts what the disk is divided into, or is a part of: partitions, mappings; but not what LVM makes of it.
	Parts int
	// Signature names the file system, partition table, RAID or other format that was found on it; empty for none.
	Signature string
	// Blank says that its first MiB, its end and places all over it were read and hold nothing but zeros, or the beginning of what
	// makes it ready for LVM.
	Blank bool
	// Claim is what LVM's own mark on the disk says that the disk is: its serial number, where we have made the mark. Empty for none.
	Claim string
	// Group is the volume group that it belongs to; empty for none.
	Group string
	// Torn says that LVM has marked the disk as a group's, and knows no group that it is of. LVM makes the mark before it records the
	// group: power that is lost in between leaves this. So does a group whose only record was damaged.
	Torn bool
	// Empty says of a disk of LVM's that places all over it were read, the one where data begins among them, and hold nothing but zeros.
	Empty bool
}

// isEBS tells whether a disk is an EBS volume. Instances on Nitro, and there are no others for Arm, show volumes as NVMe
// disks with the volume's id, less its dash, as serial number.
func (d Device) isEBS() bool { return strings.HasPrefix(d.Serial, "vol") }

func (d Device) isRoot() bool { return slices.Contains(d.MountPoints, "/") }

// isReady tells whether we have made a disk ready for LVM, and nothing is on it yet.
func (d Device) isReady() bool {
	return d.isOurs() && !d.Torn
}

// isTorn tells whether a disk that we have made ready was being made a group's, or joined to one, when that was cut off. LVM leaves it
// at that, so it has to be made ready once more.
func (d Device) isTorn() bool { return d.isOurs() && d.Torn && d.Empty }

// isOurs tells whether we have made a disk ready for LVM, and it belongs to no group that is there.
func (d Device) isOurs() bool {
	return d.Signature == lvmMember && d.Group == "" && d.Claim == d.Serial && d.Parts == 0 && len(d.MountPoints) == 0
}

func (d Device) isBlank() bool {
	return d.Signature == "" && d.Blank && d.Parts == 0 && len(d.MountPoints) == 0
}

// FileSystem is what log volumes have. XFS: Kafka's own documentation finds it the faster one for its large, appended
// files, it grows while it is in use, making one of any size takes under a second, and a new one is empty: ext4's
// lost+found would have to be told from somebody's data.
const FileSystem = "xfs"

const lvmMember = "LVM2_member"

// Group is a volume group of LVM's: a log volume that may be made of several volumes.
type Group struct {
	Name        string
	ExtentBytes int64
	Members     []Member // the first one first
	Tags        []string
	// Extents is how many the logical volume has; 0 when there is none. It is not known while LVM moves something.
	Extents int64
	// Active says that the kernel has the logical volume, in the size of KernelBytes. Suspended is one whose users wait.
	Active, Suspended bool
	KernelBytes       int64
	MountPoints       []string // of the logical volume
	// Moving says that LVM moves something from one volume to another, or would if anybody let it.
	Moving bool
}

// Member is a volume of a group.
type Member struct {
	Serial      string
	Path        string // empty for one that is not attached
	DeviceBytes int64
	Extents     int64
	// Used are the extents that the logical volume has on it, in the order of the disk.
	Used []Run
}

// Run is a number of extents in a row.
type Run struct{ At, Extents int64 }

func (m Member) used() (extents int64) {
	for _, r := range m.Used {
		extents += r.Extents
	}
	return extents
}

func (m Member) free() int64 { return m.Extents - m.used() }

// A group's tags say what its volumes can't.
const (
	// newTag stays with a group until its logical volume has a file system: before, nobody's data can be in it.
	newTag = "new"
	// leftTag, with a running number and the volume's serial number, is given to a volume that everything is moved from. It stays
	// when the volume has left, so that it is not joined again.
	leftTag = "left"
)

const groupPrefix = "log-"

// groupOf is the name of the group that begins on a volume.
func groupOf(serial string) string { return groupPrefix + serial }

func (g Group) first() string { return strings.TrimPrefix(g.Name, groupPrefix) }

func (g Group) missing() (ids []string) {
	for _, m := range g.Members {
		if m.Path == "" {
			ids = append(ids, volumeID(m.Serial))
		}
	}
	return ids
}

func (g Group) isNew() bool { return slices.Contains(g.Tags, newTag) }

func (g Group) has(serial string) bool {
	return slices.ContainsFunc(g.Members, func(m Member) bool { return m.Serial == serial })
}

// leaves tells whether a volume has left the group, or is on its way.
func (g Group) leaves(serial string) bool {
	return slices.ContainsFunc(g.Tags, func(tag string) bool { return leaverOf(tag) == serial })
}

// Seen is all that a decision is made from.
type Seen struct {
	Disks  []Device
	Groups []Group
	// First is the serial number of the volume that the log volume begins on; empty while nobody has said so.
	First string
	// Target is where the log volume should be mounted.
	Target string
	// FileSystemBytes is the size of the file system that is mounted there; 0 while none is.
	FileSystemBytes int64
}

// Action is what to do about the log volume.
type Action string

const (
	Wait   Action = "wait"   // something is not attached yet
	Refuse Action = "refuse" // somebody has to look at it
	Done   Action = "done"   // it is mounted where it should be, and there is nothing else to do

	MakeReady      Action = "make ready"       // a blank or torn volume for LVM
	MakeGroup      Action = "make group"       // on the first volume
	MakeVolume     Action = "make volume"      // the logical one, of all of the first
	Activate       Action = "activate"         // tell the kernel of it
	MakeFileSystem Action = "make file system" // on a logical volume that never had one
	Mount          Action = "mount"            // what has a file system of ours

	Refresh        Action = "refresh"          // the kernel knows another state of the logical volume than LVM
	GrowFileSystem Action = "grow file system" // it is smaller than what it is on
	Resize         Action = "resize"           // a volume has become larger than LVM knows
	Join           Action = "join"             // a further volume to the group
	Extend         Action = "extend"           // the logical volume, onto what is free on a volume
	Release        Action = "release"          // a further volume: from now on it is emptied
	Move           Action = "move"             // extents of a further volume onto the first
	FinishMove     Action = "finish move"      // that somebody began
	Leave          Action = "leave"            // an empty further volume
)

// Verdict is what to do, in which group, with which device; Reason says why nothing when there is nothing to do.
type Verdict struct {
	Action Action
	Device string
	Group  string
	Reason string
	// At and Extents are which extents of the device to move, or how many to extend onto it.
	At, Extents int64
}

// worthGrowing is how much larger than its file system a device has to be. XFS leaves a rest at the end of a device unused that
// is too small for one more of its groups; EBS volumes grow by whole gigabytes.
const worthGrowing = 64 << 20

// sliceBytes is how much is moved at a time. A growth has to wait for it, and a host that ends in the middle begins it again.
const sliceBytes = 256 << 20

// Decide judges what was seen of a host.
//
//  1. A group that was begun is gone on with, whoever says which volume is the first: it is named after that. One that lacks a volume
//     waits for it.
//  2. Else the first volume is brought as it is, or made into a group if it is blank. Which one it is has to be known for that,
//     unless there is one with a file system and no other.
//  3. What is mounted is kept as large as what it is made of; see [keep].
func Decide(s Seen) Verdict {
	if !slices.ContainsFunc(s.Disks, Device.isRoot) {
		return Verdict{Action: Refuse, Reason: "the root device is not among the disks, so none can be told from it"}
	}
	var volumes []Device
	for _, d := range s.Disks {
		if d.isEBS() && !d.isRoot() {
			volumes = append(volumes, d)
		}
	}
	if len(volumes) == 0 {
		return Verdict{Action: Wait}
	}
	slices.SortFunc(volumes, func(a, b Device) int { return strings.Compare(a.Serial, b.Serial) })
	for _, d := range volumes {
		if d.Group != "" && (!strings.HasPrefix(d.Group, groupPrefix) || d.Claim != d.Serial) {
			return refuse(d, "belongs to the group %s of LVM as %q, which no log volume does: it is left alone", d.Group, d.Claim)
		}
	}
	switch first := s.first(volumes); {
	case len(s.Groups) > 1:
		return Verdict{Action: Refuse, Reason: "volumes of several log volumes are attached: " + strings.Join(idsOf(volumes), ", ")}
	case len(s.Groups) == 1 && s.First != "" && s.Groups[0].Name != groupOf(s.First):
		return Verdict{Action: Refuse, Reason: fmt.Sprintf("what is attached belongs to the log volume that begins on %s, and this node's begins on %s: it is left alone",
			volumeID(s.Groups[0].first()), volumeID(s.First))}
	case len(s.Groups) == 1:
		return s.bringGroup(s.Groups[0], volumes)
	case first != nil:
		return s.bringFirst(*first)
	case s.First != "":
		return Verdict{Action: Wait, Reason: fmt.Sprintf("%s is not attached; %s is", volumeID(s.First), strings.Join(idsOf(volumes), ", "))}
	default:
		return Verdict{Action: Wait, Reason: fmt.Sprintf("%d EBS volumes are attached beside the root device (%s), and nobody has said yet which one is this node's",
			len(volumes), strings.Join(idsOf(volumes), ", "))}
	}
}

// first is the volume that the log volume begins on; nil when it is not there, or not known.
func (s Seen) first(volumes []Device) *Device {
	if s.First == "" && len(volumes) == 1 {
		return &volumes[0]
	}
	i := slices.IndexFunc(volumes, func(d Device) bool { return d.Serial == s.First || slices.Contains(d.MountPoints, s.Target) })
	if i < 0 {
		return nil
	}
	return &volumes[i]
}

// bringFirst judges a volume that no group is on.
func (s Seen) bringFirst(d Device) Verdict {
	switch {
	case len(d.MountPoints) == 1 && d.MountPoints[0] == s.Target:
		if d.Bytes >= s.FileSystemBytes+worthGrowing {
			return Verdict{Action: GrowFileSystem, Device: d.Path}
		}
		return Verdict{Action: Done, Device: d.Path}
	case len(d.MountPoints) > 0:
		return refuse(d, "is mounted at %s already", strings.Join(d.MountPoints, ", "))
	case d.Parts > 0:
		return refuse(d, "has partitions, and log volumes have none: it is left alone")
	case d.Signature == FileSystem:
		return Verdict{Action: Mount, Device: d.Path}
	case s.First != "" && d.isReady():
		return Verdict{Action: MakeGroup, Device: d.Path, Group: groupOf(d.Serial)}
	case d.Torn && !d.isTorn():
		return refuse(d, "belongs to a group that LVM has no record of, and is not empty or says that it is another: it is left alone")
	case d.Signature != "" && !d.isReady() && !d.isTorn():
		return refuse(d, "holds %s, and log volumes hold %s: it is left alone", d.Signature, FileSystem)
	case d.Signature == "" && !d.Blank:
		return refuse(d, "has no file system and is not blank: it is left alone")
	case s.First == "":
		return Verdict{Action: Wait, Reason: fmt.Sprintf("%s is blank, and nobody has said yet that it is this node's", volumeID(d.Serial))}
	default:
		return Verdict{Action: MakeReady, Device: d.Path}
	}
}

// bringGroup judges a log volume that was begun as a group.
func (s Seen) bringGroup(g Group, volumes []Device) Verdict {
	do := func(a Action, device string) Verdict { return Verdict{Action: a, Device: device, Group: g.Name} }
	isMounted := slices.Equal(g.MountPoints, []string{s.Target})
	switch missing := g.missing(); {
	case len(missing) > 0 && isMounted:
		return Verdict{Action: Done, Reason: fmt.Sprintf("%s was taken away from a log volume that is in use", strings.Join(missing, ", "))}
	case len(missing) > 0:
		return Verdict{Action: Wait, Reason: fmt.Sprintf("it is not whole without %s", strings.Join(missing, ", "))}
	case g.Extents == 0 && !g.Moving && g.isNew():
		return do(MakeVolume, "")
	case g.Extents == 0 && !g.Moving:
		return Verdict{Action: Refuse, Reason: fmt.Sprintf("the group %s has lost its logical volume: it is left alone", g.Name)}
	case !g.Active:
		return do(Activate, "")
	case g.Suspended, !g.Moving && g.KernelBytes != g.Extents*g.ExtentBytes:
		return do(Refresh, "")
	case g.isNew():
		return do(MakeFileSystem, g.Device())
	case isMounted:
		return s.keep(g, volumes)
	case len(g.MountPoints) > 0:
		return Verdict{Action: Refuse, Device: g.Device(), Reason: fmt.Sprintf("the log volume is mounted at %s already", strings.Join(g.MountPoints, ", "))}
	default:
		return do(Mount, g.Device())
	}
}

// keep judges a log volume that is whole and in its place. What gives Kafka room comes first, and so does what was begun.
//
//  1. The file system takes all of the logical volume; a move that was begun ends; LVM hears of volumes that have grown.
//  2. Once the first has room for all that the further ones could hold, these are released, and the logical volume takes what is left
//     of that room; else it takes all that is free anywhere.
//  3. Blank and torn volumes are joined: only now, or the room that the first has got before would be taken for that of a merge.
//  4. Released volumes are emptied, slice by slice, and leave.
func (s Seen) keep(g Group, volumes []Device) Verdict {
	verdict := func(a Action, device string, at, extents int64) Verdict {
		return Verdict{Action: a, Device: device, Group: g.Name, At: at, Extents: extents}
	}
	if g.KernelBytes >= s.FileSystemBytes+worthGrowing {
		return verdict(GrowFileSystem, "", 0, 0)
	}
	if g.Moving {
		return verdict(FinishMove, "", 0, 0)
	}
	first, others := g.Members[0], g.Members[1:]
	var released, further []Member
	for _, m := range others {
		if g.leaves(m.Serial) {
			released = append(released, m)
		} else {
			further = append(further, m)
		}
	}
	for _, m := range append([]Member{first}, further...) {
		if m.DeviceBytes >= m.Extents*g.ExtentBytes+worthGrowing {
			return verdict(Resize, m.Path, 0, 0)
		}
	}
	spare, needed := first.free(), int64(0)
	for _, m := range released {
		spare -= m.used()
	}
	for _, m := range further {
		needed += m.Extents
	}
	if len(further) > 0 && spare >= needed {
		return verdict(Release, further[0].Path, 0, 0)
	}
	if spare > 0 {
		return verdict(Extend, first.Path, 0, spare)
	}
	for _, m := range further {
		if m.free() > 0 {
			return verdict(Extend, m.Path, 0, m.free())
		}
	}
	for _, d := range volumes {
		switch {
		case g.has(d.Serial) || g.leaves(d.Serial):
		case d.isReady():
			return verdict(Join, d.Path, 0, 0)
		case d.isBlank(), d.isTorn():
			return Verdict{Action: MakeReady, Device: d.Path}
		}
	}
	for _, m := range released {
		switch slice := min(sliceBytes/g.ExtentBytes, first.free()); {
		case m.used() == 0:
			return verdict(Leave, m.Path, 0, 0)
		case slice > 0:
			return verdict(Move, m.Path, m.Used[0].At, min(slice, m.Used[0].Extents))
		}
	}
	return Verdict{Action: Done, Device: g.Device(), Group: g.Name}
}

func refuse(d Device, format string, args ...any) Verdict {
	return Verdict{Action: Refuse, Device: d.Path, Reason: fmt.Sprintf("%s ", volumeID(d.Serial)) + fmt.Sprintf(format, args...)}
}

func idsOf(volumes []Device) (ids []string) {
	for _, d := range volumes {
		ids = append(ids, volumeID(d.Serial))
	}
	return ids
}
