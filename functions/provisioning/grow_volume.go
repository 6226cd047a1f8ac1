package provisioning

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/progress"
)

// GrowVolume makes a node's log volume as large as the operation says, and as fast, while Kafka goes on using it.
type GrowVolume struct {
	Nodes      nodeRecords
	Operations volumeRecords
	Beats      interface {
		LastBeat(ctx context.Context, hostID string) (beat nodespec.Heartbeat, ok bool, err error)
	}
	Platform interface {
		// GrowVolume begins to make a volume larger, or to give it another throughput. One that meets what is wanted already, or is
		// on its way there, stays so; one that can't be changed at the moment is a Conflict.
		GrowVolume(ctx context.Context, volumeID string, want cluster.VolumeShape) error
	}
	Progress progress.Reporter
}

// GrowVolumeOutput says whether the volume is on its way.
type GrowVolumeOutput struct {
	// Refused says that the platform does not change this volume, and that the operation has noted why. An operation that is about
	// this volume alone ends with that as an error instead.
	Refused bool `json:"refused"`
}

// Run may be called again.
func (s GrowVolume) Run(ctx context.Context, in CheckNodeInput) (GrowVolumeOutput, error) {
	g, err := growthOf(ctx, s.Operations, s.Nodes, in)
	switch {
	case err != nil:
		return GrowVolumeOutput{}, err
	case g.change != nil && g.change.Refusal != "":
		return GrowVolumeOutput{Refused: true}, nil
	case g.node.Volume.Shape().Meets(g.want):
		return GrowVolumeOutput{}, nil
	}
	if err := s.announce(ctx, in, g); err != nil {
		return GrowVolumeOutput{}, err
	}
	n := g.node
	if err := s.Platform.GrowVolume(ctx, n.Volume.ID, g.want); err != nil {
		err = fmt.Errorf("grow volume %s of %s to %s: %w", n.Volume.ID, n, g.want, err)
		if g.change == nil || !refuses(err) {
			return GrowVolumeOutput{}, err
		}
		return GrowVolumeOutput{Refused: true}, s.noteRefusal(ctx, in, *g.change, err)
	}
	slog.InfoContext(ctx, "volume grows", "cluster", n.ClusterID, "node", n.ID, "volume", n.Volume.ID, "to", g.want.String())
	return GrowVolumeOutput{}, nil
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
	}
	room, err := s.room(ctx, g.node)
	if err != nil {
		return err
	}
	return note(ctx, s.Operations, in, func(v *cluster.VolumeChange) { v.Asked, v.RoomBytes = true, room })
}

// room is what the host last said that the volume has; 0 when that is not known.
func (s GrowVolume) room(ctx context.Context, n cluster.Node) (int64, error) {
	if n.Host == nil {
		return 0, nil
	}
	beat, ok, err := s.Beats.LastBeat(ctx, n.Host.ID)
	if err != nil {
		return 0, fmt.Errorf("heartbeat of %s: %w", n, err)
	}
	if !ok || beat.Disk == nil {
		return 0, nil
	}
	return beat.Disk.TotalBytes, nil
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
