package sim

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// grower is somebody who wants the volumes of a cluster larger, or faster, while other things happen to it.
type grower struct {
	customer
	cluster *kafkaCluster
	wish    cluster.VolumeShape // what was asked for last, of which something is still to be done; zero when nothing is
	done    chan struct{}       // closed when they wish for nothing new any more
}

// growVolumes lets somebody grow the volumes of a cluster while other things happen to it.
func (u customer) growVolumes(k *kafkaCluster) *grower {
	ctx, a := u.w.as(u.ctx, "grower of the volumes of "+k.name, nil)
	g := &grower{customer: customer{u.w, ctx, a}, cluster: k, done: make(chan struct{})}
	u.w.start(func() {
		defer close(g.done)
		for range a.rng.IntN(4) {
			g.w.pass(a, between(a.rng, 5*time.Second, 8*time.Minute))
			g.grow(g.newWish())
		}
	})
	return g
}

// newWish is something larger than any volume of the cluster, or faster.
func (g *grower) newWish() cluster.VolumeShape {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	var wish cluster.VolumeShape
	for _, v := range g.w.cloud.brokerVolumes(g.cluster) {
		wish.SizeGiB = max(wish.SizeGiB, g.w.cloud.togetherGiB(v), v.target.SizeGiB)
	}
	wish.SizeGiB += 10 * (1 + g.a.rng.IntN(10))
	if odds(g.a.rng, 3) {
		wish.ThroughputMiB = 250 + 50*g.a.rng.IntN(10)
	}
	return wish
}

// end waits until nothing new is wished for.
func (g *grower) end() {
	<-g.done
	g.w.pass(g.a, between(g.a.rng, time.Second, 5*time.Second))
}

// settle sees that the last wish comes true now that nothing breaks any more, once EBS takes changes again.
func (g *grower) settle() {
	for tries := 1; g.wish != (cluster.VolumeShape{}) && !g.grow(g.wish); tries++ {
		if tries == 5 {
			g.w.violate("the volumes of %s do not become %s, although nothing breaks", g.cluster.name, g.wish)
			return
		}
		g.w.pass(g.a, between(g.a.rng, longestPause, longestPause+time.Minute))
	}
}

// grow has the volumes of all brokers changed as the API does, and waits for the end. It tells whether that went well.
func (g *grower) grow(wish cluster.VolumeShape) bool {
	op := g.operation(g.cluster, cluster.UpdateBrokerStorage)
	nodes, err := g.w.records().Nodes(g.ctx, g.cluster.id)
	if err != nil {
		return false
	}
	for _, n := range nodes {
		if n.Role == cluster.Broker && n.Volume != nil {
			wish.SizeGiB = max(wish.SizeGiB, n.Volume.SizeGiB) // one may have been given more meanwhile, and nothing shrinks
		}
	}
	op.Storage = &cluster.StorageChange{Every: wish}
	for _, n := range nodes {
		if n.Role == cluster.Broker && n.Volume != nil {
			op.Storage.Volumes = append(op.Storage.Volumes, cluster.VolumeChange{NodeID: n.ID, From: n.Volume.Shape(), To: wish})
		}
	}
	_, err = g.w.records().StartOperation(g.ctx, g.cluster.id, op, func(c *cluster.Cluster) error {
		if !c.Serves() || c.Growing != nil {
			return fault.New(fault.Conflict, "the volumes of a cluster that is %s, growing %+v, can't be grown", c.State(), c.Growing)
		}
		op.Claim(c)
		return nil
	})
	if err != nil {
		g.w.note(g.a.name, "is refused: "+err.Error())
		return false
	}
	g.wish = wish
	g.start(op)
	now, ended := g.awaitEnd(op)
	if !ended {
		return false
	}
	g.w.note(g.a.name, fmt.Sprintf("wanted %s and got %s", wish, now.State))
	if now.State == cluster.Complete {
		g.wish = cluster.VolumeShape{}
	}
	return now.State == cluster.Complete
}

// watchGrowthLocked sees that every broker has what an operation says that they have, in truth.
func (w *World) watchGrowthLocked(op cluster.Operation) {
	if op.Storage == nil {
		return
	}
	w.stats.Growths++
	if op.State != cluster.Complete {
		return
	}
	k := w.kafka.ofCluster(op.ClusterID)
	if k == nil {
		return
	}
	for _, v := range w.cloud.brokerVolumes(k) {
		want := cluster.VolumeShape{SizeGiB: op.Storage.Every.SizeGiB} // which some have had already
		switch change, ok := op.Storage.Of(v.token.NodeID); {
		case ok:
			want = change.Wanted()
		case op.Storage.Merges:
			continue
		}
		if has := (cluster.VolumeShape{SizeGiB: w.cloud.togetherGiB(v), ThroughputMiB: v.throughputMiB}); !has.Meets(want) {
			w.violateLocked("operation %s has given every broker of %s %s, and broker %d has %s", op.ID, k.name, want, v.token.NodeID, has)
		}
	}
}

