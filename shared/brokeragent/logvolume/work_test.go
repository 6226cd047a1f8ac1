package logvolume

import (
	"slices"
	"testing"
)

func TestExtend_ToldTwiceExtendsOnce(t *testing.T) {
	for _, tt := range []struct {
		name string
		has  int64
		by   int64
		want []string
	}{
		{"onto a further volume", 5119, 2559, []string{"lvextend", "--extents", "7678", "log-vol0aaa/log", "/dev/nvme2n1"}},
		{"by one extent", 5119, 1, []string{"lvextend", "--extents", "5120", "log-vol0aaa/log", "/dev/nvme2n1"}},
	} {
		g := Group{Name: "log-vol0aaa", Extents: tt.has}
		v := Verdict{Action: Extend, Group: g.Name, Device: "/dev/nvme2n1", Extents: tt.by}
		if got := extend(g, v); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestMakeReady_OverwritesNothingButWhatWasCutOff(t *testing.T) {
	const forced = "--force"
	ours := Device{Path: "/dev/nvme1n1", Serial: "vol0aaa", Signature: lvmMember, Claim: "vol0aaa"}
	for _, tt := range []struct {
		name   string
		change func(*Device)
		want   bool
	}{
		{"a blank one", func(d *Device) { d.Signature, d.Claim, d.Blank = "", "", true }, false},
		{"one that is ready", func(*Device) {}, false},
		{"a torn one", func(d *Device) { d.Torn, d.Empty = true, true }, true},
		{"a torn one with data", func(d *Device) { d.Torn = true }, false},
		{"a torn one that says it is another", func(d *Device) { d.Torn, d.Empty, d.Claim = true, true, "vol0bbb" }, false},
		{"a member of a group", func(d *Device) { d.Empty, d.Group = true, "log-vol0aaa" }, false},
		{"a mounted one", func(d *Device) { d.Torn, d.Empty, d.MountPoints = true, true, []string{"/mnt"} }, false},
	} {
		d := ours
		tt.change(&d)
		args := makeReady(d)
		if slices.Contains(args, forced) != tt.want || slices.Contains(args, "--yes") != tt.want {
			t.Errorf("%s: %q", tt.name, args)
		}
		if !slices.Contains(args, uuidOf("vol0aaa")) || args[len(args)-1] != d.Path {
			t.Errorf("%s: %q", tt.name, args)
		}
	}
}
