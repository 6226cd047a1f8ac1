package api

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/mskapi"
)

func brokersFillEveryZone(p types.ProvisionedRequest) error {
	n, zones := int(*p.NumberOfBrokerNodes), len(p.BrokerNodeGroupInfo.ClientSubnets)
	if n < 1 || n%zones != 0 {
		return mskapi.BadRequest("numberOfBrokerNodes", "The number of broker nodes must be a multiple of the number of "+
			"Availability Zones, so with %d client subnets it can't be %d.", zones, n)
	}
	return nil
}

// brokersAreWithinLimit keeps to MSK's limits per cluster. Its limit per account is a quota of a shared service, which an
// account of one's own does not have.
func brokersAreWithinLimit(p types.ProvisionedRequest) error {
	limit := 30
	if isKRaft(p) {
		limit = 60
	}
	if n := int(*p.NumberOfBrokerNodes); n > limit {
		return mskapi.BadRequest("numberOfBrokerNodes",
			"A cluster of Kafka version %s has at most %d broker nodes, not %d.", *p.KafkaVersion, limit, n)
	}
	return nil
}

const smallestType = "kafka.t3.small"

var instanceTypes = slices.Concat(
	[]string{smallestType},
	sizes("kafka.m5", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge"),
	sizes("kafka.m7g", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"),
	sizes("express.m7g", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"),
)

func sizes(family string, sizes ...string) []string {
	types := make([]string, len(sizes))
	for i, size := range sizes {
		types[i] = family + "." + size
	}
	return types
}

func instanceTypeIsKnown(p types.ProvisionedRequest) error {
	if slices.Contains(instanceTypes, instanceType(p)) {
		return nil
	}
	return unsupportedInstanceType(p)
}

// smallestTypeIsNotForKRaft: MSK offers the burstable type for versions without the .kraft suffix only.
func smallestTypeIsNotForKRaft(p types.ProvisionedRequest) error {
	if instanceType(p) == smallestType && isKRaft(p) {
		return unsupportedInstanceType(p)
	}
	return nil
}

// ARM64 is the architecture of Graviton hosts.
const ARM64 = "arm64"

// hostsCanBe refuses an instance type that hosts of this platform can't have, because they all start from one image of one
// architecture, and says which one to use instead.
func hostsCanBe(architecture string, p types.ProvisionedRequest) error {
	asked := instanceType(p)
	if architecture != ARM64 || strings.Contains(asked, ".m7g.") {
		return nil
	}
	return mskapi.BadRequest("instanceType", "Hosts here are of architecture %s, which %s is not. Use %s.",
		architecture, asked, gravitonFor(asked))
}

// gravitonFor gives the m7g type in place of one of another family.
func gravitonFor(asked string) string {
	_, size, _ := strings.Cut(strings.TrimPrefix(asked, "kafka."), ".")
	if same := "kafka.m7g." + size; slices.Contains(instanceTypes, same) {
		return same
	}
	if size == "small" {
		return "kafka.m7g.large"
	}
	return "kafka.m7g.16xlarge"
}

func unsupportedInstanceType(p types.ProvisionedRequest) error {
	valid := instanceTypes
	if isKRaft(p) {
		valid = valid[1:] // all but the smallest
	}
	return mskapi.BadRequest("instanceType", "Unsupported InstanceType %s specified for Kafka version %s. Valid values: %v",
		instanceType(p), *p.KafkaVersion, valid)
}

func rebalancingIsForExpress(p types.ProvisionedRequest) error {
	if p.Rebalancing != nil && !isExpress(p) {
		return mskapi.BadRequest("rebalancing", "The rebalancing parameter is supported for Express instance types only.")
	}
	return nil
}

func instanceType(p types.ProvisionedRequest) string { return *p.BrokerNodeGroupInfo.InstanceType }

func isExpress(p types.ProvisionedRequest) bool {
	return strings.HasPrefix(instanceType(p), "express.")
}
