package awsrules

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	route53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// Left names everything in an account that was made for clusters and is still there: instances that are not terminated,
// volumes, network interfaces, records and secrets.
func (d Deployment) Left(t testing.TB, connection aws.Config) []string {
	t.Helper()
	return append(append(d.leftInEC2(t, ec2.NewFromConfig(connection)), d.Records(t, connection)...), secrets(t, connection)...)
}

func (d Deployment) leftInEC2(t testing.TB, client *ec2.Client) []string {
	t.Helper()
	var left []string
	instances, err := client.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{})
	must(t, "instances", err)
	for _, r := range instances.Reservations {
		for _, i := range r.Instances {
			if i.State.Name != types.InstanceStateNameTerminated {
				left = append(left, aws.ToString(i.InstanceId))
			}
		}
	}
	volumes, err := client.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{})
	must(t, "volumes", err)
	for _, v := range volumes.Volumes {
		left = append(left, aws.ToString(v.VolumeId))
	}
	networks, err := client.DescribeNetworkInterfaces(t.Context(), &ec2.DescribeNetworkInterfacesInput{})
	must(t, "network interfaces", err)
	for _, n := range networks.NetworkInterfaces {
		left = append(left, aws.ToString(n.NetworkInterfaceId))
	}
	return left
}

// Records are the address records of the private zone, as "name address", sorted.
func (d Deployment) Records(t testing.TB, connection aws.Config) []string {
	t.Helper()
	out, err := route53.NewFromConfig(connection).ListResourceRecordSets(t.Context(), &route53.ListResourceRecordSetsInput{HostedZoneId: &d.ZoneID})
	must(t, "records", err)
	var found []string
	for _, r := range out.ResourceRecordSets {
		if r.Type == route53types.RRTypeA {
			found = append(found, aws.ToString(r.Name)+" "+aws.ToString(r.ResourceRecords[0].Value))
		}
	}
	slices.Sort(found)
	return found
}

func secrets(t testing.TB, connection aws.Config) []string {
	t.Helper()
	out, err := secretsmanager.NewFromConfig(connection).ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{})
	must(t, "secrets", err)
	var names []string
	for _, s := range out.SecretList {
		names = append(names, aws.ToString(s.Name))
	}
	return names
}
