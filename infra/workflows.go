package main

import (
	"maps"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsstepfunctions"
	"github.com/aws/jsii-runtime-go"

	"github.com/millrace/millrace/statemachines"
)

// addMachines deploys every file of statemachines/ as it is. The sweeps are Express: they run for a moment, each minute or at any
// event, for a hundredth of the price.
//
// All events are logged, without the data; of sweeps only errors, because one that went well has nothing to tell. An execution's
// history holds its data for 90 days already, and logs that hold none can be read by whoever is on call, whatever a request contained.
func (d *deployment) addMachines() map[string]awsstepfunctions.StateMachine {
	machines := map[string]awsstepfunctions.StateMachine{}
	for _, name := range statemachines.Names() {
		definition, err := statemachines.Definition(name)
		if err != nil {
			panic(err) // Names lists what there is
		}
		id := title(name)
		kind, events := awsstepfunctions.StateMachineType_STANDARD, awsstepfunctions.LogLevel_ALL
		if statemachines.IsSweep(name) {
			kind, events = awsstepfunctions.StateMachineType_EXPRESS, awsstepfunctions.LogLevel_ERROR
		}
		functions := statemachines.FunctionsOf(name)
		values, used := map[string]*string{}, []string(nil)
		for _, placeholder := range slices.Sorted(maps.Keys(functions)) {
			arn := d.functions[functions[placeholder]].FunctionArn()
			values[placeholder], used = arn, append(used, *arn)
		}
		// Groups outside this prefix would, one after another, fill the account's one policy for the delivery of logs.
		logs := d.addLogs(id+"Logs", "/aws/vendedlogs/states/"+d.Deployment+"-"+name)
		role := d.addRole(id+"Role", "states.amazonaws.com", d.machinePermissions(used))
		machines[name] = awsstepfunctions.NewStateMachine(d.stack, &id, &awsstepfunctions.StateMachineProps{
			StateMachineName:        jsii.String(d.Deployment + "-" + name),
			StateMachineType:        kind,
			DefinitionBody:          awsstepfunctions.DefinitionBody_FromString(jsii.String(string(definition))),
			DefinitionSubstitutions: &values,
			Role:                    fixed(role),
			TracingEnabled:          jsii.Bool(true),
			Logs: &awsstepfunctions.LogOptions{
				Destination: logs, Level: events, IncludeExecutionData: jsii.Bool(false),
			},
		})
	}
	return machines
}

func (d *deployment) machinePermissions(functions []string) []statement {
	return []statement{
		{
			id: "CallSteps", why: "the functions that its definition names",
			actions: []string{"lambda:InvokeFunction"},
			on:      functions,
		},
		{
			id: "DeliverLogs", why: "Step Functions sets up its logging by these, which know no resources",
			actions: []string{
				"logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery", "logs:ListLogDeliveries",
				"logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
			},
			on: []string{"*"},
		},
		{
			id: "TraceExecutions", why: "one trace from call to step; X-Ray knows no resources",
			actions: []string{"xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets"},
			on:      []string{"*"},
		},
	}
}
