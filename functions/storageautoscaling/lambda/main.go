// Command lambda serves the step that makes the volumes of clusters grow by themselves.
package main

import (
	"context"
	"crypto/rand"
	"os"
	"time"

	"github.com/millrace/millrace/functions/storageautoscaling"
	"github.com/millrace/millrace/shared/cluster"
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
	environment, err := aws.StorageAutoscalingEnvironment(os.Getenv)
	if err != nil {
		return nil, err
	}
	connection, err := aws.Load(ctx)
	if err != nil {
		return nil, err
	}
	return storageautoscaling.Steps(storageautoscaling.Deps{
		Deployment: environment.Name,
		Records: records.Records{
			Table: dynamo.New(connection, environment.Table), HostRole: environment.HostRole,
		},
		Workflows: workflows.New(connection, workflows.Config{
			Prefix: environment.MachinePrefix, TraceHeader: trace.Header,
		}),
		Now:     time.Now,
		NewID:   func() (string, error) { return cluster.NewOperationID(time.Now(), rand.Reader) },
		Metrics: os.Stdout,
	}), nil
}
