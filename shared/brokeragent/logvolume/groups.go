package logvolume

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// settings are for every command of LVM: it does what it is told and nothing on its own, leaves no process behind, and touches no
// group that is not whole.
const settings = `global{use_lvmpolld=0 event_activation=0 notify_dbus=0} activation{monitoring=0 activation_mode="complete"} backup{backup=0 archive=0}`

// number is a number in what LVM reports, which writes all as text.
type number int64

func (n *number) UnmarshalJSON(text []byte) error {
	value, err := strconv.ParseInt(strings.Trim(string(text), `"`), 10, 64)
	*n = number(value)
	return err
}

// segment is a run of extents of a volume.
type segment struct {
	Path    string `json:"pv_name"`
	UUID    string `json:"pv_uuid"`
	Group   string `json:"vg_name"`
	Tags    string `json:"vg_tags"`
	Extent  number `json:"vg_extent_size"`
	Extents number `json:"pv_pe_count"`
	Missing string `json:"pv_missing"`
	InUse   string `json:"pv_in_use"` // the mark of a group, whether or not there is one
	Device  number `json:"dev_size"`
	At      number `json:"pvseg_start"`
	Length  number `json:"pvseg_size"`
	Volume  string `json:"lv_name"` // empty where nothing is
}

// noRecord is what LVM calls the group of a volume that has the mark of one, when nothing records which; where it reports segments, it
// calls that nothing.
const noRecord = "[unknown]"

const segmentFields = "pv_name,pv_uuid,vg_name,vg_tags,vg_extent_size,pv_pe_count,pv_missing,pv_in_use,dev_size,pvseg_start,pvseg_size,lv_name"

// lookAtGroups asks LVM what it makes of the disks, and the kernel what of that it knows.
func lookAtGroups(ctx context.Context, tools lvm, disks []Device) ([]Group, error) {
	if !slices.ContainsFunc(disks, func(d Device) bool { return d.isEBS() && d.Signature == lvmMember }) {
		return nil, nil
	}
	report, err := tools.report(ctx, "pvs", "--segments", "--options", segmentFields)
	if err != nil {
		return nil, err
	}
	groups, err := parseGroups(report, disks)
	if err != nil {
		return nil, err
	}
	for i := range groups {
		if err := groups[i].askKernel("/sys/block"); err != nil {
			return nil, err
		}
	}
	return groups, nil
}

// parseGroups makes groups of LVM's report, and writes into the disks what LVM says of them.
func parseGroups(report []byte, disks []Device) ([]Group, error) {
	found, err := segments(report)
	if err != nil {
		return nil, err
	}
	var groups []Group
	for _, s := range found {
		i := slices.IndexFunc(disks, func(d Device) bool { return d.Path == s.Path })
		if s.Group == noRecord {
			s.Group = ""
		}
		if i >= 0 {
			disks[i].Claim, disks[i].Group, disks[i].Torn = claimOf(s.UUID), s.Group, s.Group == "" && s.InUse != ""
		}
		if s.Group == "" {
			continue
		}
		at := slices.IndexFunc(groups, func(g Group) bool { return g.Name == s.Group })
		if at < 0 {
			at = len(groups)
			groups = append(groups, Group{Name: s.Group, ExtentBytes: int64(s.Extent)})
			if s.Tags != "" {
				groups[at].Tags = strings.Split(s.Tags, ",")
			}
		}
		groups[at].add(s)
		if i >= 0 {
			points := append(groups[at].MountPoints, disks[i].MountPoints...)
			slices.Sort(points)
			groups[at].MountPoints = slices.Compact(points)
		}
	}
	for i := range groups {
		g := &groups[i]
		slices.SortStableFunc(g.Members, func(a, b Member) int { return g.rank(a) - g.rank(b) })
	}
	return groups, nil
}

func isMove(volume string) bool { return strings.Trim(volume, "[]") == moveName }

// add takes a run of extents of a member.
func (g *Group) add(s segment) {
	serial := claimOf(s.UUID)
	i := slices.IndexFunc(g.Members, func(m Member) bool { return m.Serial == serial })
	if i < 0 {
		i = len(g.Members)
		m := Member{Serial: serial, Path: s.Path, DeviceBytes: int64(s.Device), Extents: int64(s.Extents)}
		if s.Missing != "" {
			m.Path = ""
		}
		g.Members = append(g.Members, m)
	}
	if s.Volume != "" {
		g.Members[i].Used = append(g.Members[i].Used, Run{int64(s.At), int64(s.Length)})
	}
	if isMove(s.Volume) {
		g.Moving = true // and has the same extents twice
	} else if s.Volume != "" {
		g.Extents += int64(s.Length)
	}
}

func (g *Group) rank(m Member) int {
	if m.Serial == g.first() {
		return 0
	}
	return 1
}

// segments reads a report of LVM's, which is made of lists of rows.
func segments(report []byte) (all []segment, err error) {
	var answer struct {
		Reports []map[string][]segment `json:"report"`
	}
	if err := json.Unmarshal(report, &answer); err != nil {
		return nil, fmt.Errorf("read what LVM reports: %w", err)
	}
	for _, r := range answer.Reports {
		for _, rows := range r {
			all = append(all, rows...)
		}
	}
	return all, nil
}

// askKernel fills in what the kernel knows of a group: its device mapper has what is active.
func (g *Group) askKernel(blocks string) error {
	devices, err := filepath.Glob(filepath.Join(blocks, "dm-*"))
	if err != nil {
		return err
	}
	for _, device := range devices {
		read := func(name string) (string, error) {
			content, err := os.ReadFile(filepath.Join(device, name))
			return strings.TrimSpace(string(content)), err
		}
		name, err := read("dm/name")
		if err != nil {
			continue // it has gone
		}
		if name != mapping(g.Name, volumeName) && name != mapping(g.Name, moveName) {
			continue
		}
		suspended, err := read("dm/suspended")
		if err != nil {
			return fmt.Errorf("state of %s: %w", name, err)
		}
		g.Suspended = g.Suspended || suspended == "1"
		if name == mapping(g.Name, moveName) {
			continue
		}
		size, err := read("size")
		if err != nil {
			return fmt.Errorf("size of %s: %w", name, err)
		}
		sectors, err := strconv.ParseInt(size, 10, 64)
		if err != nil {
			return fmt.Errorf("size of %s: %w", name, err)
		}
		const sector = 512 // whatever the device's own is
		g.Active, g.KernelBytes = true, sectors*sector
	}
	return nil
}
