package provisioning

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

const (
	// restsFor is when a merge is tried: a little after EBS takes the next change for certain, but for its limit of a day.
	restsFor = cluster.VolumeRestsFor + 5*time.Minute
	// fastFromGiB is how large a further volume is at least that gets more throughput than every volume has: EBS gives a small one
	// no more.
	fastFromGiB = 10
)

// needsFirst says why a further volume is no help; empty when it is.
func (s GrowVolume) needsFirst(ctx context.Context, g growth) (why string, err error) {
	v := g.node.Volume
	switch same := (cluster.VolumeShape{SizeGiB: g.want.SizeGiB, ThroughputMiB: v.ThroughputMiB}); {
	case !same.Meets(g.want):
		return "it would take and give as much in a second as the volume does now", nil
	case len(v.Further) >= cluster.MostFurtherVolumes:
		return fmt.Sprintf("there are %d already", len(v.Further)), nil
	case v.Joins:
		return "", nil
	}
	disk, err := s.disk(ctx, g.node)
	if err == nil && disk.Volumes == nil {
		why = "its host does not say that it can join one to this volume"
	}
	return why, err
}

// addFurther puts a further volume on record that makes up for what is missing, and makes it.
//
// Whatever is made is on record before, and where the cluster is being deleted nothing is made any more: whoever deletes it finds all
// that there is, or waits for it. How large the first volume is the platform says: another operation may be changing it. Until that has
// happened nothing is made: what joins the volume to a smaller one is too little.
func (s GrowVolume) addFurther(ctx context.Context, in CheckNodeInput, g growth) error {
	first, err := s.Platform.VolumeSize(ctx, g.node.Volume.ID)
	if err != nil {
		return err
	}
	switch there, err := s.Platform.VolumeGrown(ctx, g.node.Volume.ID, cluster.VolumeShape{SizeGiB: first}); {
	case err != nil:
		return err
	case !there:
		return fault.New(fault.Unavailable, "volume %s is about to have %d GiB, and has less yet", g.node.Volume.ID, first)
	}
	n, err := s.changeVolume(ctx, g.node, func(v *cluster.Volume) {
		v.FirstGiB = max(v.FirstGiB, first)
		// It may have more than is on record: what has asked for that may have failed before it was seen.
		if missing := g.want.SizeGiB - max(v.FirstGiB, v.TogetherGiB()); missing > 0 {
			v.Added++
			v.Further = append(v.Further, cluster.FurtherVolume{
				Number: v.Added, SizeGiB: missing, WholeGiB: g.want.SizeGiB, Operation: in.OperationID, AddedAt: s.Now(),
			})
			v.MergeAt = s.Now().Add(restsFor)
		}
		if len(v.Further) == 0 { // the first one has what is wanted after all, or is about to
			v.FirstGiB = 0
		}
	})
	if err != nil {
		return err
	}
	return s.makeFurther(ctx, n)
}

// makeFurther makes the further volumes of a node that are needed and not there yet. What is not needed any more, as the first one has
// grown meanwhile, is left to whoever looks for what nobody makes.
func (s GrowVolume) makeFurther(ctx context.Context, n cluster.Node) error {
	if !n.Volume.MissesMade() {
		return nil
	}
	n, err := s.changeVolume(ctx, n, func(v *cluster.Volume) {
		for i, f := range v.Further {
			if f.ID == "" && v.IsNeeded(f) {
				v.Further[i].AddedAt = s.Now()
			}
		}
	})
	if err != nil {
		return err
	}
	c, err := s.Clusters.Cluster(ctx, n.ClusterID) // after the record, so that either of us sees the other
	if err != nil {
		return fmt.Errorf("load cluster: %w", err)
	}
	if c.State() == cluster.Deleting {
		return fault.New(fault.Conflict, "cluster %s is being deleted", c.Name)
	}
	for _, f := range n.Volume.Further {
		if f.ID != "" || !n.Volume.IsNeeded(f) {
			continue
		}
		request := cluster.VolumeRequest{
			Token: f.Token(n), ClusterName: c.Name, Role: n.Role, Rack: n.Rack, SizeGiB: f.SizeGiB, WholeGiB: f.WholeGiB,
		}
		if f.SizeGiB >= fastFromGiB {
			request.ThroughputMiB = n.Volume.ThroughputMiB
		}
		made, err := s.Platform.EnsureVolume(ctx, request)
		if err != nil {
			return fmt.Errorf("further volume %d: %w", f.Number, err)
		}
		if _, err := s.changeVolume(ctx, n, func(v *cluster.Volume) {
			v.EditFurther(f.Number, func(f *cluster.FurtherVolume) { f.ID = made.ID })
		}); err != nil {
			return err
		}
		slog.InfoContext(ctx, "volume grows by a further one", "cluster", n.ClusterID, "node", n.ID, "volume", made.ID, "gib", f.SizeGiB, "to", f.WholeGiB)
	}
	return nil
}
