// Package storageautoscaling makes the volumes of clusters grow by themselves, as far as their people have allowed.
package storageautoscaling

import (
	"context"
	"io"
	"time"

	"github.com/millrace/millrace/shared/records"
	"github.com/millrace/millrace/shared/serve"
)

// Workflows are the platform's state machines.
type Workflows interface {
	// Start starts an execution, once for each name.
	Start(ctx context.Context, machine, name string, input any) error
}

// Deps is what the step of this area needs. Metrics may be left out.
type Deps struct {
	// Deployment is the dimension of the metrics.
	Deployment string
	Records    records.Records
	Workflows  Workflows
	Now        func() time.Time
	// NewID makes the id of an operation: cluster.NewOperationID.
	NewID func() (string, error)
	// Metrics is where metrics are written as lines of a log that CloudWatch reads them from; nil for none.
	Metrics io.Writer
}

// Steps is the step of this area, by the name that the state machine calls it.
func Steps(d Deps) serve.Steps {
	return serve.Steps{"ScaleStorage": serve.New(ScaleStorage{Deps: d}.Run)}
}
