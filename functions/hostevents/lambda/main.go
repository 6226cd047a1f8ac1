// Command lambda serves the stream of the table, as far as it is heartbeats.
package main

import (
	"context"
	"os"

	"github.com/millrace/millrace/functions/hostevents"
	"github.com/millrace/millrace/shared/platform/aws"
	"github.com/millrace/millrace/shared/platform/aws/eventbus"
	"github.com/millrace/millrace/shared/serve"
	"github.com/millrace/millrace/shared/trace/xray"
)

func main() {
	xray.Enable()
	serve.Lambda(start)
}

func start(ctx context.Context) (serve.Function, error) {
	environment, err := aws.HostEventsEnvironment(os.Getenv)
	if err != nil {
		return nil, err
	}
	connection, err := aws.Load(ctx)
	if err != nil {
		return nil, err
	}
	return serve.Handle("hostevents", hostevents.Handler{
		Deployment: environment.Deployment,
		Bus:        eventbus.New(connection, environment.EventBus),
		Metrics:    os.Stdout,
	}.Handle), nil
}
