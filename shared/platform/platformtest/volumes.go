package platformtest

import (
	"reflect"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// VolumesSuite checks what every adapter of volumes promises. open gives a platform without volumes or hosts.
func VolumesSuite(t *testing.T, open func(t *testing.T) Platform) {
	suite(t, open, map[string]func(*testing.T, Platform){
		"a token makes one volume, however often it is used":     oneVolumeForAToken,
		"a volume is attached to one host at a time":             volumesHaveOneHost,
		"a volume goes to the next host when the last has ended": volumesMoveOn,
		"an attached volume is not deleted":                      attachedVolumesStay,
		"a volume that is gone is deleted":                       absentVolumesAreDeleted,
		"a volume that is not there is not attached":             absentVolumesAreNotAttached,
		"a volume grows under its host":                          volumesGrow,
		"a volume gets the throughput that is asked for":         volumesGetThroughput,
		"a volume that is not there does not grow":               absentVolumesDoNotGrow,
		"a host has further volumes beside the first":            hostsHaveFurtherVolumes,
		"a volume is detached from the host that has it":         volumesAreDetached,
	})
}

func oneVolumeForAToken(t *testing.T, p Platform) {
	first, again, other := p.volume(t, node(1)), p.volume(t, node(1)), p.volume(t, node(2))
	if !reflect.DeepEqual(first, again) || first.SizeGiB != 10 {
		t.Errorf("the volumes %+v and %+v", first, again)
	}
	if other.ID == first.ID {
		t.Errorf("two nodes have the volume %s", first.ID)
	}
}

func volumesHaveOneHost(t *testing.T, p Platform) {
	v := p.volume(t, node(1))
	h, other := p.launchRunning(t, attempt(1, 1)), p.launchRunning(t, attempt(2, 1))
	wantCode(t, "attach", p.AttachVolume(t.Context(), v.ID, h.ID), "")
	wantCode(t, "attach again", p.AttachVolume(t.Context(), v.ID, h.ID), "")
	wantCode(t, "attach to another host", p.AttachVolume(t.Context(), v.ID, other.ID), fault.Conflict)
	wantCode(t, "attach where it was", p.AttachVolume(t.Context(), v.ID, h.ID), "")
}

func volumesMoveOn(t *testing.T, p Platform) {
	v := p.volume(t, node(1))
	first := p.launchRunning(t, attempt(1, 1))
	wantCode(t, "attach to the first host", p.AttachVolume(t.Context(), v.ID, first.ID), "")
	p.retire(t, first.ID)
	wantCode(t, "attach to a host that has ended", p.AttachVolume(t.Context(), v.ID, first.ID), fault.Conflict)
	second := p.launchRunning(t, attempt(1, 2))
	wantCode(t, "attach to the second host", p.AttachVolume(t.Context(), v.ID, second.ID), "")
	wantCode(t, "delete", p.DeleteVolume(t.Context(), node(1)), fault.Conflict)
}

func attachedVolumesStay(t *testing.T, p Platform) {
	v := p.volume(t, node(1))
	h := p.launchRunning(t, attempt(1, 1))
	wantCode(t, "attach", p.AttachVolume(t.Context(), v.ID, h.ID), "")
	wantCode(t, "delete while it is attached", p.DeleteVolume(t.Context(), node(1)), fault.Conflict)
	p.retire(t, h.ID)
	wantCode(t, "delete", p.DeleteVolume(t.Context(), node(1)), "")
	wantCode(t, "delete again", p.DeleteVolume(t.Context(), node(1)), "")
}

func absentVolumesAreDeleted(t *testing.T, p Platform) {
	wantCode(t, "delete what never was", p.DeleteVolume(t.Context(), node(1)), "")
	p.volume(t, node(1))
	p.volume(t, node(2))
	wantCode(t, "delete", p.DeleteVolume(t.Context(), node(1)), "")
	p.volume(t, node(1))
	wantCode(t, "delete a second of the same token", p.DeleteVolume(t.Context(), node(1)), "")
}

func absentVolumesAreNotAttached(t *testing.T, p Platform) {
	v := p.volume(t, node(1))
	h := p.launchRunning(t, attempt(1, 1))
	wantCode(t, "delete", p.DeleteVolume(t.Context(), node(1)), "")
	wantCode(t, "attach", p.AttachVolume(t.Context(), v.ID, h.ID), fault.NotFound)
}

// gib is so much room, and the throughput that the volume has.
func gib(n int) cluster.VolumeShape { return cluster.VolumeShape{SizeGiB: n} }

func volumesGrow(t *testing.T, p Platform) {
	v := p.volume(t, node(1))
	h := p.launchRunning(t, attempt(1, 1))
	wantCode(t, "attach", p.AttachVolume(t.Context(), v.ID, h.ID), "")
	if grown, err := p.VolumeGrown(t.Context(), v.ID, gib(20)); grown || err != nil {
		t.Errorf("before anybody made it larger: grown %t, %v", grown, err)
	}
	wantCode(t, "grow", p.GrowVolume(t.Context(), v.ID, gib(20)), "")
	wantCode(t, "grow again", p.GrowVolume(t.Context(), v.ID, gib(20)), "")
	p.awaitGrowth(t, v.ID, gib(20))
	wantCode(t, "grow once more", p.GrowVolume(t.Context(), v.ID, gib(20)), "")
	wantCode(t, "grow to less", p.GrowVolume(t.Context(), v.ID, gib(10)), "")
	p.awaitGrowth(t, v.ID, gib(20))
	wantCode(t, "attach where it is", p.AttachVolume(t.Context(), v.ID, h.ID), "")
	if again := p.volume(t, node(1)); again.ID != v.ID || again.SizeGiB != 20 {
		t.Errorf("the token of volume %s makes %+v, now that it is larger", v.ID, again)
	}
}

func volumesGetThroughput(t *testing.T, p Platform) {
	request := p.volumeRequest(t, node(1))
	request.ThroughputMiB = 300
	v, err := p.EnsureVolume(t.Context(), request)
	if err != nil || v.Shape() != (cluster.VolumeShape{SizeGiB: 10, ThroughputMiB: 300}) {
		t.Fatalf("made %+v, %v", v, err)
	}
	want := cluster.VolumeShape{SizeGiB: 20, ThroughputMiB: 1000}
	wantCode(t, "grow and speed up", p.GrowVolume(t.Context(), v.ID, want), "")
	p.awaitGrowth(t, v.ID, want)
	p.awaitGrowth(t, v.ID, gib(20))
	wantCode(t, "again", p.GrowVolume(t.Context(), v.ID, want), "")
	p.awaitGrowth(t, v.ID, want)
}

// further is the token of a further volume of node 1.
func further(number int) cluster.Token {
	t := node(1)
	t.Volume = number
	return t
}

// furtherVolume makes a further volume of 10 GiB, with which its log volume has so much.
func (p Platform) furtherVolume(t *testing.T, token cluster.Token, wholeGiB int) cluster.Volume {
	t.Helper()
	request := p.volumeRequest(t, token)
	request.WholeGiB = wholeGiB
	v, err := p.EnsureVolume(t.Context(), request)
	if err != nil {
		t.Fatalf("volume %s: %v", token, err)
	}
	return v
}

func hostsHaveFurtherVolumes(t *testing.T, p Platform) {
	first, second := p.launchRunning(t, attempt(1, 1)), p.launchRunning(t, attempt(2, 1))
	volumes := []cluster.Volume{p.volume(t, node(1))}
	for i, number := range []int{1, 2, 12} { // hosts have fewer names for disks than there are numbers
		volumes = append(volumes, p.furtherVolume(t, further(number), 20+10*i))
	}
	ids := map[string]bool{}
	for _, v := range volumes {
		ids[v.ID] = true
		wantCode(t, "attach "+v.ID, p.AttachVolume(t.Context(), v.ID, first.ID), "")
		wantCode(t, "attach again "+v.ID, p.AttachVolume(t.Context(), v.ID, first.ID), "")
		wantCode(t, "attach elsewhere "+v.ID, p.AttachVolume(t.Context(), v.ID, second.ID), fault.Conflict)
	}
	if again := p.furtherVolume(t, further(2), 30); len(ids) != 4 || again.ID != volumes[2].ID || again.SizeGiB != 10 {
		t.Errorf("the volumes are %v, and the second further one %+v", ids, again)
	}
	wantCode(t, "grow the first", p.GrowVolume(t.Context(), volumes[0].ID, gib(40)), "")
	p.awaitGrowth(t, volumes[0].ID, gib(40))
	wantCode(t, "delete while it is attached", p.DeleteVolume(t.Context(), further(1)), fault.Conflict)

	p.retire(t, first.ID)
	next := p.launchRunning(t, attempt(1, 2))
	for _, v := range volumes {
		wantCode(t, "attach to the next host "+v.ID, p.AttachVolume(t.Context(), v.ID, next.ID), "")
	}
}

func volumesAreDetached(t *testing.T, p Platform) {
	host, other := p.launchRunning(t, attempt(1, 1)), p.launchRunning(t, attempt(2, 1))
	first, second := p.volume(t, node(1)), p.furtherVolume(t, further(1), 20)
	wantCode(t, "detach before it is attached", p.DetachVolume(t.Context(), second.ID, host.ID), "")
	for _, v := range []cluster.Volume{first, second} {
		wantCode(t, "attach "+v.ID, p.AttachVolume(t.Context(), v.ID, host.ID), "")
	}
	wantCode(t, "detach from another", p.DetachVolume(t.Context(), second.ID, other.ID), "")
	wantCode(t, "delete, as it is attached still", p.DeleteVolume(t.Context(), further(1)), fault.Conflict)
	p.detach(t, second.ID, host.ID)
	wantCode(t, "detach again", p.DetachVolume(t.Context(), second.ID, host.ID), "")
	wantCode(t, "the first is where it was", p.AttachVolume(t.Context(), first.ID, other.ID), fault.Conflict)
	wantCode(t, "attach to another", p.AttachVolume(t.Context(), second.ID, other.ID), "")
	p.detach(t, second.ID, other.ID)
	wantCode(t, "delete", p.DeleteVolume(t.Context(), further(1)), "")
	wantCode(t, "detach what is gone", p.DetachVolume(t.Context(), second.ID, host.ID), "")
	wantCode(t, "attach what is gone", p.AttachVolume(t.Context(), second.ID, host.ID), fault.NotFound)
	wantCode(t, "the first is attached", p.AttachVolume(t.Context(), first.ID, host.ID), "")

	third := p.furtherVolume(t, further(2), 30)
	wantCode(t, "attach the next", p.AttachVolume(t.Context(), third.ID, host.ID), "")
	p.retire(t, host.ID)
	p.detach(t, third.ID, host.ID)
	wantCode(t, "delete", p.DeleteVolume(t.Context(), further(2)), "")
}

// detach takes a volume from a host, and waits until that has let go.
func (p Platform) detach(t *testing.T, id, hostID string) {
	t.Helper()
	for late := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		err := p.DetachVolume(t.Context(), id, hostID)
		if err == nil {
			return
		}
		if !fault.Is(err, fault.Unavailable) || time.Now().After(late) {
			t.Fatalf("detach volume %s from %s: %v", id, hostID, err)
		}
	}
}

// awaitGrowth waits until a volume is as large as it was to be.
func (p Platform) awaitGrowth(t *testing.T, id string, want cluster.VolumeShape) {
	t.Helper()
	for late := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		grown, err := p.VolumeGrown(t.Context(), id, want)
		if err != nil {
			t.Fatalf("look at volume %s: %v", id, err)
		}
		if grown {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("volume %s does not have %s after %s", id, want, patience)
		}
	}
}

func absentVolumesDoNotGrow(t *testing.T, p Platform) {
	v := p.volume(t, node(1))
	wantCode(t, "delete", p.DeleteVolume(t.Context(), node(1)), "")
	wantCode(t, "grow", p.GrowVolume(t.Context(), v.ID, gib(20)), fault.NotFound)
	_, err := p.VolumeGrown(t.Context(), v.ID, gib(20))
	wantCode(t, "look", err, fault.NotFound)
}
