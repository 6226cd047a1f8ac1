package awsrules

import (
	"slices"
	"strconv"
	"strings"
)

// Disk is a volume that an instance has, as its operating system sees it.
type Disk struct {
	Volume, Device string
	GiB            int
}

// FirstDevice is the name under which hosts have the first volume of records. Further ones have later names.
const FirstDevice = "/dev/sdf"

// Disks are the volumes of records that an instance has, the first one first.
func (r *Rules) Disks(instance string) []Disk {
	r.ec2.mu.Lock()
	defer r.ec2.mu.Unlock()
	var disks []Disk
	for id := range r.ec2.volumes {
		a, status := r.ec2.attached(id)
		if status != "attached" || a.instance != instance || a.device < FirstDevice {
			continue
		}
		size := r.ec2.shapes[id].size
		if r.ec2.changeState(id) == "modifying" {
			size = r.ec2.changes[id].from.size
		}
		gib, _ := strconv.Atoi(size) // a request that was carried out said it
		disks = append(disks, Disk{id, a.device, gib})
	}
	slices.SortFunc(disks, func(a, b Disk) int { return strings.Compare(a.Device, b.Device) })
	return disks
}

// LogVolume is what hosts make of the volumes of a node. It stays when its host goes.
type LogVolume struct {
	Parts []string // the first one first
	Left  []string // that it was made of once
	GiB   int      // of all parts together
}

// Take makes of a log volume what a host makes of it that has some disks: what is new is joined, and left again once there is room on
// the first for all. Without one of the parts nothing can be made of it: these are missing.
func (v *LogVolume) Take(disks []Disk) (missing []string) {
	has := map[string]bool{}
	for _, d := range disks {
		has[d.Volume] = true
	}
	for _, part := range v.Parts {
		if !has[part] {
			missing = append(missing, part)
		}
	}
	if len(missing) > 0 || len(disks) == 0 || disks[0].Device != FirstDevice {
		return missing
	}
	v.Left = slices.DeleteFunc(v.Left, func(id string) bool { return !has[id] })
	together := 0
	for _, d := range disks {
		if slices.Contains(v.Left, d.Volume) {
			continue
		}
		if !slices.Contains(v.Parts, d.Volume) {
			v.Parts, v.GiB = append(v.Parts, d.Volume), v.GiB+d.GiB
		}
		together += d.GiB
	}
	if first := disks[0].GiB; len(v.Parts) > 1 && first >= v.GiB {
		v.Left = append(v.Left, v.Parts[1:]...)
		v.Parts, together = v.Parts[:1], first
	}
	v.GiB = max(v.GiB, together)
	return nil
}
