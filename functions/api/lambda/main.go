// Command lambda serves the MSK API behind API Gateway.
package main

import (
	"context"
	"crypto/rand"
	"os"
	"time"

	"github.com/millrace/millrace/functions/api"
	"github.com/millrace/millrace/shared/platform/aws"
	"github.com/millrace/millrace/shared/platform/aws/compute"
	"github.com/millrace/millrace/shared/platform/aws/dynamo"
	"github.com/millrace/millrace/shared/platform/aws/functions"
	"github.com/millrace/millrace/shared/platform/aws/vault"
	"github.com/millrace/millrace/shared/platform/aws/workflows"
	"github.com/millrace/millrace/shared/records"
	"github.com/millrace/millrace/shared/serve"
	"github.com/millrace/millrace/shared/trace"
	"github.com/millrace/millrace/shared/trace/xray"
)

func main() {
	xray.Enable()
	serve.Lambda(start)
}

func start(ctx context.Context) (serve.Function, error) {
	environment, err := aws.APIEnvironment(os.Getenv)
	if err != nil {
		return nil, err
	}
	connection, err := aws.Load(ctx)
	if err != nil {
		return nil, err
	}
	zones := compute.New(connection, compute.Config{Deployment: environment.Name, VPC: environment.VPC}).Zones
	desk := api.New(api.Deps{
		Records: records.Records{
			Table: dynamo.New(connection, environment.Table), HostRole: environment.HostRole,
		},
		Workflows: workflows.New(connection, workflows.Config{
			Prefix: environment.MachinePrefix, TraceHeader: trace.Header,
		}),
		Functions:        functions.New(connection, functions.Config{Prefix: environment.FunctionPrefix}),
		Zones:            zones,
		SecurityGroups:   zones,
		Seal:             vault.NewSeal(connection, environment.DataKey),
		Now:              time.Now,
		Random:           rand.Reader,
		Region:           environment.Region,
		Account:          environment.Account,
		Controllers:      environment.Controllers,
		SecurityGroup:    environment.ClientSecurityGroup,
		VolumeKey:        environment.VolumeKey,
		HostArchitecture: api.ARM64, // of the one host image; see infra
	})
	return serve.Handle("API", desk.ServeGateway), nil
}
