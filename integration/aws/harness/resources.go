package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	route53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/google/uuid"

	"github.com/millrace/millrace/integration/aws/iam"
	"github.com/millrace/millrace/integration/aws/template"
)

// resource is one of the template's that exists: what Ref gives, and its attributes.
type resource struct {
	ref        string
	attributes map[string]string
}

// resources makes what the template describes, when something first refers to it.
type resources struct {
	ctx             context.Context
	admin           aws.Config // reaches moto past gate and rules, as CloudFormation's role would
	account, region string
	second          int32 // octet of all addresses of the VPC
	resolver        template.Resolver

	mu   sync.Mutex
	made map[string]resource
	// policies are those of the roles, by ARN; roles are the roles of instance profiles, by ARN of the profile.
	policies map[string][]iam.Policy
	roles    map[string]string
}

func newResources(ctx context.Context, t template.Template, admin aws.Config, account string) *resources {
	r := &resources{
		ctx: ctx, admin: admin, account: account, region: admin.Region, second: 100 + ranges.Add(1),
		made: map[string]resource{}, policies: map[string][]iam.Policy{}, roles: map[string]string{},
	}
	r.resolver = template.Resolver{
		Template: t,
		Pseudo: map[string]string{
			"AWS::Region": r.region, "AWS::AccountId": account, "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com",
			"AWS::StackName": deploymentName, "AWS::StackId": r.arn("cloudformation", "stack/"+deploymentName+"/1"),
		},
		Ref: func(logical string) (string, error) {
			made, err := r.make(logical)
			return made.ref, err
		},
		Attribute: func(logical, attribute string) (any, error) {
			made, err := r.make(logical)
			if err != nil {
				return nil, err
			}
			value, known := made.attributes[attribute]
			if !known {
				return nil, fmt.Errorf("nobody has said what the attribute %s of %s is", attribute, logical)
			}
			return value, nil
		},
	}
	return r
}

func (r *resources) arn(service, name string) string {
	return fmt.Sprintf("arn:aws:%s:%s:%s:%s", service, r.region, r.account, name)
}

// makers make the resources of a type out of their resolved properties. What exists here only as a name is made by naming
// it; the parts of the harness that stand for it find it in the template.
var makers = map[string]func(r *resources, logical string, p properties) (resource, error){
	"AWS::KMS::Key":                    (*resources).makeKey,
	"AWS::DynamoDB::GlobalTable":       (*resources).makeTable,
	"AWS::EC2::VPC":                    (*resources).makeVPC,
	"AWS::EC2::Subnet":                 (*resources).makeSubnet,
	"AWS::EC2::SecurityGroup":          (*resources).makeSecurityGroup,
	"AWS::EC2::LaunchTemplate":         (*resources).makeLaunchTemplate,
	"AWS::Route53::HostedZone":         (*resources).makeZone,
	"AWS::IAM::Role":                   (*resources).makeRole,
	"AWS::IAM::InstanceProfile":        (*resources).makeInstanceProfile,
	"AWS::Events::EventBus":            (*resources).makeBus,
	"AWS::Lambda::Function":            named("lambda", "function:", "FunctionName"),
	"AWS::StepFunctions::StateMachine": (*resources).nameMachine,
	"AWS::SQS::Queue":                  named("sqs", "", "QueueName"),
	"AWS::SNS::Topic":                  named("sns", "", "TopicName"),
	"AWS::Logs::LogGroup":              named("logs", "log-group:", "LogGroupName"),
	"AWS::ApiGateway::RestApi":         named("apigateway", "", ""),
	"AWS::ApiGateway::Stage":           named("apigateway", "", "StageName"),
	"AWS::ApiGateway::Deployment":      named("apigateway", "", ""),
	"AWS::Events::Rule":                named("events", "rule/", "Name"),
}

// makeAll makes everything of the template that exists here at all. A role with policies of AWS's own is not of ours: what they
// allow is not known here.
func (r *resources) makeAll() error {
	for logical, declared := range r.resolver.Template.Resources {
		if _, known := makers[declared.Type]; !known || declared.Properties["ManagedPolicyArns"] != nil {
			continue
		}
		if _, err := r.make(logical); err != nil {
			return err
		}
	}
	return nil
}

