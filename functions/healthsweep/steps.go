// Package healthsweep looks at clusters, has them judged, and starts what heals them.
package healthsweep

import (
	"context"
	"io"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/health"
	"github.com/millrace/millrace/shared/records"
	"github.com/millrace/millrace/shared/serve"
)

// Hosts tell what the platform knows of hosts.
type Hosts interface {
	// HostStates gives the hosts of these ids; one that the platform does not know is missing from the answer.
	HostStates(ctx context.Context, ids []string) (map[string]cluster.Host, error)
}

// Workflows are the platform's state machines.
type Workflows interface {
	// Start starts an execution, once for each name.
	Start(ctx context.Context, machine, name string, input any) error
}

// Deps is what the step of this area needs. Metrics, ListeningSince and Tolerance may be left out.
type Deps struct {
	// Deployment is the dimension of the metrics.
	Deployment string
	Records    records.Records
	Hosts      Hosts
	Workflows  Workflows
	Now        func() time.Time
	// NewID makes the id of an operation: cluster.NewOperationID.
	NewID func() (string, error)
	// Metrics is where metrics are written as lines of a log that CloudWatch reads them from; nil for none.
	Metrics io.Writer
	// ListeningSince is since when hosts can be heard, where that depends on this process: what they have not said before,
	// nobody could hear. Zero where they speak to the table.
	ListeningSince time.Time
	// Tolerance is health.Tolerated() when it is left out.
	Tolerance health.Tolerance
}

// Steps is the step of this area, by the name that the state machine calls it.
func Steps(d Deps) serve.Steps {
	if d.Tolerance == (health.Tolerance{}) {
		d.Tolerance = health.Tolerated()
	}
	return serve.Steps{"SweepHealth": serve.New(SweepHealth{Deps: d}.Run)}
}
