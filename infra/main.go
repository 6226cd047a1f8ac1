// Command infra describes Millrace's deployment to AWS as one CloudFormation stack. It looks nothing up: what it has to know
// of an account comes by parameter, so the same parameters give the same template on every machine.
//
//	make synth                                   the template, without an account
//	make deploy PARAMETERS="vpc=vpc-… subnets=…"  parameters.go lists what can be said
package main

import (
	"fmt"
	"os"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsstepfunctions"
	"github.com/aws/jsii-runtime-go"
)

func main() {
	err := run()
	stderr := os.Stderr
	// jsii waits for its process in two places at once, and whichever comes second calls that an abnormal exit. It is not.
	os.Stderr = nil
	jsii.Close()
	if err != nil {
		fmt.Fprintf(stderr, "infra: the parameters do not fit:\n%v\n", err)
		os.Exit(1)
	}
}

func run() error {
	app := awscdk.NewApp(nil)
	p, err := readParameters(contextOf(app), os.Getenv)
	if err != nil {
		return err
	}
	deploy(app, p)
	app.Synth(nil)
	return nil
}

// deployment is the stack while it is being put together: what the parts have to know of each other.
type deployment struct {
	parameters
	stack   awscdk.Stack
	network network
	data    data
	hosts   hosts
	// functions are the Lambda functions by their name, machines the state machines by their file.
	functions map[string]awslambda.Function
	machines  map[string]awsstepfunctions.StateMachine
	api       api
	bus       bus
	// whys says of every statement why it is needed, by its id.
	whys map[string]string
}

// deploy describes the whole deployment:
//
//  1. Where brokers live, and what must never be lost: network and data.
//  2. What a host is made of: image, role, launch template.
//  3. The control plane: functions, the machines that call them, the API before them, what starts them.
//  4. Who is told when something is wrong.
func deploy(app awscdk.App, p parameters) *deployment {
	d := &deployment{parameters: p, whys: map[string]string{}}
	d.stack = awscdk.NewStack(app, &p.Deployment, &awscdk.StackProps{
		Description: jsii.String("Millrace: managed Apache Kafka in your own account"),
		// The account is whichever the credentials belong to; TableV2 needs to know the region by name.
		Env:  &awscdk.Environment{Region: &p.Region},
		Tags: &map[string]*string{tagDeployment: &p.Deployment},
	})
	d.network = d.addNetwork()
	d.data = d.addData()
	d.hosts = d.addHosts()
	d.bus = d.addBus()
	d.functions = d.addFunctions()
	d.machines = d.addMachines()
	d.api = d.addAPI()
	triggers := d.addTriggers()
	d.addAlarms(triggers)
	d.addOutputs()
	return d
}

// tagDeployment is on everything that belongs to a deployment, also on what the control plane makes at run time; most
// permissions are bound to it.
const tagDeployment = "millrace:deployment"

// addOutputs names what clients and operators need.
func (d *deployment) addOutputs() {
	for _, o := range []struct{ name, value, what string }{
		{"Endpoint", d.api.url, "AWS_ENDPOINT_URL_KAFKA of clients with an access key of Millrace's"},
		{"IamEndpoint", d.api.url + "/iam", "the same API for callers with an IAM identity (millrace, millrace proxy)"},
		{"RegionName", d.Region, "the region of everything"},
		{"VpcId", d.network.vpc, "the VPC whose subnets clusters may use"},
		{"SubnetIds", join(d.network.subnets), "subnets to create clusters in, one of each zone"},
		{"ClientSecurityGroupId", d.network.clients, "members reach brokers of clusters that name no security groups"},
		{"TableName", *d.data.table.TableName(), "where everything is recorded; it outlives the stack"},
		{"WebAclAssociationArn", d.api.stageARN, "what an AWS WAF web ACL is associated with"},
		{"AlarmTopicArn", d.data.topicARN, "where alarms are told; subscribe to it"},
	} {
		awscdk.NewCfnOutput(d.stack, jsii.String(o.name), &awscdk.CfnOutputProps{Value: jsii.String(o.value), Description: jsii.String(o.what)})
	}
}
