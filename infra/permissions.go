package main

import (
	"fmt"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"
)

// statement is one thing that a role may do. Its id and its reason are a row of the table in the README.
type statement struct {
	id, why string
	actions []string
	on      []string
	when    conditions
	// forbids makes it something that a role may not do, whatever else allows it.
	forbids bool
}

// conditions are IAM's: operator, key, values.
type conditions map[string]map[string]any

// addRole makes a role with exactly the statements given.
func (d *deployment) addRole(id, service string, statements []statement) awsiam.Role {
	return awsiam.NewRole(d.stack, &id, &awsiam.RoleProps{
		AssumedBy:      awsiam.NewServicePrincipal(&service, nil),
		InlinePolicies: d.policy(statements),
	})
}

// policy is a role's own, and the only one it has.
func (d *deployment) policy(statements []statement) *map[string]awsiam.PolicyDocument {
	document := awsiam.NewPolicyDocument(nil)
	for _, s := range statements {
		d.whys[s.id] = s.why
		when := map[string]any{}
		for operator, keys := range s.when {
			when[operator] = keys
		}
		effect := awsiam.Effect_ALLOW
		if s.forbids {
			effect = awsiam.Effect_DENY
		}
		document.AddStatements(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Effect: effect, Sid: jsii.String(s.id), Actions: jsii.Strings(s.actions...), Resources: jsii.Strings(s.on...), Conditions: &when,
		}))
	}
	return &map[string]awsiam.PolicyDocument{"permissions": document}
}

// fixed hands a role to a construct that would otherwise grant it what it believes to be needed.
func fixed(role awsiam.Role) awsiam.IRole {
	return role.WithoutPolicyUpdates(&awsiam.WithoutPolicyUpdatesOptions{AddGrantsToResources: jsii.Bool(false)})
}

// permissions are what a function may do.
func (d *deployment) permissions(name string) []statement {
	own := []statement{d.writeLogs("/aws/lambda/" + d.Deployment + "-" + name), trace}
	switch name {
	case "api":
		return append(own, d.useTable(), d.useTableKey(), d.startOperations(), d.sealKeys(), d.lookAtNetwork(), d.callTopicAdmin())
	case "operations":
		return append(own, d.useTable(), d.useTableKey(), d.startOperations())
	case "storageautoscaling":
		return append(own, d.useTable(), d.useTableKey(), d.startGrowths())
	case "provisioning":
		return append(own, append([]statement{d.useTable(), d.useTableKey()}, d.provisionHosts()...)...)
	case "healthsweep":
		return append(own, d.useTable(), d.useTableKey(), d.startOperations(), lookAtHostStates)
	case "brokerreplacement", "topicadmin":
		return append(own, append([]statement{d.useTable(), d.useTableKey()}, d.beInside(name)...)...)
	case "hostevents":
		return append(append(own, d.readHostStream()...), d.publishHostEvents())
	case "hostmetrics":
		return append(own, d.readHostStream()...) // metrics go through its log
	}
	panic("nothing is said about what " + name + " may do")
}

// trace can't be narrowed: X-Ray has no resources to name.
var trace = statement{
	id: "SendTraces", why: "one trace from call to step; X-Ray knows no resources",
	actions: []string{"xray:PutTraceSegments", "xray:PutTelemetryRecords"},
	on:      []string{"*"},
}

func (d *deployment) writeLogs(group string) statement {
	return statement{
		id: "WriteLogs", why: "its own log group and no other",
		actions: []string{"logs:CreateLogStream", "logs:PutLogEvents"},
		on:      []string{d.arn("logs", "log-group:"+group+":*")},
	}
}

func (d *deployment) useTable() statement {
	return statement{
		id: "UseTable", why: "clusters, operations, configurations, mailboxes",
		actions: []string{
			"dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem",
		},
		on: []string{*d.data.table.TableArn()},
	}
}

// useTableKey is needed by whoever reads or writes the table: DynamoDB decrypts the table's own key in the caller's name,
// every five minutes.
func (d *deployment) useTableKey() statement {
	return statement{
		id: "UseTableKey", why: "DynamoDB opens the table's key in the caller's name",
		actions: []string{"kms:Decrypt"},
		on:      []string{*d.data.key.KeyArn()},
		when:    conditions{"StringEquals": {"kms:ViaService": d.via("dynamodb")}},
	}
}

