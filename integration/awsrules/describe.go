package awsrules

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"
)

// described answers a description as EC2 would: without what is not seen yet, and with the states that EC2 would tell.
func (e *laws) described(
	ctx context.Context, q request, absentCode, idParameter string, show func(root *element, visible func(id string) bool),
) (answer, error) {
	hidden := map[string]bool{}
	visible := func(id string) bool {
		if i, ok := e.instances[id]; ok && i.forgotten {
			hidden[id] = true
		}
		if e.unseen[id] > 0 {
			e.unseen[id]--
			hidden[id] = true
		}
		return !hidden[id]
	}
	a, err := e.carryOut(ctx, q, func(root *element) { show(root, visible) })
	if err != nil || a.status != http.StatusOK {
		return a, err
	}
	for _, id := range values(q.form, idParameter+".", "") {
		if hidden[id] {
			return absent(absentCode, "resource", id).inEC2(), nil
		}
	}
	return a, nil
}

func (e *laws) showInstances(root *element, visible func(id string) bool) {
	reservations := root.child("reservationSet")
	for _, reservation := range reservations.children {
		instances := reservation.child("instancesSet")
		instances.keep(func(i *element) bool { return visible(i.at("instanceId")) })
		for _, item := range instances.children {
			id := item.at("instanceId")
			item.set(e.stateElement("instanceState", id))
			if i, ok := e.instances[id]; ok && !i.terminated.IsZero() {
				item.set(text("reason", "User initiated ("+i.terminated.Add(-i.claims).UTC().Format(time.DateTime)+" GMT)"))
			}
		}
	}
	reservations.keep(func(r *element) bool { return len(r.child("instancesSet").children) > 0 })
}

func (e *laws) showVolumes(root *element, visible func(id string) bool) {
	volumes := root.child("volumeSet")
	volumes.keep(func(v *element) bool { return visible(v.at("volumeId")) })
	for _, v := range volumes.children {
		id := v.at("volumeId")
		if shape, known := e.shapes[id]; known {
			if e.changeState(id) == "modifying" {
				shape = e.changes[id].from
			}
			shape.show(v)
		}
		if _, ever := e.volumes[id]; !ever {
			continue
		}
		a, status := e.attached(id)
		if status == "" {
			v.set(text("status", "available"))
			v.set(node("attachmentSet"))
			continue
		}
		v.set(text("status", "in-use"))
		v.set(node("attachmentSet", node("item",
			text("volumeId", id), text("instanceId", a.instance), text("device", a.device),
			text("status", status), text("deleteOnTermination", "false"))))
	}
}

func (e *laws) showNetworks(root *element, visible func(id string) bool) {
	networks := root.child("networkInterfaceSet")
	networks.keep(func(n *element) bool { return visible(n.at("networkInterfaceId")) })
	for _, n := range networks.children {
		holder, attached := e.networks[n.at("networkInterfaceId")]
		if attached && !e.holds(holder) {
			n.set(text("status", "available"))
			n.drop("attachment")
		}
	}
}

// statuses answers what EC2's checks of instances say: of those that are named, or of all. Only what runs is checked.
func (e *laws) statuses(q request) answer {
	ids := values(q.form, "InstanceId.", "")
	for _, id := range ids {
		if i, ok := e.instances[id]; !ok || i.forgotten || e.unseen[id] > 0 {
			return absent("InvalidInstanceID.NotFound", "instance", id).inEC2()
		}
	}
	if len(ids) == 0 {
		ids = slices.Sorted(maps.Keys(e.instances))
	}
	set := node("instanceStatusSet")
	for _, id := range ids {
		if e.state(id) != "running" {
			continue
		}
		status := "ok"
		if e.instances[id].impaired {
			status = "impaired"
		}
		set.children = append(set.children, node("item",
			text("instanceId", id), e.stateElement("instanceState", id),
			node("systemStatus", text("status", "ok")), node("instanceStatus", text("status", status)),
			node("attachedEbsStatus", text("status", "ok"))))
	}
	return e.says("DescribeInstanceStatus", set)
}

// says is an answer of EC2's that moto has no part in.
func (*laws) says(action string, content *element) answer {
	root := node(action+"Response", text("requestId", requestID), content)
	root.space = "http://ec2.amazonaws.com/doc/2016-11-15/"
	return answer{http.StatusOK, http.Header{"Content-Type": {"text/xml"}}, root.encode()}
}
