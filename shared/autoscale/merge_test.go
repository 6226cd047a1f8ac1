package autoscale_test

import (
	"testing"
	"time"

	"github.com/millrace/millrace/shared/autoscale"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
)

// joined is a broker whose volume of 150 GiB is made of two, the first of which has 100, while EBS takes no change of that.
func joined() autoscale.Joined {
	return autoscale.Joined{
		Node: cluster.Node{ID: 1, Role: cluster.Broker, Volume: &cluster.Volume{
			ID: "vol-1", SizeGiB: 150, FirstGiB: 100, MergeAt: now.Add(time.Minute),
			Further: []cluster.FurtherVolume{{Number: 1, ID: "vol-1-v1", SizeGiB: 50, WholeGiB: 150, AddedAt: now}},
		}},
		Disk: &nodespec.Disk{Volumes: []string{"vol-1", "vol-1-v1"}},
	}
}

// What was tried is let be for an hour, so that what fails begins no operation each minute.
func TestMerge_IsDueWhenSomethingCanBeDone(t *testing.T) {
	serves := cluster.Cluster{ID: "c-1", Name: "orders", Ready: true}
	first, further := []string{"vol-1"}, []string{"vol-1-v1"}
	for name, tt := range map[string]struct {
		with func(c *cluster.Cluster, b *autoscale.Joined)
		want bool
	}{
		"the first one rests":                          {func(*cluster.Cluster, *autoscale.Joined) {}, false},
		"the first one may take changes":               {func(_ *cluster.Cluster, b *autoscale.Joined) { b.Node.Volume.MergeAt = now }, true},
		"the first one may, and its host says nothing": {func(_ *cluster.Cluster, b *autoscale.Joined) { b.Node.Volume.MergeAt, b.Disk = now, nil }, true},
		"the first one is as large, and its host moves data": {func(_ *cluster.Cluster, b *autoscale.Joined) {
			b.Node.Volume.MergeAt, b.Node.Volume.FirstGiB = now, 150
		}, false},
		"its host has left it":                     {func(_ *cluster.Cluster, b *autoscale.Joined) { b.Disk = &nodespec.Disk{Volumes: first, Left: further} }, true},
		"a host that has nothing mounted says so":  {func(_ *cluster.Cluster, b *autoscale.Joined) { b.Disk = &nodespec.Disk{Left: further} }, false},
		"its host has it, and does not say joined": {func(_ *cluster.Cluster, b *autoscale.Joined) { b.Disk = &nodespec.Disk{Volumes: first} }, false},
		"its host says both":                       {func(_ *cluster.Cluster, b *autoscale.Joined) { b.Disk.Left = further }, false},
		"it was begun to be taken away just now": {func(_ *cluster.Cluster, b *autoscale.Joined) {
			b.Disk = &nodespec.Disk{Volumes: first, Left: further}
			b.Node.Volume.Further[0].LeftAt = now.Add(-time.Minute)
		}, false},
		"it was begun to be taken away, and the next host never had it": {func(_ *cluster.Cluster, b *autoscale.Joined) {
			b.Disk = &nodespec.Disk{Volumes: first}
			b.Node.Volume.Further[0].LeftAt = now.Add(-time.Hour)
		}, true},
		"it is being made": {func(_ *cluster.Cluster, b *autoscale.Joined) { b.Node.Volume.Further[0].ID = "" }, false},
		"nobody has made it": {func(_ *cluster.Cluster, b *autoscale.Joined) {
			b.Node.Volume.Further[0].ID, b.Node.Volume.Further[0].AddedAt = "", now.Add(-time.Hour)
		}, true},
		"nobody has made it, and it was begun to be taken away just now": {func(_ *cluster.Cluster, b *autoscale.Joined) {
			f := &b.Node.Volume.Further[0]
			f.ID, f.AddedAt, f.LeftAt = "", now.Add(-2*time.Hour), now.Add(-time.Minute)
		}, false},
		"nobody has made it, and it was begun to be taken away an hour ago": {func(_ *cluster.Cluster, b *autoscale.Joined) {
			f := &b.Node.Volume.Further[0]
			f.ID, f.AddedAt, f.LeftAt = "", now.Add(-2*time.Hour), now.Add(-time.Hour)
		}, true},
		"volumes grow": {func(c *cluster.Cluster, b *autoscale.Joined) {
			c.Growing, b.Node.Volume.MergeAt = &cluster.ActiveOperation{ID: "op-1", Type: cluster.UpdateStorage}, now
		}, false},
		"the cluster is deleted": {func(c *cluster.Cluster, b *autoscale.Joined) {
			c.Active, b.Node.Volume.MergeAt = &cluster.ActiveOperation{ID: "op-1", Type: cluster.DeleteCluster}, now
		}, false},
		"it has no volume yet": {func(_ *cluster.Cluster, b *autoscale.Joined) { b.Node.Volume = nil }, false},
	} {
		t.Run(name, func(t *testing.T) {
			c, b := serves, joined()
			tt.with(&c, &b)
			other := autoscale.Joined{Node: cluster.Node{ID: 2, Role: cluster.Broker, Volume: &cluster.Volume{ID: "vol-2", SizeGiB: 150}}}
			change, due := autoscale.Merge(c, []autoscale.Joined{b, other}, now)
			if due != tt.want {
				t.Fatalf("due %t: %+v", due, change)
			}
			if !due {
				return
			}
			v, ok := change.Of(1)
			if !ok || len(change.Volumes) != 1 || v.From != v.To || v.To.SizeGiB != 150 || change.Every != v.To || !change.Merges || !change.Automatic || change.Scales() {
				t.Errorf("%+v", change)
			}
		})
	}
}

