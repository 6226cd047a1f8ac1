package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsroute53"
	"github.com/aws/jsii-runtime-go"
)

// network is where brokers live.
type network struct {
	vpc         string
	subnets     []string
	routeTables []string
	// hosts is the security group of every host's interface, clients that of whoever uses clusters without groups of their own,
	// functions that of functions inside.
	hosts, clients, functions string
	zoneID                    string
}

// addNetwork makes or takes a VPC. Brokers reach DynamoDB and S3 by gateway endpoints, which cost nothing, and nothing else.
func (d *deployment) addNetwork() network {
	n := network{vpc: d.VPC, subnets: d.Subnets, routeTables: d.RouteTables}
	if d.VPC == "" {
		n = d.newVPC()
	}
	if d.OwnEndpoints {
		for _, service := range []string{"dynamodb", "s3"} {
			awsec2.NewCfnVPCEndpoint(d.stack, jsii.String("Endpoint"+title(service)), &awsec2.CfnVPCEndpointProps{
				VpcId:           &n.vpc,
				VpcEndpointType: jsii.String("Gateway"),
				ServiceName:     jsii.String("com.amazonaws." + d.Region + "." + service),
				RouteTableIds:   anys(n.routeTables),
			})
		}
	}
	n.hosts = d.hostGroup(n.vpc)
	n.clients = d.clientGroup(n.vpc)
	n.functions = d.functionGroup(n.vpc, n.hosts)
	n.zoneID = *awsroute53.NewCfnHostedZone(d.stack, jsii.String("Zone"), &awsroute53.CfnHostedZoneProps{
		Name:             &d.ZoneName,
		HostedZoneConfig: &awsroute53.CfnHostedZone_HostedZoneConfigProperty{Comment: jsii.String("Names of the brokers of " + d.Deployment)},
		Vpcs: []any{
			&awsroute53.CfnHostedZone_VPCProperty{VpcId: &n.vpc, VpcRegion: &d.Region},
		},
	}).Ref()
	return n
}

// newVPC has one subnet in each zone and no way to the internet: no internet gateway, no NAT. The zones are named, not asked
// for, because an answer in another order would replace every subnet under running brokers.
func (d *deployment) newVPC() network {
	vpc := awsec2.NewVpc(d.stack, jsii.String("Vpc"), &awsec2.VpcProps{
		IpAddresses:       awsec2.IpAddresses_Cidr(&d.VPCCIDR),
		AvailabilityZones: jsii.Strings(d.Zones...),
		NatGateways:       jsii.Number(0),
		SubnetConfiguration: &[]*awsec2.SubnetConfiguration{
			{Name: jsii.String("Brokers"), SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED},
		},
		// Nothing of ours uses the default group, and closing it would take a function with permissions to do so.
		RestrictDefaultSecurityGroup: jsii.Bool(false),
	})
	n := network{vpc: *vpc.VpcId()}
	for _, s := range *vpc.IsolatedSubnets() {
		n.subnets = append(n.subnets, *s.SubnetId())
		n.routeTables = append(n.routeTables, *s.RouteTable().RouteTableId())
	}
	return n
}

// hostGroup lets hosts talk to each other, and to the gateway endpoints. Addresses of endpoints are not known here, so the
// way out is any address: in subnets without another route, the endpoints are all there is.
func (d *deployment) hostGroup(vpc string) string {
	group := awsec2.NewCfnSecurityGroup(d.stack, jsii.String("HostGroup"), &awsec2.CfnSecurityGroupProps{
		VpcId:            &vpc,
		GroupDescription: jsii.String("Hosts of brokers and controllers: all traffic among themselves"),
		SecurityGroupEgress: []any{
			&awsec2.CfnSecurityGroup_EgressProperty{
				IpProtocol: jsii.String("tcp"), FromPort: jsii.Number(443), ToPort: jsii.Number(443), CidrIp: jsii.String("0.0.0.0/0"),
				Description: jsii.String("the gateway endpoints of DynamoDB and S3"),
			},
		},
	})
	d.allow("AmongHosts", group, portRange{protocol: "-1"}, "hosts of all clusters")
	return *group.AttrGroupId()
}

// clientPorts are those that MSK's brokers serve clients on: Kafka's listeners, and the two exporters.
var clientPorts = []portRange{{"tcp", 9092, 9098}, {"tcp", 11001, 11002}}