// EBS takes a change of a volume once the last has ended and some time has passed. Here that is less than in truth, or nothing
// would ever be grown twice.
const (
	shortestPause = 5 * time.Minute
	longestPause  = 15 * time.Minute
)

func (v *volume) shape() cluster.VolumeShape {
	return cluster.VolumeShape{SizeGiB: v.sizeGiB, ThroughputMiB: v.throughputMiB}
}

// brokerVolumes are the first volumes of a cluster's brokers, by node.
func (c *cloud) brokerVolumes(k *kafkaCluster) []*volume {
	var found []*volume
	for token, v := range c.volumes {
		if token.ClusterID == k.id && token.NodeID < cluster.FirstController && token.Volume == 0 {
			found = append(found, v)
		}
	}
	slices.SortFunc(found, func(a, b *volume) int { return int(a.token.NodeID - b.token.NodeID) })
	return found
}

// GrowVolume begins a change of a volume, within EBS's limits. It takes a while before the host sees it, and EBS may give it up.
func (c *cloud) GrowVolume(ctx context.Context, id string, want cluster.VolumeShape) error {
	_, err := call(ctx, c, "GrowVolume", fmt.Sprintf("%s to %s", id, want), func() (nothing, error) {
		v, now := c.volumeByID(id), time.Now()
		switch {
		case v == nil:
			return nothing{}, fault.New(fault.NotFound, "there is no volume %s", id)
		case v.shape().Meets(want), now.Before(v.settled) && !v.gaveUp && v.target.Meets(want):
			return nothing{}, nil
		case now.Before(v.settled) && !v.gaveUp:
			return nothing{}, fault.Refused(fault.Conflict, cluster.VolumeRests, "volume %s is still being changed", id)
		case now.Before(v.changesAgain) && !v.gaveUp:
			return nothing{}, fault.Refused(fault.Conflict, cluster.VolumeRests,
				"volume %s was changed lately and EBS takes no other change of it before %s", id, v.changesAgain.UTC().Format(time.RFC3339))
		}
		c.changeLocked(v, want, now)
		return nothing{}, nil
	})
	return err
}

func (c *cloud) changeLocked(v *volume, want cluster.VolumeShape, now time.Time) {
	is := cluster.Volume{SizeGiB: v.sizeGiB, ThroughputMiB: v.throughputMiB} // of this one alone
	is.Reshape(want)
	takes := between(c.rng, 5*time.Second, time.Minute)
	v.target, v.gaveUp = is.Shape(), false
	v.settled = now.Add(takes + between(c.rng, time.Second, 10*time.Minute))
	v.changesAgain = now.Add(between(c.rng, shortestPause, longestPause))
	fails := odds(c.rng, 30)
	c.w.laterLocked("growth of "+v.id, takes, func(context.Context, *actor) {
		c.w.mu.Lock()
		defer c.w.mu.Unlock()
		if fails && !c.w.weather.clear {
			v.gaveUp = true
			c.w.noteLocked("cloud", v.id+" is not changed after all")
			return
		}
		v.sizeGiB, v.throughputMiB = v.target.SizeGiB, v.target.ThroughputMiB
		c.w.noteLocked("cloud", fmt.Sprintf("%s has %s", v.id, v.shape()))
	})
}

// VolumeGrown tells whether a volume has become what was wanted.
func (c *cloud) VolumeGrown(ctx context.Context, id string, want cluster.VolumeShape) (bool, error) {
	return call(ctx, c, "VolumeGrown", id, func() (bool, error) {
		v := c.volumeByID(id)
		switch {
		case v == nil:
			return false, fault.New(fault.NotFound, "there is no volume %s", id)
		case v.gaveUp && !v.shape().Meets(want):
			return false, fault.New(fault.Unavailable, "EBS has not grown volume %s: internal failure", id)
		}
		return v.shape().Meets(want), nil
	})
}

// VolumeSize tells how large a volume is, or is about to be.
func (c *cloud) VolumeSize(ctx context.Context, id string) (int, error) {
	return call(ctx, c, "VolumeSize", id, func() (int, error) {
		v := c.volumeByID(id)
		if v == nil {
			return 0, fault.New(fault.NotFound, "there is no volume %s", id)
		}
		if time.Now().Before(v.settled) && !v.gaveUp {
			return max(v.sizeGiB, v.target.SizeGiB), nil
		}
		return v.sizeGiB, nil
	})
}
