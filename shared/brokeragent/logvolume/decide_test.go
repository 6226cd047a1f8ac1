package logvolume_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/shared/brokeragent/logvolume"
)

const (
	target = "/var/lib/millrace/volume"
	extent = 4 << 20
	gib    = 1 << 30
)

type (
	device = logvolume.Device
	group  = logvolume.Group
	member = logvolume.Member
	run    = logvolume.Run
	seen   = logvolume.Seen
)

var root = device{Path: "/dev/nvme0n1", Serial: "vol0root", Parts: 3, MountPoints: []string{"/", "/boot/efi"}, Signature: "gpt"}

// disk is a volume of 20 GiB, as it was changed.
func disk(serial string, changes ...func(*device)) device {
	d := device{Path: "/dev/" + serial, Serial: serial, Bytes: 20 * gib}
	for _, change := range changes {
		change(&d)
	}
	return d
}

func blank(d *device) { d.Blank = true }
func ready(d *device) { d.Signature, d.Claim = "LVM2_member", d.Serial }
func torn(d *device)  { ready(d); d.Torn, d.Empty = true, true }
func holds(what string) func(*device) {
	return func(d *device) { d.Signature = what }
}

func mountedAt(points ...string) func(*device) {
	return func(d *device) { d.MountPoints = points }
}

func of(group string) func(*device) {
	return func(d *device) { ready(d); d.Group = group }
}

