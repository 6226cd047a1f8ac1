package health_test

import (
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
)

// Where volumes grow by themselves they grow in that way alone, and people are told when they may no more.
func TestJudge_LeavesVolumesThatGrowByThemselvesToThat(t *testing.T) {
	rule := cluster.StorageAutoscaling{TargetPercent: 60, MaxGiB: 500}
	for name, tt := range map[string]struct {
		node   int32
		gib    int
		says   func(*nodespec.Heartbeat)
		finds  cluster.Condition
		reason string
		advice string // a part of it; empty for none
		remedy cluster.Remedy
	}{
		"it is full and grows": {
			2, 100, disk(990, 0), cluster.DiskFull,
			"the log volume of 100 GiB is full; storage autoscaling (target 60 %, at most 500 GiB) grows it", "", cluster.NoRemedy,
		},
		"it is full and has the maximum": {
			2, 500, disk(990, 0), cluster.DiskFull, "the log volume of 500 GiB is full",
			"millrace storage autoscale orders --target 60 --max 550", cluster.NoRemedy,
		},
		"it has all that a volume can have": {
			2, 16384, disk(990, 0), cluster.DiskFull, "the log volume of 16384 GiB is full", "can't have more than its 16384 GiB", cluster.NoRemedy,
		},
		"it is nearly full and grows": {2, 100, disk(900, 0), cluster.Well, "", "", cluster.NoRemedy},
		"it is nearly full and has the maximum": {
			2, 500, disk(900, 0), cluster.Well, "the log volume of 500 GiB is nearly full, and has all that storage autoscaling may give it",
			"millrace storage autoscale orders --target 60 --max 550", cluster.NoRemedy,
		},
		"it has the maximum and room": {2, 500, disk(100, 0), cluster.Well, "", "", cluster.NoRemedy},
		"it is a controller's": {
			cluster.FirstController, 10, disk(990, 0), cluster.DiskFull, "the log volume of 10 GiB is full", "", cluster.Grow,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWard(t)
			w.rule, w.c.Healing.MaxVolumeGiB = &rule, 1000 // which counts for controllers alone
			for i := range w.nodes {
				if w.nodes[i].ID == tt.node {
					w.nodes[i].Volume = &cluster.Volume{ID: "v", SizeGiB: tt.gib}
				}
			}
			w.pass(time.Minute)
			w.says(tt.node, tt.says)
			if tt.remedy == cluster.NoRemedy {
				w.pass(10 * time.Second)
			}
			w.look() // the first tells since when it is so
			v := w.look()
			f, _ := v.Health.Of(tt.node)
			if f.Condition != tt.finds || f.Reason != tt.reason || f.Remedy != tt.remedy {
				t.Errorf("%s, %s: %s", f.Condition, f.Remedy, f.Reason)
			}
			if !strings.Contains(f.Advice, tt.advice) || (f.Advice == "") != (tt.advice == "") || f.Urgent != (tt.advice != "") {
				t.Errorf("urgent %t: %s", f.Urgent, f.Advice)
			}
			if (v.Heal != nil) != (tt.remedy == cluster.Grow) {
				t.Errorf("healed is %+v", v.Heal)
			}
		})
	}
}
