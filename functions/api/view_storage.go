package api

import (
	"context"
	"slices"
	"time"

	"github.com/millrace/millrace/shared/cluster"
)

// storageView is the storage of a cluster: what it has, what is used of it, and how it grows.
type storageView struct {
	Name  string
	Arn   string
	State cluster.State
	// VolumeGiB is what the volume of each broker has at least, ThroughputMiB is in MiB a second and left out where nobody has asked
	// for more than a volume has.
	VolumeGiB     int
	ThroughputMiB *int
	Brokers       []brokerStorageView // by id
	// Autoscaling is the policy by which the volumes grow by themselves; left out where there is none.
	Autoscaling *storageAutoscalingView
	// Growing is the growth that is under way.
	Growing *growthView
	// Growths are the last ones, newest first, with the one that is under way.
	Growths []growthView
}

// brokerStorageView is the volume of a broker. What nobody has said yet is left out.
type brokerStorageView struct {
	Id   int32
	Zone string
	// Volume is the platform's volume, the first one where it is made of several; Volumes are all of those, and left out where it is not.
	Volume        string
	Volumes       []string
	VolumeGiB     int
	ThroughputMiB *int
	// UsedBytes and TotalBytes are of the last heartbeat: a file system is a little smaller than its volume.
	UsedBytes   *int64
	TotalBytes  *int64
	UsedPercent *float64
	SeenAt      *time.Time
}

type storageAutoscalingView struct {
	TargetPercent int
	MaxGiB        int
}

// growthView is an operation that has changed volumes, or does.
type growthView struct {
	Cause     string // request, autoscaling, healing, or merging of further volumes with the first ones
	Reason    string // of healing
	Volumes   []volumeChangeView
	Operation *operationView
}

// volumeChangeView is the change of a broker's volume. Of one that was healed it is not known what it was before.
type volumeChangeView struct {
	NodeId            int32
	FromGiB           *int
	ToGiB             int
	FromThroughputMiB *int
	ToThroughputMiB   *int
}

// shownGrowths is how many growths are shown.
const shownGrowths = 10

// viewStorage gives the volumes of a cluster's brokers, with how full they are, and how they have grown.
func (a *API) viewStorage(ctx context.Context, arn string) (any, error) {
	c, err := a.cluster(ctx, arn)
	if err != nil {
		return nil, err
	}
	view := storageView{
		Name: c.Name, Arn: c.ARN, State: c.State(), VolumeGiB: c.Spec.VolumeGiB, ThroughputMiB: some(c.Spec.ThroughputMiB),
		Growths: []growthView{},
	}
	nodes, err := a.Records.Nodes(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	if view.Brokers, err = convert(brokersOf(nodes), func(n cluster.Node) (brokerStorageView, error) { return a.viewVolume(ctx, c, n) }); err != nil {
		return nil, err
	}
	policy, ok, err := a.Records.StorageAutoscaling(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	if ok {
		view.Autoscaling = &storageAutoscalingView{policy.TargetPercent, policy.MaxGiB}
	}
	operations, err := a.allOperations(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	for _, op := range slices.Backward(operations) {
		growth := viewGrowth(op)
		if growth == nil || len(view.Growths) == shownGrowths {
			continue
		}
		view.Growths = append(view.Growths, *growth)
		if c.Growing != nil && c.Growing.ID == op.ID {
			view.Growing = growth
		}
	}
	return view, nil
}

func (a *API) viewVolume(ctx context.Context, c cluster.Cluster, n cluster.Node) (brokerStorageView, error) {
	shape := shapeOf(c, n)
	view := brokerStorageView{Id: n.ID, Zone: n.Rack, VolumeGiB: shape.SizeGiB, ThroughputMiB: some(shape.ThroughputMiB)}
	if n.Volume != nil {
		view.Volume, view.Volumes = n.Volume.ID, volumesOf(*n.Volume)
	}
	if n.Host == nil {
		return view, nil
	}
	beat, heard, err := a.Records.Beat(ctx, n.Host.ID)
	if err != nil || !heard || beat.Disk == nil || beat.Disk.TotalBytes <= 0 {
		return view, err
	}
	view.UsedBytes, view.TotalBytes, view.SeenAt = &beat.Disk.UsedBytes, &beat.Disk.TotalBytes, &beat.At
	view.UsedPercent = new(beat.Disk.UsedPercent())
	return view, nil
}

// volumesOf names the volumes that a log volume is made of, the first one first; nil where it is one.
func volumesOf(v cluster.Volume) []string {
	ids := []string{v.ID}
	for _, f := range v.Further {
		if f.ID != "" {
			ids = append(ids, f.ID)
		}
	}
	if len(ids) == 1 {
		return nil
	}
	return ids
}

// viewGrowth gives nil for an operation that changes no volume.
func viewGrowth(op cluster.Operation) *growthView {
	switch {
	case op.Storage != nil:
		view := &growthView{Cause: "request", Volumes: []volumeChangeView{}, Operation: viewOperation(op)}
		switch {
		case op.Storage.Merges:
			view.Cause = "merging"
		case op.Storage.Scales():
			view.Cause = "autoscaling"
		}
		for _, v := range op.Storage.Volumes {
			view.Volumes = append(view.Volumes, volumeChangeView{
				v.NodeID, &v.From.SizeGiB, v.To.SizeGiB, some(v.From.ThroughputMiB), some(v.To.ThroughputMiB),
			})
		}
		return view
	case op.Heal != nil && op.Heal.Remedy == cluster.Grow && op.Heal.Role == cluster.Broker:
		return &growthView{
			Cause: "healing", Reason: op.Heal.Reason,
			Volumes:   []volumeChangeView{{NodeId: op.Heal.NodeID, ToGiB: op.Heal.VolumeGiB}},
			Operation: viewOperation(op),
		}
	default:
		return nil
	}
}

// some leaves out a number that says nothing.
func some(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}
