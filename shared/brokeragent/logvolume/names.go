package logvolume

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// volumeID is the id of an EBS volume by the serial number that it shows as a disk.
func volumeID(serial string) string { return "vol-" + strings.TrimPrefix(serial, "vol") }

var validID = regexp.MustCompile(`^vol-[0-9a-z]{1,29}$`)

// serialOf is the reverse; ok is false of what is no volume's id.
func serialOf(id string) (serial string, ok bool) {
	if !validID.MatchString(id) {
		return "", false
	}
	return strings.Replace(id, "-", "", 1), true
}

// LVM names a volume that it misses by nothing but its UUID, so that says which one it is: the serial number, and filling.
const (
	uuidLength = 32
	filling    = "#"
)

var uuidGroups = []int{6, 4, 4, 4, 4, 4, 6}

func uuidOf(serial string) string {
	rest := serial + strings.Repeat(filling, max(0, uuidLength-len(serial)))
	var groups []string
	for _, n := range uuidGroups {
		groups, rest = append(groups, rest[:n]), rest[n:]
	}
	return strings.Join(groups, "-")
}

// claimOf is the serial number in a UUID; that of somebody else's is nonsense, which no disk has.
func claimOf(uuid string) string {
	return strings.TrimRight(strings.ReplaceAll(uuid, "-", ""), filling)
}

// Device is the path of a group's logical volume.
func (g Group) Device() string { return "/dev/mapper/" + mapping(g.Name, volumeName) }

const (
	volumeName = "log"
	moveName   = "pvmove0" // LVM's own, while it moves something
)

// mapping is the device mapper's name of what is a logical volume to LVM.
func mapping(group, volume string) string {
	return strings.ReplaceAll(group, "-", "--") + "-" + volume
}

func tagOf(number int, serial string) string { return fmt.Sprintf("%s:%d:%s", leftTag, number, serial) }

// leaverOf is the serial number in the tag of a volume that has left or is about to; empty in any other tag.
func leaverOf(tag string) string {
	if kind, rest, ok := strings.Cut(tag, ":"); ok && kind == leftTag {
		_, serial, _ := strings.Cut(rest, ":")
		return serial
	}
	return ""
}

func numberOf(tag string) int {
	parts := strings.Split(tag, ":")
	if len(parts) != 3 {
		return 0
	}
	number, err := strconv.Atoi(parts[1])
	if err != nil {
		return 0
	}
	return number
}

// leavers are the tags of volumes that have left, or are about to, the latest one last.
func (g Group) leavers() []string {
	tags := slices.DeleteFunc(slices.Clone(g.Tags), func(tag string) bool { return leaverOf(tag) == "" })
	slices.SortFunc(tags, func(a, b string) int { return cmp.Compare(numberOf(a), numberOf(b)) })
	return tags
}

// remembered is how many volumes a group remembers that have left it and are not attached any more. Whoever deletes them may need to
// hear of them after they were detached; a log volume is made of fewer at a time.
const remembered = 8

// release gives the tag of a volume that is released, and those that nobody needs any more.
func (g Group) release(serial string, attached []Device) (tag string, forget []string) {
	leavers := g.leavers()
	number := 1
	if n := len(leavers); n > 0 {
		number = numberOf(leavers[n-1]) + 1
	}
	gone := slices.DeleteFunc(slices.Clone(leavers), func(tag string) bool {
		return slices.ContainsFunc(attached, func(d Device) bool { return d.Serial == leaverOf(tag) })
	})
	return tagOf(number, serial), gone[:max(0, len(gone)-remembered)]
}

// parts are the ids of the volumes that a group is made of, and of those that have left it.
func (g Group) parts() (made, left []string) {
	for _, m := range g.Members {
		made = append(made, volumeID(m.Serial))
	}
	for _, tag := range g.leavers() {
		if serial := leaverOf(tag); !g.has(serial) {
			left = append(left, volumeID(serial))
		}
	}
	return made, left
}
