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

func TestJudge_AdvisesNoSizeThatAVolumeCantHave(t *testing.T) {
	for gib, want := range map[int]string{
		100:   "--max-volume 110)",
		16000: "--max-volume 16384)",
		16384: "can't have more than its 16384 GiB. Please ",
	} {
		w := newWard(t)
		for i := range w.nodes {
			w.nodes[i].Volume = &cluster.Volume{ID: "v", SizeGiB: gib}
		}
		w.pass(time.Minute)
		w.says(2, disk(990, 0))
		w.pass(10 * time.Second)
		w.look()
		if f, _ := w.look().Health.Of(2); !strings.Contains(f.Advice, want) || !f.Urgent {
			t.Errorf("at %d GiB: %s", gib, f.Advice)
		}
	}
}

// A rule under which volumes do not come to grow keeps nobody from hearing of it before they are full.
func TestJudge_TellsOfVolumesThatAreToGrowByThemselvesAndDoNot(t *testing.T) {
	growth := func(state cluster.OperationState, merges bool) cluster.Operation {
		op := cluster.Operation{
			ID: "op", State: state, EndedAt: noon, Storage: &cluster.StorageChange{Automatic: true, Merges: merges, Volumes: []cluster.VolumeChange{{
				NodeID: 2, From: cluster.VolumeShape{SizeGiB: 90}, To: cluster.VolumeShape{SizeGiB: 100},
			}}},
		}
		if state == cluster.OperationFailed {
			op.Failure = &cluster.Failure{Code: "Conflict", Message: "EBS takes no change before 18:00."}
		}
		return op
	}
	fails, ended := growth(cluster.OperationFailed, false), growth(cluster.Complete, false)
	found, unfound, late, under := growth(cluster.Complete, false), growth(cluster.Complete, false), growth(cluster.Complete, false), growth(cluster.Complete, false)
	for _, tt := range []struct {
		op   cluster.Operation
		room int64
		at   time.Time
	}{{found, 999, noon}, {unfound, 1000, noon}, {late, 1000, noon.Add(time.Hour)}, {under, 5000, noon}} {
		tt.op.Storage.Volumes[0].RoomBytes, tt.op.Storage.Volumes[0].DoneAt = tt.room, tt.at
	}
	const failed, hidden = "The last 2 growths of the cluster's volumes have failed, the latest at 2026-09-20 12:00:00 UTC: EBS takes no change before 18:00. They " +
		"are tried again and again. See with millrace storage show orders", "host h-2 does not find the room on it. End that host"
	for name, tt := range map[string]struct {
		used   int64 // of 1000
		growth []cluster.Operation
		advice string // its beginning, or a part of it; empty for none
	}{
		"full, and growths fail":             {990, []cluster.Operation{ended, fails, fails}, failed},
		"nearly full, and growths fail":      {900, []cluster.Operation{fails, fails}, failed},
		"the next one is under way":          {900, []cluster.Operation{fails, fails, growth(cluster.InProgress, false)}, failed},
		"room for long yet":                  {840, []cluster.Operation{fails, fails}, ""},
		"one has failed":                     {990, []cluster.Operation{fails}, ""},
		"the next one has not":               {990, []cluster.Operation{fails, fails, ended}, ""},
		"what failed was to give no room":    {990, []cluster.Operation{growth(cluster.OperationFailed, true), fails}, ""},
		"the host does not find the room":    {990, []cluster.Operation{unfound}, hidden},
		"it does, or did so later":           {990, []cluster.Operation{unfound, found}, ""},
		"it had no time to":                  {990, []cluster.Operation{late}, ""},
		"the disk under it was seen before":  {990, []cluster.Operation{under}, ""},
		"nobody knows what it had before it": {990, []cluster.Operation{ended}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWard(t)
			w.rule, w.grown = &cluster.StorageAutoscaling{TargetPercent: 60, MaxGiB: 500}, tt.growth
			w.says(2, disk(tt.used, 0))
			w.pass(time.Minute)
			f, _ := w.look().Health.Of(2)
			if !strings.Contains(f.Advice, tt.advice) || (f.Advice == "") != (tt.advice == "") || f.Urgent != (tt.advice != "") || f.Remedy != cluster.NoRemedy {
				t.Errorf("%s, urgent %t, %s: %s: %s", f.Condition, f.Urgent, f.Remedy, f.Reason, f.Advice)
			}
		})
	}
}
