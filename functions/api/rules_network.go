package api

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/mskapi"
)

func subnetsAreDistinct(p types.ProvisionedRequest) error {
	return areDistinct("clientSubnets", p.BrokerNodeGroupInfo.ClientSubnets)
}

func subnetsAreTwoOrThree(p types.ProvisionedRequest) error {
	if n := len(p.BrokerNodeGroupInfo.ClientSubnets); n != 2 && n != 3 {
		return mskapi.BadRequest("brokerNodeGroupInfo", "A cluster has two or three client subnets, not %d.", n)
	}
	return nil
}

func expressHasThreeSubnets(p types.ProvisionedRequest) error {
	if n := len(p.BrokerNodeGroupInfo.ClientSubnets); isExpress(p) && n != 3 {
		return mskapi.BadRequest("brokerNodeGroupInfo",
			"Clusters with Express instance types require 3 subnets, not %d.", n)
	}
	return nil
}

// zonesAreDistinct is a rule about what the subnets turned out to be.
func zonesAreDistinct(subnets, zones []string) error {
	for i, zone := range zones {
		if before := slices.Index(zones[:i], zone); before >= 0 {
			return mskapi.BadRequest("clientSubnets", "The subnets %s and %s are both in zone %s. "+
				"Each client subnet has to be in a zone of its own.", subnets[before], subnets[i], zone)
		}
	}
	return nil
}

func securityGroupsAreDistinct(p types.ProvisionedRequest) error {
	return areDistinct("securityGroups", p.BrokerNodeGroupInfo.SecurityGroups)
}

func securityGroupsAreIDs(p types.ProvisionedRequest) error {
	for _, group := range p.BrokerNodeGroupInfo.SecurityGroups {
		if !strings.HasPrefix(group, "sg-") {
			return mskapi.BadRequest("securityGroups", "%q is not the id of a security group.", group)
		}
	}
	return nil
}

func accessStartsPrivate(p types.ProvisionedRequest) error {
	access := connectivity(p).PublicAccess
	if access != nil && access.Type != nil && *access.Type != "DISABLED" {
		return mskapi.BadRequest("publicAccess", "When creating a cluster, the only valid type of public access is "+
			"DISABLED, not %s.", *access.Type)
	}
	return nil
}

func vpcConnectivityStartsOff(p types.ProvisionedRequest) error {
	vpc := connectivity(p).VpcConnectivity
	if vpc == nil || vpc.ClientAuthentication == nil {
		return nil
	}
	auth := vpc.ClientAuthentication
	on := auth.Tls != nil && aws.ToBool(auth.Tls.Enabled)
	if sasl := auth.Sasl; sasl != nil {
		on = on || sasl.Iam != nil && aws.ToBool(sasl.Iam.Enabled) || sasl.Scram != nil && aws.ToBool(sasl.Scram.Enabled)
	}
	if on {
		return mskapi.BadRequest("vpcConnectivity.clientAuthentication",
			"When creating a cluster, all vpcConnectivity authentication schemes must be disabled.")
	}
	return nil
}

func connectivity(p types.ProvisionedRequest) types.ConnectivityInfo {
	if c := p.BrokerNodeGroupInfo.ConnectivityInfo; c != nil {
		return *c
	}
	return types.ConnectivityInfo{}
}