func (d *deployment) startOperations() statement {
	return statement{
		id: "StartOperations", why: "start the machine of an operation; see how its execution stands",
		actions: []string{"states:StartExecution", "states:DescribeExecution"},
		on:      []string{d.machineARN("*"), d.arn("states", "execution:"+d.Deployment+"-*:*")},
	}
}

// startGrowths is the one thing that is begun without anybody asking and that costs money for good: nothing else can be.
func (d *deployment) startGrowths() statement {
	return statement{
		id: "StartGrowths", why: "start the machine that grows volumes, and no other",
		actions: []string{"states:StartExecution"},
		on:      []string{d.machineARN("update-broker-storage")},
	}
}

// callTopicAdmin names the one function that has Kafka's answers for callers of the API. No other can be called by it.
func (d *deployment) callTopicAdmin() statement {
	return statement{
		id: "CallTopicAdmin", why: "topics and groups are Kafka's, which is talked to from inside the VPC",
		actions: []string{"lambda:InvokeFunction"},
		on:      []string{d.arn("lambda", "function:"+d.Deployment+"-topicadmin")},
	}
}

func (d *deployment) sealKeys() statement {
	return statement{
		id: "SealAccessKeys", why: "secrets of issued access keys are kept sealed",
		actions: []string{"kms:Encrypt", "kms:Decrypt"},
		on:      []string{*d.data.key.KeyArn()},
		// What else the key encrypts has another context, or none, and can't be opened by this.
		when: conditions{"StringLike": {"kms:EncryptionContext:millrace:access-key": "*"}},
	}
}

func (d *deployment) lookAtNetwork() statement {
	return statement{
		id: "LookAtNetwork", why: "are a request's subnets and security groups there, and in this VPC? Describe calls know no resources",
		actions: []string{"ec2:DescribeSubnets", "ec2:DescribeSecurityGroups"},
		on:      []string{"*"},
	}
}

var lookAtHostStates = statement{
	id: "LookAtHostStates", why: "does a host still run, and do EC2's own checks of it pass? Describe calls know no resources",
	actions: []string{"ec2:DescribeInstances", "ec2:DescribeInstanceStatus"},
	on:      []string{"*"},
}

// beInside is what Lambda needs of the role of a function that it connects to the VPC. Lambda acts in the role's name, before the
// function runs; the function itself, which has the same role, is kept from it.
func (d *deployment) beInside(name string) []statement {
	inVPC := conditions{"ArnEquals": {"ec2:Vpc": d.ec2("vpc/" + d.network.vpc)}}
	change := []string{"ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"}
	look := []string{"ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"}
	return []statement{
		{
			id: "LambdaConnects", why: "Lambda makes the interfaces by which the function is in the VPC, and in no other",
			actions: change,
			on:      []string{d.ec2("network-interface/*"), d.ec2("subnet/*"), d.ec2("security-group/*")},
			when:    inVPC,
		},
		{
			id: "LambdaLooks", why: "are those interfaces there? Describe calls know no resources",
			actions: look,
			on:      []string{"*"},
		},
		{
			id: "NotTheFunctionItself", why: "what Lambda needs to connect the function, its code does not",
			actions: append(change, look...),
			on:      []string{"*"},
			when:    conditions{"ArnEquals": {"lambda:SourceFunctionArn": d.arn("lambda", "function:"+d.Deployment+"-"+name)}},
			forbids: true,
		},
	}
}

