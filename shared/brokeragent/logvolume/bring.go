package logvolume

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"time"
)

// interval lies between two looks at the disks. An attached volume appears within a second or two.
const interval = 500 * time.Millisecond

// Bringer brings the log volume to its place. It has to be root.
type Bringer struct {
	// Target is the directory where the volume is mounted; it is made when it is missing.
	Target string
	// Owner is the user whom the volume belongs to once it is mounted; empty leaves it root's.
	Owner string
	// First is the file in which the agent names the volume that the log volume begins on. Nothing is formatted before.
	First string
	// Record is where to tell what the log volume is made of.
	Record Record
	Log    *slog.Logger

	disks func(context.Context) ([]Device, error) // what tests replace; nil means Disks
}

// Run returns once the volume is mounted at the target, with a file system as large as it: it may have grown while no host had it.
// Until then it looks again and again: a volume may come late, and somebody may take away what stands in its way. Why it is not
// there yet stands in the log, and, where that is not just time, at the place where it should be.
func (b Bringer) Run(ctx context.Context) error {
	if err := b.makePlace(); err != nil {
		return err
	}
	lock, err := b.awaitLock(ctx)
	if err != nil {
		return err
	}
	defer lock.Close()
	w := worker{target: b.Target, first: b.First, record: b.Record, log: b.Log, disks: b.disks}
	if w.disks == nil {
		w.disks = Disks
	}
	said := "nothing yet"
	var before Verdict // what was done in the turn before
	for {
		v, err := b.once(ctx, w)
		again := v == before
		if before = v; err != nil {
			before = Verdict{}
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && v.Action == Done:
			b.keep(ctx, w)
			return nil
		case err != nil:
			v = Verdict{Action: Refuse, Device: v.Device, Reason: err.Error()}
		case v.Action == Wait || v.Action == Refuse:
		case again:
			v = Verdict{Action: Refuse, Device: v.Device, Reason: v.inVain()}
		default:
			continue // there is more to do
		}
		if v.Reason != said {
			said = v.Reason
			b.Log.Info("the log volume is not mounted", "verdict", v.Action, "device", v.Device, "reason", cmp.Or(v.Reason, "no EBS volume is attached beside the root device"))
			if err := b.writeReason(v); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(interval):
		}
	}
}

// awaitLock waits until no other run works on the log volume.
func (b Bringer) awaitLock(ctx context.Context) (*os.File, error) {
	for ctx.Err() == nil {
		lock, ok, err := b.Record.lock()
		if ok || err != nil {
			return lock, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(interval):
		}
	}
	return nil, ctx.Err()
}

// once looks, decides and acts. A volume that is mounted is done.
func (b Bringer) once(ctx context.Context, w worker) (Verdict, error) {
	if _, _, err := b.owner(); err != nil {
		return Verdict{}, err // before anything is made for somebody who is not there
	}
	s, err := w.look(ctx)
	if err != nil {
		return Verdict{}, err
	}
	v := Decide(s)
	switch {
	case v.Action == Wait || v.Action == Refuse:
		return v, nil
	case v.Action == Mount:
		err := b.mount(ctx, v.Device)
		v.Action = Done
		return v, err
	case s.FileSystemBytes > 0:
		v.Action = Done
		return v, b.own() // a run before this one may have ended between the two
	default:
		return v, w.do(ctx, s, v)
	}
}

func (b Bringer) mount(ctx context.Context, device string) error {
	// Kafka keeps records there, and nobody is to start anything from it. Reading a record is no reason to write.
	options := "noatime,nodev,nosuid,noexec"
	if _, err := output(exec.CommandContext(ctx, "mount", "-t", FileSystem, "-o", options, device, b.Target)); err != nil {
		return fmt.Errorf("mount the volume: %w", err)
	}
	b.Log.Info("mounted the log volume", "device", device, "target", b.Target)
	return b.own()
}

// keep finds the room of a volume that has grown. Kafka may do without, and the next look for a larger volume is seconds away; so a
// failure keeps nobody from what is there.
func (b Bringer) keep(ctx context.Context, w worker) {
	if err := w.keep(ctx, false); err != nil {
		b.Log.Warn("the file system could not be made as large as its volume", "target", b.Target, "error", err)
	}
}

// own gives the mounted volume to its owner. What is in it is the owner's already.
func (b Bringer) own() error {
	uid, gid, err := b.owner()
	if err != nil {
		return err
	}
	return os.Chown(b.Target, uid, gid)
}

// owner gives the numbers of the owner and of its group; -1, which changes nothing, where none is named.
func (b Bringer) owner() (uid, gid int, err error) {
	if b.Owner == "" {
		return -1, -1, nil
	}
	owner, err := user.Lookup(b.Owner)
	if err != nil {
		return 0, 0, fmt.Errorf("owner of the volume: %w", err)
	}
	if uid, err = strconv.Atoi(owner.Uid); err != nil {
		return 0, 0, fmt.Errorf("user %s: %w", b.Owner, err)
	}
	if gid, err = strconv.Atoi(owner.Gid); err != nil {
		return 0, 0, fmt.Errorf("group of %s: %w", b.Owner, err)
	}
	return uid, gid, nil
}

// makePlace makes the directory that the volume is mounted over, root's own, so that nothing is written to the host's own
// disk when there is no volume.
func (b Bringer) makePlace() error {
	if err := os.MkdirAll(b.Target, 0o755); err != nil {
		return fmt.Errorf("place of the volume: %w", err)
	}
	info, err := os.Lstat(b.Target)
	if err != nil {
		return fmt.Errorf("place of the volume: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", b.Target)
	}
	return nil
}

// These are files that say, at the place where the volume should be, why it is not: because somebody has to see to it, or because
// something is missing that will come. A mounted volume hides them.
const (
	refusal = "REFUSED"
	missing = "INCOMPLETE"
)

func (b Bringer) writeReason(v Verdict) error {
	for name, says := range map[string]Action{refusal: Refuse, missing: Wait} {
		path := filepath.Join(b.Target, name)
		var err error
		if v.Action == says && v.Reason != "" {
			err = replace(path, []byte(v.Reason+"\n"))
		} else {
			err = os.RemoveAll(path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
