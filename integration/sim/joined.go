package sim

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/records"
)

// joined is a volume's part in a log volume, as it stands on the volumes themselves: whoever has all of them can use it. It is guarded by
// the world's lock.
type joined struct {
	// raw says of a first volume that nothing can be joined to it, and group what is, by number.
	raw   bool
	group []*volume
	// extents is how much of the log volume is on this volume, in GiB.
	extents int
	// of is the first volume, for a further one that is joined to it. One that everything is moved from is released, and then it has left.
	of             *volume
	released, left bool
	// wholeGiB is what the log volume was to have with this further one.
	wholeGiB int
}

// roomGiB is how large the log volume is that begins on a volume.
func (v *volume) roomGiB() int {
	gib := v.extents
	for _, m := range v.group {
		gib += m.extents
	}
	return gib
}

func (v *volume) full() bool { return v.holdsGiB >= float64(v.roomGiB()) }

func (v *volume) percent() float64 { return 100 * v.holdsGiB / float64(max(1, v.roomGiB())) }

func (v *volume) used() int64 { return int64(v.holdsGiB * (1 << 30)) }

// free leaves as much on the log volume as on one that nobody fills.
func (v *volume) free() { v.holdsGiB = float64(v.roomGiB()) / 4 }

// missing gives a volume without which the log volume is not whole on a host; nil when it is.
func (v *volume) missing(h *host) *volume {
	for _, m := range v.group {
		if m.host != h {
			return m
		}
	}
	return nil
}

// parts names the volumes that the log volume is made of, if it can be made of several.
func (v *volume) parts() []string {
	if v.raw {
		return nil
	}
	ids := []string{v.id}
	for _, m := range v.group {
		ids = append(ids, m.id)
	}
	return ids
}

// left names the volumes on the host that nothing is on any more.
func (h *host) left() (ids []string) {
	for _, m := range h.further {
		if m.left {
			ids = append(ids, m.id)
		}
	}
	return ids
}

// slice is how much a host moves in a moment, in GiB.
const slice = 8

// keepVolume is what root does on a host for the log volume, one thing at a time and only while it is whole: it joins what is blank,
// uses what has grown, and empties further volumes once the first has room for all that they can hold.
func (h *host) keepVolume() {
	v := h.volume
	if v == nil || v.formattedFor == "" || v.missing(h) != nil || odds(h.w.cloud.rng, 3) {
		return
	}
	spare, needed := v.sizeGiB-v.extents, 0
	for _, m := range v.group {
		if m.released {
			spare -= m.extents
		} else {
			needed += m.sizeGiB
		}
	}
	blank := slices.IndexFunc(h.further, func(m *volume) bool { return m.of == nil && !m.left })
	switch {
	case v.raw:
		v.extents = v.sizeGiB
	case needed > 0 && spare >= needed:
		for _, m := range v.group {
			m.released = true
		}
		h.w.noteLocked("host "+h.id, "moves everything to "+v.id)
	case spare > 0:
		v.extents += spare
	case blank >= 0:
		m := h.further[blank]
		m.of, m.extents = v, m.sizeGiB
		v.group = append(v.group, m)
		slices.SortFunc(v.group, func(a, b *volume) int { return cmp.Compare(a.token.Volume, b.token.Volume) })
		h.w.noteLocked("host "+h.id, "joins "+m.id)
	default:
		h.empty(v)
	}
}

// empty moves some of what is on the released volumes to the first, and lets go of those that are empty.
func (h *host) empty(v *volume) {
	for i, m := range v.group {
		if !m.released {
			continue
		}
		moves := min(slice, m.extents, v.sizeGiB-v.extents)
		m.extents, v.extents = m.extents-moves, v.extents+moves
		if m.extents == 0 {
			m.of, m.left = nil, true
			v.group = slices.Delete(slices.Clone(v.group), i, i+1)
			h.w.noteLocked("host "+h.id, "has left "+m.id)
		}
		return
	}
}

// furtherOf are the further volumes of a first one that there are, joined or not, by number.
func (c *cloud) furtherOf(v *volume) (found []*volume) {
	for token, m := range c.volumes {
		if token.Volume > 0 && token.ClusterID == v.token.ClusterID && token.NodeID == v.token.NodeID {
			found = append(found, m)
		}
	}
	slices.SortFunc(found, func(a, b *volume) int { return cmp.Compare(a.token.Volume, b.token.Volume) })
	return found
}

// togetherGiB is what a node's log volume has, or has as soon as a host has joined all that there is.
func (c *cloud) togetherGiB(v *volume) int {
	gib := v.sizeGiB
	for _, m := range c.furtherOf(v) {
		if !m.left && v.sizeGiB < m.wholeGiB {
			gib += m.sizeGiB
		}
	}
	return gib
}

// judgeRecordLocked sees that a further volume is on record before it is made.
func (c *cloud) judgeRecordLocked(r cluster.VolumeRequest) {
	if r.Token.Volume == 0 {
		return
	}
	for _, item := range c.w.table.query("nodes#"+r.Token.ClusterID, "", "", 1000) {
		var n cluster.Node
		if json.Unmarshal(item.Body, &n) != nil || n.ID != r.Token.NodeID {
			continue
		}
		if slices.ContainsFunc(n.Volume.Further, func(f cluster.FurtherVolume) bool { return f.Number == r.Token.Volume }) {
			return
		}
	}
	c.w.violateLocked("further volume %s is made, and nothing on record says so", r.Token)
}

// whole tells whether every log volume of a cluster's brokers is on one volume again, in truth and on record, and has what is on record.
func (u customer) whole(k *kafkaCluster) bool {
	nodes, err := u.w.records().Nodes(u.ctx, k.id)
	if err != nil {
		return false
	}
	u.w.mu.Lock()
	defer u.w.mu.Unlock()
	return !slices.ContainsFunc(nodes, func(n cluster.Node) bool {
		v := u.w.cloud.volumes[cluster.Token{ClusterID: n.ClusterID, NodeID: n.ID}]
		return v != nil && (len(n.Volume.Further) > 0 || len(u.w.cloud.furtherOf(v)) > 0 || v.roomGiB() < n.Volume.SizeGiB)
	})
}

// sooner brings forward when further volumes are merged: EBS takes changes again sooner here than in truth.
func sooner(writes []records.Write) {
	for i, wr := range writes {
		if wr.Delete || !strings.HasPrefix(wr.Key.Partition, "nodes#") || !strings.Contains(string(wr.Body), `"mergeAt"`) {
			continue
		}
		item := records.Item{Body: wr.Body}
		edit(&item, func(n *cluster.Node) {
			if soon := time.Now().Add(longestPause).UTC(); n.Volume.MergeAt.After(soon) {
				n.Volume.MergeAt = soon
			}
		})
		writes[i].Body = item.Body
	}
}
