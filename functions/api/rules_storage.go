package api

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/mskapi"
)

func expressHasNoStorage(p types.ProvisionedRequest) error {
	if isExpress(p) && p.BrokerNodeGroupInfo.StorageInfo != nil {
		return mskapi.BadRequest("brokerNodeGroupInfo",
			"The storageInfo parameter is not supported for Express instance types.")
	}
	return nil
}

func expressHasNoStorageMode(p types.ProvisionedRequest) error {
	if isExpress(p) && p.StorageMode != "" {
		return mskapi.BadRequest("storageMode", "The storageMode parameter is not supported for Express instance types.")
	}
	return nil
}

func smallestTypeIsNotTiered(p types.ProvisionedRequest) error {
	if p.StorageMode == types.StorageModeTiered && instanceType(p) == smallestType {
		return mskapi.BadRequest("instanceType", "Tiered storage is not supported for the broker type %s.", smallestType)
	}
	return nil
}

func volumeSizeIsInRange(p types.ProvisionedRequest) error {
	size := volume(p).VolumeSize
	if size != nil && (*size < 1 || *size > 16384) {
		return mskapi.BadRequest("volumeSize", "The volume of a broker has 1 to 16384 GiB, not %d.", *size)
	}
	return nil
}

func throughputIsEnabledFirst(p types.ProvisionedRequest) error {
	throughput := volume(p).ProvisionedThroughput
	if throughput != nil && throughput.VolumeThroughput != nil && !aws.ToBool(throughput.Enabled) {
		return mskapi.BadRequest("volumeThroughput",
			"To specify a value for VolumeThroughput, you must enable ProvisionedThroughput.")
	}
	return nil
}

func volume(p types.ProvisionedRequest) types.EBSStorageInfo {
	if s := p.BrokerNodeGroupInfo.StorageInfo; s != nil && s.EbsStorageInfo != nil {
		return *s.EbsStorageInfo
	}
	return types.EBSStorageInfo{}
}
