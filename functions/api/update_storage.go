package api

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/mskapi"
)

// updateStorage is updateBrokerStorage for all brokers, with the storage mode beside it, of which there is one so far.
func (a *API) updateStorage(ctx context.Context, in *kafka.UpdateStorageInput) (*kafka.UpdateStorageOutput, error) {
	if in.StorageMode != "" && in.StorageMode != types.StorageModeLocal {
		return nil, mskapi.BadRequest("storageMode", "Millrace does not support storageMode %s yet.", in.StorageMode)
	}
	w, err := newVolumeWish(0, in.VolumeSizeGB, in.ProvisionedThroughput)
	if err != nil {
		return nil, err
	}
	op, err := a.changeStorage(ctx, *in.ClusterArn, *in.CurrentVersion, cluster.UpdateStorage, storageWish{w})
	if err != nil {
		return nil, err
	}
	return &kafka.UpdateStorageOutput{ClusterArn: in.ClusterArn, ClusterOperationArn: aws.String(op.ARN)}, nil
}
