// Package brokerreplacement asks a cluster's own brokers and controllers what only they know: whether one of them can be done
// without, and whether it has caught up again. It works from inside the cluster's network and changes nothing.
package brokerreplacement

import (
	"context"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/kafka"
	"github.com/millrace/millrace/shared/progress"
	"github.com/millrace/millrace/shared/records"
	"github.com/millrace/millrace/shared/serve"
)

// Kafka is the cluster's admin protocol.
type Kafka interface {
	Partitions(ctx context.Context, a kafka.Access) ([]cluster.Partition, error)
}

// Deps is what the steps of this area need.
type Deps struct {
	Records records.Records
	Kafka   Kafka
	Now     func() time.Time
}

// Steps are the steps of this area, by the name that state machines call them.
func Steps(d Deps) serve.Steps {
	w := ward{Records: d.Records, Kafka: d.Kafka, Progress: progress.Reporter{Records: d.Records}, Now: d.Now}
	return serve.Steps{
		"JudgeReplacement":  serve.New(JudgeReplacement{w}.Run),
		"CheckBrokerInSync": serve.New(CheckBrokerInSync{w}.Run),
		"StayConnected":     serve.StayConnected(),
	}
}