func TestDecide_BringsTheFirstVolumeAndFormatsNoOther(t *testing.T) {
	own := device{Path: "/dev/nvme2n1", Serial: "AWS1234567890", Blank: true} // an instance's own disk: gone when it stops
	for _, tt := range []struct {
		name   string
		first  string
		disks  []device
		want   logvolume.Action
		device string
		reason string
	}{
		{"nothing is attached yet", "", []device{root}, logvolume.Wait, "", ""},
		{"only disks of the instance's own are there", "vol0bbb", []device{root, own}, logvolume.Wait, "", ""},
		{"a disk that has not said yet what it is", "vol0bbb", []device{root, disk("", blank)}, logvolume.Wait, "", ""},
		{"a blank volume that is the first", "vol0bbb", []device{root, own, disk("vol0bbb", blank)}, logvolume.MakeReady, "/dev/vol0bbb", ""},
		{
			"a blank volume, and nobody has said which is the first", "",
			[]device{root, disk("vol0bbb", blank)},
			logvolume.Wait, "",
			"vol-0bbb is blank, and nobody has said yet that it is this node's",
		},
		{
			"a blank volume that is not the first", "vol0aaa",
			[]device{root, disk("vol0bbb", blank)},
			logvolume.Wait, "",
			"vol-0aaa is not attached; vol-0bbb is",
		},
		{
			"a volume with our file system that is not the first", "vol0aaa",
			[]device{root, disk("vol0bbb", holds("xfs"))},
			logvolume.Wait, "",
			"vol-0aaa is not attached; vol-0bbb is",
		},
		{
			"two blank volumes, and nobody has said which is the first", "",
			[]device{root, disk("vol0bbb", blank), disk("vol0aaa", blank)},
			logvolume.Wait, "",
			"2 EBS volumes are attached beside the root device (vol-0aaa, vol-0bbb), and nobody has said yet which one is this node's",
		},
		{
			"the first of two blank volumes", "vol0bbb",
			[]device{root, disk("vol0aaa", blank), disk("vol0bbb", blank)},
			logvolume.MakeReady, "/dev/vol0bbb", "",
		},
		{"a volume that was made ready, cut off after that", "vol0bbb", []device{root, disk("vol0bbb", ready)}, logvolume.MakeGroup, "/dev/vol0bbb", ""},
		{
			"a volume that was made ready as another", "vol0bbb",
			[]device{root, disk("vol0bbb", ready, func(d *device) { d.Claim = "vol0zzz" })},
			logvolume.Refuse, "/dev/vol0bbb", "vol-0bbb holds LVM2_member, and log volumes hold xfs: it is left alone",
		},
		{"a first volume whose group was cut off before LVM had recorded it", "vol0bbb", []device{root, disk("vol0bbb", torn)}, logvolume.MakeReady, "/dev/vol0bbb", ""},
		{
			"a volume whose group was cut off, and nobody has said which is the first", "",
			[]device{root, disk("vol0bbb", torn)},
			logvolume.Wait, "",
			"vol-0bbb is blank, and nobody has said yet that it is this node's",
		},
		{
			"a volume with data whose group's record is damaged", "vol0bbb",
			[]device{root, disk("vol0bbb", torn, func(d *device) { d.Empty = false })},
			logvolume.Refuse, "/dev/vol0bbb",
			"vol-0bbb belongs to a group that LVM has no record of, and is not empty or says that it is another: it is left alone",
		},
		{
			"a volume of a group without a record that says it is another", "vol0bbb",
			[]device{root, disk("vol0bbb", torn, func(d *device) { d.Claim = "vol0zzz" })},
			logvolume.Refuse, "/dev/vol0bbb",
			"vol-0bbb belongs to a group that LVM has no record of, and is not empty or says that it is another: it is left alone",
		},
		{
			"partitions on a volume whose group was cut off", "vol0bbb",
			[]device{root, disk("vol0bbb", torn, func(d *device) { d.Parts = 1 })},
			logvolume.Refuse, "/dev/vol0bbb", "vol-0bbb has partitions, and log volumes have none: it is left alone",
		},
		{"a volume with our file system, from before", "", []device{root, disk("vol0bbb", holds("xfs"))}, logvolume.Mount, "/dev/vol0bbb", ""},
		{
			"a volume with our file system beside a blank one", "vol0bbb",
			[]device{root, disk("vol0aaa", blank), disk("vol0bbb", holds("xfs"))},
			logvolume.Mount, "/dev/vol0bbb", "",
		},
		{"a volume that is in its place", "", []device{root, disk("vol0bbb", holds("xfs"), mountedAt(target))}, logvolume.Done, "/dev/vol0bbb", ""},
		{
			"a volume that has grown since", "",
			[]device{root, disk("vol0bbb", holds("xfs"), mountedAt(target), func(d *device) { d.Bytes = 21 * gib })},
			logvolume.GrowFileSystem, "/dev/vol0bbb", "",
		},
		{
			"a volume that is in its place, beside a blank one that it can't be joined by", "",
			[]device{root, disk("vol0aaa", blank), disk("vol0bbb", holds("xfs"), mountedAt(target))},
			logvolume.Done, "/dev/vol0bbb", "",
		},
		{
			"a volume that is in another place too", "",
			[]device{root, disk("vol0bbb", holds("xfs"), mountedAt("/mnt", target))},
			logvolume.Refuse, "/dev/vol0bbb", "vol-0bbb is mounted at /mnt, " + target + " already",
		},
		{
			"a volume with another file system", "vol0bbb",
			[]device{root, disk("vol0bbb", holds("ext4"))},
			logvolume.Refuse, "/dev/vol0bbb", "vol-0bbb holds ext4, and log volumes hold xfs: it is left alone",
		},
		{
			"a signature on a disk that begins with zeros", "vol0bbb",
			[]device{root, disk("vol0bbb", holds("zfs_member"), blank)},
			logvolume.Refuse, "/dev/vol0bbb", "vol-0bbb holds zfs_member, and log volumes hold xfs: it is left alone",
		},
		{
			"bytes that nobody knows", "vol0bbb",
			[]device{root, disk("vol0bbb")},
			logvolume.Refuse, "/dev/vol0bbb", "vol-0bbb has no file system and is not blank: it is left alone",
		},
		{
			"partitions, whatever is in them", "vol0bbb",
			[]device{root, disk("vol0bbb", blank, func(d *device) { d.Parts = 1 })},
			logvolume.Refuse, "/dev/vol0bbb", "vol-0bbb has partitions, and log volumes have none: it is left alone",
		},
		{
			"a group of somebody else", "vol0bbb",
			[]device{root, disk("vol0bbb", of("data"))},
			logvolume.Refuse, "/dev/vol0bbb", `vol-0bbb belongs to the group data of LVM as "vol0bbb", which no log volume does: it is left alone`,
		},
		{
			"no root device to be told from", "vol0bbb",
			[]device{disk("vol0bbb", blank)},
			logvolume.Refuse, "", "the root device is not among the disks, so none can be told from it",
		},
		{"the root device, were it blank", "vol0root", []device{disk("vol0root", blank, mountedAt("/"))}, logvolume.Wait, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := logvolume.Decide(seen{Disks: tt.disks, First: tt.first, Target: target, FileSystemBytes: 20 * gib})
			if got.Action != tt.want || got.Device != tt.device || got.Reason != tt.reason {
				t.Errorf("%+v, want %s %s %q", got, tt.want, tt.device, tt.reason)
			}
		})
	}
}

