package storageautoscaling

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/millrace/millrace/shared/autoscale"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
)

// ScaleStorage looks how full the brokers of clusters are whose volumes may grow by themselves, and begins to grow those that are to. Where
// volumes are made of several, it has them made of one again once they can be.
type ScaleStorage struct{ Deps }

// ScaleStorageInput names the cluster to look at; without a name all are.
type ScaleStorageInput struct {
	Cluster string `json:"cluster,omitempty"`
}

// ScaleStorageOutput tells what was begun.
type ScaleStorageOutput struct {
	Started []string `json:"started"` // ids of operations
}

// remembered is how long growths count for whether the next one is tried at once.
const remembered = 24 * time.Hour

// longestGrowth is how long before a heartbeat a growth may have been recorded of which it does not tell.
const longestGrowth = 12 * time.Hour

// errChanged is what a look at a cluster gives that is no longer what it was.
var errChanged = errors.New("the cluster is not what it was when it was looked at")

// Run may be called at any time, and by many at once: whoever is first begins a growth, and the others see it.
//
//  1. Read the rules of all clusters. Most have none, and of those nothing else is read.
//  2. Look at each, and decide.
//  3. Record the operation that grows the volumes, which claims them, and start its machine.
//  4. In a look at all clusters, do the same for those whose further volumes can be merged.
//
// What goes wrong with one cluster keeps no other from growing; the errors are joined.
func (s ScaleStorage) Run(ctx context.Context, in ScaleStorageInput) (ScaleStorageOutput, error) {
	out := ScaleStorageOutput{Started: []string{}}
	all, err := s.Records.AllStorageScaling(ctx)
	if err != nil {
		return out, fmt.Errorf("list the rules by which storage grows: %w", err)
	}
	var problems error
	counts := counts{}
	for _, scaling := range all {
		rule, ok := scaling.Effective()
		if !ok {
			continue
		}
		id, err := s.scale(ctx, scaling.ClusterID, in.Cluster, rule, &counts)
		if err != nil {
			problems = errors.Join(problems, fmt.Errorf("scale the storage of cluster %s: %w", scaling.ClusterID, err))
			continue
		}
		if id != "" {
			out.Started = append(out.Started, id)
		}
	}
	if in.Cluster == "" {
		merges, err := s.mergeAll(ctx)
		out.Started = append(out.Started, merges...)
		problems = errors.Join(problems, err, s.writeMetrics(counts))
	}
	return out, problems
}

// scale looks at one cluster; the id is that of the operation that was begun, empty when none was. Where only is a name, other
// clusters are let be.
func (s ScaleStorage) scale(
	ctx context.Context, clusterID, only string, rule cluster.StorageAutoscaling, counts *counts,
) (string, error) {
	c, err := s.Records.Cluster(ctx, clusterID)
	if fault.Is(err, fault.NotFound) {
		return "", nil // deleted since the rules were read
	}
	if err != nil || only != "" && c.Name != only {
		return "", err
	}
	look, err := s.look(ctx, c, rule)
	if err != nil {
		return "", err
	}
	verdict := autoscale.Decide(look)
	counts.add(verdict)
	if !verdict.Grow {
		slog.DebugContext(ctx, "let storage be", "cluster", c.ID, "reason", verdict.Reason)
		return "", nil
	}
	return s.begin(ctx, c, &rule, verdict.Change, verdict.Reason)
}

