package logvolume

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestGroups_AreWhatLVMReports(t *testing.T) {
	disks := []Device{
		{Path: "/dev/nvme1n1", Serial: "vol0aaa", MountPoints: []string{"/data"}}, {Path: "/dev/nvme2n1", Serial: "vol0ccc"}, {Path: "/dev/nvme3n1", Serial: "vol0ddd"},
	}
	groups, err := parseGroups([]byte(`{"report": [{"pvseg": [
		{"pv_name":"[unknown]", "pv_uuid":"vol0bb-b###-####-####-####-####-######", "pv_in_use":"used", "vg_name":"log-vol0aaa", "vg_tags":"left:1:vol0bbb,new", "vg_extent_size":"4194304", "pv_pe_count":"100", "pv_missing":"missing", "dev_size":"0", "pvseg_start":"0", "pvseg_size":"100", "lv_name":"log"},
		{"pv_name":"/dev/nvme1n1", "pv_uuid":"vol0aa-a###-####-####-####-####-######", "pv_in_use":"used", "vg_name":"log-vol0aaa", "vg_tags":"left:1:vol0bbb,new", "vg_extent_size":"4194304", "pv_pe_count":"200", "pv_missing":"", "dev_size":"842006528", "pvseg_start":"0", "pvseg_size":"150", "lv_name":"log"},
		{"pv_name":"/dev/nvme1n1", "pv_uuid":"vol0aa-a###-####-####-####-####-######", "pv_in_use":"used", "vg_name":"log-vol0aaa", "vg_tags":"left:1:vol0bbb,new", "vg_extent_size":"4194304", "pv_pe_count":"200", "pv_missing":"", "dev_size":"842006528", "pvseg_start":"150", "pvseg_size":"20", "lv_name":"[pvmove0]"},
		{"pv_name":"/dev/nvme1n1", "pv_uuid":"vol0aa-a###-####-####-####-####-######", "pv_in_use":"used", "vg_name":"log-vol0aaa", "vg_tags":"left:1:vol0bbb,new", "vg_extent_size":"4194304", "pv_pe_count":"200", "pv_missing":"", "dev_size":"842006528", "pvseg_start":"170", "pvseg_size":"30", "lv_name":""},
		{"pv_name":"/dev/nvme2n1", "pv_uuid":"vol0cc-c###-####-####-####-####-######", "pv_in_use":"", "vg_name":"", "vg_tags":"", "vg_extent_size":"0", "pv_pe_count":"0", "pv_missing":"", "dev_size":"842006528", "pvseg_start":"0", "pvseg_size":"0", "lv_name":""}
	]}]}`), disks)
	if err != nil {
		t.Fatal(err)
	}
	want := []Group{{
		Name: "log-vol0aaa", ExtentBytes: 4 << 20, Tags: []string{"left:1:vol0bbb", "new"}, Extents: 250, Moving: true, MountPoints: []string{"/data"},
		Members: []Member{
			{Serial: "vol0aaa", Path: "/dev/nvme1n1", DeviceBytes: 842006528, Extents: 200, Used: []Run{{0, 150}, {150, 20}}},
			{Serial: "vol0bbb", Extents: 100, Used: []Run{{0, 100}}},
		},
	}}
	if !reflect.DeepEqual(groups, want) {
		t.Errorf("%+v\nwant %+v", groups, want)
	}
	if d := disks[0]; d.Claim != "vol0aaa" || d.Group != "log-vol0aaa" || d.Torn {
		t.Errorf("a member is %+v", d)
	}
	if d := disks[1]; d.Claim != "vol0ccc" || d.Group != "" || d.Torn {
		t.Errorf("a volume that was made ready is %+v", d)
	}
	if d := disks[2]; d.Claim != "" {
		t.Errorf("a volume that LVM does not know is %+v", d)
	}
}

func TestGroups_HaveNoMemberThatWasCutOffBeforeItWasRecorded(t *testing.T) {
	for _, tt := range []struct{ name, group, inUse string }{
		{"as LVM 2.03.16 reports segments", "", "used"},
		{"as it reports volumes", "[unknown]", "used"},
	} {
		disks := []Device{{Path: "/dev/nvme1n1", Serial: "vol0ccc"}}
		groups, err := parseGroups([]byte(`{"report": [{"pvseg": [
			{"pv_name":"/dev/nvme1n1", "pv_uuid":"vol0cc-c###-####-####-####-####-######", "vg_name":"`+tt.group+`", "vg_tags":"", "vg_extent_size":"0", "pv_pe_count":"0", "pv_missing":"", "pv_in_use":"`+tt.inUse+`", "dev_size":"842006528", "pvseg_start":"0", "pvseg_size":"0", "lv_name":""}
		]}]}`), disks)
		if err != nil || len(groups) != 0 {
			t.Errorf("%s: groups %+v (%v)", tt.name, groups, err)
		}
		if d := disks[0]; d.Claim != "vol0ccc" || d.Group != "" || !d.Torn {
			t.Errorf("%s: the volume is %+v", tt.name, d)
		}
	}
}

func TestGroups_AreInTheStateThatTheKernelSays(t *testing.T) {
	blocks := t.TempDir()
	put := func(device, name, suspended, sectors string) {
		t.Helper()
		for file, content := range map[string]string{"dm/name": name, "dm/suspended": suspended, "size": sectors} {
			path := filepath.Join(blocks, device, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(content+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	look := func() Group {
		t.Helper()
		g := Group{Name: "log-vol0aaa"}
		if err := g.askKernel(blocks); err != nil {
			t.Fatal(err)
		}
		return g
	}
	put("dm-0", "somebody-else", "1", "1")
	if g := look(); g.Active || g.Suspended {
		t.Errorf("nothing is active, and it is %+v", g)
	}
	put("dm-1", "log--vol0aaa-log", "0", "2048")
	if g := look(); !g.Active || g.Suspended || g.KernelBytes != 1<<20 {
		t.Errorf("it is active, and is %+v", g)
	}
	put("dm-2", "log--vol0aaa-pvmove0", "1", "512")
	if g := look(); !g.Suspended || g.KernelBytes != 1<<20 {
		t.Errorf("a move is suspended, and it is %+v", g)
	}
}
