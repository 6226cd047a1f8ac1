package api

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/mskapi"
)

// volumeWish is what somebody wants the volume of one broker to be, or those of all.
type volumeWish struct {
	broker        int32 // 0 for every broker
	sizeGiB       *int  // nil: as large as it is
	throughputMiB *int  // nil: as fast as it is; 0: as fast as a volume is that nobody has asked for more
}

// storageWish is what somebody wants the volumes of a cluster to be: one wish for every broker, or one for each of some.
type storageWish []volumeWish

// newVolumeWish refuses what no volume could be. Whether this cluster's can is for later.
func newVolumeWish(broker int32, sizeGB *int32, throughput *types.ProvisionedThroughput) (volumeWish, error) {
	w := volumeWish{broker: broker}
	if sizeGB != nil {
		if err := volumeSizeIs(*sizeGB, "volumeSizeGB"); err != nil {
			return w, err
		}
		w.sizeGiB = new(int(*sizeGB))
	}
	if err := throughputIsEnabled(throughput); err != nil {
		return w, err
	}
	if throughput != nil && throughput.Enabled != nil { // one that says nothing takes nothing away
		w.throughputMiB = new(throughputOf(throughput))
	}
	return w, nil
}

// readVolumes reads the volumes that a request names.
func readVolumes(infos []types.BrokerEBSVolumeInfo) (storageWish, error) {
	const all = "All" // which clients write as they like: All, ALL
	if len(infos) == 0 {
		return nil, mskapi.BadRequest("targetBrokerEBSVolumeInfo", "Name the volumes to update: those of %q, or of brokers by their ids.", all)
	}
	var wish storageWish
	for _, info := range infos {
		id := aws.ToString(info.KafkaBrokerNodeId)
		broker := int32(0)
		if !strings.EqualFold(id, all) {
			n, err := strconv.ParseInt(id, 10, 32)
			if err != nil || n < 1 || strconv.FormatInt(n, 10) != id { // "+1" and "01" are nobody's id
				return nil, mskapi.BadRequest("kafkaBrokerNodeId", "%q is not the id of a broker: name it by its number, or %q for every broker.", id, all)
			}
			broker = int32(n)
		} else if len(infos) > 1 {
			return nil, mskapi.BadRequest("targetBrokerEBSVolumeInfo", "%q names every broker, so nothing can be named beside it.", all)
		}
		if slices.ContainsFunc(wish, func(w volumeWish) bool { return w.broker == broker }) {
			return nil, mskapi.BadRequest("targetBrokerEBSVolumeInfo", "The list provided contains duplicate items: broker %d.", broker)
		}
		w, err := newVolumeWish(broker, info.VolumeSizeGB, info.ProvisionedThroughput)
		if err != nil {
			return nil, err
		}
		wish = append(wish, w)
	}
	return wish, nil
}

// of gives the wish for a broker; ok is false when there is none.
func (s storageWish) of(broker int32) (w volumeWish, ok bool) {
	for _, w := range s {
		if w.broker == 0 || w.broker == broker {
			return w, true
		}
	}
	return volumeWish{}, false
}

// to is what a volume of a shape becomes. It never gets smaller: healing may have made it larger than the others.
func (w volumeWish) to(from cluster.VolumeShape) cluster.VolumeShape {
	if w.sizeGiB != nil {
		from.SizeGiB = max(from.SizeGiB, *w.sizeGiB)
	}
	if w.throughputMiB != nil {
		from.ThroughputMiB = *w.throughputMiB
	}
	return from
}

// shrinking is a wish for a smaller volume.
type shrinking struct {
	wish    volumeWish
	has, to int
}

func (e shrinking) Error() string {
	return fmt.Sprintf("the volume of %s can't shrink from %d to %d GiB", e.wish.whose(), e.has, e.to)
}

// check refuses what a volume can't become, or is.
func (w volumeWish) check(has cluster.VolumeShape, instanceType string) error {
	if w.sizeGiB != nil {
		switch size := *w.sizeGiB; {
		case size < has.SizeGiB:
			return shrinking{w, has.SizeGiB, size}
		case size > has.SizeGiB && size < has.SizeGiB+cluster.LeastGrowthGiB && size < cluster.MostVolumeGiB:
			return mskapi.BadRequest("volumeSizeGB", "The minimum increase in storage size is %d GiB: the volume of %s has %d GiB, so its next size is %d GiB or more, not %d.",
				cluster.LeastGrowthGiB, w.whose(), has.SizeGiB, min(has.SizeGiB+cluster.LeastGrowthGiB, cluster.MostVolumeGiB), size)
		}
	}
	if w.throughputMiB != nil && *w.throughputMiB > 0 {
		return throughputFits(instanceType, *w.throughputMiB, w.to(has).SizeGiB)
	}
	return nil
}

