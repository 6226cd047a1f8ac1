package awsrules

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// change is the last one of a volume's size.
type change struct {
	from, to string // GiB
	began    time.Time
	failed   bool
}

// FailChange makes the change of a volume that is under way one that EBS gave up.
func (r *Rules) FailChange(volume string) {
	r.ec2.mu.Lock()
	defer r.ec2.mu.Unlock()
	r.ec2.changes[volume].failed = true
}

// changeState is how far the last change of a volume is, in EBS's words; empty where there never was one.
func (e *laws) changeState(volume string) string {
	c, ok := e.changes[volume]
	if !ok {
		return ""
	}
	switch passed := time.Since(c.began); {
	case c.failed:
		return "failed"
	case passed < e.config.ModifyingFor:
		return "modifying"
	case passed < e.config.ModifyingFor+e.config.OptimizingFor:
		return "optimizing"
	}
	return "completed"
}

// refuseChange holds that volumes are changed one change after another, and not too often.
func (e *laws) refuseChange(q request) *refused {
	id := q.form.Get("VolumeId")
	if e.unseen[id] > 0 {
		return absent("InvalidVolume.NotFound", "volume", id)
	}
	c, ok := e.changes[id]
	if !ok {
		return nil
	}
	switch state := e.changeState(id); {
	case state == "modifying" || state == "optimizing":
		return &refused{http.StatusBadRequest, "IncorrectModificationState", fmt.Sprintf("Volume %s is already being modified.", id)}
	case state != "failed" && time.Since(c.began) < e.config.ChangesAgainAfter:
		return &refused{
			http.StatusBadRequest, "VolumeModificationRateExceeded",
			"You've reached the maximum modification rate per volume limit. Wait at least 6 hours between modifications per EBS volume.",
		}
	}
	if to, err := strconv.Atoi(q.form.Get("Size")); err == nil {
		if from, err := strconv.Atoi(c.to); err == nil && to < from {
			return &refused{http.StatusBadRequest, "InvalidParameterValue", fmt.Sprintf("New size cannot be smaller than existing size: %s GiB.", c.to)}
		}
	}
	return nil
}

// change notes a change that moto has made at once.
func (e *laws) change(q request, root *element) {
	m := root.child("volumeModification")
	c := &change{from: m.at("originalSize"), to: m.at("targetSize"), began: time.Now()}
	if before, ok := e.changes[q.form.Get("VolumeId")]; ok && before.failed {
		c.from = before.from // moto believes that it is larger
	}
	e.changes[q.form.Get("VolumeId")] = c
	m.set(text("modificationState", e.changeState(q.form.Get("VolumeId"))))
	m.set(text("startTime", c.began.UTC().Format(time.RFC3339)))
}

// changesOf answers which changes volumes have seen.
func (e *laws) changesOf(ctx context.Context, q request) (answer, error) {
	set := node("volumeModificationSet")
	for _, id := range values(q.form, "VolumeId.", "") {
		c, ok := e.changes[id]
		if !ok {
			if _, err := e.ask(ctx, q, url.Values{"Action": {"DescribeVolumes"}, "VolumeId.1": {id}}); err != nil {
				return absent("InvalidVolume.NotFound", "volume", id).inEC2(), nil
			}
			return refused{
				http.StatusBadRequest, "InvalidVolumeModification.NotFound", fmt.Sprintf("Modification for volume '%s' does not exist.", id),
			}.inEC2(), nil
		}
		item := node("item",
			text("volumeId", id), text("modificationState", e.changeState(id)), text("originalSize", c.from), text("targetSize", c.to),
			text("startTime", c.began.UTC().Format(time.RFC3339)))
		if c.failed {
			item.children = append(item.children, text("statusMessage", "Internal failure"))
		}
		set.children = append(set.children, item)
	}
	return e.says("DescribeVolumesModifications", set), nil
}
