package awsrules

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// shape is what can be changed of a volume: GiB, operations a second, and MiB a second, of which moto says nothing.
type shape struct{ size, iops, throughput string }

// What a gp3 volume has that nobody has asked for more, and how many operations a second it has to have for each MiB.
const (
	baseIOPS       = "3000"
	baseThroughput = "125"
	iopsPerMiB     = 4
)

// with is a shape once a request is carried out, which names only what it changes.
func (s shape) with(form url.Values) shape {
	for name, of := range map[string]*string{"Size": &s.size, "Iops": &s.iops, "Throughput": &s.throughput} {
		if value := form.Get(name); value != "" {
			*of = value
		}
	}
	return s
}

// shapeOf is the shape of a volume that is to be made.
func shapeOf(q request) shape { return shape{iops: baseIOPS, throughput: baseThroughput}.with(q.form) }

// refuse tells why EBS has no gp3 volume of a shape; nil when it has.
func (s shape) refuse() *refused {
	iops, _ := strconv.Atoi(s.iops)
	throughput, _ := strconv.Atoi(s.throughput)
	switch {
	case throughput < 125 || throughput > 2000:
		return &refused{http.StatusBadRequest, "InvalidParameterValue", fmt.Sprintf("Volume throughput of %d is invalid; it is between 125 and 2000.", throughput)}
	case throughput*iopsPerMiB > iops:
		return &refused{
			http.StatusBadRequest, "InvalidParameterValue",
			fmt.Sprintf("Throughput (MiBps) to iops ratio of %f is too high; maximum is 0.250000 MiBps per iops.", float64(throughput)/float64(iops)),
		}
	}
	return nil
}

// show puts a shape into what moto says of a volume.
func (s shape) show(v *element) {
	v.set(text("size", s.size))
	v.set(text("iops", s.iops))
	v.set(text("throughput", s.throughput))
}

// change is the last one of a volume's shape.
type change struct {
	from, to shape
	began    time.Time
	failed   bool
}

// says is the change in the members of an answer.
func (c change) says(volume, state string) []*element {
	return []*element{
		text("volumeId", volume), text("modificationState", state), text("startTime", c.began.UTC().Format(time.RFC3339)),
		text("originalSize", c.from.size), text("targetSize", c.to.size),
		text("originalIops", c.from.iops), text("targetIops", c.to.iops),
		text("originalThroughput", c.from.throughput), text("targetThroughput", c.to.throughput),
	}
}

// FailChange makes the change of a volume that is under way one that EBS gave up.
func (r *Rules) FailChange(volume string) {
	r.ec2.mu.Lock()
	defer r.ec2.mu.Unlock()
	c := r.ec2.changes[volume]
	c.failed = true
	r.ec2.shapes[volume] = c.from
	r.ec2.changed[volume] = slices.DeleteFunc(r.ec2.changed[volume], c.began.Equal)
}

// LetVolumesRest lets the time pass after which every volume takes changes again.
func (r *Rules) LetVolumesRest() {
	r.ec2.mu.Lock()
	defer r.ec2.mu.Unlock()
	for _, c := range r.ec2.changes {
		c.began = c.began.Add(-r.ec2.config.ModifyingFor - r.ec2.config.OptimizingFor)
	}
	clear(r.ec2.changed)
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
	is, known := e.shapes[id]
	to := is.with(q.form)
	if refusal := to.refuse(); known && refusal != nil {
		return refusal
	}
	size, err := strconv.Atoi(to.size)
	if had, unread := strconv.Atoi(is.size); err == nil && unread == nil && size < had {
		return &refused{http.StatusBadRequest, "InvalidParameterValue", fmt.Sprintf("New size cannot be smaller than existing size: %s GiB.", is.size)}
	}
	if _, ever := e.changes[id]; !ever {
		return nil
	}
	switch state := e.changeState(id); {
	case state == "modifying" || state == "optimizing":
		return &refused{http.StatusBadRequest, "IncorrectModificationState", fmt.Sprintf("Volume %s is already being modified.", id)}
	case e.changedLately(id) >= max(1, e.config.MostChanges):
		return &refused{
			http.StatusBadRequest, "VolumeModificationRateExceeded",
			"You've reached the maximum modification rate per volume limit. Wait at least 6 hours between modifications per EBS volume.",
		}
	}
	return nil
}

// changedLately is how many changes of a volume began within the time that EBS counts.
func (e *laws) changedLately(id string) int {
	n := 0
	for _, began := range e.changed[id] {
		if time.Since(began) < e.config.ChangesAgainAfter {
			n++
		}
	}
	return n
}

// change notes a change that moto has made at once.
func (e *laws) change(q request, root *element) {
	id, m := q.form.Get("VolumeId"), root.child("volumeModification")
	c := &change{from: e.shapes[id], to: e.shapes[id].with(q.form), began: time.Now()}
	e.changes[id], e.shapes[id] = c, c.to
	e.changed[id] = append(e.changed[id], c.began)
	for _, said := range c.says(id, e.changeState(id)) {
		m.set(said)
	}
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
		item := node("item", c.says(id, e.changeState(id))...)
		if c.failed {
			item.children = append(item.children, text("statusMessage", "Internal failure"))
		}
		set.children = append(set.children, item)
	}
	return e.says("DescribeVolumesModifications", set), nil
}
