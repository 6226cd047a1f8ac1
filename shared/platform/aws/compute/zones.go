package compute

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/millrace/millrace/shared/fault"
)

// Zones gives the id of the zone each subnet lies in, in the order given. A subnet that is not there, or that lies outside
// the VPC of this deployment, is Invalid.
func (z Zones) Zones(ctx context.Context, subnets []string) ([]string, error) {
	out, err := z.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{
		Filters: []types.Filter{{Name: aws.String("subnet-id"), Values: subnets}},
	})
	if err != nil {
		return nil, fmt.Errorf("look at subnets: %w", failure(err, "the look at subnets"))
	}
	known := map[string]types.Subnet{}
	for _, s := range out.Subnets {
		known[aws.ToString(s.SubnetId)] = s
	}
	zones := make([]string, len(subnets))
	for i, id := range subnets {
		s, ok := known[id]
		if !ok {
			return nil, fault.InvalidParameter("clientSubnets", "there is no subnet %q in this account and region", id)
		}
		if vpc := aws.ToString(s.VpcId); vpc != z.VPC {
			return nil, fault.InvalidParameter("clientSubnets",
				"subnet %s lies in %s; brokers live in %s, the VPC that Millrace was deployed with", id, vpc, z.VPC)
		}
		zones[i] = aws.ToString(s.AvailabilityZoneId)
	}
	return zones, nil
}

// CheckSecurityGroups tells whether brokers can have security groups. One that is not there, or that belongs to another VPC
// than this deployment's, is Invalid.
func (z Zones) CheckSecurityGroups(ctx context.Context, groups []string) error {
	out, err := z.ec2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{
		Filters: []types.Filter{{Name: aws.String("group-id"), Values: groups}},
	})
	if err != nil {
		return fmt.Errorf("look at security groups: %w", failure(err, "the look at security groups"))
	}
	vpcs := map[string]string{}
	for _, g := range out.SecurityGroups {
		vpcs[aws.ToString(g.GroupId)] = aws.ToString(g.VpcId)
	}
	for _, id := range groups {
		vpc, ok := vpcs[id]
		if !ok {
			return fault.InvalidParameter("securityGroups", "there is no security group %q in this account and region", id)
		}
		if vpc != z.VPC {
			return fault.InvalidParameter("securityGroups",
				"security group %s belongs to %s; brokers live in %s, the VPC that Millrace was deployed with", id, vpc, z.VPC)
		}
	}
	return nil
}
