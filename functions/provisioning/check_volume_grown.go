package provisioning

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/progress"
	"github.com/millrace/millrace/shared/serve"
)

// CheckVolumeGrown asks whether a node's log volume is as it was to be, and whether its host has found room on it.
//
// An operation that heals a node needs the room, and with it the host. One that is about volumes waits for no host: one that lives
// finds the room at once, and every other as soon as it brings the volume.
type CheckVolumeGrown struct {
	Nodes      nodeRecords
	Operations volumeRecords
	Beats      beats
	Platform   interface {
		// VolumeGrown tells whether a volume has become what was wanted, so that its host can use all of it.
		VolumeGrown(ctx context.Context, volumeID string, want cluster.VolumeShape) (bool, error)
		// AttachVolume attaches a volume to a running host. A host that does not run is a Conflict, and so is a volume that another has.
		AttachVolume(ctx context.Context, volumeID, hostID string) error
	}
	Hosts interface {
		// Host tells how far a host is; an unknown host is terminated.
		Host(ctx context.Context, id string) (cluster.Host, error)
	}
	Progress progress.Reporter
	Now      func() time.Time
}

// findsRoomWithin is how long a host that reports may take to find the room on a volume before an operation that is about volumes
// ends without having seen it.
const findsRoomWithin = time.Minute

// Run waits up to serve.LongPoll. A volume that does not get larger before the operation's deadline ends it. Where a node is
// healed, so does a volume on which there is no more room than before, and the end of the host: it will find no room any more,
// and is to be replaced.
func (s CheckVolumeGrown) Run(ctx context.Context, in CheckNodeInput) (CheckOutput, error) {
	g, err := growthOf(ctx, s.Operations, s.Nodes, in)
	if err != nil {
		return CheckOutput{}, err
	}
	heals := g.change == nil
	if heals && g.node.Host == nil {
		return CheckOutput{}, fault.New(fault.NotFound, "%s has no host", g.node)
	}
	ended := "" // the host from which nothing is to be waited for, however lately it was heard
	if !heals {
		if ended, err = s.endedHost(ctx, g); err != nil {
			return CheckOutput{}, err
		}
	}
	var out CheckOutput
	changed, stop := s.Beats.WatchBeats()
	defer stop()
	err = serve.Until(ctx, changed, func(ctx context.Context) (bool, error) {
		if heals {
			if out, err = s.lookAtRoom(ctx, g); err != nil {
				return false, err
			}
			return out.Done, s.Progress.Report(ctx, in.ClusterID, in.OperationID, cluster.StepGrowVolume, 50, out.Reason)
		}
		out, err = s.lookAtVolume(ctx, in, ended)
		return out.Done, err
	})
	if err != nil || out.Done {
		return out, err
	}
	if heals {
		if ended, err = s.endedHost(ctx, g); err != nil {
			return out, err
		}
		if ended != "" {
			return out, fault.New(fault.Internal, "host %s of %s has ended", ended, g.node)
		}
	}
	return out, s.Progress.CheckDeadline(ctx, in.ClusterID, in.OperationID, s.Now(), out.Reason)
}

// endedHost gives the id of the node's host when that has ended; empty otherwise.
func (s CheckVolumeGrown) endedHost(ctx context.Context, g growth) (id string, err error) {
	if g.node.Host == nil {
		return "", nil
	}
	host, err := s.Hosts.Host(ctx, g.node.Host.ID)
	if err != nil {
		return "", fmt.Errorf("look at host %s: %w", g.node.Host.ID, err)
	}
	if host.State == cluster.HostTerminated {
		id = host.ID
	}
	return id, nil
}

// lookAtRoom asks the platform for the volume, and then the host of a node that is healed for the file system on it.
func (s CheckVolumeGrown) lookAtRoom(ctx context.Context, g growth) (CheckOutput, error) {
	if out, err := s.grown(ctx, g); err != nil || !out.Done {
		return out, err
	}
	beat, ok, err := s.Beats.Beat(ctx, g.node.Host.ID)
	if err != nil {
		return CheckOutput{}, fmt.Errorf("heartbeat of %s: %w", g.node, err)
	}
	if !ok || !hasRoom(beat) {
		return CheckOutput{Reason: noRoomYet(g.node)}, nil
	}
	return CheckOutput{Done: true}, nil
}

