// Command lambda serves the steps that look after what lies in a cluster.
package main

import (
	"context"
	"os"
	"time"

	"github.com/millrace/millrace/functions/topicadmin"
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
	environment, err := aws.TopicAdminEnvironment(os.Getenv)
	if err != nil {
		return nil, err
	}
	connection, err := aws.LoadInside(ctx)
	if err != nil {
		return nil, err
	}
	return topicadmin.Steps(topicadmin.Deps{
		Deployment: environment.Name,
		Records: records.Records{
			Table: dynamo.New(connection, environment.Table), HostRole: environment.HostRole,
		},
		Kafka:   kafka.NewPool(), // its connections last from one invocation to the next
		Now:     time.Now,
		Metrics: os.Stdout,
	}), nil
}