// make gives a resource of the template, and makes it first where that has not been done.
func (r *resources) make(logical string) (resource, error) {
	r.mu.Lock()
	made, done := r.made[logical]
	r.mu.Unlock()
	if done {
		return made, nil
	}
	declared := r.resolver.Template.Resources[logical]
	maker, known := makers[declared.Type]
	if !known {
		return resource{}, fmt.Errorf("nobody knows how to make %s (%s)", logical, declared.Type)
	}
	p, err := r.resolver.Properties(logical)
	if err != nil {
		return resource{}, err
	}
	if made, err = maker(r, logical, p); err != nil {
		return resource{}, fmt.Errorf("make %s (%s): %w", logical, declared.Type, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.made[logical] = made
	return made, nil
}

// properties are a resource's, resolved.
type properties map[string]any

func (p properties) text(name string) string {
	s, _ := p[name].(string)
	return s
}

// into decodes properties into a type of the SDK, whose members have the names that CloudFormation gives them.
func into[T any](value any) (out T, err error) {
	content, err := json.Marshal(value)
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(content, &out)
}

// physical is the name that CloudFormation would make up for a resource that has none.
func physical(logical string) string {
	return deploymentName + "-" + logical + "-" + strings.ToUpper(strings.ReplaceAll(uuid.NewString(), "-", "")[:12])
}

// named makes a resource that exists in the harness only, by its name.
func named(service, prefix, nameProperty string) func(*resources, string, properties) (resource, error) {
	return func(r *resources, logical string, p properties) (resource, error) {
		name := p.text(nameProperty)
		if name == "" {
			name = strings.ToLower(physical(logical))
		}
		if prefix == "" && nameProperty == "" {
			name = strings.ReplaceAll(uuid.NewString(), "-", "")[:10]
		}
		return resource{name, map[string]string{"Arn": r.arn(service, prefix+name), "RootResourceId": "root-" + logical}}, nil
	}
}

func (r *resources) nameMachine(_ string, p properties) (resource, error) {
	arn := r.arn("states", "stateMachine:"+p.text("StateMachineName"))
	return resource{arn, map[string]string{"Arn": arn, "Name": p.text("StateMachineName")}}, nil
}

func (r *resources) makeKey(_ string, p properties) (resource, error) {
	made, err := kms.NewFromConfig(r.admin).CreateKey(r.ctx, &kms.CreateKeyInput{Description: aws.String(p.text("Description"))})
	if err != nil {
		return resource{}, err
	}
	return resource{*made.KeyMetadata.KeyId, map[string]string{"Arn": *made.KeyMetadata.Arn, "KeyId": *made.KeyMetadata.KeyId}}, nil
}

// makeTable makes the table of the one region.
func (r *resources) makeTable(logical string, p properties) (resource, error) {
	in, err := into[dynamodb.CreateTableInput](map[string]any{
		"AttributeDefinitions": p["AttributeDefinitions"], "KeySchema": p["KeySchema"], "BillingMode": p["BillingMode"],
	})
	if err != nil {
		return resource{}, err
	}
	in.TableName = aws.String(physical(logical))
	if stream, is := p["StreamSpecification"].(map[string]any); is {
		in.StreamSpecification = &dynamodbtypes.StreamSpecification{
			StreamEnabled: aws.Bool(true), StreamViewType: dynamodbtypes.StreamViewType(properties(stream).text("StreamViewType")),
		}
	}
	client := dynamodb.NewFromConfig(r.admin)
	made, err := client.CreateTable(r.ctx, &in)
	if err != nil {
		return resource{}, err
	}
	if _, is := p["TimeToLiveSpecification"]; is {
		ttl, err := into[dynamodbtypes.TimeToLiveSpecification](p["TimeToLiveSpecification"])
		if err != nil {
			return resource{}, err
		}
		if _, err := client.UpdateTimeToLive(r.ctx, &dynamodb.UpdateTimeToLiveInput{TableName: in.TableName, TimeToLiveSpecification: &ttl}); err != nil {
			return resource{}, err
		}
	}
	return resource{*in.TableName, map[string]string{
		"Arn": *made.TableDescription.TableArn, "StreamArn": aws.ToString(made.TableDescription.LatestStreamArn),
	}}, nil
}

// ranges counts the address ranges that deployments of this process have been given.
var ranges atomic.Int32

// onLoopback moves an address range of the template's to the loopback device, so that an interface's address is one that
// programs of this machine can have, and no other deployment's: 10.42.0.0/16 becomes 127.101.0.0/16.
func (r *resources) onLoopback(cidr string) string {
	octets := strings.SplitN(cidr, ".", 3)
	return fmt.Sprintf("127.%d.%s", r.second, octets[2])
}

func (r *resources) makeVPC(_ string, p properties) (resource, error) {
	made, err := ec2.NewFromConfig(r.admin).CreateVpc(r.ctx, &ec2.CreateVpcInput{CidrBlock: aws.String(r.onLoopback(p.text("CidrBlock")))})
	if err != nil {
		return resource{}, err
	}
	return resource{*made.Vpc.VpcId, map[string]string{"VpcId": *made.Vpc.VpcId}}, nil
}

func (r *resources) makeSubnet(_ string, p properties) (resource, error) {
	made, err := ec2.NewFromConfig(r.admin).CreateSubnet(r.ctx, &ec2.CreateSubnetInput{
		VpcId: aws.String(p.text("VpcId")), CidrBlock: aws.String(r.onLoopback(p.text("CidrBlock"))), AvailabilityZone: aws.String(p.text("AvailabilityZone")),
	})
	if err != nil {
		return resource{}, err
	}
	return resource{*made.Subnet.SubnetId, map[string]string{"SubnetId": *made.Subnet.SubnetId}}, nil
}

func (r *resources) makeSecurityGroup(logical string, p properties) (resource, error) {
	made, err := ec2.NewFromConfig(r.admin).CreateSecurityGroup(r.ctx, &ec2.CreateSecurityGroupInput{
		GroupName: aws.String(physical(logical)), Description: aws.String(p.text("GroupDescription")), VpcId: aws.String(p.text("VpcId")),
	})
	if err != nil {
		return resource{}, err
	}
	return resource{*made.GroupId, map[string]string{"GroupId": *made.GroupId}}, nil
}

func (r *resources) makeLaunchTemplate(logical string, p properties) (resource, error) {
	data, err := into[ec2types.RequestLaunchTemplateData](p["LaunchTemplateData"])
	if err != nil {
		return resource{}, err
	}
	made, err := ec2.NewFromConfig(r.admin).CreateLaunchTemplate(r.ctx, &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: aws.String(physical(logical)), LaunchTemplateData: &data,
	})
	if err != nil {
		return resource{}, err
	}
	return resource{*made.LaunchTemplate.LaunchTemplateId, map[string]string{"LatestVersionNumber": "1", "DefaultVersionNumber": "1"}}, nil
}

func (r *resources) makeZone(_ string, p properties) (resource, error) {
	in := &route53.CreateHostedZoneInput{Name: aws.String(p.text("Name")), CallerReference: aws.String(uuid.NewString())}
	vpcs, _ := p["VPCs"].([]any)
	for _, v := range vpcs {
		vpc, _ := v.(map[string]any)
		in.VPC = &route53types.VPC{VPCId: aws.String(properties(vpc).text("VPCId")), VPCRegion: route53types.VPCRegion(properties(vpc).text("VPCRegion"))}
		in.HostedZoneConfig = &route53types.HostedZoneConfig{PrivateZone: true}
	}
	made, err := route53.NewFromConfig(r.admin).CreateHostedZone(r.ctx, in)
	if err != nil {
		return resource{}, err
	}
	id := strings.TrimPrefix(*made.HostedZone.Id, "/hostedzone/")
	return resource{id, map[string]string{"Id": id}}, nil
}

// makeRole names a role and keeps its policies for the gate.
func (r *resources) makeRole(logical string, p properties) (resource, error) {
	name := p.text("RoleName")
	if name == "" {
		name = physical(logical)
	}
	arn := fmt.Sprintf("arn:aws:iam::%s:role/%s", r.account, name)
	policies, _ := p["Policies"].([]any)
	for _, entry := range policies {
		e, _ := entry.(map[string]any)
		policy, err := iam.ParsePolicy(e["PolicyDocument"])
		if err != nil {
			return resource{}, err
		}
		r.policies[arn] = append(r.policies[arn], policy)
	}
	id := "AROA" + strings.ToUpper(strings.ReplaceAll(uuid.NewString(), "-", "")[:17])
	return resource{name, map[string]string{"Arn": arn, "RoleId": id}}, nil
}

func (r *resources) makeInstanceProfile(logical string, p properties) (resource, error) {
	name := physical(logical)
	arn := fmt.Sprintf("arn:aws:iam::%s:instance-profile/%s", r.account, name)
	roles, _ := p["Roles"].([]any)
	for _, role := range roles {
		r.roles[arn] = fmt.Sprintf("arn:aws:iam::%s:role/%s", r.account, role)
	}
	return resource{name, map[string]string{"Arn": arn}}, nil
}

func (r *resources) makeBus(_ string, p properties) (resource, error) {
	made, err := eventbridge.NewFromConfig(r.admin).CreateEventBus(r.ctx, &eventbridge.CreateEventBusInput{Name: aws.String(p.text("Name"))})
	if err != nil {
		return resource{}, err
	}
	return resource{p.text("Name"), map[string]string{"Arn": *made.EventBusArn, "Name": p.text("Name")}}, nil
}
