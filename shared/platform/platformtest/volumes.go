package platformtest

import (
	"testing"

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
	})
}

func oneVolumeForAToken(t *testing.T, p Platform) {
	first, again, other := p.volume(t, node(1)), p.volume(t, node(1)), p.volume(t, node(2))
	if first != again || first.SizeGiB != 10 {
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
