package statemachines_test

import (
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/platform/local/asl"
)

// resting grows all volumes, after which EBS takes no change of them for six hours.
func (w *world) resting() {
	w.t.Helper()
	w.platform.ChangesAgainAfter = 6 * time.Hour
	w.serving()
	time.Sleep(agentRests) // hosts have said what their volumes are made of
	w.wait(w.growAll(cluster.VolumeShape{SizeGiB: 150}))
	w.wantAllOf(cluster.VolumeShape{SizeGiB: 150})
}

// While EBS takes no change of a volume, a further one makes up for what is missing, again and again, and nobody stops for it.
func TestUpdateBrokerStorage_GrowsByFurtherVolumesWhileVolumesRest(t *testing.T) {
	inBubble(t, func(w *world) {
		w.resting()
		hosts := w.platform.Alive()
		for i, size := range []int{160, 175, 200} {
			op := w.growAll(cluster.VolumeShape{SizeGiB: size})
			if x := w.wait(op); x.Status != asl.Succeeded {
				t.Fatalf("to %d GiB: %s: %s", size, x.Error, x.Cause)
			}
			w.wantPath(op, growAllPath)
			w.wantAllOf(cluster.VolumeShape{SizeGiB: size})
			for _, n := range w.brokers() {
				if got := len(w.platform.VolumesOf(n.Host.ID)); got != i+2 {
					t.Errorf("%s is made of %d volumes", n, got)
				}
				if d := w.disk(n.ID, n.Host.ID); d == nil || d.TotalBytes != int64(size)<<30 {
					t.Errorf("the host of %s sees %+v", n, d)
				}
			}
			if i == 2 {
				w.wantAllGrown(op)
				w.wantActive(op)
			}
		}
		if got := w.platform.Alive(); len(got) != len(hosts) || w.starts(2) != 1 {
			t.Errorf("the hosts are %v, and were %v", got, hosts)
		}
		w.wait(w.delete("delete"))
		w.wantNothingLeft()
	})
}
