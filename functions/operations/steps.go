package operations

import (
	"context"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/records"
	"github.com/millrace/millrace/shared/serve"
)

// Workflows are the platform's state machines, as the steps of this area see them.
type Workflows interface {
	Start(ctx context.Context, machine, name string, input any) error
	Execution(ctx context.Context, id string) (e cluster.Execution, known bool, err error)
	ExecutionNamed(ctx context.Context, machine, name string) (e cluster.Execution, known bool, err error)
}

// Deps is what the steps of this area need.
type Deps struct {
	Records    records.Records
	Workflows  Workflows
	Now        func() time.Time
	NewVersion func() (string, error)
}

// Steps are the steps of this area, by the name that state machines call them.
func Steps(d Deps) serve.Steps {
	end := EndOperation{Records: d.Records, Now: d.Now, NewVersion: d.NewVersion}
	return serve.Steps{
		"BeginOperation":  serve.New(BeginOperation{Records: d.Records, Executions: d.Workflows, Now: d.Now}.Run),
		"EndOperation":    serve.New(end.Run),
		"FindClustersDue": serve.New(FindClustersDue{Records: d.Records, Now: d.Now}.Run),
		"SweepOperations": serve.New(SweepOperations{Records: d.Records, Workflows: d.Workflows, End: end, Now: d.Now}.Run),
	}
}
