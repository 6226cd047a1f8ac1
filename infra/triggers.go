package main

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambdaeventsources"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsscheduler"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

// bus is where events about hosts are published, and the queue of what could not be turned into one.
type bus struct {
	name, arn      string
	undelivered    awssqs.Queue
	undeliveredARN string
}

func (d *deployment) addBus() bus {
	events := awsevents.NewEventBus(d.stack, jsii.String("Bus"), &awsevents.EventBusProps{
		EventBusName: &d.Deployment,
		Description:  jsii.String("What happens to brokers: joined, fenced, in trouble"),
	})
	queue := awssqs.NewQueue(d.stack, jsii.String("Undelivered"), &awssqs.QueueProps{
		Encryption:      awssqs.QueueEncryption_SQS_MANAGED,
		EnforceSSL:      jsii.Bool(true),
		RetentionPeriod: awscdk.Duration_Days(jsii.Number(14)),
	})
	return bus{name: *events.EventBusName(), arn: *events.EventBusArn(), undelivered: queue, undeliveredARN: *queue.QueueArn()}
}

// triggers are what alarms watch.
type triggers struct{ ended awsevents.Rule }

// addTriggers makes everything that starts the control plane besides a call of the API.
func (d *deployment) addTriggers() triggers {
	d.sweepEachMinute()
	d.listenToHosts("HostNews", "hostevents", "news", 0)
	d.listenToHosts("HostBeats", "hostmetrics", "last", 60)
	return triggers{ended: d.sweepAfterFailures()}
}

// sweepEachMinute is the safety net: it finds every operation that nobody works at. A run that could not be started is not
// tried again, since the next one comes.
func (d *deployment) sweepEachMinute() {
	sweep := d.machines["operations-sweep"]
	role := d.addRole("ScheduleRole", "scheduler.amazonaws.com", []statement{{
		id: "StartSweep", why: "the one machine that the schedule starts",
		actions: []string{"states:StartExecution"}, on: []string{*sweep.StateMachineArn()},
	}})
	awsscheduler.NewCfnSchedule(d.stack, jsii.String("SweepSchedule"), &awsscheduler.CfnScheduleProps{
		Name:               jsii.String(d.Deployment + "-operations-sweep"),
		Description:        jsii.String("Takes up operations that nobody works at"),
		ScheduleExpression: jsii.String("rate(1 minute)"),
		FlexibleTimeWindow: &awsscheduler.CfnSchedule_FlexibleTimeWindowProperty{Mode: jsii.String("OFF")},
		Target: &awsscheduler.CfnSchedule_TargetProperty{
			Arn: sweep.StateMachineArn(), RoleArn: role.RoleArn(), Input: jsii.String("{}"),
			RetryPolicy: &awsscheduler.CfnSchedule_RetryPolicyProperty{
				MaximumRetryAttempts: jsii.Number(0), MaximumEventAgeInSeconds: jsii.Number(60),
			},
		},
	})
}

// sweepAfterFailures ends at once what an execution left that was cut off: its own time-out, an abort and States.Runtime pass
// every Catch by. Express executions give no such events, so this can't start itself.
func (d *deployment) sweepAfterFailures() awsevents.Rule {
	return awsevents.NewRule(d.stack, jsii.String("ExecutionEnded"), &awsevents.RuleProps{
		RuleName:    jsii.String(d.Deployment + "-execution-ended"),
		Description: jsii.String("Executions that ended otherwise than well"),
		EventPattern: &awsevents.EventPattern{
			Source:     jsii.Strings("aws.states"),
			DetailType: jsii.Strings("Step Functions Execution Status Change"),
			Detail: &map[string]any{
				"status":          []string{"FAILED", "TIMED_OUT", "ABORTED"},
				"stateMachineArn": []any{map[string]string{"prefix": d.machineARN("")}},
			},
		},
		Targets: &[]awsevents.IRuleTarget{
			awseventstargets.NewLambdaFunction(d.functions["operations"], &awseventstargets.LambdaFunctionProps{
				Event: awsevents.RuleTargetInput_FromObject(map[string]string{"step": "SweepOperations"}),
			}),
		},
	})
}

// listenToHosts hands the heartbeats of one kind to a function of their own. A batch that fails is halved until the one at fault
// is alone; that one is noted in a queue and passed over, so that one host can't silence all others.
func (d *deployment) listenToHosts(id, function, kind string, windowSeconds int) {
	filter := awslambda.FilterCriteria_Filter(&map[string]any{
		"eventName": []string{"INSERT", "MODIFY"},
		"dynamodb": map[string]any{"Keys": map[string]any{
			"pk": map[string]any{"S": []any{map[string]string{"prefix": "beat#"}}},
			"sk": map[string]any{"S": []string{kind}},
		}},
	})
	awslambda.NewEventSourceMapping(d.stack, &id, &awslambda.EventSourceMappingProps{
		Target:             d.functions[function],
		EventSourceArn:     d.data.table.TableStreamArn(),
		StartingPosition:   awslambda.StartingPosition_LATEST,
		Filters:            &[]*map[string]any{filter},
		BatchSize:          jsii.Number(100),
		MaxBatchingWindow:  awscdk.Duration_Seconds(jsii.Number(windowSeconds)),
		BisectBatchOnError: jsii.Bool(true),
		// The function names the records that failed; without this it would have to fail as a whole.
		ReportBatchItemFailures: jsii.Bool(true),
		RetryAttempts:           jsii.Number(3),
		MaxRecordAge:            awscdk.Duration_Hours(jsii.Number(1)),
		OnFailure:               awslambdaeventsources.NewSqsDlq(d.bus.undelivered),
	})
}

// hostNotices are the events about hosts that people are told of at once, by the name of their playbook.
var hostNotices = map[string]string{
	"BrokerFenced":          "Broker Fenced",
	"NodeInTrouble":         "Node In Trouble",
	"DiskNearlyFull":        "Disk Nearly Full",
	"CertificateNearItsEnd": "Certificate Near Its End",
}

// tell sends an event about a host to the alarms' topic. The message is the event's own words. (The CDK's rules would open
// topic and key to the rules of every account.)
func (d *deployment) tell(name, detailType string) {
	awsevents.NewCfnRule(d.stack, &name, &awsevents.CfnRuleProps{
		Name:         jsii.String(d.Deployment + "-" + strings.ToLower(strings.ReplaceAll(detailType, " ", "-"))),
		Description:  jsii.String("Playbook: infra/playbooks/" + name + ".md"),
		EventBusName: &d.bus.name,
		EventPattern: map[string]any{"source": []string{"millrace"}, "detail-type": []string{detailType}},
		Targets:      []any{&awsevents.CfnRule_TargetProperty{Id: jsii.String("People"), Arn: &d.data.topicARN}},
	})
}
