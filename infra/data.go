package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssnssubscriptions"
	"github.com/aws/jsii-runtime-go"
)

// data is what must never be lost, and the key to it.
type data struct {
	key   awskms.Key
	table awsdynamodb.TableV2
	// topic tells people of alarms; it is here because the one key encrypts it too.
	topic    awssns.Topic
	topicARN string
}

// addData makes the table that everything is recorded in and the one key of the deployment. Both outlive the stack: table and
// volumes can be read again only with this key, so neither is ever deleted by a deployment.
func (d *deployment) addData() data {
	key := awskms.NewKey(d.stack, jsii.String("Key"), &awskms.KeyProps{
		Description:       jsii.String("Millrace " + d.Deployment + ": table, volumes, secrets"),
		EnableKeyRotation: jsii.Bool(true),
		RemovalPolicy:     awscdk.RemovalPolicy_RETAIN,
	})
	table := awsdynamodb.NewTableV2(d.stack, jsii.String("Table"), &awsdynamodb.TablePropsV2{
		PartitionKey:        &awsdynamodb.Attribute{Name: jsii.String("pk"), Type: awsdynamodb.AttributeType_STRING},
		SortKey:             &awsdynamodb.Attribute{Name: jsii.String("sk"), Type: awsdynamodb.AttributeType_STRING},
		Billing:             awsdynamodb.Billing_OnDemand(nil),
		Encryption:          awsdynamodb.TableEncryptionV2_CustomerManagedKey(key, nil),
		TimeToLiveAttribute: jsii.String("expires"),
		DynamoStream:        awsdynamodb.StreamViewType_NEW_AND_OLD_IMAGES,
		DeletionProtection:  jsii.Bool(true),
		RemovalPolicy:       awscdk.RemovalPolicy_RETAIN,
		// The stack's tags do not reach a table's replicas, and cmd/undeploy finds the table by its tag.
		Tags: &[]*awscdk.CfnTag{{Key: jsii.String(tagDeployment), Value: &d.Deployment}},
		PointInTimeRecoverySpecification: &awsdynamodb.PointInTimeRecoverySpecification{
			PointInTimeRecoveryEnabled: jsii.Bool(true),
		},
	})
	topic := d.addTopic(key)
	return data{key: key, table: table, topic: topic, topicARN: *topic.TopicArn()}
}

// addTopic makes the topic of alarms. CloudWatch and EventBridge publish to it, which takes the key as well.
func (d *deployment) addTopic(key awskms.Key) awssns.Topic {
	topic := awssns.NewTopic(d.stack, jsii.String("AlarmTopic"), &awssns.TopicProps{
		DisplayName: jsii.String("Millrace " + d.Deployment),
		MasterKey:   key,
		EnforceSSL:  jsii.Bool(true),
	})
	alarms := awsiam.NewServicePrincipal(jsii.String("cloudwatch.amazonaws.com"), nil)
	events := awsiam.NewServicePrincipal(jsii.String("events.amazonaws.com"), nil)
	for _, p := range []struct {
		id   string
		from awsiam.IPrincipal
		arn  string
	}{
		{"TellOfAlarms", alarms, d.arn("cloudwatch", "alarm:"+d.Deployment+"-*")},
		{"TellOfHosts", events, d.arn("events", "rule/"+d.Deployment+"/*")},
	} {
		topic.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Sid: &p.id, Principals: &[]awsiam.IPrincipal{p.from},
			Actions: jsii.Strings("sns:Publish"), Resources: jsii.Strings(*topic.TopicArn()),
			Conditions: &map[string]any{"ArnLike": map[string]any{"aws:SourceArn": p.arn}},
		}))
	}
	// Not every publisher tells KMS on whose behalf it comes, so who may publish is decided by the topic alone.
	key.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid: jsii.String("TellOfAlarms"), Principals: &[]awsiam.IPrincipal{alarms, events},
		Actions: jsii.Strings("kms:GenerateDataKey", "kms:Decrypt"), Resources: jsii.Strings("*"),
	}), nil)
	if d.AlarmEmail != "" {
		topic.AddSubscription(awssnssubscriptions.NewEmailSubscription(&d.AlarmEmail, nil))
	}
	return topic
}
