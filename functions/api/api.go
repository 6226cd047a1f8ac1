// Package api answers the MSK API: it validates a request, records an operation and starts its machine.
//
// It changes nothing but records. What an operation does to hosts and to Kafka is the work of its machine, so every call
// returns within milliseconds and a lost answer leaves nothing half done.
package api

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"time"

	"github.com/millrace/millrace/shared/mskapi"
	"github.com/millrace/millrace/shared/records"
)

// Deps is everything the API needs from outside. Every field is required.
type Deps struct {
	Records records.Records

	Workflows interface {
		// Start starts an execution of a machine. Starting a name that was started before is success, and does nothing.
		Start(ctx context.Context, machine, name string, input any) error
	}
	Zones interface {
		// Zones gives the id of the zone each subnet lies in, in the order given. A subnet that cannot be used is an
		// Invalid error that names the parameter clientSubnets.
		Zones(ctx context.Context, subnets []string) ([]string, error)
	}
	Keys interface {
		// Secret finds the secret of an access key.
		Secret(ctx context.Context, accessKeyID string) (secret string, found bool, err error)
	}
	Now    func() time.Time
	Random io.Reader

	Region  string
	Account string // 12 digits
	// Controllers is how many controllers a new cluster gets: one on a laptop, three where zones can fail.
	Controllers int
	// MaxBrokers is how many brokers a cluster may have where one machine has to run them all; 0 is no limit but MSK's.
	MaxBrokers int
	// SecurityGroup is the group of brokers whose request names none.
	SecurityGroup string
	// VolumeKey is the ARN of the KMS key that encrypts log volumes.
	VolumeKey string
}

// API is the control plane's front desk. It is safe for concurrent use.
type API struct {
	Deps
	scope    mskapi.Scope
	verifier mskapi.Verifier
	handlers map[string]handler // by MSK's name of the operation
}

// New makes an API.
func New(d Deps) *API {
	a := &API{
		Deps:     d,
		scope:    mskapi.Scope{Partition: "aws", Region: d.Region, Account: d.Account},
		verifier: mskapi.Verifier{Secrets: d.Keys, Region: d.Region, Services: []string{"kafka"}, Now: d.Now},
	}
	a.handlers = a.operations()
	return a
}

// operations is the API: what is built of MSK's. Every other operation of the model is refused by name.
func (a *API) operations() map[string]handler {
	return map[string]handler{
		"CreateCluster":                 handle(a.createCluster),
		"CreateClusterV2":               handle(a.createClusterV2),
		"CreateConfiguration":           handle(a.createConfiguration),
		"DeleteCluster":                 handle(a.deleteCluster),
		"DeleteConfiguration":           handle(a.deleteConfiguration),
		"DescribeCluster":               handle(a.describeCluster),
		"DescribeClusterOperation":      handle(a.describeClusterOperation),
		"DescribeClusterOperationV2":    handle(a.describeClusterOperationV2),
		"DescribeClusterV2":             handle(a.describeClusterV2),
		"DescribeConfiguration":         handle(a.describeConfiguration),
		"DescribeConfigurationRevision": handle(a.describeConfigurationRevision),
		"GetBootstrapBrokers":           handle(a.getBootstrapBrokers),
		"GetCompatibleKafkaVersions":    handle(a.getCompatibleKafkaVersions),
		"ListClusterOperations":         handle(a.listClusterOperations),
		"ListClusterOperationsV2":       handle(a.listClusterOperationsV2),
		"ListClusters":                  handle(a.listClusters),
		"ListClustersV2":                handle(a.listClustersV2),
		"ListConfigurationRevisions":    handle(a.listConfigurationRevisions),
		"ListConfigurations":            handle(a.listConfigurations),
		"ListKafkaVersions":             handle(a.listKafkaVersions),
		"ListNodes":                     handle(a.listNodes),
		"ListTagsForResource":           handle(a.listTagsForResource),
		"TagResource":                   handle(a.tagResource),
		"UntagResource":                 handle(a.untagResource),
		"UpdateConfiguration":           handle(a.updateConfiguration),
	}
}

// handler answers one operation. It knows the types it takes and gives, so that a test can hold the table to the model.
type handler struct {
	answer  func(ctx context.Context, input any) (output any, err error)
	in, out reflect.Type
}

// handle makes a handler of a function that takes and gives the SDK's own types.
func handle[In, Out any](f func(context.Context, *In) (*Out, error)) handler {
	return handler{
		answer: func(ctx context.Context, input any) (any, error) {
			in, ok := input.(*In)
			if !ok {
				return nil, fmt.Errorf("decoded a %T for a handler of %T", input, in)
			}
			return f(ctx, in)
		},
		in:  reflect.TypeFor[*In](),
		out: reflect.TypeFor[*Out](),
	}
}
