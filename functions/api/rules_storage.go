package api

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/cluster"
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
	if size := volume(p).VolumeSize; size != nil {
		return volumeSizeIs(*size, "volumeSize")
	}
	return nil
}

func volumeSizeIs(size int32, parameter string) error {
	if size < 1 || size > cluster.MostVolumeGiB {
		return mskapi.BadRequest(parameter, "The volume of a broker has 1 to %d GiB, not %d.", cluster.MostVolumeGiB, size)
	}
	return nil
}

func throughputIsEnabledFirst(p types.ProvisionedRequest) error {
	return throughputIsEnabled(volume(p).ProvisionedThroughput)
}

func throughputIsEnabled(t *types.ProvisionedThroughput) error {
	if t != nil && t.VolumeThroughput != nil && !aws.ToBool(t.Enabled) {
		return mskapi.BadRequest("volumeThroughput",
			"To specify a value for VolumeThroughput, you must enable ProvisionedThroughput.")
	}
	if t != nil && aws.ToBool(t.Enabled) {
		if n := aws.ToInt32(t.VolumeThroughput); n < leastThroughputMiB || n > mostThroughputMiB {
			return mskapi.BadRequest("volumeThroughput", "EBS volume throughput should be between %d and %d MiB/s, not %d.", leastThroughputMiB, mostThroughputMiB, n)
		}
	}
	return nil
}

func throughputFitsItsBroker(p types.ProvisionedRequest) error {
	v, size := volume(p), defaultVolumeGiB
	if v.VolumeSize != nil {
		size = int(*v.VolumeSize)
	}
	if throughput := throughputOf(v.ProvisionedThroughput); throughput > 0 {
		return throughputFits(instanceType(p), throughput, size)
	}
	return nil
}

// What can be asked for of a volume's throughput, in MiB a second.
const (
	leastThroughputMiB = 250
	mostThroughputMiB  = 1000
)

// throughputCeilings is what brokers of a type can make of their volume's throughput, in whole MiB a second. Those of other types
// can make nothing of it.
var throughputCeilings = map[string]int{
	"kafka.m5.4xlarge":   593,
	"kafka.m5.8xlarge":   850,
	"kafka.m5.12xlarge":  1000,
	"kafka.m5.16xlarge":  1000,
	"kafka.m5.24xlarge":  1000,
	"kafka.m7g.2xlarge":  312,
	"kafka.m7g.4xlarge":  625,
	"kafka.m7g.8xlarge":  1000,
	"kafka.m7g.12xlarge": 1000,
	"kafka.m7g.16xlarge": 1000,
}

// throughputFits refuses throughput that a broker's host can't make use of, or its volume is too small for.
func throughputFits(instanceType string, throughputMiB, volumeGiB int) error {
	const leastVolumeGiB = 10
	ceiling, ok := throughputCeilings[instanceType]
	switch {
	case !ok:
		return mskapi.BadRequest("provisionedThroughput", "Provisioned throughput is not supported for the specified broker type %s.", instanceType)
	case throughputMiB > ceiling:
		return mskapi.BadRequest("volumeThroughput", "For %s, the maximum value for VolumeThroughput cannot exceed %d MiB/s; it can't be %d.",
			instanceType, ceiling, throughputMiB)
	case volumeGiB < leastVolumeGiB:
		return mskapi.BadRequest("volumeSize", "To enable ProvisionedThroughput, you must set volume size to at least %d GiB, not %d.", leastVolumeGiB, volumeGiB)
	}
	return nil
}

// throughputOf is the throughput that is asked for; 0 where it is what a volume has anyway.
func throughputOf(t *types.ProvisionedThroughput) int {
	if t == nil || !aws.ToBool(t.Enabled) {
		return 0
	}
	return int(aws.ToInt32(t.VolumeThroughput))
}

func volume(p types.ProvisionedRequest) types.EBSStorageInfo {
	if s := p.BrokerNodeGroupInfo.StorageInfo; s != nil && s.EbsStorageInfo != nil {
		return *s.EbsStorageInfo
	}
	return types.EBSStorageInfo{}
}
