package main

import (
	"crypto/sha256"
	_ "embed"
	"fmt"
	"path/filepath"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsimagebuilder"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

//go:embed image/component.yaml
var imageComponent string

// imageFiles holds, beside the component, what it installs.
const imageFiles = "infra/image"

// addImage lets EC2 Image Builder make the hosts' image while the stack is deployed, and gives its id. It takes about a
// quarter of an hour, the first time and whenever Kafka, the agent, the files in infra/image or the edition have changed.
//
// Components, recipes and images can't be changed once made. Their names carry a hash of what goes in, so that a change makes
// new ones; hosts that run keep the image they were started from.
func (d *deployment) addImage() string {
	software := awss3assets.NewAsset(d.stack, jsii.String("ImageSoftware"), &awss3assets.AssetProps{
		Path: jsii.String(filepath.Join(d.Build, "image")), Exclude: jsii.Strings("kafka/lock", "kafka/unfinished-*"),
	})
	files := awss3assets.NewAsset(d.stack, jsii.String("ImageFiles"), &awss3assets.AssetProps{Path: jsii.String(imageFiles)})
	content := sha256.Sum256([]byte(d.ImageEdition + imageComponent + *software.AssetHash() + *files.AssetHash()))
	name := fmt.Sprintf("%s-broker-%x", d.Deployment, content[:4])
	version := jsii.String("1.0.0")

	component := awsimagebuilder.NewCfnComponent(d.stack, jsii.String("ImageComponent"), &awsimagebuilder.CfnComponentProps{
		Name: &name, Version: version, Platform: jsii.String("Linux"), Data: &imageComponent, KmsKeyId: d.data.key.KeyArn(),
	})
	recipe := awsimagebuilder.NewCfnImageRecipe(d.stack, jsii.String("ImageRecipe"), &awsimagebuilder.CfnImageRecipeProps{
		Name: &name, Version: version,
		ParentImage: jsii.String("arn:aws:imagebuilder:" + d.Region + ":aws:image/amazon-linux-2023-arm64/x.x.x"),
		Components: []any{&awsimagebuilder.CfnImageRecipe_ComponentConfigurationProperty{
			ComponentArn: component.AttrArn(),
			Parameters: []any{
				&awsimagebuilder.CfnImageRecipe_ComponentParameterProperty{Name: jsii.String("Software"), Value: &[]*string{software.S3ObjectUrl()}},
				&awsimagebuilder.CfnImageRecipe_ComponentParameterProperty{Name: jsii.String("Files"), Value: &[]*string{files.S3ObjectUrl()}},
			},
		}},
		BlockDeviceMappings: []any{&awsimagebuilder.CfnImageRecipe_InstanceBlockDeviceMappingProperty{
			DeviceName: jsii.String("/dev/xvda"),
			Ebs: &awsimagebuilder.CfnImageRecipe_EbsInstanceBlockDeviceSpecificationProperty{
				VolumeType: jsii.String("gp3"), VolumeSize: jsii.Number(rootVolumeGiB), DeleteOnTermination: jsii.Bool(true),
				Encrypted: jsii.Bool(true), KmsKeyId: d.data.key.KeyArn(),
			},
		}},
	})
	workshop, way := d.imageWorkshop(software, files)
	image := awsimagebuilder.NewCfnImage(d.stack, jsii.String("Image"), &awsimagebuilder.CfnImageProps{
		ImageRecipeArn:                 recipe.AttrArn(),
		InfrastructureConfigurationArn: workshop.AttrArn(),
		// A list of packages, made by Systems Manager's inventory: where an account has that for all of its machines, a second
		// one fails, and the image with it.
		EnhancedImageMetadataEnabled: jsii.Bool(false),
		// The component's last phase checks the machine before the image is taken; a second machine would find nothing more.
		ImageTestsConfiguration: &awsimagebuilder.CfnImage_ImageTestsConfigurationProperty{ImageTestsEnabled: jsii.Bool(false)},
	})
	// Nothing in the workshop's description names the route to the internet, without which its machine is given up.
	image.Node().AddDependency(way...)
	return *image.AttrImageId()
}

// imageWorkshop is where the image is made: one machine, for a quarter of an hour, in a subnet with a way to the internet. It
// never shares a network with brokers. The way is what has to be there before the machine.
func (d *deployment) imageWorkshop(software, files awss3assets.Asset) (
	workshop awsimagebuilder.CfnInfrastructureConfiguration, way []constructs.IDependable,
) {
	role := awsiam.NewRole(d.stack, jsii.String("ImageRole"), &awsiam.RoleProps{
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("ec2.amazonaws.com"), nil),
		ManagedPolicies: &[]awsiam.IManagedPolicy{
			awsiam.ManagedPolicy_FromAwsManagedPolicyName(jsii.String("EC2InstanceProfileForImageBuilder")),
			awsiam.ManagedPolicy_FromAwsManagedPolicyName(jsii.String("AmazonSSMManagedInstanceCore")),
		},
		InlinePolicies: d.policy([]statement{
			{
				id: "FetchSoftware", why: "what the image is made of, from the bucket of CDK's bootstrap",
				actions: []string{"s3:GetObject"},
				on: []string{
					"arn:aws:s3:::" + *software.S3BucketName() + "/" + *software.S3ObjectKey(),
					"arn:aws:s3:::" + *files.S3BucketName() + "/" + *files.S3ObjectKey(),
				},
			},
		}),
	})
	profile := awsiam.NewCfnInstanceProfile(d.stack, jsii.String("ImageProfile"), &awsiam.CfnInstanceProfileProps{
		Roles: anys([]string{*role.RoleName()}),
	})
	subnet, groups := d.ImageSubnet, jsii.Strings(d.ImageSecurityGroups...)
	if subnet == "" {
		vpc := awsec2.NewVpc(d.stack, jsii.String("ImageVpc"), &awsec2.VpcProps{
			IpAddresses:       awsec2.IpAddresses_Cidr(jsii.String("10.255.255.0/24")),
			AvailabilityZones: jsii.Strings(append(d.Zones, d.Region+"a")[0]),
			NatGateways:       jsii.Number(0),
			SubnetConfiguration: &[]*awsec2.SubnetConfiguration{
				{Name: jsii.String("Workshop"), SubnetType: awsec2.SubnetType_PUBLIC},
			},
			RestrictDefaultSecurityGroup: jsii.Bool(false),
		})
		group := awsec2.NewCfnSecurityGroup(d.stack, jsii.String("ImageGroup"), &awsec2.CfnSecurityGroupProps{
			VpcId: vpc.VpcId(), GroupDescription: jsii.String("The machine that becomes the image of broker hosts: nobody reaches it"),
			SecurityGroupEgress: []any{&awsec2.CfnSecurityGroup_EgressProperty{
				IpProtocol: jsii.String("tcp"), FromPort: jsii.Number(443), ToPort: jsii.Number(443), CidrIp: jsii.String("0.0.0.0/0"),
				Description: jsii.String("packages of Amazon Linux, and AWS"),
			}},
		})
		subnet, groups, way = *(*vpc.PublicSubnets())[0].SubnetId(), &[]*string{group.AttrGroupId()}, []constructs.IDependable{vpc}
	}
	workshop = awsimagebuilder.NewCfnInfrastructureConfiguration(d.stack, jsii.String("ImageWorkshop"), &awsimagebuilder.CfnInfrastructureConfigurationProps{
		Name:                jsii.String(d.Deployment + "-broker"),
		InstanceProfileName: profile.Ref(),
		InstanceTypes:       jsii.Strings("m7g.large", "m6g.large"),
		SubnetId:            &subnet,
		SecurityGroupIds:    groups,
		InstanceMetadataOptions: &awsimagebuilder.CfnInfrastructureConfiguration_InstanceMetadataOptionsProperty{
			HttpTokens: jsii.String("required"), HttpPutResponseHopLimit: jsii.Number(1),
		},
		TerminateInstanceOnFailure: jsii.Bool(true),
		ResourceTags:               map[string]string{tagDeployment: d.Deployment},
	})
	return workshop, way
}
