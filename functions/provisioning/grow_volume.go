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
)

// GrowVolume makes a node's log volume as large as the operation says, and as fast, while Kafka goes on using it.
//
// It asks for the first volume to become as large as the whole is to be. While that takes no change, a further volume makes up for
// what is missing, until the first one takes changes again.
type GrowVolume struct {
	Clusters   clusterRecords
	Nodes      nodeRecords
	Operations volumeRecords
	Beats      lastBeats
	Platform   growingVolumes
	Progress   progress.Reporter
	Now        func() time.Time
}

type growingVolumes interface {
	// GrowVolume begins to make a volume larger, or to give it another throughput. One that meets what is wanted already, or is
	// on its way there, stays so; one that can't be changed at the moment is a Conflict, of the reason cluster.VolumeRests where
	// it is only because it was changed lately.
	GrowVolume(ctx context.Context, volumeID string, want cluster.VolumeShape) error
	// VolumeSize tells how large a volume is, or is about to be where it is being changed.
	VolumeSize(ctx context.Context, volumeID string) (gib int, err error)
	// VolumeGrown tells whether a volume has become what was wanted, so that its host can use all of it.
	VolumeGrown(ctx context.Context, volumeID string, want cluster.VolumeShape) (bool, error)
	// EnsureVolume makes a volume, or gives the one that the token has made before.
	EnsureVolume(ctx context.Context, request cluster.VolumeRequest) (cluster.Volume, error)
}

type lastBeats interface {
	LastBeat(ctx context.Context, hostID string) (beat nodespec.Heartbeat, ok bool, err error)
}

// mergesAgainAfter is how long nobody asks again for a merge that was asked for.
const mergesAgainAfter = time.Hour

// GrowVolumeOutput says whether the volume is on its way.
type GrowVolumeOutput struct {
	// Refused says that the platform does not change this volume, and that the operation has noted why. An operation that is about
	// this volume alone ends with that as an error instead.
	Refused bool `json:"refused"`
}

// Run may be called again: a further volume that was put on record is the one that is made.
func (s GrowVolume) Run(ctx context.Context, in CheckNodeInput) (GrowVolumeOutput, error) {
	g, err := growthOf(ctx, s.Operations, s.Nodes, in)
	switch {
	case err != nil:
		return GrowVolumeOutput{}, err
	case g.change != nil && g.change.Refusal != "":
		return GrowVolumeOutput{Refused: true}, nil
	case g.isMet():
		return GrowVolumeOutput{}, nil
	}
	if err := s.announce(ctx, in, g); err != nil {
		return GrowVolumeOutput{}, err
	}
	if err := s.grow(ctx, in, g); err != nil {
		err = fmt.Errorf("grow volume %s of %s to %s: %w", g.node.Volume.ID, g.node, g.want, err)
		if g.change == nil || !refuses(err) {
			return GrowVolumeOutput{}, err
		}
		return GrowVolumeOutput{Refused: true}, s.noteRefusal(ctx, in, *g.change, err)
	}
	return GrowVolumeOutput{}, nil
}

// grow asks for the first volume, unless further ones do already, and has a further one made where that may be tried again later.
func (s GrowVolume) grow(ctx context.Context, in CheckNodeInput, g growth) error {
	n := g.node
	if g.byFurther() {
		return s.makeFurther(ctx, n)
	}
	err := s.Platform.GrowVolume(ctx, n.Volume.ID, g.want)
	if err == nil {
		slog.InfoContext(ctx, "volume grows", "cluster", n.ClusterID, "node", n.ID, "volume", n.Volume.ID, "to", g.want.String())
		return nil
	}
	if fault.ReasonOf(err) != cluster.VolumeRests || g.merges {
		return err
	}
	// What could not be made comes before another one: else records of volumes that nobody could make would use up what there may be.
	if err := s.makeFurther(ctx, n); err != nil {
		return err
	}
	why, lookErr := s.needsFirst(ctx, g)
	switch {
	case lookErr != nil:
		return lookErr
	case why != "":
		return fmt.Errorf("%w; no further volume helps: %s", err, why)
	}
	return s.addFurther(ctx, in, g)
}