// look gathers what is known of a cluster's volumes: what the host of each broker said last, however long ago, because nothing goes
// away from the volume of one that is down.
func (s ScaleStorage) look(ctx context.Context, c cluster.Cluster, rule cluster.StorageAutoscaling) (autoscale.Look, error) {
	l := autoscale.Look{Now: s.Now().UTC(), Cluster: c, Rule: rule}
	nodes, err := s.Records.Nodes(ctx, c.ID)
	if err != nil {
		return l, err
	}
	since := l.Now.Add(-remembered)
	beats := map[int32]nodespec.Heartbeat{}
	for _, n := range nodes {
		if n.Role != cluster.Broker || n.Host == nil {
			continue
		}
		beat, ok, err := s.Records.LastBeat(ctx, n.Host.ID)
		if err != nil {
			return l, fmt.Errorf("heartbeat of %s: %w", n, err)
		}
		if !ok || beat.Disk == nil || beat.Disk.TotalBytes <= 0 {
			continue
		}
		beats[n.ID] = beat
		if longest := beat.At.Add(-longestGrowth); longest.Before(since) {
			since = longest // it does not know of any growth since
		}
	}
	if l.Growths, err = s.Records.GrowthsSince(ctx, c.ID, since); err != nil {
		return l, fmt.Errorf("read its growths: %w", err)
	}
	for _, n := range nodes {
		if n.Role != cluster.Broker {
			continue
		}
		b := autoscale.Broker{ID: n.ID}
		if n.Volume != nil {
			b.Shape, b.SeenGiB = n.Volume.Shape(), n.Volume.SizeGiB
			if beat, heard := beats[n.ID]; heard {
				b.UsedPercent, b.Known, b.SeenGiB = beat.Disk.UsedPercent(), true, seenBy(beat, n, l.Growths)
			}
		}
		l.Brokers = append(l.Brokers, b)
	}
	return l, nil
}

// seenBy is how large the volume of a broker was for the host that sent a heartbeat: as large as before those growths of which it does
// not tell yet.
func seenBy(beat nodespec.Heartbeat, n cluster.Node, growths []cluster.Operation) (sizeGiB int) {
	sizeGiB = n.Volume.SizeGiB
	for _, op := range growths {
		v, changes := op.Storage.Of(n.ID)
		// The room on it proves that: it is what it was. (Less is no older: the disk under a volume that is a directory was seen before.)
		// Where nobody knows which room there was, it is told by when it was said.
		unseen := beat.Disk.TotalBytes == v.RoomBytes
		if v.RoomBytes == 0 {
			unseen = v.Done() && beat.At.Before(v.DoneAt)
		}
		if changes && unseen {
			sizeGiB = min(sizeGiB, v.From.SizeGiB)
		}
	}
	return sizeGiB
}

// begin records the operation and starts its machine; the id is empty when the cluster has changed since the look, or is gone, or the
// rule is another that it is by; rule is nil where it is by none.
//
// The record claims the volumes at the version that was looked at, and a growth that ends well makes another version: of many looks,
// one begins a growth. When it ends between the two, or the start fails, the sweep of operations starts the machine.
func (s ScaleStorage) begin(
	ctx context.Context, looked cluster.Cluster, rule *cluster.StorageAutoscaling, change cluster.StorageChange, reason string,
) (string, error) {
	id, err := s.NewID()
	if err != nil {
		return "", err
	}
	op := cluster.Operation{
		ID: id, ClusterID: looked.ID, ARN: looked.OperationARN(id), Type: cluster.UpdateBrokerStorage, State: cluster.Pending,
		CreatedAt: s.Now().UTC().Truncate(time.Millisecond), Attempt: 1, Storage: &change,
	}
	_, err = s.Records.StartOperation(ctx, looked.ID, op, func(c *cluster.Cluster) error {
		if c.Growing != nil || !c.Serves() || c.Version != looked.Version {
			return errChanged
		}
		// Whoever takes a rule back, or changes it, is not to see volumes grow by it afterwards.
		if rule != nil {
			if now, ok, err := s.Records.StorageAutoscaling(ctx, c.ID); err != nil || !ok || now != *rule {
				return cmp.Or(err, errChanged)
			}
		}
		op.Claim(c)
		return nil
	})
	switch {
	case errors.Is(err, errChanged), fault.Is(err, fault.NotFound):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("record the growth: %w", err)
	}
	log := slog.With("cluster", looked.ID, "operation", id)
	log.InfoContext(ctx, "growing storage", "volumes", len(change.Volumes), "gib", change.Every.SizeGiB, "reason", reason)
	if err := s.Workflows.Start(ctx, op.Machine(), op.ExecutionName(), op.Input()); err != nil {
		log.WarnContext(ctx, "left the start of an operation to the sweep", "error", err)
	}
	return id, nil
}
