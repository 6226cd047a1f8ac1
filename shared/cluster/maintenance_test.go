package cluster_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
)

func TestMaintenance_IsOfANodeOrOfAllAndEndsByItself(t *testing.T) {
	noon := time.Date(2026, 9, 20, 12, 0, 0, 0, time.UTC)
	at := func(hour int) time.Time { return noon.Add(time.Duration(hour-12) * time.Hour) }
	window := func(node int32, from, until int) cluster.MaintenanceWindow {
		return cluster.MaintenanceWindow{NodeID: node, Since: at(from), Until: at(until)}
	}
	for _, tt := range []struct {
		name string
		do   func(*cluster.HealingRules)
		want string // windows in force at noon, as node:from-until, and from what broker 2 is kept until when
	}{
		{"nothing was said", func(*cluster.HealingRules) {}, "; 2 is healed"},
		{"a node", func(r *cluster.HealingRules) { r.Maintain(window(2, 12, 14)) }, "2:12-14; 2 until 14"},
		{"another node", func(r *cluster.HealingRules) { r.Maintain(window(1, 12, 14)) }, "1:12-14; 2 is healed"},
		{"the whole cluster", func(r *cluster.HealingRules) { r.Maintain(window(0, 12, 13)) }, "0:12-13; 2 until 13"},
		{"it has ended", func(r *cluster.HealingRules) { r.Maintain(window(2, 10, 12)) }, "; 2 is healed"},
		{"the longer one counts", func(r *cluster.HealingRules) {
			r.Maintain(window(2, 11, 15))
			r.Maintain(window(0, 12, 13))
		}, "0:12-13 2:11-15; 2 until 15"},
		{"said again, it is longer and began when it began", func(r *cluster.HealingRules) {
			r.Maintain(window(2, 11, 13))
			r.Maintain(window(2, 12, 16))
		}, "2:11-16; 2 until 16"},
		{"said again, it may be shorter", func(r *cluster.HealingRules) {
			r.Maintain(window(2, 11, 16))
			r.Maintain(window(2, 12, 13))
		}, "2:11-13; 2 until 13"},
		{"said again after it had ended, it is another", func(r *cluster.HealingRules) {
			r.Maintain(window(2, 9, 10))
			r.Maintain(window(2, 12, 13))
		}, "2:12-13; 2 until 13"},
		{"ended for the node, not for the cluster", func(r *cluster.HealingRules) {
			r.Maintain(window(0, 12, 13))
			r.Maintain(window(2, 12, 14))
			r.EndMaintenance(2, at(12))
		}, "0:12-13; 2 until 13"},
		{"ended for the cluster, not for the node", func(r *cluster.HealingRules) {
			r.Maintain(window(0, 12, 13))
			r.Maintain(window(2, 12, 14))
			r.EndMaintenance(0, at(12))
		}, "2:12-14; 2 until 14"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var rules cluster.HealingRules
			tt.do(&rules)
			var windows []string
			for _, m := range rules.InForce(noon) {
				windows = append(windows, fmt.Sprintf("%d:%d-%d", m.NodeID, m.Since.Hour(), m.Until.Hour()))
			}
			kept := "2 is healed"
			if m, ok := rules.MaintenanceOf(2, noon); ok {
				kept = fmt.Sprintf("2 until %d", m.Until.Hour())
			}
			if got := strings.Join(windows, " ") + "; " + kept; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestEndMaintenance_SaysWhetherThereWasAny(t *testing.T) {
	now := time.Date(2026, 9, 20, 12, 0, 0, 0, time.UTC)
	var rules cluster.HealingRules
	rules.Maintain(cluster.MaintenanceWindow{NodeID: 2, Since: now, Until: now.Add(time.Hour)})
	if rules.EndMaintenance(1, now) || rules.EndMaintenance(0, now) {
		t.Error("another's has ended")
	}
	if rules.EndMaintenance(2, now.Add(time.Hour)) {
		t.Error("it had ended by itself")
	}
	rules.Maintain(cluster.MaintenanceWindow{NodeID: 2, Since: now, Until: now.Add(time.Hour)})
	if !rules.EndMaintenance(2, now) || rules.EndMaintenance(2, now) {
		t.Error("it ends once")
	}
}