// announce says that the volume is about to be changed. That is on record before it is done, so that nobody takes a volume for
// unaltered that is not.
func (s GrowVolume) announce(ctx context.Context, in CheckNodeInput, g growth) error {
	switch {
	case g.change == nil:
		return s.Progress.Report(ctx, in.ClusterID, in.OperationID, cluster.StepGrowVolume, 0,
			fmt.Sprintf("from %d to %d GiB", g.node.Volume.SizeGiB, g.want.SizeGiB))
	case g.change.Asked:
		return nil
	case g.merges:
		if _, err := s.changeVolume(ctx, g.node, func(v *cluster.Volume) {
			if len(v.Further) > 0 {
				v.MergeAt = s.Now().Add(mergesAgainAfter)
			}
		}); err != nil {
			return err
		}
		return note(ctx, s.Operations, in, func(v *cluster.VolumeChange) { v.Asked = true })
	}
	disk, err := s.disk(ctx, g.node)
	if err != nil {
		return err
	}
	if disk.Volumes != nil && !g.node.Volume.Joins { // so that it is known once its host says nothing any more
		if _, err := s.changeVolume(ctx, g.node, func(v *cluster.Volume) { v.Joins = true }); err != nil {
			return err
		}
	}
	room, err := s.roomBefore(ctx, g, disk)
	if err != nil {
		return err
	}
	return note(ctx, s.Operations, in, func(v *cluster.VolumeChange) { v.Asked, v.RoomBytes = true, room })
}

// roomBefore is what the host sees of the volume as it is on record; 0 where that is not known. An operation that has failed may have
// given the volume what is wanted now: its host sees that already, and will see no more. Of a volume that is gone nothing is known, and
// whoever asks for it to grow is told so.
func (s GrowVolume) roomBefore(ctx context.Context, g growth, disk nodespec.Disk) (bytes int64, err error) {
	if disk.TotalBytes == 0 || g.byFurther() {
		return 0, nil
	}
	gib, err := s.Platform.VolumeSize(ctx, g.node.Volume.ID)
	switch {
	case fault.Is(err, fault.NotFound):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("look how large volume %s of %s is: %w", g.node.Volume.ID, g.node, err)
	case gib >= g.want.SizeGiB:
		return 0, nil
	}
	return disk.TotalBytes, nil
}

// disk is what the host last said of the volume; nothing when that is not known.
func (s GrowVolume) disk(ctx context.Context, n cluster.Node) (nodespec.Disk, error) {
	beat, ok, err := lastBeat(ctx, s.Beats, n)
	if err != nil || !ok || beat.Disk == nil {
		return nodespec.Disk{}, err
	}
	return *beat.Disk, nil
}

// lastBeat is what the host of a node said last; ok is false for one that has none, or has said nothing yet.
func lastBeat(ctx context.Context, beats lastBeats, n cluster.Node) (beat nodespec.Heartbeat, ok bool, err error) {
	if n.Host == nil {
		return beat, false, nil
	}
	if beat, ok, err = beats.LastBeat(ctx, n.Host.ID); err != nil {
		return beat, false, fmt.Errorf("heartbeat of %s: %w", n, err)
	}
	return beat, ok, nil
}

func (s GrowVolume) changeVolume(ctx context.Context, n cluster.Node, edit func(*cluster.Volume)) (cluster.Node, error) {
	return s.Nodes.ChangeNode(ctx, n.ClusterID, n.ID, func(n *cluster.Node) error {
		if n.Volume == nil {
			return fault.New(fault.NotFound, "%s has no volume any more", n)
		}
		edit(n.Volume)
		return nil
	})
}

// refuses tells whether the platform has said no, and not that it could not say.
func refuses(err error) bool {
	switch fault.CodeOf(err) {
	case fault.Conflict, fault.Invalid, fault.NotFound:
		return true
	default:
		return false
	}
}

// noteRefusal notes why a volume is not changed. The other volumes go their way: what fills them does not wait for this one. Where
// an earlier call has asked already, nobody knows what has come of that.
func (s GrowVolume) noteRefusal(ctx context.Context, in CheckNodeInput, change cluster.VolumeChange, refusal error) error {
	slog.WarnContext(ctx, "volume is not changed", "cluster", in.ClusterID, "node", in.NodeID, "reason", refusal)
	return note(ctx, s.Operations, in, func(v *cluster.VolumeChange) {
		v.Refusal, v.Asked = refusal.Error(), change.Asked
	})
}
