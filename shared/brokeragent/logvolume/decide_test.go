package logvolume_test

import (
	"testing"

	"github.com/millrace/millrace/shared/brokeragent/logvolume"
)

const target = "/var/lib/millrace/volume"

func TestDecide(t *testing.T) {
	type device = logvolume.Device
	root := device{Path: "/dev/nvme0n1", Serial: "vol0aaa", Parts: 3, MountPoints: []string{"/", "/boot/efi"}, Signature: "gpt"}
	own := device{Path: "/dev/nvme2n1", Serial: "AWS1234567890", Blank: true} // an instance's own disk: gone when it stops
	volume := func(change func(*device)) device {
		d := device{Path: "/dev/nvme1n1", Serial: "vol0bbb"}
		change(&d)
		return d
	}
	blank := volume(func(d *device) { d.Blank = true })

	for _, tt := range []struct {
		name   string
		disks  []device
		want   logvolume.Action
		device string
		reason string
	}{
		{
			"nothing is attached yet",
			[]device{root},
			logvolume.Wait, "",
			"no EBS volume is attached beside the root device",
		},
		{
			"only disks of the instance's own are there",
			[]device{root, own},
			logvolume.Wait, "",
			"no EBS volume is attached beside the root device",
		},
		{
			"a disk that has not said yet what it is",
			[]device{root, {Path: "/dev/nvme1n1", Blank: true}},
			logvolume.Wait, "",
			"no EBS volume is attached beside the root device",
		},
		{"a blank volume", []device{root, own, blank}, logvolume.Format, "/dev/nvme1n1", ""},
		{
			"a volume with our file system",
			[]device{root, volume(func(d *device) { d.Signature = "xfs" })},
			logvolume.Mount, "/dev/nvme1n1", "",
		},
		{
			"a volume that is in its place", []device{root, volume(func(d *device) {
				d.Signature, d.MountPoints = "xfs", []string{target}
			})}, logvolume.Done, "/dev/nvme1n1", "",
		},
		{
			"a volume that is in another place too", []device{root, volume(func(d *device) {
				d.Signature, d.MountPoints = "xfs", []string{"/mnt", target}
			})}, logvolume.Refuse, "/dev/nvme1n1", "vol0bbb is mounted at /mnt, " + target + " already",
		},
		{
			"a volume with another file system",
			[]device{root, volume(func(d *device) { d.Signature = "ext4" })},
			logvolume.Refuse, "/dev/nvme1n1", "vol0bbb holds ext4, and log volumes hold xfs: it is left alone",
		},
		{
			"a signature on a disk that begins with zeros",
			[]device{root, volume(func(d *device) { d.Signature, d.Blank = "zfs_member", true })},
			logvolume.Refuse, "/dev/nvme1n1", "vol0bbb holds zfs_member, and log volumes hold xfs: it is left alone",
		},
		{
			"bytes that nobody knows",
			[]device{root, volume(func(*device) {})},
			logvolume.Refuse, "/dev/nvme1n1", "vol0bbb has no file system and is not blank: it is left alone",
		},
		{
			"partitions, whatever is in them",
			[]device{root, volume(func(d *device) { d.Parts, d.Blank = 1, true })},
			logvolume.Refuse, "/dev/nvme1n1", "vol0bbb has partitions, and log volumes have none: it is left alone",
		},
		{
			"two volumes, one of them blank",
			[]device{root, blank, {Path: "/dev/nvme3n1", Serial: "vol0abc", Signature: "xfs"}},
			logvolume.Refuse, "", "one EBS volume is expected beside the root device, and 2 are attached: vol0abc, vol0bbb",
		},
		{
			"no root device to be told from",
			[]device{blank},
			logvolume.Refuse, "", "the root device is not among the disks, so none can be told from it",
		},
		{
			"the root device, were it blank",
			[]device{{Path: "/dev/nvme0n1", Serial: "vol0aaa", MountPoints: []string{"/"}, Blank: true}},
			logvolume.Wait, "", "no EBS volume is attached beside the root device",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := logvolume.Decide(tt.disks, target)
			if want := (logvolume.Verdict{Action: tt.want, Device: tt.device, Reason: tt.reason}); got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}
