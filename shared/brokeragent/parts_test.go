package brokeragent

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/nodespec"
)

// parts are what a test says that its volume is made of.
type parts struct{ made, left []string }

func (p *parts) Parts() (made, left []string) { return p.made, p.left }

func TestAgent_TellsAtOnceWhatItsVolumeIsMadeOf(t *testing.T) {
	bubble(t, func(r *rig) {
		r.stop()
		p := &parts{made: []string{"vol-1"}}
		r.parts = p
		r.startAgent()
		r.mailbox.put(spec(1))
		r.after(time.Minute)
		for _, now := range []parts{
			{made: []string{"vol-1"}},
			{made: []string{"vol-1", "vol-2"}},
			{made: []string{"vol-1"}, left: []string{"vol-2"}},
			{},
		} {
			*p = now
			disk := r.after(2 * limitPoll).mailbox.last().Disk // long before the next heartbeat is due
			if disk == nil || !slices.Equal(disk.Volumes, now.made) || !slices.Equal(disk.Left, now.left) {
				t.Errorf("%+v is told as %+v", now, disk)
			}
		}
		r.wantStarts(1)
	})
}

func TestAgent_LeavesTheNameOfItsVolumeForWhoeverBringsIt(t *testing.T) {
	bubble(t, func(r *rig) {
		file := filepath.Join(r.dir, FirstVolumeFile)
		r.mailbox.put(spec(1)) // which does not name it
		r.after(time.Minute)
		if _, err := os.Stat(file); err == nil {
			t.Error("a volume is named that no spec has named")
		}
		named := spec(2)
		named.Volume.ID = "vol-1"
		r.mailbox.put(named)
		r.after(time.Second)
		if name, err := os.ReadFile(file); string(name) != "vol-1" {
			t.Errorf("the volume is named %q (%v)", name, err)
		}
		r.wantStarts(1)
	})
}

// incomplete is a volume that waits for the rest of it, until it is there.
type incomplete struct {
	VolumeAt
	missing string
}

func (i *incomplete) Volume() (dir string, attached bool, err error) {
	if i.missing != "" {
		return "", false, VolumeIncomplete(i.missing)
	}
	return i.VolumeAt.Volume()
}

func TestAgent_SaysWhatIsMissingOfItsVolumeAndStartsKafkaAsSoonAsItIsThere(t *testing.T) {
	bubble(t, func(r *rig) {
		r.stop()
		volume := &incomplete{VolumeAt(r.volume), "vol-2 is not attached"}
		r.finder = volume
		r.startAgent()
		r.mailbox.put(spec(1))
		r.after(time.Hour).wantState(nodespec.Preparing, "waiting for the volume: vol-2 is not attached")
		r.wantStarts(0)
		volume.missing = ""
		r.after(5*time.Second).wantState(nodespec.Running, "")
	})
}
