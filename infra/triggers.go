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
	d.addSchedules()
	d.lookWhenWoken()
	d.listenToHosts("HostNews", "hostevents", "news", 0)
	d.listenToHosts("HostBeats", "hostmetrics", "last", 60)
	return triggers{ended: d.sweepAfterFailures()}
}

// topicsRate is how often topics are compared with what is declared of them. Nobody waits for it, and each look is on the bill of
// a control plane at rest.
const topicsRate = "rate(10 minutes)"

// addSchedules makes what happens by the clock. The sweeps are the safety net: they find every operation that nobody works at,
// every node that is sick and every volume that fills and that no event told of, and every topic that is no longer as declared.
//
// Lambda takes a function's way into the VPC away when nobody has called it for two weeks; the call after that fails, and the
// function is of no use for a minute or two. So those inside are called each day, for nothing.
func (d *deployment) addSchedules() {
	type schedule struct{ id, name, rate, what, target, input string }
	sweep := func(id, machine, rate, what string) schedule {
		return schedule{id, machine, rate, what, *d.machines[machine].StateMachineArn(), "{}"}
	}
	schedules := []schedule{
		sweep("SweepSchedule", "operations-sweep", "rate(1 minute)", "Takes up operations that nobody works at"),
		sweep("HealthSchedule", "health-sweep", "rate(1 minute)", "Looks at every cluster"),
		sweep("TopicsSchedule", "topics-sweep", topicsRate, "Keeps the way to brokers open, and holds topics against what is declared"),
	}
	var machines, inside []string
	for _, s := range schedules {
		machines = append(machines, s.target)
	}
	for _, row := range functionTable {
		if !row.inside {
			continue
		}
		arn := *d.functions[row.called()].FunctionArn()
		inside = append(inside, arn)
		schedules = append(schedules, schedule{
			"StayConnected" + title(row.called()), "stay-connected-" + row.called(), "rate(1 day)",
			"Keeps a function inside connected to the VPC", arn, `{"step":"StayConnected"}`,
		})
	}
	role := d.addRole("ScheduleRole", "scheduler.amazonaws.com", []statement{
		{
			id: "StartSweep", why: "the machines that a schedule starts",
			actions: []string{"states:StartExecution"}, on: machines,
		},
		{
			id: "StayConnected", why: "the functions inside, so that they stay connected to the VPC",
			actions: []string{"lambda:InvokeFunction"}, on: inside,
		},
	})
	for _, s := range schedules {
		awsscheduler.NewCfnSchedule(d.stack, &s.id, &awsscheduler.CfnScheduleProps{
			Name:               jsii.String(d.Deployment + "-" + s.name),
			Description:        &s.what,
			ScheduleExpression: &s.rate,
			FlexibleTimeWindow: &awsscheduler.CfnSchedule_FlexibleTimeWindowProperty{Mode: jsii.String("OFF")},
			Target: &awsscheduler.CfnSchedule_TargetProperty{
				Arn: &s.target, RoleArn: role.RoleArn(), Input: &s.input,
				// What could not be started is not tried again, since the next one comes.
				RetryPolicy: &awsscheduler.CfnSchedule_RetryPolicyProperty{
					MaximumRetryAttempts: jsii.Number(0), MaximumEventAgeInSeconds: jsii.Number(60),
				},
			},
		})
	}
}

// ends are the states of an instance on its way out, in EC2's words. Its start is no news: whoever started it waits for it.
var ends = []string{"stopping", "stopped", "shutting-down", "terminated"}

// diskEvents are the events of hosts about how full a volume is. Each tells of a further step, so that none of them alone is enough.
var diskEvents = []string{"Disk Fills", "Disk Nearly Full", "Disk Full"}

// lookWhenWoken starts a look at health, or at storage that grows by itself, when something is heard that may be about it. All of
// it may come late, twice or not at all, and be about nothing of ours: what is woken looks for itself. What could not be started
// within two minutes is let go, since the schedule has looked meanwhile.
func (d *deployment) lookWhenWoken() {
	health, storage := *d.machines["health-sweep"].StateMachineArn(), *d.machines["storage-autoscaling"].StateMachineArn()
	role := *d.addRole("WakeRole", "events.amazonaws.com", []statement{{
		id: "StartLooks", why: "the two machines that events start",
		actions: []string{"states:StartExecution"}, on: []string{health, storage},
	}}).RoleArn()
	wake := func(id, name, what, machine string, bus *string, pattern map[string]any, change func(*awsevents.CfnRule_TargetProperty)) {
		target := &awsevents.CfnRule_TargetProperty{
			Id: jsii.String("Look"), Arn: &machine, RoleArn: &role,
			RetryPolicy: &awsevents.CfnRule_RetryPolicyProperty{MaximumRetryAttempts: jsii.Number(10), MaximumEventAgeInSeconds: jsii.Number(120)},
		}
		change(target)
		awsevents.NewCfnRule(d.stack, &id, &awsevents.CfnRuleProps{
			Name: jsii.String(d.Deployment + "-" + name), Description: &what, EventBusName: bus, EventPattern: pattern, Targets: []any{target},
		})
	}
	all := func(t *awsevents.CfnRule_TargetProperty) { t.Input = jsii.String("{}") }
	one := func(t *awsevents.CfnRule_TargetProperty) {
		t.InputTransformer = &awsevents.CfnRule_InputTransformerProperty{
			InputPathsMap: map[string]string{"cluster": "$.detail.cluster"}, InputTemplate: jsii.String(`{"cluster": <cluster>}`),
		}
	}
	named := map[string]any{"cluster": []any{map[string]any{"exists": true}}}
	wake("HostEvent", "host-event", "Whatever a host says: a look at its cluster", health, &d.bus.name,
		map[string]any{"source": []string{"millrace"}, "detail": named}, one)
	wake("StorageEvent", "storage-event", "A volume fills: a look at its cluster's storage", storage, &d.bus.name,
		map[string]any{"source": []string{"millrace"}, "detail-type": diskEvents, "detail": named}, one)
	// Neither event says more of an instance than its id.
	wake("InstanceEnds", "instance-ends", "An instance of this account ends or stops: a look at all clusters", health, nil,
		map[string]any{
			"source": []string{"aws.ec2"}, "detail-type": []string{"EC2 Instance State-change Notification"},
			"detail": map[string]any{"state": ends},
		}, all)
	wake("SpotInterruption", "spot-interruption", "EC2 is about to take an instance away: a look at all clusters", health, nil,
		map[string]any{"source": []string{"aws.ec2"}, "detail-type": []string{"EC2 Spot Instance Interruption Warning"}}, all)
	sounds := func(arns []string) map[string]any {
		return map[string]any{
			"source": []string{"aws.cloudwatch"}, "detail-type": []string{"CloudWatch Alarm State Change"},
			"resources": arns, "detail": map[string]any{"state": map[string]any{"value": []string{"ALARM"}}},
		}
	}
	var about []string
	for _, a := range healthAlarms {
		about = append(about, a.name)
	}
	wake("HealthAlarm", "health-alarm", "An alarm about health sounds: a look at all clusters", health, nil, sounds(d.alarmARNs(about)), all)
	wake("StorageAlarm", "storage-alarm", "An alarm about full volumes sounds: a look at all clusters' storage", storage, nil,
		sounds(d.alarmARNs(diskAlarms)), all)
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
