package awsrules

import (
	"context"
	"fmt"
	"net/http"
)

// refuse tells why EC2 would not carry a call out, where moto would.
func (e *laws) refuse(ctx context.Context, q request) *refused {
	switch q.Action {
	case "RunInstances":
		return e.refuseRun(q)
	case "AttachVolume":
		return e.refuseAttach(ctx, q)
	case "DetachVolume":
		return e.refuseDetach(q)
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
		if a, status := e.attached(id); status != "" {
			return &refused{http.StatusBadRequest, "VolumeInUse", fmt.Sprintf("Volume %s is currently attached to %s", id, a.instance)}
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
