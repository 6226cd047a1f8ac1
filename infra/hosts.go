package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"
)

// hosts is what every host of a broker or controller is made from.
type hosts struct {
	role           awsiam.Role
	launchTemplate string
}

// rootVolumeGiB holds the system, Java and Kafka's releases. Records live on the log volume.
const rootVolumeGiB = 8

// addHosts makes the launch template. There is no key pair and no way in: a host is told what to run through its mailbox,
// replaced when it does not, and its credentials can be fetched from it alone (IMDSv2, one hop).
func (d *deployment) addHosts() hosts {
	role := d.addRole("HostRole", "ec2.amazonaws.com", d.hostPermissions())
	profile := awsiam.NewInstanceProfile(d.stack, jsii.String("HostProfile"), &awsiam.InstanceProfileProps{Role: role})
	image := d.BrokerImageID
	if image == "" {
		image = d.addImage()
	}
	tags := []*awscdk.CfnTag{{Key: jsii.String(tagDeployment), Value: &d.Deployment}}
	template := awsec2.NewCfnLaunchTemplate(d.stack, jsii.String("LaunchTemplate"), &awsec2.CfnLaunchTemplateProps{
		LaunchTemplateData: &awsec2.CfnLaunchTemplate_LaunchTemplateDataProperty{
			ImageId:            &image,
			IamInstanceProfile: &awsec2.CfnLaunchTemplate_IamInstanceProfileProperty{Arn: profile.InstanceProfileArn()},
			MetadataOptions: &awsec2.CfnLaunchTemplate_MetadataOptionsProperty{
				HttpEndpoint: jsii.String("enabled"), HttpTokens: jsii.String("required"), HttpPutResponseHopLimit: jsii.Number(1),
			},
			BlockDeviceMappings: []any{&awsec2.CfnLaunchTemplate_BlockDeviceMappingProperty{
				DeviceName: jsii.String("/dev/xvda"),
				Ebs: &awsec2.CfnLaunchTemplate_EbsProperty{
					VolumeType: jsii.String("gp3"), VolumeSize: jsii.Number(rootVolumeGiB), DeleteOnTermination: jsii.Bool(true),
					Encrypted: jsii.Bool(true), KmsKeyId: d.data.key.KeyArn(),
				},
			}},
			UserData: awscdk.Fn_Base64(d.stack.ToJsonString(map[string]any{
				"deployment": d.Deployment, "table": *d.data.table.TableName(), "region": d.Region, "roleId": *role.RoleId(),
			}, nil)),
			TagSpecifications: []any{
				&awsec2.CfnLaunchTemplate_TagSpecificationProperty{ResourceType: jsii.String("instance"), Tags: &tags},
				&awsec2.CfnLaunchTemplate_TagSpecificationProperty{ResourceType: jsii.String("volume"), Tags: &tags},
			},
		},
	})
	return hosts{role: role, launchTemplate: *template.Ref()}
}
