package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/mskapi"
)

// updateBrokerStorage grows the volumes of all brokers or of some, while Kafka goes on using them.
func (a *API) updateBrokerStorage(ctx context.Context, in *kafka.UpdateBrokerStorageInput) (*kafka.UpdateBrokerStorageOutput, error) {
	wish, err := readVolumes(in.TargetBrokerEBSVolumeInfo)
	if err != nil {
		return nil, err
	}
	op, err := a.changeStorage(ctx, *in.ClusterArn, *in.CurrentVersion, cluster.UpdateBrokerStorage, wish)
	if err != nil {
		return nil, err
	}
	return &kafka.UpdateBrokerStorageOutput{ClusterArn: in.ClusterArn, ClusterOperationArn: aws.String(op.ARN)}, nil
}

// changeStorage begins to make a cluster's volumes as they are wished.
//
//  1. Look whether volumes are being changed. When they are, and by the same wish, this is the same request once more: its answer is
//     the same operation.
//  2. Refuse what can't be, before anything is touched.
//  3. Record the operation, which claims the volumes, and start its machine.
func (a *API) changeStorage(
	ctx context.Context, arn, version string, kind cluster.OperationType, wish storageWish,
) (cluster.Operation, error) {
	c, err := a.cluster(ctx, arn)
	if err != nil {
		return cluster.Operation{}, err
	}
	if strings.HasPrefix(c.Spec.InstanceType, "express.") {
		return cluster.Operation{}, mskapi.BadRequest("clusterArn", "The storage of brokers of the Express type %s can't be updated: MSK looks after it.", c.Spec.InstanceType)
	}
	nodes, err := a.Records.Nodes(ctx, c.ID)
	if err != nil {
		return cluster.Operation{}, err
	}
	if op, same, err := a.sameChange(ctx, c, nodes, version, kind, wish); same || err != nil {
		return op, err
	}
	if err := admitUpdate(c, version); err != nil {
		return cluster.Operation{}, err
	}
	change, err := wish.change(c, nodes)
	var shrink shrinking
	switch {
	case errors.As(err, &shrink):
		return cluster.Operation{}, a.shrinkRefused(ctx, c, shrink)
	case errors.Is(err, errSame):
		member := "targetBrokerEBSVolumeInfo"
		if kind == cluster.UpdateStorage {
			member = "volumeSizeGB"
		}
		return cluster.Operation{}, mskapi.BadRequest(member, "The request does not include any updates to the EBS volumes of the cluster.")
	case err != nil:
		return cluster.Operation{}, err
	}
	op, err := a.newOperation(ctx, c, kind)
	if err != nil {
		return cluster.Operation{}, err
	}
	op.Storage = &change
	now, err := a.Records.StartOperation(ctx, c.ID, op, func(now *cluster.Cluster) error {
		if err := admitUpdate(*now, version); err != nil {
			return err
		}
		op.Claim(now)
		return nil
	})
	if err != nil {
		// The same request may have come twice at once, and this is the second.
		if op, same, lookErr := a.sameChange(ctx, now, nodes, version, kind, wish); same && lookErr == nil {
			return op, nil
		}
		return cluster.Operation{}, err
	}
	a.start(ctx, op)
	slog.InfoContext(ctx, "began to update storage", "cluster", c.ID, "operation", op.ID, "volumes", len(change.Volumes),
		"gib", change.Every.SizeGiB, "throughput", change.Every.ThroughputMiB, "by", callOf(ctx).caller.name)
	return op, nil
}

// sameChange gives the operation that does already what is wished, since the version that the caller knows; same is false when none
// does.
func (a *API) sameChange(
	ctx context.Context, c cluster.Cluster, nodes []cluster.Node, version string, kind cluster.OperationType, wish storageWish,
) (op cluster.Operation, same bool, err error) {
	if c.Growing == nil || c.Growing.Type != kind || c.Version != version {
		return op, false, nil
	}
	if op, err = a.Records.Operation(ctx, c.ID, c.Growing.ID); err != nil {
		return op, false, err
	}
	return op, wish.isOf(op, c, nodes), nil
}

// admitUpdate says whether a cluster may be updated now; version is the one that the caller knows.
func admitUpdate(c cluster.Cluster, version string) error {
	if state := c.State(); state != cluster.Active {
		return mskapi.BadRequest("clusterArn", "You can't update cluster in %s state.", state)
	}
	return checkVersion(c, &version)
}

// shrinkRefused says that volumes never shrink and, where they have grown by themselves, that this is why they are larger than
// whoever asks believes.
func (a *API) shrinkRefused(ctx context.Context, c cluster.Cluster, s shrinking) error {
	growths, err := a.Records.GrowthsSince(ctx, c.ID, time.Time{})
	if err != nil {
		return err
	}
	var last cluster.StorageChange // that has made larger what is to shrink
	reached := 0
	for _, op := range growths {
		if gib := s.wish.gotBy(op); gib > reached {
			last, reached = *op.Storage, gib
		}
	}
	whose := s.wish.whose()
	if !last.Scales() || reached <= s.to {
		return mskapi.BadRequest("volumeSizeGB", "The volume of %s has %d GiB, and volumes never shrink: it can't have %d.", whose, s.has, s.to)
	}
	by := "storage autoscaling"
	scaling, err := a.Records.StorageScaling(ctx, c.ID)
	if err != nil {
		return err
	}
	if rule, ok := scaling.Effective(); ok {
		by = fmt.Sprintf("the scaling policy %q (%s)", scaling.Policies[0].Name, rule)
	}
	return mskapi.BadRequest("volumeSizeGB", "The volume of %s has %d GiB now, because %s has grown it, and volumes never shrink: "+
		"declare %d GiB, or ignore changes of the size where it is declared.", whose, s.has, by, s.has)
}

// gotBy is what an operation has given the broker that is wished for, or every one, in GiB; 0 when that is nothing. One that has failed
// may have given some of them what they were to get.
func (w volumeWish) gotBy(op cluster.Operation) (gib int) {
	if op.Storage.Merges {
		return 0
	}
	if w.broker != 0 {
		v, ok := op.Storage.Of(w.broker)
		if !ok || !v.Done() && op.State != cluster.Complete {
			return 0
		}
		return v.To.SizeGiB
	}
	if op.State != cluster.Complete && !op.Storage.AllGrown() {
		return 0
	}
	return op.Storage.Every.SizeGiB
}