// A controller that has run out of room is healed by a further volume, as a broker is. What every broker has at least is no matter of
// its.
func TestMerge_MergesTheVolumesOfControllersToo(t *testing.T) {
	serves := cluster.Cluster{ID: "c-1", Name: "orders", Ready: true}
	due := func(id int32, role cluster.Role, gib int) autoscale.Joined {
		j := joined()
		j.Node.ID, j.Node.Role, j.Node.Volume.SizeGiB, j.Node.Volume.MergeAt = id, role, gib, now
		return j
	}
	controller := due(cluster.FirstController, cluster.Controller, 20)
	change, is := autoscale.Merge(serves, []autoscale.Joined{controller}, now)
	if _, ok := change.Of(cluster.FirstController); !is || !ok || len(change.Volumes) != 1 || change.Every != (cluster.VolumeShape{}) {
		t.Errorf("alone: due %t: %+v", is, change)
	}
	change, is = autoscale.Merge(serves, []autoscale.Joined{controller, due(1, cluster.Broker, 170), due(2, cluster.Broker, 150)}, now)
	if !is || len(change.Volumes) != 3 || change.Every.SizeGiB != 150 {
		t.Errorf("beside brokers: due %t: %+v", is, change)
	}
}

// A further volume that no host had joined before the first became as large as the whole makes the log volume larger than anybody
// wanted, and its host lets go of it only once the first is as large as that.
func TestMerge_MakesTheFirstAsLargeAsWhatItsHostHasJoinedTooLate(t *testing.T) {
	serves := cluster.Cluster{ID: "c-1", Name: "orders", Ready: true}
	for name, tt := range map[string]struct {
		with func(v *cluster.Volume, d *nodespec.Disk)
		want int // GiB; 0 for nothing that is due
	}{
		"all of it is joined":                         {func(*cluster.Volume, *nodespec.Disk) {}, 200},
		"what a file system keeps for itself is lost": {func(_ *cluster.Volume, d *nodespec.Disk) { d.TotalBytes -= 1 << 30 }, 200},
		"the host empties it":                         {func(_ *cluster.Volume, d *nodespec.Disk) { d.TotalBytes = 150 << 30 }, 0},
		"the host empties it, and has joined another that is needed": {func(v *cluster.Volume, d *nodespec.Disk) {
			v.SizeGiB, d.TotalBytes, d.Volumes = 175, 175<<30, append(d.Volumes, "vol-1-v2")
			v.MergeAt = now.Add(time.Minute)
			v.Further = append(v.Further, cluster.FurtherVolume{Number: 2, ID: "vol-1-v2", SizeGiB: 25, WholeGiB: 175})
		}, 0},
		"another is needed": {func(v *cluster.Volume, d *nodespec.Disk) {
			v.SizeGiB, d.TotalBytes, d.Volumes = 175, 225<<30, append(d.Volumes, "vol-1-v2")
			v.Further = append(v.Further, cluster.FurtherVolume{Number: 2, ID: "vol-1-v2", SizeGiB: 25, WholeGiB: 175})
		}, 225},
		"the first one rests":         {func(v *cluster.Volume, _ *nodespec.Disk) { v.MergeAt = now.Add(time.Minute) }, 0},
		"the host has another volume": {func(_ *cluster.Volume, d *nodespec.Disk) { d.Volumes = d.Volumes[:1] }, 0},
		"it is being taken away":      {func(v *cluster.Volume, _ *nodespec.Disk) { v.Further[0].LeftAt = now }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			j := joined()
			j.Node.Volume.FirstGiB, j.Node.Volume.MergeAt, j.Disk.TotalBytes = 150, now, 200<<30
			tt.with(j.Node.Volume, j.Disk)
			change, due := autoscale.Merge(serves, []autoscale.Joined{j}, now)
			v, _ := change.Of(1)
			if due != (tt.want > 0) || v.To.SizeGiB != tt.want || due && (v.From != j.Node.Volume.Shape() || !change.Merges) {
				t.Errorf("due %t: %+v", due, change)
			}
		})
	}
	j := joined()
	j.Node.Volume.FirstGiB, j.Disk = 150, nil
	if _, due := autoscale.Merge(serves, []autoscale.Joined{j}, now.Add(time.Hour)); due {
		t.Error("its host says nothing, and something is due")
	}
}

func TestFresh_TakesNoOldWord(t *testing.T) {
	disk := &nodespec.Disk{Volumes: []string{"vol-1"}}
	for age, want := range map[time.Duration]*nodespec.Disk{0: disk, nodespec.FreshFor: nil} {
		if got := autoscale.Fresh(nodespec.Heartbeat{At: now.Add(-age), Disk: disk}, now); got != want {
			t.Errorf("after %s: %+v", age, got)
		}
	}
}
