package main

import (
	"path/filepath"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"
)

// functionRow is one function, whose code is functions/<folder>.
type functionRow struct {
	folder, what string
	// name is what the function is called where that is not its folder.
	name      string
	memoryMiB int
	seconds   int
	// inside says that it runs in the VPC, to talk to Kafka. Such a function reaches the table and no other API of AWS's: there
	// is no endpoint for one. What calls AWS's APIs is outside.
	inside bool
	// needs are the variables of its environment, without the prefix MILLRACE_.
	needs []string
}

// The time of api is what API Gateway waits for at most; that of the others holds a long poll of 20 s and the work around it.
var functionTable = []functionRow{
	{
		folder: "api", what: "answers the MSK API", memoryMiB: 512, seconds: 29,
		needs: []string{
			"DEPLOYMENT", "ACCOUNT", "TABLE", "MACHINE_PREFIX", "HOST_ROLE_ID", "VOLUME_KEY", "DATA_KEY", "VPC",
			"CLIENT_SECURITY_GROUP", "CONTROLLERS", "FUNCTION_PREFIX",
		},
	},
	{
		folder: "operations", what: "begins, ends and sweeps operations", memoryMiB: 256, seconds: 60,
		needs: []string{"DEPLOYMENT", "ACCOUNT", "TABLE", "MACHINE_PREFIX", "HOST_ROLE_ID"},
	},
	{
		folder: "provisioning", what: "makes and removes hosts, volumes and addresses", memoryMiB: 512, seconds: 60,
		needs: []string{
			"DEPLOYMENT", "ACCOUNT", "TABLE", "HOST_ROLE_ID", "LAUNCH_TEMPLATE", "VOLUME_KEY", "DATA_KEY", "ZONE_ID", "ZONE_NAME",
			"VPC", "HOST_SECURITY_GROUP", "CLIENT_SECURITY_GROUP",
		},
	},
	{
		folder: "healthsweep", what: "looks at clusters and starts what heals them", memoryMiB: 128, seconds: 60,
		needs: []string{"DEPLOYMENT", "ACCOUNT", "TABLE", "MACHINE_PREFIX", "HOST_ROLE_ID"},
	},
	{
		folder: "storageautoscaling", what: "makes the volumes of clusters grow by themselves", memoryMiB: 128, seconds: 60,
		needs: []string{"DEPLOYMENT", "ACCOUNT", "TABLE", "MACHINE_PREFIX", "HOST_ROLE_ID"},
	},
	{
		// What it says to brokers is encrypted, and a function's share of a processor grows with its memory.
		folder: "brokerreplacement", what: "asks Kafka when a broker can be replaced", memoryMiB: 512, seconds: 60, inside: true,
		needs: []string{"DEPLOYMENT", "ACCOUNT", "TABLE", "HOST_ROLE_ID"},
	},
	{
		// As the one before. Callers of the API wait for it, so it has the time that they have, and a long poll's for machines.
		folder: "topicadmin", what: "looks after topics and groups in Kafka", memoryMiB: 512, seconds: 60, inside: true,
		needs: []string{"DEPLOYMENT", "ACCOUNT", "TABLE", "HOST_ROLE_ID"},
	},
	{
		folder: "hostevents", what: "turns news of hosts into events", memoryMiB: 256, seconds: 60,
		needs: []string{"DEPLOYMENT", "EVENT_BUS"},
	},
	{
		// Lambda refuses to map one stream to one function twice, and news can't wait as long as heartbeats do.
		folder: "hostevents", name: "hostmetrics", what: "turns heartbeats into metrics", memoryMiB: 128, seconds: 60,
		needs: []string{"DEPLOYMENT", "EVENT_BUS"},
	},
}

// called is the function's name, without the deployment's.
func (f functionRow) called() string {
	if f.name != "" {
		return f.name
	}
	return f.folder
}

func functionNames() []string {
	var names []string
	for _, f := range functionTable {
		names = append(names, f.called())
	}
	return names
}

