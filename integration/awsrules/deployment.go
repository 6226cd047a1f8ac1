package awsrules

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	route53types "github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/millrace/millrace/shared/platform/aws/compute"
)

// Deployment is what a deployment has of its own before there are clusters.
type Deployment struct {
	compute.Config
	// Subnets are three subnets of the VPC, in three zones.
	Subnets []string
	// StrangeSubnet is one of another VPC.
	StrangeSubnet string
}

// Deploy makes what the deployment's template makes, in the smallest form that nodes can live on.
func Deploy(t testing.TB, connection aws.Config) Deployment {
	t.Helper()
	d := Deployment{Config: compute.Config{
		Deployment: "millrace", ZoneName: "kafka.internal",
		Settle: 300 * time.Millisecond, Look: 20 * time.Millisecond,
	}}
	compute := ec2.NewFromConfig(connection)
	d.findNetwork(t, compute)
	d.HostSecurityGroup, d.ClientSecurityGroup = d.group(t, compute, "hosts"), d.group(t, compute, "clients")
	template, err := compute.CreateLaunchTemplate(t.Context(), &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: aws.String("millrace-host"),
		LaunchTemplateData: &types.RequestLaunchTemplateData{ImageId: aws.String("ami-12c6146b")},
	})
	must(t, "launch template", err)
	d.LaunchTemplate = aws.ToString(template.LaunchTemplate.LaunchTemplateId)
	zone, err := route53.NewFromConfig(connection).CreateHostedZone(t.Context(), &route53.CreateHostedZoneInput{
		Name: &d.ZoneName, CallerReference: aws.String("millrace"),
		VPC: &route53types.VPC{VPCId: &d.VPC, VPCRegion: route53types.VPCRegion(connection.Region)},
	})
	must(t, "private zone", err)
	d.ZoneID = strings.TrimPrefix(aws.ToString(zone.HostedZone.Id), "/hostedzone/")
	key, err := kms.NewFromConfig(connection).CreateKey(t.Context(), &kms.CreateKeyInput{})
	must(t, "key", err)
	d.VolumeKey = aws.ToString(key.KeyMetadata.Arn)
	return d
}

// findNetwork takes the account's default VPC for the deployment's, and makes another beside it.
func (d *Deployment) findNetwork(t testing.TB, compute *ec2.Client) {
	t.Helper()
	out, err := compute.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{})
	must(t, "subnets", err)
	for _, s := range out.Subnets {
		d.VPC = aws.ToString(s.VpcId)
		d.Subnets = append(d.Subnets, aws.ToString(s.SubnetId))
	}
	slices.Sort(d.Subnets)
	d.Subnets = d.Subnets[:3]
	vpc, err := compute.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.9.0.0/16")})
	must(t, "another VPC", err)
	subnet, err := compute.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{VpcId: vpc.Vpc.VpcId, CidrBlock: aws.String("10.9.0.0/24")})
	must(t, "a subnet of another VPC", err)
	d.StrangeSubnet = aws.ToString(subnet.Subnet.SubnetId)
}

func (d *Deployment) group(t testing.TB, compute *ec2.Client, name string) string {
	t.Helper()
	made, err := compute.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{
		GroupName: aws.String("millrace-" + name), Description: aws.String("Millrace's " + name), VpcId: &d.VPC,
	})
	must(t, "security group", err)
	return aws.ToString(made.GroupId)
}

func must(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}
