package harness

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// world looks into moto for what the gate has to know of the resources that a request names. What can't be found has no
// properties, as at AWS.
type world struct {
	r *resources
	// key is the one customer key of the deployment.
	key string
}

func (w world) ec2() *ec2.Client { return ec2.NewFromConfig(w.r.admin) }

// Tags implements [iam.World].
func (w world) Tags(id string) map[string]string {
	tags := map[string]string{}
	if isSecret(id) {
		found, err := secretsmanager.NewFromConfig(w.r.admin).DescribeSecret(w.r.ctx, &secretsmanager.DescribeSecretInput{SecretId: &id})
		if err == nil {
			for _, t := range found.Tags {
				tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
			}
		}
		return tags
	}
	found, err := w.ec2().DescribeTags(w.r.ctx, &ec2.DescribeTagsInput{
		Filters: []ec2types.Filter{{Name: aws.String("resource-id"), Values: []string{id}}},
	})
	if err == nil {
		for _, t := range found.Tags {
			tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
	}
	return tags
}

// isSecret tells the name of a secret from an id of EC2's.
func isSecret(id string) bool { return strings.HasPrefix(id, "arn:") || strings.Contains(id, "/") }

// NetworkInterface implements [iam.World].
func (w world) NetworkInterface(id string) (subnet string, groups []string) {
	found, err := w.ec2().DescribeNetworkInterfaces(w.r.ctx, &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{id}})
	if err != nil || len(found.NetworkInterfaces) != 1 {
		return "", nil
	}
	for _, g := range found.NetworkInterfaces[0].Groups {
		groups = append(groups, aws.ToString(g.GroupId))
	}
	return aws.ToString(found.NetworkInterfaces[0].SubnetId), groups
}

// VPC implements [iam.World].
func (w world) VPC(id string) string {
	vpc := ""
	switch kind, _, _ := strings.Cut(id, "-"); kind {
	case "subnet":
		found, err := w.ec2().DescribeSubnets(w.r.ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{id}})
		if err == nil && len(found.Subnets) == 1 {
			vpc = aws.ToString(found.Subnets[0].VpcId)
		}
	case "sg":
		found, err := w.ec2().DescribeSecurityGroups(w.r.ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{id}})
		if err == nil && len(found.SecurityGroups) == 1 {
			vpc = aws.ToString(found.SecurityGroups[0].VpcId)
		}
	case "eni":
		found, err := w.ec2().DescribeNetworkInterfaces(w.r.ctx, &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{id}})
		if err == nil && len(found.NetworkInterfaces) == 1 {
			vpc = aws.ToString(found.NetworkInterfaces[0].VpcId)
		}
	}
	if vpc == "" {
		return ""
	}
	return w.r.arn("ec2", "vpc/"+vpc)
}

// LaunchTemplate implements [iam.World]. The template's own words say what it brings along.
func (w world) LaunchTemplate(id string) (image, role string) {
	for _, logical := range w.r.resolver.Template.Names("AWS::EC2::LaunchTemplate") {
		made, err := w.r.make(logical)
		if err != nil || made.ref != id {
			continue
		}
		p, err := w.r.resolver.Properties(logical)
		if err != nil {
			return "", ""
		}
		data, err := into[ec2types.RequestLaunchTemplateData](p["LaunchTemplateData"])
		if err != nil {
			return "", ""
		}
		if data.IamInstanceProfile != nil {
			role = w.r.roles[aws.ToString(data.IamInstanceProfile.Arn)]
		}
		return aws.ToString(data.ImageId), role
	}
	return "", ""
}

// KeyOf implements [iam.World].
func (w world) KeyOf(id string) string {
	switch {
	case id == "table":
		return w.key
	case isSecret(id):
		found, err := secretsmanager.NewFromConfig(w.r.admin).DescribeSecret(w.r.ctx, &secretsmanager.DescribeSecretInput{SecretId: &id})
		if err != nil {
			return ""
		}
		return w.keyARN(aws.ToString(found.KmsKeyId))
	default:
		found, err := w.ec2().DescribeVolumes(w.r.ctx, &ec2.DescribeVolumesInput{VolumeIds: []string{id}})
		if err != nil || len(found.Volumes) != 1 {
			return ""
		}
		return w.keyARN(aws.ToString(found.Volumes[0].KmsKeyId))
	}
}

func (w world) keyARN(key string) string {
	if key == "" || strings.HasPrefix(key, "arn:") {
		return key
	}
	return w.r.arn("kms", "key/"+key)
}