// host is a host whose log volume begins on vol0aaa, of 20 GiB, and is mounted, all of it.
func host(changes ...func(*seen)) seen {
	const extents = 20 * gib / extent
	g := group{
		Name: "log-vol0aaa", ExtentBytes: extent, Extents: extents, Active: true, KernelBytes: 20 * gib, MountPoints: []string{target},
		Members: []member{{Serial: "vol0aaa", Path: "/dev/vol0aaa", DeviceBytes: 20 * gib, Extents: extents, Used: []run{{0, extents}}}},
	}
	s := seen{Disks: []device{root, disk("vol0aaa", of(g.Name))}, Groups: []group{g}, First: "vol0aaa", Target: target, FileSystemBytes: 20 * gib}
	for _, change := range changes {
		change(&s)
	}
	return s
}

func inGroup(change func(*group)) func(*seen) { return func(s *seen) { change(&s.Groups[0]) } }

// joined adds a further volume of 10 GiB, of which the logical one has some.
func joined(serial string, used ...run) func(*seen) {
	return func(s *seen) {
		g := &s.Groups[0]
		s.Disks = append(s.Disks, disk(serial, of(g.Name)))
		g.Members = append(g.Members, member{Serial: serial, Path: "/dev/" + serial, DeviceBytes: 10 * gib, Extents: 10 * gib / extent, Used: used})
		for _, u := range used {
			g.Extents += u.Extents
		}
		g.KernelBytes = g.Extents * extent
		s.FileSystemBytes = g.KernelBytes
	}
}

// grown makes the first volume as large as so many GiB; LVM knows of it.
func grown(to int64) func(*seen) {
	return inGroup(func(g *group) {
		g.Members[0].DeviceBytes, g.Members[0].Extents = to*gib, to*gib/extent
	})
}

func tagged(tags ...string) func(*seen) {
	return inGroup(func(g *group) { g.Tags = append(g.Tags, tags...) })
}

func attached(d device) func(*seen) { return func(s *seen) { s.Disks = append(s.Disks, d) } }

