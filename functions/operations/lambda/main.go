// Command lambda serves the steps that begin, end and sweep operations.
package main

import (
	"context"
	"crypto/rand"
	"os"
	"time"

	"github.com/millrace/millrace/functions/operations"
	"github.com/millrace/millrace/shared/mskapi"
	"github.com/millrace/millrace/shared/platform/aws"
	"github.com/millrace/millrace/shared/platform/aws/dynamo"
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
	environment, err := aws.OperationsEnvironment(os.Getenv)
	if err != nil {
		return nil, err
	}
	connection, err := aws.Load(ctx)
	if err != nil {
		return nil, err
	}
	return operations.Steps(operations.Deps{
		Records: records.Records{
			Table: dynamo.New(connection, environment.Table), HostRole: environment.HostRole,
		},
		Workflows: workflows.New(connection, workflows.Config{
			Prefix: environment.MachinePrefix, TraceHeader: trace.Header,
		}),
		Now:        time.Now,
		NewVersion: func() (string, error) { return mskapi.NewClusterVersion(rand.Reader) },
	}), nil
}
