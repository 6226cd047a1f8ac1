// Package host rehearses what root's part of the agent does to a host's disks, on machines of its own: a real kernel with its device
// mapper, real LVM and XFS, disks that are attached and grow while they are in use, and power that is cut.
package host

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/integration/host/kernel"
	"github.com/millrace/millrace/integration/host/wire"
)

// tools are what the rehearsal takes besides a kernel. They come with cmd/setup, where that may install them.
var tools = append([]string{"qemu-system-x86_64", "ldd"}, programs...)

// newRehearsal makes the kit of the machines. The test is skipped where there is nothing to make it of.
func newRehearsal(t *testing.T) *rehearsal {
	t.Helper()
	if testing.Short() {
		t.Skip("it boots machines")
	}
	if os.Geteuid() != 0 {
		t.Skip("machines are made of what only root has installed")
	}
	k, err := kernel.Find()
	if err != nil {
		t.Skip(err)
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	r := &rehearsal{t: t, dir: t.TempDir()}
	ours := map[string]string{}
	for at, source := range map[string]string{"/init": "./guest", "/usr/bin/broker-agent": "../../cmd/broker-agent"} {
		program := filepath.Join(r.dir, filepath.Base(at))
		build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", program, source)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		ours[at] = program
	}
	r.kit = kit{k.Image, filepath.Join(r.dir, "initrd")}
	if err := pack(r.kit.initrd, k, ours); err != nil {
		t.Fatal(err)
	}
	r.root = r.volume("vol-0root", fixed, 320)
	if out, err := exec.CommandContext(t.Context(), "mkfs.xfs", "-q", r.root.file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return r
}

const (
	place   = "/var/lib/millrace/volume"
	early   = place + "/early"   // written before the log volume grew
	late    = place + "/late"    // written afterwards, for the most part onto the further volume
	records = place + "/records" // appended to all the while
	reasons = place + "/INCOMPLETE"
	mib     = 1 << 20
)

func (m *machine) fill(path string, size int64) {
	m.t.Helper()
	m.do(wire.Request{Do: wire.Fill, Path: path, Number: size})
}

func (m *machine) check(path string, size int64) {
	m.t.Helper()
	m.do(wire.Request{Do: wire.Check, Path: path, Number: size})
}

func (m *machine) load() { m.t.Helper(); m.do(wire.Request{Do: wire.Load, Path: records}) }

// loaded gives how many records are on the disk for certain, and the longest time that one has taken.
func (m *machine) loaded() (records int64, longest time.Duration) {
	m.t.Helper()
	a := m.do(wire.Request{Do: wire.Loaded, Path: place + "/records"})
	return a.Number, time.Duration(a.Millis) * time.Millisecond
}

// parts is what root's part tells the agent.
func (m *machine) parts() (made, left []string) {
	m.t.Helper()
	var got struct{ Volumes, Left []string }
	if err := json.Unmarshal([]byte(m.read(recordFile)), &got); err != nil {
		m.t.Fatal(err)
	}
	return got.Volumes, got.Left
}

func (m *machine) wantParts(made, left []string) {
	m.t.Helper()
	if isMade, hasLeft := m.parts(); !slices.Equal(isMade, made) || !slices.Equal(hasLeft, left) {
		m.t.Errorf("the log volume is made of %q and has left %q, want %q, %q", isMade, hasLeft, made, left)
	}
}

// wantSize looks whether the file system is about so large.
func (m *machine) wantSize(mebibytes int64) {
	m.t.Helper()
	size := m.do(wire.Request{Do: wire.Size, Path: place}).Number / mib
	if size < mebibytes-100 || size > mebibytes { // less its own log, and what LVM keeps
		m.t.Errorf("a file system of %d MiB on %d MiB of volumes", size, mebibytes)
	}
}

// awaitReason waits until it is said why the log volume is not mounted.
func (m *machine) awaitReason(want string) {
	m.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		a := m.await(m.ask(wire.Request{Do: wire.Run, Args: []string{"cat", reasons}}))
		if strings.TrimSpace(a.Output) == want {
			return
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("the reason is %q, want %q", a.Output, want)
		}
	}
}

// tear leaves a volume as a power cut does while LVM joins it to a group: after it has marked the volume, before it has recorded it.
func (m *machine) tear(v volume) {
	m.t.Helper()
	const uuid = "vol0cc-c###-####-####-####-####-######"
	if v.serial() != "vol0ccc" {
		m.t.Fatalf("%s is not the volume of %s", v.id, uuid)
	}
	path := m.pathOf(v)
	m.run("lvm", "pvcreate", "--uuid", uuid, "--norestorefile", path)
	m.do(wire.Request{Do: wire.Tear, Path: path})
	if out := m.run("lvm", "pvs", "--noheadings", "--options", "pv_name,vg_name"); !strings.Contains(out, "[unknown]") {
		m.t.Errorf("it is not torn:\n%s", out)
	}
}

// A log volume grows by two further volumes, one after the other, the second of which LVM has marked and not recorded, loses its host three times in the middle, and gets back onto its
// first volume.
func TestLogVolume_LosesNothingWhereverItsGrowthAndItsMergeAreCutOff(t *testing.T) {
	r := newRehearsal(t)
	first, second, third := r.volume("vol-0aaa", grows, 384), r.volume("vol-0bbb", fixed, 448), r.volume("vol-0ccc", fixed, 128)
	const whole = 384 + 448 + 128
	var safe int64 // records that were on a disk for certain when a host ended
	checkAll := func(m *machine) {
		m.t.Helper()
		m.do(wire.Request{Do: wire.CheckLoad, Path: records, Number: safe})
		m.check(early, 200*mib)
		m.check(late, 200*mib)
	}
	ran := t.Run("a new volume is formatted once it is known to be the node's, and grows under the files that are open on it", func(t *testing.T) {
		m := r.boot(t, first)
		m.startAgent("mount")
		m.awaitReason("vol-0aaa is blank, and nobody has said yet that it is this node's")
		m.name(first)
		began := time.Now()
		m.awaitConsole("mounted the log volume", 1)
		t.Logf("known → mounted: %s", time.Since(began).Round(time.Millisecond))
		m.load()
		m.fill(early, 200*mib)
		m.run("dmsetup", "suspend", "log--vol0aaa-log") // as a command of LVM's leaves it that is killed halfway
		m.agent("grow")
		m.wantParts([]string{first.id}, nil)

		m.attach(second)
		m.awaitDisk(second)
		began = time.Now()
		pid := m.startAgent("grow")
		m.awaitConsole(did("make ready"), 2)
		m.do(wire.Request{Do: wire.Kill, Number: pid}) // LVM joins it by now, or does not yet
		m.awaitParts(2)
		t.Logf("attached → usable, root's part killed in between: %s", time.Since(began).Round(time.Millisecond))
		m.wantSize(384 + 448)
		m.wantParts([]string{first.id, second.id}, nil)
		m.fill(late, 200*mib)

		m.attach(third)
		m.awaitDisk(third)
		m.tear(third)
		m.startAgent("grow")
		m.awaitConsole(did("make ready"), 3)
		var longest time.Duration
		safe, longest = m.loaded()
		m.cutPower() // LVM joins it by now, or does not yet
		t.Logf("%d records were on the disk, the slowest after %s", safe, longest)
	}) && t.Run("the same host comes back, goes on, and ends again while LVM moves everything back", func(t *testing.T) {
		m := r.boot(t, first, second, third)
		m.name(first)
		began := time.Now()
		m.agent("mount")
		t.Logf("mounted after a power cut, all volumes joined: %s", time.Since(began).Round(time.Millisecond))
		m.wantParts([]string{first.id, second.id, third.id}, nil)
		m.wantSize(whole)
		checkAll(m)
		m.load()

		m.enlarge(first, whole)
		m.limit(second, 20*mib)
		m.startAgent("grow")
		m.awaitMove()
		m.cutPower()
	}) && t.Run("a new host waits for all of it, formats nothing, and gets back onto the first volume", func(t *testing.T) {
		m := r.boot(t, second)
		m.name(first)
		m.startAgent("mount")
		m.awaitReason("it is not whole without vol-0aaa, vol-0ccc")
		m.attach(first)
		m.awaitReason("it is not whole without vol-0ccc")
		m.attach(third)
		began := time.Now()
		m.awaitConsole("mounted the log volume", 1)
		t.Logf("whole → mounted after a power cut: %s", time.Since(began).Round(time.Millisecond))
		checkAll(m)
		m.load()
		m.agent("mount") // which ends when the one before has
		pid := m.startAgent("grow")
		m.awaitConsole(did("finish move"), 1)
		m.awaitMove()
		m.do(wire.Request{Do: wire.Kill, Number: pid})
		began = time.Now()
		m.awaitMerged(2)
		t.Logf("the rest of %d MiB was merged in %s", 448+128, time.Since(began).Round(time.Millisecond))
		m.wantParts([]string{first.id}, []string{second.id, third.id})
		m.wantSize(whole)
		m.detach(second)
		m.detach(third)
		m.agent("grow")
		m.wantParts([]string{first.id}, []string{second.id, third.id}) // whoever deletes them may still ask
		checkAll(m)
		n, longest := m.loaded()
		t.Logf("%d records were on the disk, the slowest after %s", n, longest)
	})
	if !ran {
		t.Error("a machine of the rehearsal has failed, and those after it were left out")
	}
}
