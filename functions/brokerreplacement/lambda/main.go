// Command lambda serves the steps that ask a cluster's own brokers.
package main

import (
	"context"
	"os"
	"time"

	"github.com/millrace/millrace/functions/brokerreplacement"
	"github.com/millrace/millrace/shared/kafka"
	"github.com/millrace/millrace/shared/platform/aws"
	"github.com/millrace/millrace/shared/platform/aws/dynamo"
	"github.com/millrace/millrace/shared/records"
	"github.com/millrace/millrace/shared/serve"
	"github.com/millrace/millrace/shared/trace/xray"
)

func main() {
	xray.Enable()
	serve.Lambda(start)
}

func start(ctx context.Context) (serve.Function, error) {
	environment, err := aws.BrokerReplacementEnvironment(os.Getenv)
	if err != nil {
		return nil, err
	}
	connection, err := aws.LoadInside(ctx)
	if err != nil {
		return nil, err
	}
	return brokerreplacement.Steps(brokerreplacement.Deps{
		Records: records.Records{
			Table: dynamo.New(connection, environment.Table), HostRole: environment.HostRole,
		},
		Kafka: kafka.Admin{},
		Now:   time.Now,
	}), nil
}
