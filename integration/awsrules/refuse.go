package awsrules

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// refuse tells why EC2 would not carry a call out, where moto would.
func (e *laws) refuse(ctx context.Context, q request) *refused {
	switch q.Action {
	case "RunInstances":
		return e.refuseRun(q)
	case "AttachVolume":
		return e.refuseAttach(ctx, q)
	case "CreateVolume":
		return shapeOf(q).refuse()
	case "ModifyVolume":
		return e.refuseChange(q)
	case "StopInstances", "StartInstances":
		for _, id := range values(q.form, "InstanceId.", "") {
			if e.unseen[id] > 0 || e.instances[id] == nil || e.instances[id].forgotten {
				return absent("InvalidInstanceID.NotFound", "instance", id)
			}
			if state := e.state(id); state == "terminated" || state == "shutting-down" {
				return &refused{http.StatusBadRequest, "IncorrectInstanceState", fmt.Sprintf("This instance '%s' is not in a state from which it can be stopped or started.", id)}
			}
		}
	case "DeleteVolume":
		id := q.form.Get("VolumeId")
		if holder := e.volumes[id]; e.holds(holder) {
			return &refused{http.StatusBadRequest, "VolumeInUse", fmt.Sprintf("Volume %s is currently attached to %s", id, holder)}
		}
	case "DeleteNetworkInterface":
		id := q.form.Get("NetworkInterfaceId")
		if e.holds(e.networks[id]) {
			return &refused{http.StatusBadRequest, "InvalidParameterValue", fmt.Sprintf("Network interface '%s' is currently in use.", id)}
		}
	case "TerminateInstances":
		for _, id := range values(q.form, "InstanceId.", "") {
			if e.unseen[id] > 0 {
				return absent("InvalidInstanceID.NotFound", "instance", id)
			}
		}
	}
	return nil
}

func absent(code, what, id string) *refused {
	return &refused{http.StatusBadRequest, code, fmt.Sprintf("The %s ID '%s' does not exist", what, id)}
}

// refuseRun holds that an interface has one living instance. A call whose client token was used has done its work already.
func (e *laws) refuseRun(q request) *refused {
	if _, ok := e.tokens[q.Action+" "+q.form.Get("ClientToken")]; ok {
		return nil
	}
	for n, id := range values(q.form, "NetworkInterface.", ".NetworkInterfaceId") {
		if q.form.Get(fmt.Sprintf("NetworkInterface.%d.DeleteOnTermination", n+1)) == "true" {
			return &refused{
				http.StatusBadRequest, "InvalidParameterCombination",
				"A network interface may not specify a network interface ID and delete on termination as true",
			}
		}
		if e.unseen[id] > 0 {
			return absent("InvalidNetworkInterfaceID.NotFound", "networkInterface", id)
		}
		if e.holds(e.networks[id]) {
			return &refused{http.StatusBadRequest, "InvalidNetworkInterface.InUse", fmt.Sprintf("Interface: [%s] in use.", id)}
		}
	}
	return nil
}

// refuseAttach holds that a volume has one living instance, which runs in its zone.
func (e *laws) refuseAttach(ctx context.Context, q request) *refused {
	id, instanceID := q.form.Get("VolumeId"), q.form.Get("InstanceId")
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
	if e.holds(e.volumes[id]) {
		return &refused{http.StatusBadRequest, "VolumeInUse", fmt.Sprintf("%s is already attached to an instance", id)}
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
