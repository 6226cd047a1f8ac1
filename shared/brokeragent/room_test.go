package brokeragent

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/shared/nodespec"
)

const mib = 1 << 20

// sized gives the volume a size, as its platform does: beside it. The agent is one that knows where to look.
func (r *rig) sized(size int64) {
	r.t.Helper()
	r.stop()
	r.limit = VolumeAt(r.volume)
	r.resize(size)
	r.startAgent()
}

func (r *rig) resize(size int64) {
	r.t.Helper()
	file := VolumeSizeFile(r.volume)
	if err := os.WriteFile(file, []byte(strconv.FormatInt(size, 10)), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// fill makes a file of the volume as long as that, every byte of it on the disk.
func (r *rig) fill(name string, size int64) {
	r.t.Helper()
	fill(r.t, filepath.Join(r.volume, name), size)
}

func fill(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
}

const noRoomOf20 = " of 20971520 bytes are free): no space left on device: Kafka does not run before there is room"

func TestAgent_EndsAKafkaThatHasFilledItsVolumeAndStartsItOnceTheVolumeHasGrown(t *testing.T) {
	bubble(t, func(r *rig) {
		r.sized(20 * mib)
		r.mailbox.put(spec(1))
		r.after(time.Minute).wantState(nodespec.Running, "")
		r.fill("segment", 18*mib)
		r.after(time.Minute).wantState(nodespec.Running, "")
		r.wantStarts(1)

		r.fill("segment", 20*mib-mib/2)
		beat := r.after(time.Second).mailbox.last()
		if beat.State != nodespec.Failing || beat.Process != nil || !strings.HasPrefix(beat.Reason, "the volume's disk is full (") ||
			!strings.HasSuffix(beat.Reason, noRoomOf20) {
			t.Fatalf("%s: %q, process %+v", beat.State, beat.Reason, beat.Process)
		}
		if got := r.machine.kafka().signalled(); got != "[killed]" {
			t.Errorf("Kafka got the signals %s", got)
		}
		r.after(10 * time.Minute)
		r.wantStarts(1)

		r.resize(60 * mib)
		beat = r.after(5*time.Second).wantState(nodespec.Running, "")
		r.wantStarts(2)
		if beat.Disk == nil || beat.Disk.TotalBytes != 60*mib || beat.FailedStarts != 0 || beat.Restarts != 1 {
			t.Errorf("heartbeat %+v, disk %+v", beat, beat.Disk)
		}
	})
}

func TestAgent_AGrowthBeforeTheVolumeIsFullIsToldAtOnceAndRestartsNothing(t *testing.T) {
	bubble(t, func(r *rig) {
		r.sized(20 * mib)
		r.mailbox.put(spec(1))
		r.after(time.Minute).wantState(nodespec.Running, "")
		r.fill("segment", 17*mib)
		r.after(time.Minute)
		before := r.mailbox.count()
		r.resize(40 * mib)
		beat := r.after(1500*time.Millisecond).wantState(nodespec.Running, "")
		if r.mailbox.count() == before || beat.Disk.TotalBytes != 40*mib || beat.DiskNearlyFull() {
			t.Errorf("a second after the growth the latest heartbeat tells of %+v", beat.Disk)
		}
		r.fill("segment", 38*mib)
		r.after(time.Minute).wantState(nodespec.Running, "")
		r.wantStarts(1)
	})
}

func TestAgent_StartsNoKafkaOnAVolumeThatIsFullHoweverItCameByIt(t *testing.T) {
	bubble(t, func(r *rig) {
		r.mailbox.put(spec(1))
		r.after(time.Minute).wantState(nodespec.Running, "")
		r.fill("segment", 21*mib)
		r.sized(20 * mib) // the agent that stops Kafka knew of no size, the next one does: as a new host would
		beat := r.after(time.Minute).mailbox.last()
		if beat.State != nodespec.Failing || !strings.HasSuffix(beat.Reason, "(0"+noRoomOf20) || !beat.DiskFull() {
			t.Errorf("%s: %q, disk %+v", beat.State, beat.Reason, beat.Disk)
		}
		r.wantStarts(1)
		r.fill("segment", 19*mib) // somebody freed space
		r.after(time.Minute).wantState(nodespec.Failing, "the volume's disk is full (1040384"+noRoomOf20)
		r.fill("segment", 10*mib)
		r.after(5*time.Second).wantState(nodespec.Running, "")
		r.wantStarts(2)
	})
}

func TestAgent_EndsAKafkaThatAnAgentBeforeItHasStarted(t *testing.T) {
	bubble(t, func(r *rig) {
		r.sized(20 * mib)
		r.mailbox.put(spec(1))
		r.after(time.Minute).wantState(nodespec.Running, "")
		r.killAgent()
		r.fill("segment", 20*mib)
		r.startAgent()
		if beat := r.after(5 * time.Second).mailbox.last(); beat.State != nodespec.Failing || !strings.HasSuffix(beat.Reason, noRoomOf20) {
			t.Errorf("%s: %q", beat.State, beat.Reason)
		}
		r.wantStarts(1)
	})
}

func TestAgent_ADiskThatFillsByAStepIsHeardOfAtOnce(t *testing.T) {
	bubble(t, func(r *rig) {
		r.sized(20 * mib)
		r.mailbox.put(spec(1))
		r.after(time.Minute)
		for _, step := range []struct {
			mib   int64
			heard bool
		}{{4, true}, {5, true}, {4, false}, {5, false}, {2, true}} {
			r.after(r.toNextBeat()) // the regular ones are not what counts
			before := r.mailbox.count()
			r.fill("segment", step.mib*mib)
			beat := r.after(2 * time.Second).mailbox.last()
			if heard := r.mailbox.count() > before; heard != step.heard || heard && beat.Disk.UsedBytes>>20 != step.mib {
				t.Errorf("%d MiB: heard of %t, %+v", step.mib, heard, beat.Disk)
			}
		}
	})
}

// toNextBeat is how long it takes until a second after the next regular heartbeat.
func (r *rig) toNextBeat() time.Duration {
	return time.Until(r.mailbox.last().At.Add(16 * time.Second))
}

func TestDiskMeter_LooksTheMoreOftenTheLessRoomThereIs(t *testing.T) {
	const gib = 1 << 30
	for _, tt := range []struct {
		name        string
		limit, used int64
		took        time.Duration
		want        time.Duration
	}{
		{"an empty volume", 100 * gib, 0, 0, farPoll},
		{"the largest there is", 16384 * gib, 0, 0, farPoll},
		{"two gigabytes before its end", 10 * gib, 8*gib - 51*mib, 0, time.Second},
		{"nearly full", 10 * gib, 10*gib - 100*mib, 0, nearPoll},
		{"full", 10 * gib, 10 * gib, 0, nearPoll},
		{"more than full", 10 * gib, 11 * gib, 0, nearPoll},
		{"nearly full, with a million files", 10 * gib, 10*gib - 100*mib, 2 * time.Second, 40 * time.Second},
	} {
		r := room{disk: nodespec.Disk{TotalBytes: tt.limit, UsedBytes: tt.used}, limit: tt.limit, used: tt.used, took: tt.took}
		if got := r.pace(); (got - tt.want).Abs() > 20*time.Millisecond {
			t.Errorf("%s: looked at again after %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestWithin_TheDiskUnderAVolumeIsToldOfOnceItIsFullItself(t *testing.T) {
	for _, tt := range []struct {
		name              string
		size, used        int64
		diskTotal, onDisk int64
		want              nodespec.Disk
	}{
		{"a disk with room", 100, 40, 1000, 500, nodespec.Disk{TotalBytes: 100, UsedBytes: 40}},
		{"a disk with less room than the volume", 100, 40, 50, 45, nodespec.Disk{TotalBytes: 100, UsedBytes: 40}},
		{"a disk that is nearly full", 100, 40, 1000, 985, nodespec.Disk{TotalBytes: 1000, UsedBytes: 985}},
		{"one that has more room than the volume all the same", 100, 40, 100_000, 99_000, nodespec.Disk{TotalBytes: 100, UsedBytes: 40}},
		{"one that is full", 100, 40, 1000, 1000, nodespec.Disk{TotalBytes: 1000, UsedBytes: 1000}},
		{"one that was full before the volume was made", 100, 0, 1000, 1000, nodespec.Disk{TotalBytes: 1000, UsedBytes: 1000}},
	} {
		if got := within(tt.size, tt.used, nodespec.Disk{TotalBytes: tt.diskTotal, UsedBytes: tt.onDisk}); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestUsedBytes_CountsWhatFilesTakeOfTheDisk(t *testing.T) {
	dir := t.TempDir()
	empty, err := usedBytes(dir)
	if err != nil {
		t.Fatal(err)
	}
	partition := filepath.Join(dir, "orders-0")
	if err := os.Mkdir(partition, 0o700); err != nil {
		t.Fatal(err)
	}
	fill(t, filepath.Join(partition, "00000000000000000000.log"), 3*mib)
	index := filepath.Join(partition, "00000000000000000000.index")
	fill(t, index, 4096)
	if err := os.Truncate(index, 10*mib); err != nil { // as Kafka makes its indexes: a hole
		t.Fatal(err)
	}
	if err := os.Symlink("/", filepath.Join(dir, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	used, err := usedBytes(dir)
	if grown := used - empty; err != nil || grown < 3*mib+4096 || grown > 3*mib+64<<10 {
		t.Errorf("3 MiB and one page take %d bytes (%v)", grown, err)
	}
	ahead := filepath.Join(partition, "ahead")
	fill(t, ahead, 4096)
	f, err := os.OpenFile(ahead, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, mib); err != nil {
		t.Skipf("this file system keeps no blocks in advance: %v", err)
	}
	if more, err := usedBytes(dir); err != nil || more-used != 4096 {
		t.Errorf("blocks that nothing is written to count: %d bytes (%v)", more-used, err)
	}
	if _, err := usedBytes(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a directory that is not there has a use")
	}
}

func TestDiskMeter_AVolumeKeepsTheSizeThatNobodyCanReadForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "volume")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		m := newDiskMeter()
		m.limit = VolumeAt(dir)
		m.watch(dir)
		for _, spoil := range []func() error{
			func() error { return os.Remove(VolumeSizeFile(dir)) },
			func() error { return os.WriteFile(VolumeSizeFile(dir), []byte("a lot"), 0o600) },
		} {
			for _, size := range []int64{20 * mib, 30 * mib} {
				if err := os.WriteFile(VolumeSizeFile(dir), fmt.Appendln(nil, size), 0o600); err != nil {
					t.Fatal(err)
				}
				for i := range 3 {
					m.look(true)
					if got := m.disk(); got == nil || got.TotalBytes != size {
						t.Errorf("look %d: %+v, want a size of %d", i, got, size)
					}
					if err := spoil(); err != nil && i == 0 {
						t.Fatal(err)
					}
				}
			}
		}
	})
}

func TestDiskMeter_AVolumeWithoutASizeHasThatOfItsFileSystem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		m := newDiskMeter()
		m.limit = VolumeAt(dir)
		m.watch(dir)
		whole := diskOf(dir)
		if got := m.disk(); got == nil || got.TotalBytes != whole.TotalBytes {
			t.Errorf("%+v, want a size of %d", got, whole.TotalBytes)
		}
		for _, size := range []string{"", "ten", "-1", "0"} {
			if err := os.WriteFile(VolumeSizeFile(dir), []byte(size), 0o600); err != nil {
				t.Fatal(err)
			}
			if bytes, known := VolumeAt(dir).Bytes(); known {
				t.Errorf("%q was taken for %d bytes", size, bytes)
			}
		}
	})
}
