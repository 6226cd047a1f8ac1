package logvolume

import (
	"reflect"
	"slices"
	"testing"
)

func TestUUID_NamesTheVolume(t *testing.T) {
	for serial, want := range map[string]string{
		"vol0123456789abcdef0": "vol012-3456-789a-bcde-f0##-####-######",
		"vol0aaa":              "vol0aa-a###-####-####-####-####-######",
	} {
		if got := uuidOf(serial); got != want || claimOf(got) != serial {
			t.Errorf("%s is %s, which claims to be %q", serial, got, claimOf(got))
		}
	}
	if got := claimOf("jVuL5e-LmdE-CoVl-ixoh-cxYi-B3M3-BkfY1O"); got == "" {
		t.Error("somebody else's UUID claims nothing")
	}
}

func TestSerial_IsThatOfAVolumesIDAlone(t *testing.T) {
	if serial, ok := serialOf("vol-0123456789abcdef0"); serial != "vol0123456789abcdef0" || !ok {
		t.Errorf("%q, %t", serial, ok)
	}
	for _, id := range []string{"", "vol-", "vol0123", "vol-../../x", "vol-0123456789abcdef00123456789abc", "vol-0A", "vol-0 1"} {
		if serial, ok := serialOf(id); ok {
			t.Errorf("%q is %q", id, serial)
		}
	}
}

func TestGroup_RemembersWhatHasLeftItWithoutEnd(t *testing.T) {
	g := Group{Name: "log-vol0aaa", Members: []Member{{Serial: "vol0aaa"}}}
	attached := []Device{{Serial: "vol0aaa"}, {Serial: "vol3"}}
	var left []string
	for i := range 20 {
		serial := "vol" + string(rune('0'+i))
		tag, forget := g.release(serial, attached)
		g.Tags = slices.DeleteFunc(append(g.Tags, tag), func(tag string) bool { return slices.Contains(forget, tag) })
		slices.Sort(g.Tags) // LVM reports them so
		_, left = g.parts()
	}
	want := []string{"vol-3", "vol-;", "vol-<", "vol-=", "vol->", "vol-?", "vol-@", "vol-A", "vol-B", "vol-C"}
	if !slices.Equal(left, want) {
		t.Errorf("it has left %q, want %q", left, want)
	}
	if g.leaves("vol0") || !g.leaves("vol3") {
		t.Errorf("tags %q", g.Tags)
	}
}

func TestRecord_IsWhatTheAgentReads(t *testing.T) {
	r := Record(t.TempDir())
	if made, left := r.Parts(); made != nil || left != nil {
		t.Errorf("nobody has said anything, and it reads %q, %q", made, left)
	}
	for _, want := range []record{{Volumes: []string{"vol-1"}}, {Volumes: []string{"vol-1", "vol-2"}, Left: []string{"vol-3"}}} {
		if err := r.put(want.Volumes, want.Left); err != nil {
			t.Fatal(err)
		}
		if made, left := r.Parts(); !reflect.DeepEqual(record{made, left}, want) {
			t.Errorf("%q, %q; want %+v", made, left, want)
		}
	}
	if err := r.put(nil, nil); err != nil {
		t.Fatal(err)
	}
	if made, left := r.Parts(); made != nil || left != nil {
		t.Errorf("a volume that can't be joined by others is made of %q, %q", made, left)
	}
}

func TestRecord_LetsOneWorkAtATime(t *testing.T) {
	r := Record(t.TempDir())
	lock, ok, err := r.lock()
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	if _, ok, err := r.lock(); ok || err != nil {
		t.Errorf("a second one may work: %t, %v", ok, err)
	}
	lock.Close()
	lock, ok, err = r.lock()
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	lock.Close()
}