func TestDecide_GoesOnWithAGroupWhereverItWasCutOff(t *testing.T) {
	const all = 10 * gib / extent
	const slice = 256 << 20 / extent
	whole := run{0, all}
	for _, tt := range []struct {
		name string
		seen seen
		want string
	}{
		{"there is nothing to do", host(), "done"},
		{"there is a group and no logical volume", host(tagged("new"), inGroup(func(g *group) {
			g.Extents, g.Active, g.MountPoints, g.Members[0].Used = 0, false, nil, nil
		})), "make volume"},
		{"there is a logical volume that nobody has told the kernel of", host(tagged("new"), inGroup(func(g *group) {
			g.Active, g.MountPoints = false, nil
		})), "activate"},
		{"there is a logical volume without a file system", host(tagged("new"), inGroup(func(g *group) { g.MountPoints = nil })), "make file system"},
		{"a host has started", host(inGroup(func(g *group) { g.Active, g.MountPoints = false, nil })), "activate"},
		{"and has told the kernel", host(inGroup(func(g *group) { g.MountPoints = nil })), "mount"},
		{"nobody has said yet which one is the first", host(inGroup(func(g *group) { g.MountPoints = nil }), func(s *seen) { s.First = "" }), "mount"},
		{"a group has lost its logical volume", host(inGroup(func(g *group) { g.Extents, g.MountPoints = 0, nil })), "refuse: the group log-vol0aaa has lost its logical volume: it is left alone"},
		{"another log volume is attached", host(func(s *seen) { s.First = "vol0zzz" }), "refuse: what is attached belongs to the log volume that begins on vol-0aaa, and this node's begins on vol-0zzz: it is left alone"},
		{"two log volumes are attached", host(func(s *seen) { s.Groups = append(s.Groups, group{Name: "log-vol0zzz"}) }, attached(disk("vol0zzz", of("log-vol0zzz")))), "refuse: volumes of several log volumes are attached: vol-0aaa, vol-0zzz"},
		{"it is mounted elsewhere", host(inGroup(func(g *group) { g.MountPoints = []string{"/mnt"} })), "refuse: the log volume is mounted at /mnt already"},
		{"a further volume is missing", host(joined("vol0bbb", whole), inGroup(func(g *group) {
			g.Active, g.MountPoints, g.Members[1].Path = false, nil, ""
		})), "wait: it is not whole without vol-0bbb"},
		{"the first volume is missing", host(joined("vol0bbb", whole), inGroup(func(g *group) {
			g.Active, g.MountPoints, g.Members[0].Path = false, nil, ""
		})), "wait: it is not whole without vol-0aaa"},
		{"a blank volume is there in place of the missing first one", host(joined("vol0bbb", whole), inGroup(func(g *group) {
			g.Active, g.MountPoints, g.Members[0].Path = false, nil, ""
		}), func(s *seen) { s.Disks[1] = disk("vol0aaa", blank) }), "wait: it is not whole without vol-0aaa"},
		{"a further volume is taken away from what is in use", host(joined("vol0bbb", whole), inGroup(func(g *group) { g.Members[1].Path = "" })), "done: vol-0bbb was taken away from a log volume that is in use"},

		{"a command was killed while it held the volume", host(inGroup(func(g *group) { g.Suspended = true })), "refresh"},
		{"a command was killed before it told the kernel of a growth", host(inGroup(func(g *group) { g.KernelBytes = 10 * gib })), "refresh"},
		{"the file system is smaller than the volume", host(func(s *seen) { s.FileSystemBytes = 19 * gib }), "grow file system"},
		{"the first volume has grown", host(inGroup(func(g *group) { g.Members[0].DeviceBytes = 30 * gib })), "resize vol0aaa"},
		{"and LVM knows it", host(grown(30)), "extend vol0aaa 0+2560"},
		{"a blank volume is attached", host(attached(disk("vol0bbb", blank))), "make ready vol0bbb"},
		{"and was made ready", host(attached(disk("vol0bbb", ready))), "join vol0bbb"},
		{"a joining was cut off before LVM had recorded it", host(attached(disk("vol0bbb", torn))), "make ready vol0bbb"},
		{"a volume is attached that holds data of a group without a record", host(attached(disk("vol0bbb", torn, func(d *device) { d.Empty = false }))), "done"},
		{"a volume is attached that holds data of such a group, and a blank one", host(attached(disk("vol0bbb", torn, func(d *device) { d.Empty = false })), attached(disk("vol0ccc", blank))), "make ready vol0ccc"},
		{"a volume of such a group is attached that says it is another", host(attached(disk("vol0bbb", torn, func(d *device) { d.Claim = "vol0ccc" }))), "done"},
		{"a host has started, beside a joining that was cut off", host(attached(disk("vol0bbb", torn)), inGroup(func(g *group) { g.Active, g.MountPoints = false, nil })), "activate"},
		{"and was joined", host(joined("vol0bbb")), "extend vol0bbb 0+2560"},
		{"and is used, but not yet by the file system", host(joined("vol0bbb", whole), func(s *seen) { s.FileSystemBytes = 20 * gib }), "grow file system"},
		{"and is used", host(joined("vol0bbb", whole)), "done"},
		{"a volume is attached that holds something", host(attached(disk("vol0bbb", holds("xfs")))), "done"},
		{"a volume is attached that says it is another", host(attached(disk("vol0bbb", ready, func(d *device) { d.Claim = "vol0ccc" }))), "done"},
		{"the first has a little room, which the further ones would not fit into", host(joined("vol0bbb"), grown(21)), "extend vol0aaa 0+256"},

		{"the first has room for all", host(joined("vol0bbb", whole), grown(30)), "release vol0bbb"},
		{"the first has room for all, and more", host(joined("vol0bbb", whole), grown(31), tagged("left:1:vol0bbb")), "extend vol0aaa 0+256"},
		{"a volume is released", host(joined("vol0bbb", whole), grown(30), tagged("left:1:vol0bbb")), "move vol0bbb 0+64"},
		{"one of two volumes is released", host(joined("vol0bbb", whole), joined("vol0ccc", whole), grown(40), tagged("left:1:vol0bbb")), "release vol0ccc"},
		{"the first has room for one of two", host(joined("vol0bbb", whole), joined("vol0ccc", whole), grown(30)), "extend vol0aaa 0+2560"},
		{"a slice is under way, or was cut off", host(joined("vol0bbb", whole), grown(30), tagged("left:1:vol0bbb"), inGroup(func(g *group) {
			g.Moving, g.Extents = true, g.Extents-slice
			g.Members[0].Used = append(g.Members[0].Used, run{5120, slice})
		})), "finish move"},
		{"a slice is done", host(joined("vol0bbb", run{slice, all - slice}), grown(30), tagged("left:1:vol0bbb"), inGroup(func(g *group) {
			g.Members[0].Used = append(g.Members[0].Used, run{5120, slice})
			g.Extents += slice
			g.KernelBytes = g.Extents * extent
		}), func(s *seen) { s.FileSystemBytes = 30 * gib }), "move vol0bbb 64+64"},
		{"a growth comes between two slices", host(joined("vol0bbb", whole), grown(30), tagged("left:1:vol0bbb"), attached(disk("vol0ccc", blank))), "make ready vol0ccc"},
		{"and is joined", host(joined("vol0bbb", whole), joined("vol0ccc"), grown(30), tagged("left:1:vol0bbb")), "extend vol0ccc 0+2560"},
		{"and the move goes on", host(joined("vol0bbb", whole), joined("vol0ccc", whole), grown(30), tagged("left:1:vol0bbb")), "move vol0bbb 0+64"},
		{"all is moved", host(joined("vol0bbb"), tagged("left:1:vol0bbb")), "leave vol0bbb"},
		{"the volume has left", host(attached(disk("vol0bbb", ready)), tagged("left:1:vol0bbb")), "done"},
		{"the volume that has left was cut off while it did", host(attached(disk("vol0bbb", torn)), tagged("left:1:vol0bbb")), "done"},
		{"the volume that has left is blank", host(attached(disk("vol0bbb", blank)), tagged("left:1:vol0bbb")), "done"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := logvolume.Decide(tt.seen)
			got := string(v.Action)
			if device, ok := strings.CutPrefix(v.Device, "/dev/vol"); ok {
				got += " vol" + device
			}
			if v.Extents > 0 {
				got += fmt.Sprintf(" %d+%d", v.At, v.Extents)
			}
			if v.Reason != "" {
				got += ": " + v.Reason
			}
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// Whatever a group goes through, from a blank volume to the last slice of a merge, each thing done leads to the next, and in the end
// there is nothing to do. LVM and the kernel are a few lines here.
func TestDecide_EndsWhenAllIsDoneThatThereIsToDo(t *testing.T) {
	s := host(attached(disk("vol0bbb", blank, func(d *device) { d.Bytes = 10 * gib })))
	var did []string
	for range 100 {
		v := logvolume.Decide(s)
		if v.Action == logvolume.Done {
			break
		}
		if len(did) == 0 || did[len(did)-1] != string(v.Action) {
			did = append(did, string(v.Action))
		}
		play(&s, v)
		if v.Action == logvolume.GrowFileSystem && len(s.Groups[0].Members) == 2 {
			grown(30)(&s)
		}
	}
	want := []string{"make ready", "join", "extend", "grow file system", "release", "move", "leave"}
	if !slices.Equal(did, want) {
		t.Errorf("it did %q, want %q", did, want)
	}
	g := s.Groups[0]
	if len(g.Members) != 1 || g.Extents != 30*gib/extent || g.Members[0].Used[1] != (run{5120, 2560}) {
		t.Errorf("it ends as %+v", g)
	}
}

// play does to what was seen what a verdict would do to the real thing.
func play(s *seen, v logvolume.Verdict) {
	g := &s.Groups[0]
	at := slices.IndexFunc(g.Members, func(m member) bool { return m.Path == v.Device })
	d := slices.IndexFunc(s.Disks, func(d device) bool { return d.Path == v.Device })
	switch v.Action {
	case logvolume.MakeReady:
		ready(&s.Disks[d])
	case logvolume.Join:
		s.Disks[d].Group = g.Name
		g.Members = append(g.Members, member{Serial: s.Disks[d].Serial, Path: v.Device, DeviceBytes: s.Disks[d].Bytes, Extents: s.Disks[d].Bytes / extent})
	case logvolume.Extend:
		g.Members[at].Used = append(g.Members[at].Used, run{0, v.Extents})
		g.Extents += v.Extents
		g.KernelBytes = g.Extents * extent
	case logvolume.GrowFileSystem:
		s.FileSystemBytes = g.KernelBytes
	case logvolume.Release:
		g.Tags = append(g.Tags, "left:1:"+g.Members[at].Serial)
	case logvolume.Move:
		from, to := &g.Members[at].Used[0], &g.Members[0]
		if from.At += v.Extents; from.Extents == v.Extents {
			g.Members[at].Used = nil
		} else {
			from.Extents -= v.Extents
		}
		if len(to.Used) == 1 {
			to.Used = append(to.Used, run{to.Used[0].Extents, 0})
		}
		to.Used[1].Extents += v.Extents
	case logvolume.Leave:
		g.Members = slices.Delete(g.Members, at, at+1)
		s.Disks[d].Group = ""
	default:
		panic(v.Action)
	}
}