// clientGroup is put on brokers of clusters that name no security groups, and on their clients. It opens no way to brokers
// of clusters that do name some: those decide alone who may come.
func (d *deployment) clientGroup(vpc string) string {
	group := awsec2.NewCfnSecurityGroup(d.stack, jsii.String("ClientGroup"), &awsec2.CfnSecurityGroupProps{
		VpcId:            &vpc,
		GroupDescription: jsii.String("Brokers without security groups of their own, and their clients"),
		// CloudFormation opens all of the way out of a group without rules; this one is as good as none.
		SecurityGroupEgress: []any{
			&awsec2.CfnSecurityGroup_EgressProperty{
				IpProtocol: jsii.String("icmp"), FromPort: jsii.Number(252), ToPort: jsii.Number(86), CidrIp: jsii.String("255.255.255.255/32"),
				Description: jsii.String("nothing"),
			},
		},
	})
	for _, ports := range clientPorts {
		d.allow("Clients"+number(ports.from), group, ports, "members use brokers that are members")
	}
	return *group.AttrGroupId()
}

// brokerPorts are those that brokers talk to each other on: with TLS and certificates of their own, or without TLS and by a
// password. The control plane asks there too, because clients' listeners are for clients.
var brokerPorts = []int{9093, 9095}

// functionGroup lets functions inside reach the table, by its gateway endpoint, and the brokers' own listeners. Nobody reaches
// functions.
func (d *deployment) functionGroup(vpc, hosts string) string {
	group := awsec2.NewCfnSecurityGroup(d.stack, jsii.String("FunctionGroup"), &awsec2.CfnSecurityGroupProps{
		VpcId:            &vpc,
		GroupDescription: jsii.String("Functions inside the VPC: the brokers own listeners and the table"),
		SecurityGroupEgress: []any{
			&awsec2.CfnSecurityGroup_EgressProperty{
				IpProtocol: jsii.String("tcp"), FromPort: jsii.Number(443), ToPort: jsii.Number(443), CidrIp: jsii.String("0.0.0.0/0"),
				Description: jsii.String("the gateway endpoint of DynamoDB"),
			},
		},
	})
	for _, port := range brokerPorts {
		awsec2.NewCfnSecurityGroupEgress(d.stack, jsii.String("Functions"+number(port)+"Out"), &awsec2.CfnSecurityGroupEgressProps{
			GroupId: group.AttrGroupId(), DestinationSecurityGroupId: &hosts,
			IpProtocol: jsii.String("tcp"), FromPort: jsii.Number(port), ToPort: jsii.Number(port), Description: jsii.String("functions ask brokers"),
		})
		awsec2.NewCfnSecurityGroupIngress(d.stack, jsii.String("Functions"+number(port)+"In"), &awsec2.CfnSecurityGroupIngressProps{
			GroupId: &hosts, SourceSecurityGroupId: group.AttrGroupId(),
			IpProtocol: jsii.String("tcp"), FromPort: jsii.Number(port), ToPort: jsii.Number(port), Description: jsii.String("functions ask brokers"),
		})
	}
	return *group.AttrGroupId()
}

type portRange struct {
	protocol string
	from, to int
}

// allow opens ports between the members of a group, in both directions.
func (d *deployment) allow(id string, group awsec2.CfnSecurityGroup, ports portRange, what string) {
	var from, to *float64
	if ports.to != 0 {
		from, to = jsii.Number(ports.from), jsii.Number(ports.to)
	}
	awsec2.NewCfnSecurityGroupIngress(d.stack, jsii.String(id+"In"), &awsec2.CfnSecurityGroupIngressProps{
		GroupId: group.AttrGroupId(), SourceSecurityGroupId: group.AttrGroupId(),
		IpProtocol: &ports.protocol, FromPort: from, ToPort: to, Description: &what,
	})
	awsec2.NewCfnSecurityGroupEgress(d.stack, jsii.String(id+"Out"), &awsec2.CfnSecurityGroupEgressProps{
		GroupId: group.AttrGroupId(), DestinationSecurityGroupId: group.AttrGroupId(),
		IpProtocol: &ports.protocol, FromPort: from, ToPort: to, Description: &what,
	})
}

// anys is a list as the constructs take it where its members may be of several types.
func anys(values []string) *[]any {
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = v
	}
	return &list
}
