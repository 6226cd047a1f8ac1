package logvolume

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strconv"
)

// worker looks at the log volume, and does what was decided.
type worker struct {
	target string
	first  string // the file that names the first volume
	record Record
	log    *slog.Logger
	disks  func(context.Context) ([]Device, error)
}

// look sees all that a decision is made from, and records what the log volume is made of.
func (w worker) look(ctx context.Context) (s Seen, err error) {
	s.Target = w.target
	if s.First, err = readFirst(w.first); err != nil {
		return s, err
	}
	if s.Disks, err = w.disks(ctx); err != nil {
		return s, fmt.Errorf("look at the disks: %w", err)
	}
	if s.Groups, err = lookAtGroups(ctx, lvmOn(s.Disks), s.Disks); err != nil {
		return s, fmt.Errorf("look at the volume groups: %w", err)
	}
	if _, attached, _ := Place(w.target).Volume(); attached {
		if s.FileSystemBytes, err = fileSystemBytes(w.target); err != nil {
			return s, fmt.Errorf("size of the %s at %s: %w", FileSystem, w.target, err)
		}
	}
	return s, w.tell(s)
}

// tell records what a mounted log volume is made of. One that lacks a volume is made of what it was.
func (w worker) tell(s Seen) error {
	for _, g := range s.Groups {
		if slices.Contains(g.MountPoints, w.target) {
			return w.record.put(g.parts())
		}
	}
	return w.record.put(nil, nil)
}

// do does what was decided on what was seen.
func (w worker) do(ctx context.Context, s Seen, v Verdict) error {
	tools := lvmOn(s.Disks)
	var err error
	switch v.Action {
	case MakeReady:
		err = tools.do(ctx, makeReady(s.disk(v.Device))...)
	case MakeGroup:
		err = tools.do(ctx, "vgcreate", "--setautoactivation", "n", "--addtag", newTag, v.Group, v.Device)
	case MakeVolume:
		err = tools.do(ctx, "lvcreate", "--extents", "100%FREE", "--name", volumeName, "--zero", "n", "--wipesignatures", "n", v.Group)
	case Activate:
		err = tools.do(ctx, "vgchange", "--activate", "y", "--poll", "n", v.Group)
	case Refresh:
		err = tools.do(ctx, "vgchange", "--refresh", "--poll", "n", v.Group)
	case MakeFileSystem:
		// Over whatever one that was cut off has left: nobody has ever had this volume.
		if _, err = output(exec.CommandContext(ctx, "mkfs."+FileSystem, "-q", "-f", v.Device)); err == nil {
			err = tools.do(ctx, "vgchange", "--deltag", newTag, v.Group)
		}
	case GrowFileSystem:
		_, err = output(exec.CommandContext(ctx, "xfs_growfs", "-d", w.target))
	case Resize:
		err = tools.do(ctx, "pvresize", v.Device)
	case Join:
		err = tools.do(ctx, "vgextend", v.Group, v.Device)
	case Extend:
		err = tools.do(ctx, extend(s.group(v.Group), v)...)
	case Release:
		tag, forget := s.group(v.Group).release(s.disk(v.Device).Serial, s.Disks)
		args := []string{"vgchange", "--addtag", tag}
		for _, old := range forget {
			args = append(args, "--deltag", old)
		}
		err = tools.do(ctx, append(args, v.Group)...)
	case Move:
		w.moveGently()
		err = tools.doUnlessTold(ctx, "pvmove", "--interval", "1", "--name", volumeName,
			fmt.Sprintf("%s:%d-%d", v.Device, v.At, v.At+v.Extents-1), s.group(v.Group).Members[0].Path)
	case FinishMove:
		w.moveGently()
		err = tools.doUnlessTold(ctx, "pvmove", "--interval", "1")
	case Leave:
		if err = tools.do(ctx, "vgreduce", v.Group, v.Device); err == nil {
			// That it has left is known without: this only tells whoever looks at the disk.
			if err := tools.do(ctx, "pvremove", v.Device); err != nil {
				w.log.Warn("a volume that was left still has the mark of LVM", "device", v.Device, "error", err)
			}
		}
	case Mount, Wait, Refuse, Done:
		return fmt.Errorf("nobody does %q here", v.Action)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", v.Action, err)
	}
	w.log.Info("worked on the log volume", "did", v.Action, "device", v.Device, "group", v.Group, "at", v.At, "extents", v.Extents)
	return nil
}

// makeReady is how LVM is told to make a volume ready. Without --yes it does nothing where it finds a signature, which is the last of
// three guards; a torn one has LVM's own, and the mark of a group, which LVM overwrites for nobody who does not force it twice.
func makeReady(d Device) []string {
	args := []string{"pvcreate", "--uuid", uuidOf(d.Serial), "--norestorefile"}
	if d.isTorn() {
		args = append(args, "--force", "--force", "--yes")
	}
	return append(args, d.Path)
}

// extend is how LVM is told to extend a logical volume: to so many extents in all, not by so many. Whoever says so while one who was
// killed before has it done still makes it no larger than both wanted it, and is told that it has that size.
func extend(g Group, v Verdict) []string {
	return []string{"lvextend", "--extents", strconv.FormatInt(g.Extents+v.Extents, 10), v.Group + "/" + volumeName, v.Device}
}

func (s Seen) disk(path string) Device {
	for _, d := range s.Disks {
		if d.Path == path {
			return d
		}
	}
	return Device{}
}

func (s Seen) group(name string) Group {
	for _, g := range s.Groups {
		if g.Name == name {
			return g
		}
	}
	return Group{}
}

// moveGently leaves most of what the volumes take and give to Kafka: it is the percentage of the time in which data is copied. A
// kernel without it copies as fast as it can.
func (w worker) moveGently() {
	const throttle = "/sys/module/dm_mirror/parameters/raid1_resync_throttle"
	if _, err := os.Stat(throttle); err != nil {
		return
	}
	if err := os.WriteFile(throttle, []byte("30"), 0); err != nil {
		w.log.Warn("data is moved without regard for others", "error", err)
	}
}

// inVain says that what was decided and done well was then decided once more.
func (v Verdict) inVain() string {
	return fmt.Sprintf("to %s %s has changed nothing", v.Action, cmp.Or(v.Device, v.Group))
}

// keep does all that there is to do about a mounted log volume, and returns when that is done. Without moves, it returns when there is
// nothing else to do.
func (w worker) keep(ctx context.Context, moves bool) error {
	var before Verdict
	for ctx.Err() == nil {
		s, err := w.look(ctx)
		if err != nil {
			return err
		}
		v := Decide(s)
		switch {
		case s.FileSystemBytes == 0 || v.Action == Mount:
			return nil // there is nothing to keep yet
		case v.Action == Done || v.Action == Wait || v.Action == Refuse:
			if v.Reason != "" {
				w.log.Warn("something is wrong with the log volume", "reason", v.Reason)
			}
			return nil
		case !moves && (v.Action == Move || v.Action == FinishMove):
			return nil
		case v == before:
			return errors.New(v.inVain())
		}
		if err := w.do(ctx, s, v); err != nil {
			return err
		}
		before = v
	}
	return ctx.Err()
}