func (w volumeWish) whose() string {
	if w.broker == 0 {
		return "each broker"
	}
	return fmt.Sprintf("broker %d", w.broker)
}

// errSame is given for a wish for what there is already.
var errSame = errors.New("the volumes are as they are wished")

// change decides what an operation is about that makes a cluster's volumes as they are wished. A wish for every broker is held against
// what the cluster is said to have, one for a single broker against what that has. Volumes that are not as the cluster is said to have
// them can be wished to be so: some of them were changed before an operation failed, or somebody wanted that.
func (s storageWish) change(c cluster.Cluster, nodes []cluster.Node) (cluster.StorageChange, error) {
	brokers := brokersOf(nodes)
	differs := false
	for _, w := range s {
		has := cluster.VolumeShape{SizeGiB: c.Spec.VolumeGiB, ThroughputMiB: c.Spec.ThroughputMiB}
		if w.broker != 0 {
			i := slices.IndexFunc(brokers, func(n cluster.Node) bool { return n.ID == w.broker })
			if i < 0 {
				return cluster.StorageChange{}, mskapi.BadRequest("kafkaBrokerNodeId", "The cluster %s has no broker %d.", c.Name, w.broker)
			}
			has = shapeOf(c, brokers[i])
		}
		if err := w.check(has, c.Spec.InstanceType); err != nil {
			return cluster.StorageChange{}, err
		}
		differs = differs || w.to(has) != has || w.broker == 0 && slices.ContainsFunc(brokers, func(n cluster.Node) bool {
			return w.to(shapeOf(c, n)) != shapeOf(c, n)
		})
	}
	if !differs {
		return cluster.StorageChange{}, errSame
	}
	var change cluster.StorageChange
	var wished []cluster.VolumeChange
	for i, n := range brokers {
		v := cluster.VolumeChange{NodeID: n.ID, From: shapeOf(c, n)}
		w, ok := s.of(n.ID)
		v.To = w.to(v.From)
		if ok {
			wished = append(wished, v)
		}
		if v.To != v.From {
			change.Volumes = append(change.Volumes, v)
		}
		if i == 0 {
			change.Every = v.To
		}
		change.Every.SizeGiB = min(change.Every.SizeGiB, v.To.SizeGiB)
		change.Every.ThroughputMiB = min(change.Every.ThroughputMiB, v.To.ThroughputMiB)
	}
	if len(change.Volumes) == 0 {
		// An operation before this one has grown them all, and did not come to say so.
		change.Volumes = wished
	}
	return change, nil
}

// isOf tells whether an operation that is under way does what is wished, and nothing else.
func (s storageWish) isOf(op cluster.Operation, c cluster.Cluster, nodes []cluster.Node) bool {
	if op.Storage == nil || op.Storage.Automatic {
		return false
	}
	for _, n := range brokersOf(nodes) {
		w, wished := s.of(n.ID)
		v, changes := op.Storage.Of(n.ID)
		switch {
		case !wished && changes, changes && w.to(v.From) != v.To:
			return false
		case wished && !changes && w.to(shapeOf(c, n)) != shapeOf(c, n):
			return false
		}
	}
	// Of a broker that there is not, no operation does anything.
	return !slices.ContainsFunc(s, func(w volumeWish) bool {
		return w.broker != 0 && !slices.ContainsFunc(nodes, func(n cluster.Node) bool { return n.ID == w.broker && n.Role == cluster.Broker })
	})
}

// brokersOf gives the brokers among nodes, by id.
func brokersOf(nodes []cluster.Node) []cluster.Node {
	brokers := slices.DeleteFunc(slices.Clone(nodes), func(n cluster.Node) bool { return n.Role != cluster.Broker })
	slices.SortFunc(brokers, func(a, b cluster.Node) int { return cmp.Compare(a.ID, b.ID) })
	return brokers
}

// shapeOf is what the volume of a broker has, as far as is recorded.
func shapeOf(c cluster.Cluster, n cluster.Node) cluster.VolumeShape {
	if n.Volume == nil {
		return cluster.VolumeShape{SizeGiB: c.Spec.VolumeGiB, ThroughputMiB: c.Spec.ThroughputMiB}
	}
	return n.Volume.Shape()
}
