package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// Volumes are directories. One is attached to a host by a link in the host's directory. Its size is in a file beside it, which the
// agent of whatever host has the volume follows: it lets Kafka have no more than that, as a disk of that size would. Of a further
// volume nothing but its size is ever used.
type Volumes struct {
	Layout Layout
	Hosts  *Hosts
	// GiB is how many bytes a GiB of a volume's size has: fewer than it should where tests fill volumes. 0 is as many as it should.
	GiB int64
	// Rests is how long a volume takes no other change after one, as EBS has it; not at all unless tests want it.
	Rests time.Duration
}

func volumeID(token cluster.Token) string { return "vol-" + token.String() }

// EnsureVolume makes a volume, or gives the one that the token has made before, in the size that it has by now.
func (v Volumes) EnsureVolume(_ context.Context, request cluster.VolumeRequest) (cluster.Volume, error) {
	v.Hosts.changing.Lock()
	defer v.Hosts.changing.Unlock()
	id := volumeID(request.Token)
	if err := os.MkdirAll(v.Layout.volume(id), 0o700); err != nil {
		return cluster.Volume{}, fmt.Errorf("make volume %s: %w", id, err)
	}
	if request.WholeGiB > 0 {
		if err := v.write(v.Layout.volumeWhole(id), request.WholeGiB); err != nil {
			return cluster.Volume{}, fmt.Errorf("make volume %s: %w", id, err)
		}
	}
	size, err := v.ensureSize(id, request.SizeGiB)
	if err != nil {
		return cluster.Volume{}, err
	}
	return cluster.Volume{ID: id, SizeGiB: size, ThroughputMiB: request.ThroughputMiB}, nil
}

// AttachVolume attaches a volume to a host. A volume that is attached there already stays so; one that another host with
// living processes has is a Conflict, and so is a host that has ended. A volume that is not there is NotFound.
func (v Volumes) AttachVolume(ctx context.Context, id, hostID string) error {
	v.Hosts.changing.Lock()
	defer v.Hosts.changing.Unlock()
	if _, err := os.Stat(v.Layout.volume(id)); errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.NotFound, "there is no volume %s", id)
	}
	if v.Hosts.hasEnded(hostID) || !v.Hosts.exists(hostID) {
		return fault.New(fault.Conflict, "host %s has ended", hostID)
	}
	holder, err := v.holder(ctx, id)
	switch {
	case err != nil:
		return err
	case holder == hostID:
		return nil
	case holder != "":
		return fault.New(fault.Conflict, "volume %s is attached to host %s", id, holder)
	}
	link := v.Layout.hostVolume(hostID)
	if v.isFurther(id) {
		link = filepath.Join(v.Layout.hostFurther(hostID), id)
		if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
			return fmt.Errorf("attach volume %s: %w", id, err)
		}
	}
	err = os.Symlink(v.Layout.volume(id), link)
	if errors.Is(err, fs.ErrExist) {
		return fault.New(fault.Conflict, "host %s has another volume", hostID)
	}
	if err != nil {
		return fmt.Errorf("attach volume %s: %w", id, err)
	}
	return nil
}

// isFurther tells whether a volume is a further one, beside the first.
func (v Volumes) isFurther(id string) bool {
	_, err := os.Stat(v.Layout.volumeWhole(id))
	return err == nil
}

// DetachVolume takes a volume from a host that uses it no longer. One that the host does not have is success.
func (v Volumes) DetachVolume(_ context.Context, id, hostID string) error {
	v.Hosts.changing.Lock()
	defer v.Hosts.changing.Unlock()
	for _, link := range v.links(id, hostID) {
		if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("detach volume %s from host %s: %w", id, hostID, err)
		}
	}
	return nil
}

// links are those by which hosts have a volume; hosts is one, or a pattern.
func (v Volumes) links(id, hosts string) []string {
	candidates, _ := filepath.Glob(v.Layout.hostVolume(hosts)) // the only error is a bad pattern
	further, _ := filepath.Glob(filepath.Join(v.Layout.hostFurther(hosts), id))
	return slices.DeleteFunc(append(candidates, further...), func(link string) bool {
		target, err := os.Readlink(link)
		return err != nil || target != v.Layout.volume(id)
	})
}

// holder gives the host that has a volume; empty when none has, or when the one that had has ended.
func (v Volumes) holder(ctx context.Context, id string) (string, error) {
	for _, link := range v.links(id, "*") {
		inHost, err := filepath.Rel(v.Layout.hosts(), link)
		if err != nil {
			return "", err
		}
		hostID, _, _ := strings.Cut(inHost, string(filepath.Separator))
		host, err := v.Hosts.Host(ctx, hostID)
		if err != nil {
			return "", err
		}
		if host.State != cluster.HostTerminated {
			return hostID, nil
		}
	}
	return "", nil
}

// DeleteVolume deletes the volume that a token has made. One that is gone, or never was, is success; one that a host still
// has is a Conflict.
func (v Volumes) DeleteVolume(ctx context.Context, token cluster.Token) error {
	id := volumeID(token)
	doomed := v.Layout.volume("deleted-" + id)
	if err := os.RemoveAll(doomed); err != nil { // what a crash has left
		return fmt.Errorf("delete volume %s: %w", id, err)
	}
	if err := v.putAside(ctx, id, doomed); err != nil {
		return err
	}
	for _, path := range []string{v.Layout.volumeSize(id), v.Layout.volumeWhole(id), v.Layout.volumeChanged(id), doomed} {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("delete volume %s: %w", id, err)
		}
	}
	return nil
}

// putAside renames a volume that no host has, so that a crash leaves none with half of its data.
func (v Volumes) putAside(ctx context.Context, id, doomed string) error {
	v.Hosts.changing.Lock()
	defer v.Hosts.changing.Unlock()
	holder, err := v.holder(ctx, id)
	if err != nil {
		return err
	}
	if holder != "" {
		return fault.New(fault.Conflict, "volume %s is attached to host %s", id, holder)
	}
	if err := os.Rename(v.Layout.volume(id), doomed); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("put volume %s aside: %w", id, err)
	}
	return nil
}
