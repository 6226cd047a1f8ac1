// Package account makes an account of moto's ready for the built functions, and gives the environment that the deployment
// would set for each. It has what functions look for when they start and when they are asked something small: the table, the
// key, the bus, the machines and a VPC. Hosts are not for it.
package account

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/millrace/millrace/shared/platform/aws/awstest"
	"github.com/millrace/millrace/statemachines"
)

// Deployment is the name of the deployment.
const Deployment = "millrace"

// Account is an account with what functions need.
type Account struct {
	awstest.AWS
	Key string // ARN
	VPC string
}

// Open makes an account. The server behind it ends with this process.
func Open(ctx context.Context) (Account, error) {
	on, err := awstest.Open(ctx)
	if err != nil {
		return Account{}, err
	}
	return Prepare(ctx, on)
}

// Prepare makes what functions need in an account.
func Prepare(ctx context.Context, on awstest.AWS) (Account, error) {
	a := Account{AWS: on}
	if err := a.MakeTable(ctx); err != nil {
		return a, fmt.Errorf("make the table: %w", err)
	}
	var err error
	if a.Key, err = a.MakeKey(ctx); err != nil {
		return a, fmt.Errorf("make the key: %w", err)
	}
	vpcs, err := ec2.NewFromConfig(a.Config).DescribeVpcs(ctx, &ec2.DescribeVpcsInput{
		Filters: []types.Filter{{Name: aws.String("is-default"), Values: []string{"true"}}},
	})
	if err != nil {
		return a, fmt.Errorf("find the default VPC: %w", err)
	}
	if len(vpcs.Vpcs) != 1 {
		return a, fmt.Errorf("the account has %d default VPCs, not one", len(vpcs.Vpcs))
	}
	a.VPC = *vpcs.Vpcs[0].VpcId
	_, err = eventbridge.NewFromConfig(a.Config).CreateEventBus(ctx, &eventbridge.CreateEventBusInput{Name: aws.String(Deployment)})
	if err != nil {
		return a, fmt.Errorf("make the event bus: %w", err)
	}
	return a, a.makeMachines(ctx)
}

// makeMachines makes every state machine, so that executions can be started. moto runs none.
func (a Account) makeMachines(ctx context.Context) error {
	client := sfn.NewFromConfig(a.Config)
	for _, name := range statemachines.Names() {
		definition, err := statemachines.Definition(name)
		if err != nil {
			return err
		}
		_, err = client.CreateStateMachine(ctx, &sfn.CreateStateMachineInput{
			Name:       aws.String(Deployment + "-" + name),
			Definition: aws.String(string(definition)),
			RoleArn:    aws.String("arn:aws:iam::" + a.Account + ":role/" + Deployment + "-machines"),
		})
		if err != nil {
			return fmt.Errorf("make the machine %s: %w", name, err)
		}
	}
	return nil
}

// Environment is the environment of any function of the deployment: each reads as much of it as it needs.
func (a Account) Environment() []string {
	return append(a.AWS.Environment(),
		"MILLRACE_DEPLOYMENT="+Deployment,
		"MILLRACE_ACCOUNT="+a.Account,
		"MILLRACE_TABLE="+awstest.TableName,
		"MILLRACE_MACHINE_PREFIX=arn:aws:states:"+awstest.Region+":"+a.Account+":stateMachine:"+Deployment+"-",
		"MILLRACE_HOST_ROLE_ID=AROAMILLRACEHOSTS",
		"MILLRACE_LAUNCH_TEMPLATE=lt-0123456789abcdef0",
		"MILLRACE_VOLUME_KEY="+a.Key,
		"MILLRACE_DATA_KEY="+a.Key,
		"MILLRACE_ZONE_ID=Z0123456789ABCDEFGHIJ",
		"MILLRACE_ZONE_NAME=kafka.internal",
		"MILLRACE_VPC="+a.VPC,
		"MILLRACE_HOST_SECURITY_GROUP=sg-0123456789abcdef0",
		"MILLRACE_CLIENT_SECURITY_GROUP=sg-0123456789abcdef1",
		"MILLRACE_CONTROLLERS=3",
		"MILLRACE_EVENT_BUS="+Deployment,
		"MILLRACE_FUNCTION_PREFIX="+Deployment+"-",
	)
}