// lookAtVolume asks the platform for the volume, notes when it is as it was to be, and gives the host that the node has by now a
// while to find the room.
func (s CheckVolumeGrown) lookAtVolume(ctx context.Context, in CheckNodeInput, ended string) (CheckOutput, error) {
	g, err := growthOf(ctx, s.Operations, s.Nodes, in)
	switch {
	case err != nil:
		return CheckOutput{}, err
	case g.change == nil:
		return CheckOutput{}, fault.New(fault.Internal, "operation %s was about volumes a moment ago", in.OperationID)
	}
	if g.change.Done() {
		if out, err := s.attach(ctx, g.node); err != nil || !out.Done { // its host may be another one by now
			return out, err
		}
	} else {
		if out, err := s.grown(ctx, g); err != nil || !out.Done {
			return out, err
		}
		g.change.DoneAt = s.Now()
		if err := note(ctx, s.Operations, in, func(v *cluster.VolumeChange) { v.DoneAt = g.change.DoneAt }); err != nil {
			return CheckOutput{}, err
		}
		slog.InfoContext(ctx, "volume has grown", "cluster", in.ClusterID, "node", in.NodeID, "volume", g.node.Volume.ID, "to", g.want.String())
	}
	found, err := s.foundRoom(ctx, g, ended)
	if err != nil || found {
		return CheckOutput{Done: found}, err
	}
	if s.Now().Sub(g.change.DoneAt) >= findsRoomWithin {
		slog.WarnContext(ctx, "volume has grown and its host has found no room on it", "cluster", in.ClusterID, "node", in.NodeID)
		return CheckOutput{Done: true}, nil
	}
	return CheckOutput{Reason: noRoomYet(g.node)}, nil
}

// foundRoom tells whether the node's host sees more of the volume than before; true when there is nothing to see, or nobody who
// could.
func (s CheckVolumeGrown) foundRoom(ctx context.Context, g growth, ended string) (bool, error) {
	n, before := g.node, g.change.RoomBytes
	if n.Host == nil || n.Host.ID == ended || before == 0 || g.change.To.SizeGiB <= g.change.From.SizeGiB {
		return true, nil
	}
	beat, ok, err := s.Beats.Beat(ctx, n.Host.ID)
	if err != nil {
		return false, fmt.Errorf("heartbeat of %s: %w", n, err)
	}
	reports := ok && s.Now().Sub(beat.At) < nodespec.FreshFor && beat.Disk != nil
	return !reports || beat.Disk.TotalBytes > before, nil
}

// grown asks the platform for the volume, gives the host what further ones there are, and records what the node has from now on.
func (s CheckVolumeGrown) grown(ctx context.Context, g growth) (CheckOutput, error) {
	n := g.node
	if out, err := s.attach(ctx, n); err != nil || !out.Done {
		return out, err
	}
	if g.byFurther() {
		if n.Volume.MissesMade() {
			return CheckOutput{Reason: fmt.Sprintf("%s: a further volume is not made yet", n)}, nil
		}
		return s.record(ctx, n, func(v *cluster.Volume) { v.SizeGiB = max(v.SizeGiB, v.TogetherGiB()) })
	}
	grown, err := s.Platform.VolumeGrown(ctx, n.Volume.ID, g.want)
	if err != nil {
		return CheckOutput{}, fmt.Errorf("look at volume %s of %s: %w", n.Volume.ID, n, err)
	}
	if !grown {
		return CheckOutput{Reason: fmt.Sprintf("%s: volume %s does not have %s yet", n, n.Volume.ID, g.want)}, nil
	}
	return s.record(ctx, n, func(v *cluster.Volume) {
		v.Reshape(g.want)
		if len(v.Further) > 0 {
			v.FirstGiB = max(v.FirstGiB, g.want.SizeGiB)
		}
	})
}

// record notes what the volume of a node has become, where that is news.
func (s CheckVolumeGrown) record(ctx context.Context, n cluster.Node, edit func(*cluster.Volume)) (CheckOutput, error) {
	is := *n.Volume
	if edit(&is); is.Shape() == n.Volume.Shape() && is.FirstGiB == n.Volume.FirstGiB {
		return CheckOutput{Done: true}, nil
	}
	_, err := s.Nodes.ChangeNode(ctx, n.ClusterID, n.ID, func(n *cluster.Node) error {
		edit(n.Volume)
		return nil
	})
	return CheckOutput{Done: err == nil}, err
}

// attach gives the host that a node has by now the further volumes that it needs. One that has ended, or does not run, is given them
// by whoever gives the node its next one.
func (s CheckVolumeGrown) attach(ctx context.Context, n cluster.Node) (CheckOutput, error) {
	for _, f := range n.Volume.Further {
		if n.Host == nil || f.ID == "" || !n.Volume.IsNeeded(f) {
			continue
		}
		err := s.Platform.AttachVolume(ctx, f.ID, n.Host.ID)
		switch {
		case fault.Is(err, fault.Unavailable):
			return CheckOutput{Reason: fmt.Sprintf("%s: its further volume %s is not attached yet: %s", n, f.ID, err)}, nil
		case err != nil && !fault.Is(err, fault.Conflict):
			return CheckOutput{}, fmt.Errorf("attach further volume %s of %s: %w", f.ID, n, err)
		}
	}
	return CheckOutput{Done: true}, nil
}

func noRoomYet(n cluster.Node) string {
	return fmt.Sprintf("%s: its host has found no more room on volume %s yet", n, n.Volume.ID)
}

func hasRoom(beat nodespec.Heartbeat) bool {
	return beat.Disk != nil && beat.Disk.TotalBytes > 0 && !beat.DiskFull()
}
