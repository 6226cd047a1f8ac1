package awsrules

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// attachment is that of a volume to an instance.
type attachment struct {
	instance, device string
	letsGo           time.Time // when it was asked to be detached; zero while nobody has
}

func (e *laws) attach(q request) {
	e.volumes[q.form.Get("VolumeId")] = attachment{instance: q.form.Get("InstanceId"), device: q.form.Get("Device")}
}

func (e *laws) detach(q request, root *element) {
	a := e.volumes[q.form.Get("VolumeId")]
	if a.letsGo.IsZero() {
		a.letsGo = time.Now()
	}
	e.volumes[q.form.Get("VolumeId")] = a
	root.set(text("status", "detaching"))
}

// attached gives the attachment of a volume, and how it is, in EC2's words; empty where it is not attached, or is no longer.
func (e *laws) attached(volume string) (a attachment, status string) {
	a, ever := e.volumes[volume]
	switch {
	case !ever || !e.holds(a.instance):
		return attachment{}, ""
	case a.letsGo.IsZero():
		return a, "attached"
	case time.Since(a.letsGo) < e.config.DetachingFor:
		return a, "detaching"
	}
	return attachment{}, ""
}

// refuseAttach holds that a volume has one living instance, which runs in its zone and has nothing else under that name.
func (e *laws) refuseAttach(ctx context.Context, q request) *refused {
	id, instanceID, device := q.form.Get("VolumeId"), q.form.Get("InstanceId"), q.form.Get("Device")
	if e.unseen[id] > 0 {
		return absent("InvalidVolume.NotFound", "volume", id)
	}
	i, ok := e.instances[instanceID]
	if !ok || i.forgotten || e.unseen[instanceID] > 0 {
		return absent("InvalidInstanceID.NotFound", "instance", instanceID)
	}
	if e.state(instanceID) != "running" {
		return &refused{http.StatusBadRequest, "IncorrectState", fmt.Sprintf("Instance '%s' is not 'running'.", instanceID)}
	}
	if e.changeState(id) == "modifying" {
		return &refused{
			http.StatusBadRequest, "OperationNotPermitted",
			fmt.Sprintf("Cannot attach volume %s when it is in modification state: MODIFYING", id),
		}
	}
	if _, status := e.attached(id); status != "" {
		return &refused{http.StatusBadRequest, "VolumeInUse", fmt.Sprintf("%s is already attached to an instance", id)}
	}
	for other := range e.volumes {
		if a, _ := e.attached(other); a.instance == instanceID && a.device == device {
			return &refused{
				http.StatusBadRequest, "InvalidParameterValue",
				fmt.Sprintf("Invalid value '%[1]s' for unixDevice. Attachment point %[1]s is already in use", device),
			}
		}
	}
	root, err := e.ask(ctx, q, url.Values{"Action": {"DescribeVolumes"}, "VolumeId.1": {id}})
	if err != nil {
		return absent("InvalidVolume.NotFound", "volume", id)
	}
	for _, volume := range root.child("volumeSet").children {
		if zone := volume.at("availabilityZone"); zone != i.zone {
			return &refused{
				http.StatusBadRequest, "InvalidVolume.ZoneMismatch",
				fmt.Sprintf("The volume '%s' is not in the same availability zone as instance '%s'", id, instanceID),
			}
		}
	}
	return nil
}

// refuseDetach holds that only what is attached is detached, and from that instance.
func (e *laws) refuseDetach(q request) *refused {
	id, instanceID := q.form.Get("VolumeId"), q.form.Get("InstanceId")
	if e.unseen[id] > 0 {
		return absent("InvalidVolume.NotFound", "volume", id)
	}
	switch a, status := e.attached(id); {
	case status == "":
		return &refused{http.StatusBadRequest, "IncorrectState", fmt.Sprintf("Volume '%s' is in the 'available' state.", id)}
	case status == "detaching":
		return &refused{http.StatusBadRequest, "IncorrectState", fmt.Sprintf("Volume '%s' is in the 'detaching' state.", id)}
	case instanceID != "" && instanceID != a.instance:
		return &refused{
			http.StatusBadRequest, "InvalidAttachment.NotFound",
			fmt.Sprintf("The volume '%s' is not attached to instance '%s'.", id, instanceID),
		}
	}
	return nil
}