// provisionHosts is all of the rights over machines. What is made has to carry the deployment's tag, and only what carries it
// can be changed or removed, so nothing else in the account is in reach.
func (d *deployment) provisionHosts() []statement {
	tagged := conditions{"StringEquals": {"aws:ResourceTag/" + tagDeployment: d.Deployment}}
	tagging := conditions{"StringEquals": {"aws:RequestTag/" + tagDeployment: d.Deployment}}
	inVPC := conditions{"ArnEquals": {"ec2:Vpc": d.ec2("vpc/" + d.network.vpc)}}
	template := d.ec2("launch-template/" + d.hosts.launchTemplate)
	return []statement{
		{
			id: "LookAtHosts", why: "look before acting; Describe calls know no resources",
			actions: []string{
				"ec2:DescribeInstances", "ec2:DescribeInstanceStatus", "ec2:DescribeVolumes", "ec2:DescribeVolumesModifications",
				"ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
			},
			on: []string{"*"},
		},
		{
			id: "LaunchFromTemplate", why: "hosts start from the deployment's launch template and no other way",
			actions: []string{"ec2:RunInstances"},
			on:      []string{template},
		},
		{
			id: "LaunchImage", why: "the template's image, whichever it is at the time",
			actions: []string{"ec2:RunInstances"},
			on:      []string{"arn:aws:ec2:" + d.Region + "::image/*"},
			when:    conditions{"ArnEquals": {"ec2:LaunchTemplate": template}, "Bool": {"ec2:IsLaunchTemplateResource": "true"}},
		},
		{
			id: "LaunchTagged", why: "a host and its root volume are tagged at birth",
			actions: []string{"ec2:RunInstances"},
			on:      []string{d.ec2("instance/*"), d.ec2("volume/*")},
			when:    merge(tagging, conditions{"ArnEquals": {"ec2:LaunchTemplate": template}}),
		},
		{
			id: "LaunchOnOwnAddress", why: "a host starts on the interface that is its node's address",
			actions: []string{"ec2:RunInstances"},
			on:      []string{d.ec2("network-interface/*")},
			when:    tagged,
		},
		{
			id: "LaunchInVpc", why: "only in subnets and groups of the deployment's VPC",
			actions: []string{"ec2:RunInstances", "ec2:CreateNetworkInterface"},
			on:      []string{d.ec2("subnet/*"), d.ec2("security-group/*")},
			when:    inVPC,
		},
		{
			id: "MakeAddresses", why: "one network interface for each node, tagged at birth",
			actions: []string{"ec2:CreateNetworkInterface"},
			on:      []string{d.ec2("network-interface/*")},
			when:    tagging,
		},
		{
			id: "MakeVolumes", why: "encrypted log volumes of nodes, tagged at birth",
			actions: []string{"ec2:CreateVolume"},
			on:      []string{d.ec2("volume/*")},
			when:    merge(tagging, conditions{"Bool": {"ec2:Encrypted": "true"}}),
		},
		{
			id: "TagAtBirth", why: "tags are given by the call that makes a thing, and never later",
			actions: []string{"ec2:CreateTags"},
			on:      []string{d.ec2("instance/*"), d.ec2("volume/*"), d.ec2("network-interface/*")},
			when:    conditions{"StringEquals": {"ec2:CreateAction": []string{"RunInstances", "CreateVolume", "CreateNetworkInterface"}}},
		},
		{
			id: "HandleOwn", why: "hosts, volumes and addresses of this deployment alone",
			actions: []string{
				"ec2:TerminateInstances", "ec2:AttachVolume", "ec2:DetachVolume", "ec2:ModifyVolume", "ec2:DeleteVolume",
				"ec2:DeleteNetworkInterface",
			},
			on:   []string{d.ec2("instance/*"), d.ec2("volume/*"), d.ec2("network-interface/*")},
			when: tagged,
		},
		{
			id: "GiveHostsTheirRole", why: "the hosts' role, to EC2 and to nobody else",
			actions: []string{"iam:PassRole"},
			on:      []string{*d.hosts.role.RoleArn()},
			when:    conditions{"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
		},
		{
			id: "EncryptVolumes", why: "EC2 makes and opens encrypted volumes in the caller's name",
			actions: []string{"kms:GenerateDataKeyWithoutPlaintext", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:DescribeKey"},
			on:      []string{*d.data.key.KeyArn()},
			when:    conditions{"StringEquals": {"kms:ViaService": d.via("ec2")}},
		},
		{
			id: "LetHostsOpenVolumes", why: "EC2 hands the volume's key to the host it is attached to",
			actions: []string{"kms:CreateGrant"},
			on:      []string{*d.data.key.KeyArn()},
			when: conditions{
				"Bool": {"kms:GrantIsForAWSResource": "true"}, "StringEquals": {"kms:ViaService": d.via("ec2")},
			},
		},
		{
			id: "NameBrokers", why: "A records of the brokers' zone",
			actions: []string{"route53:ChangeResourceRecordSets"},
			on:      []string{"arn:aws:route53:::hostedzone/" + d.network.zoneID},
			when:    conditions{"ForAllValues:StringEquals": {"route53:ChangeResourceRecordSetsRecordTypes": []string{"A"}}},
		},
		{
			id: "LookAtNames", why: "which names are there",
			actions: []string{"route53:ListResourceRecordSets"},
			on:      []string{"arn:aws:route53:::hostedzone/" + d.network.zoneID},
		},
		{
			id: "SeeNamesInSync", why: "can clients look brokers up yet? Route 53 numbers changes and not what they change",
			actions: []string{"route53:GetChange"},
			on:      []string{"arn:aws:route53:::change/*"},
		},
		{
			id: "KeepSecrets", why: "keys of the clusters' certificate authorities",
			actions: []string{
				"secretsmanager:CreateSecret", "secretsmanager:GetSecretValue", "secretsmanager:DeleteSecret", "secretsmanager:TagResource",
			},
			on: []string{d.arn("secretsmanager", "secret:"+d.Deployment+"/*")},
		},
		{
			id: "SealSecrets", why: "Secrets Manager seals and opens in the caller's name",
			actions: []string{"kms:GenerateDataKey", "kms:Decrypt"},
			on:      []string{*d.data.key.KeyArn()},
			when:    conditions{"StringEquals": {"kms:ViaService": d.via("secretsmanager")}},
		},
	}
}

func (d *deployment) readHostStream() []statement {
	return []statement{
		{
			id: "ReadStream", why: "heartbeats, as they are written; not the table itself",
			actions: []string{"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"},
			on:      []string{*d.data.table.TableStreamArn()},
		},
		{
			id: "FindStream", why: "Lambda looks for the stream; the call knows no resources",
			actions: []string{"dynamodb:ListStreams"},
			on:      []string{"*"},
		},
		d.useTableKey(),
		{
			id: "KeepUndelivered", why: "where Lambda notes heartbeats that could not be handled",
			actions: []string{"sqs:SendMessage"},
			on:      []string{d.bus.undeliveredARN},
		},
	}
}

func (d *deployment) publishHostEvents() statement {
	return statement{
		id: "PublishHostEvents", why: "what happens to hosts, on the deployment's bus",
		actions: []string{"events:PutEvents"},
		on:      []string{d.bus.arn},
	}
}

// hostPermissions are all that a broker's host may do: read its own node spec and write its own heartbeat. Whose they are is
// said by the session, role id and instance id, which the host can't choose.
func (d *deployment) hostPermissions() []statement {
	own := func(kind string) conditions {
		return conditions{"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": []string{kind + "#${aws:userid}"}}}
	}
	return []statement{
		{
			id: "ReadOwnSpec", why: "what this host is to run",
			actions: []string{"dynamodb:GetItem"}, on: []string{*d.data.table.TableArn()}, when: own("spec"),
		},
		{
			id: "WriteOwnBeat", why: "what this host sees",
			actions: []string{"dynamodb:UpdateItem"}, on: []string{*d.data.table.TableArn()}, when: own("beat"),
		},
		d.useTableKey(),
	}
}

// arn names a resource of this account and region.
func (d *deployment) arn(service, resource string) string {
	return fmt.Sprintf("arn:aws:%s:%s:%s:%s", service, d.Region, *d.stack.Account(), resource)
}

func (d *deployment) ec2(resource string) string { return d.arn("ec2", resource) }

func (d *deployment) machineARN(name string) string {
	return d.arn("states", "stateMachine:"+d.Deployment+"-"+name)
}

func (d *deployment) via(service string) string { return service + "." + d.Region + ".amazonaws.com" }

func merge(all ...conditions) conditions {
	merged := conditions{}
	for _, c := range all {
		for operator, keys := range c {
			if merged[operator] == nil {
				merged[operator] = map[string]any{}
			}
			for key, value := range keys {
				merged[operator][key] = value
			}
		}
	}
	return merged
}

// title makes an id of a folder's or a file's name: create-cluster becomes CreateCluster.
func title(name string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(name, "-") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

func number(n int) string { return fmt.Sprint(n) }
