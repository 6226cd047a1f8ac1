package cluster

import (
	"cmp"
	"slices"
	"time"
)

// InForce gives the maintenance windows that have not ended: that of the whole cluster first, then by node.
func (r HealingRules) InForce(now time.Time) []MaintenanceWindow {
	windows := slices.DeleteFunc(slices.Clone(r.Maintenance), func(m MaintenanceWindow) bool { return !now.Before(m.Until) })
	slices.SortFunc(windows, func(a, b MaintenanceWindow) int { return cmp.Compare(a.NodeID, b.NodeID) })
	return windows
}

// MaintenanceOf gives the window that keeps healing away from a node the longest; ok is false when none does.
func (r HealingRules) MaintenanceOf(node int32, now time.Time) (m MaintenanceWindow, ok bool) {
	for _, w := range r.InForce(now) {
		if w.Covers(node, now) && (!ok || w.Until.After(m.Until)) {
			m, ok = w, true
		}
	}
	return m, ok
}

// Maintain opens a window. One that the same node, or the whole cluster, has already is made longer or shorter by it, and
// goes on from when it began. Windows that have ended are forgotten.
func (r *HealingRules) Maintain(m MaintenanceWindow) {
	windows := r.InForce(m.Since)
	i := slices.IndexFunc(windows, func(w MaintenanceWindow) bool { return w.NodeID == m.NodeID })
	if i < 0 {
		r.Maintenance = append(windows, m)
		return
	}
	m.Since = windows[i].Since
	windows[i] = m
	r.Maintenance = windows
}

// EndMaintenance ends the window of a node or, for 0, that of the whole cluster; false when it has none. Every other one
// stays: somebody else may be at work behind it.
func (r *HealingRules) EndMaintenance(node int32, now time.Time) bool {
	windows := r.InForce(now)
	before := len(windows)
	r.Maintenance = slices.DeleteFunc(windows, func(m MaintenanceWindow) bool { return m.NodeID == node })
	return len(r.Maintenance) < before
}
