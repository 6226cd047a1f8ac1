package provisioning

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/progress"
	"github.com/millrace/millrace/shared/serve"
)

// CheckVolumeGrown asks whether a node's log volume has its new size, and whether its host has found room on it.
type CheckVolumeGrown struct {
	Nodes      nodeRecords
	Operations operationRecords
	Beats      beats
	Platform   interface {
		// VolumeGrown tells whether a volume has become as large as it was to be, so that its host can use all of it.
		VolumeGrown(ctx context.Context, volumeID string, sizeGiB int) (bool, error)
	}
	Hosts interface {
		// Host tells how far a host is; an unknown host is terminated.
		Host(ctx context.Context, id string) (cluster.Host, error)
	}
	Progress progress.Reporter
	Now      func() time.Time
}

// Run waits up to serve.LongPoll. A volume that does not get larger before the operation's deadline, or on which there is no
// more room than before, ends it, and so does the end of the host: it will find no room any more, and is to be replaced.
func (s CheckVolumeGrown) Run(ctx context.Context, in CheckNodeInput) (CheckOutput, error) {
	op, err := heal(ctx, s.Operations, in.ClusterID, in.OperationID)
	if err != nil {
		return CheckOutput{}, err
	}
	n, err := s.Nodes.Node(ctx, in.ClusterID, in.NodeID)
	if err != nil {
		return CheckOutput{}, err
	}
	if n.Host == nil {
		return CheckOutput{}, fault.New(fault.NotFound, "%s has no host", n)
	}
	var out CheckOutput
	changed, stop := s.Beats.WatchBeats()
	defer stop()
	err = serve.Until(ctx, changed, func(ctx context.Context) (bool, error) {
		if out, err = s.look(ctx, n, op.Heal.VolumeGiB); err != nil {
			return false, err
		}
		return out.Done, s.Progress.Report(ctx, in.ClusterID, in.OperationID, cluster.StepGrowVolume, 50, out.Reason)
	})
	if err != nil || out.Done {
		return out, err
	}
	host, err := s.Hosts.Host(ctx, n.Host.ID)
	if err != nil {
		return out, fmt.Errorf("look at host %s: %w", n.Host.ID, err)
	}
	if host.State == cluster.HostTerminated {
		return out, fault.New(fault.Internal, "host %s of %s has ended", host.ID, n)
	}
	return out, s.Progress.CheckDeadline(ctx, in.ClusterID, in.OperationID, s.Now(), out.Reason)
}

// look asks the platform for the volume, and then the host for the file system on it.
func (s CheckVolumeGrown) look(ctx context.Context, n cluster.Node, want int) (CheckOutput, error) {
	grown, err := s.Platform.VolumeGrown(ctx, n.Volume.ID, want)
	if err != nil {
		return CheckOutput{}, fmt.Errorf("look at volume %s of %s: %w", n.Volume.ID, n, err)
	}
	if !grown {
		return CheckOutput{Reason: fmt.Sprintf("%s: volume %s does not have %d GiB yet", n, n.Volume.ID, want)}, nil
	}
	if n.Volume.SizeGiB < want {
		_, err := s.Nodes.ChangeNode(ctx, n.ClusterID, n.ID, func(n *cluster.Node) error {
			n.Volume.SizeGiB = max(n.Volume.SizeGiB, want)
			return nil
		})
		if err != nil {
			return CheckOutput{}, err
		}
	}
	beat, ok, err := s.Beats.Beat(ctx, n.Host.ID)
	if err != nil {
		return CheckOutput{}, fmt.Errorf("heartbeat of %s: %w", n, err)
	}
	if !ok || !hasRoom(beat) {
		return CheckOutput{Reason: fmt.Sprintf("%s: its host has found no more room on volume %s yet", n, n.Volume.ID)}, nil
	}
	return CheckOutput{Done: true}, nil
}

func hasRoom(beat nodespec.Heartbeat) bool {
	return beat.Disk != nil && beat.Disk.TotalBytes > 0 && !beat.DiskFull()
}