// environment gives the value of every variable that a function may need.
func (d *deployment) environment() map[string]string {
	key := *d.data.key.KeyArn()
	return map[string]string{
		"DEPLOYMENT":            d.Deployment,
		"ACCOUNT":               *d.stack.Account(),
		"TABLE":                 *d.data.table.TableName(),
		"MACHINE_PREFIX":        d.machineARN(""),
		"HOST_ROLE_ID":          *d.hosts.role.RoleId(),
		"LAUNCH_TEMPLATE":       d.hosts.launchTemplate,
		"VOLUME_KEY":            key,
		"DATA_KEY":              key,
		"ZONE_ID":               d.network.zoneID,
		"ZONE_NAME":             d.ZoneName,
		"VPC":                   d.network.vpc,
		"HOST_SECURITY_GROUP":   d.network.hosts,
		"CLIENT_SECURITY_GROUP": d.network.clients,
		"CONTROLLERS":           number(d.Controllers),
		"EVENT_BUS":             d.bus.name,
		"FUNCTION_PREFIX":       d.Deployment + "-",
	}
}

// addFunctions deploys every row of the table, each with a role and a log group of its own.
func (d *deployment) addFunctions() map[string]awslambda.Function {
	values := d.environment()
	functions := map[string]awslambda.Function{}
	for _, row := range functionTable {
		environment := map[string]*string{}
		for _, name := range row.needs {
			environment["MILLRACE_"+name] = jsii.String(values[name])
		}
		var reserved *float64
		if n := d.Reserved[row.called()]; n > 0 {
			reserved = jsii.Number(n)
		}
		id := title(row.called())
		name := d.Deployment + "-" + row.called()
		logs := d.addLogs(id+"Logs", "/aws/lambda/"+name)
		role := d.addRole(id+"Role", "lambda.amazonaws.com", d.permissions(row.called()))
		function := awslambda.NewFunction(d.stack, jsii.String(id), &awslambda.FunctionProps{
			FunctionName:                 &name,
			Description:                  jsii.String("Millrace: " + row.what),
			Runtime:                      awslambda.Runtime_PROVIDED_AL2023(),
			Architecture:                 awslambda.Architecture_ARM_64(),
			Handler:                      jsii.String("bootstrap"),
			Code:                         awslambda.Code_FromAsset(jsii.String(filepath.Join(d.Build, row.folder)), nil),
			MemorySize:                   jsii.Number(row.memoryMiB),
			Timeout:                      awscdk.Duration_Seconds(jsii.Number(row.seconds)),
			ReservedConcurrentExecutions: reserved,
			Environment:                  &environment,
			Role:                         fixed(role),
			LogGroup:                     logs,
			LoggingFormat:                awslambda.LoggingFormat_JSON,
			// That an invocation began and ended is in metrics and traces already; for what is called each minute, lines about it
			// would be most of the log.
			SystemLogLevelV2: awslambda.SystemLogLevel_WARN,
			Tracing:          awslambda.Tracing_ACTIVE,
		})
		if row.inside {
			d.putInside(function)
		}
		functions[row.called()] = function
	}
	return functions
}

// putInside connects a function to the VPC. The construct's own way would make a security group that is open to all.
func (d *deployment) putInside(f awslambda.Function) {
	f.Node().DefaultChild().(awslambda.CfnFunction).SetVpcConfig(&awslambda.CfnFunction_VpcConfigProperty{
		SubnetIds: jsii.Strings(d.network.subnets...), SecurityGroupIds: jsii.Strings(d.network.functions),
	})
}

// retention are the choices of logRetentionDays.
var retention = map[int]awslogs.RetentionDays{
	7: awslogs.RetentionDays_ONE_WEEK, 14: awslogs.RetentionDays_TWO_WEEKS, 30: awslogs.RetentionDays_ONE_MONTH,
	90: awslogs.RetentionDays_THREE_MONTHS, 180: awslogs.RetentionDays_SIX_MONTHS, 365: awslogs.RetentionDays_ONE_YEAR,
}

// addLogs makes a log group. CloudWatch encrypts all of them; a key of our own would cost a call for what holds no secrets.
func (d *deployment) addLogs(id, name string) awslogs.LogGroup {
	return awslogs.NewLogGroup(d.stack, &id, &awslogs.LogGroupProps{
		LogGroupName: &name, Retention: retention[d.LogRetentionDays], RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
}
