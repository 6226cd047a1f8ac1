// Package api answers the MSK API: it validates a request, records an operation and starts its machine.
//
// It changes nothing but records. What an operation does to hosts and to Kafka is the work of its machine, so every call
// returns within milliseconds and a lost answer leaves nothing half done. What lies in a cluster, its topics and groups, is asked of
// and changed by functions/topicadmin at once, while the caller waits.
package api

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"time"

	"github.com/millrace/millrace/shared/accesskey"
	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/mskapi"
	"github.com/millrace/millrace/shared/records"
)

// Deps is everything the API needs from outside. Every field is required, unless it says what it means when it is left out.
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
	// SecurityGroups may be nil where they mean nothing: on one machine.
	SecurityGroups interface {
		// CheckSecurityGroups refuses security groups that brokers can't have, by an Invalid error that names the parameter
		// securityGroups.
		CheckSecurityGroups(ctx context.Context, groups []string) error
	}
	// Functions calls functions/topicadmin, which reaches what this one can't: the brokers.
	Functions errand.Caller
	// Seal keeps the secrets of the access keys that the API issues, which lie sealed among the records. Without one no
	// key can be issued.
	Seal Seal
	// RootKey is an access key that was there before any was issued, such as that of a data directory; it is an admin's.
	// Nil where there is none: on AWS the first caller comes by IAM.
	RootKey interface {
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
	// HostArchitecture is the one architecture that hosts can have, ARM64 or empty when any instance type will do.
	// Instance types of another are refused, with the type to use instead.
	HostArchitecture string
}

// API is the control plane's front desk. It is safe for concurrent use.
type API struct {
	Deps
	scope    mskapi.Scope
	verifier mskapi.Verifier // without Secrets: each request looks up its own key
	secrets  *unsealed
	handlers map[string]handler // by MSK's name of the operation
	scaling  map[string]handler // by Application Auto Scaling's
}

// New makes an API.
func New(d Deps) *API {
	a := &API{
		Deps:     d,
		scope:    mskapi.Scope{Partition: "aws", Region: d.Region, Account: d.Account},
		verifier: mskapi.Verifier{Region: d.Region, Services: []string{"kafka"}, Now: d.Now},
		secrets:  &unsealed{seal: d.Seal},
	}
	a.handlers, a.scaling = a.operations(), a.scalingOperations()
	return a
}

// operations is the API: what is built of MSK's, with the role that each takes. Every other operation of the model is refused
// by name.
func (a *API) operations() map[string]handler {
	return map[string]handler{
		"CreateCluster":                 handle(operator, a.createCluster),
		"CreateClusterV2":               handle(operator, a.createClusterV2),
		"CreateConfiguration":           handle(operator, a.createConfiguration),
		"CreateTopic":                   handle(operator, a.createTopic),
		"DeleteCluster":                 handle(admin, a.deleteCluster),
		"DeleteConfiguration":           handle(admin, a.deleteConfiguration),
		"DeleteTopic":                   handle(admin, a.deleteTopic),
		"DescribeCluster":               handle(readOnly, a.describeCluster),
		"DescribeClusterOperation":      handle(readOnly, a.describeClusterOperation),
		"DescribeClusterOperationV2":    handle(readOnly, a.describeClusterOperationV2),
		"DescribeClusterV2":             handle(readOnly, a.describeClusterV2),
		"DescribeConfiguration":         handle(readOnly, a.describeConfiguration),
		"DescribeConfigurationRevision": handle(readOnly, a.describeConfigurationRevision),
		"DescribeTopic":                 handle(readOnly, a.describeTopic),
		"DescribeTopicPartitions":       handle(readOnly, a.describeTopicPartitions),
		"GetBootstrapBrokers":           handle(readOnly, a.getBootstrapBrokers),
		"GetCompatibleKafkaVersions":    handle(readOnly, a.getCompatibleKafkaVersions),
		"ListClusterOperations":         handle(readOnly, a.listClusterOperations),
		"ListClusterOperationsV2":       handle(readOnly, a.listClusterOperationsV2),
		"ListClusters":                  handle(readOnly, a.listClusters),
		"ListClustersV2":                handle(readOnly, a.listClustersV2),
		"ListConfigurationRevisions":    handle(readOnly, a.listConfigurationRevisions),
		"ListConfigurations":            handle(readOnly, a.listConfigurations),
		"ListKafkaVersions":             handle(readOnly, a.listKafkaVersions),
		"ListNodes":                     handle(readOnly, a.listNodes),
		"ListTagsForResource":           handle(readOnly, a.listTagsForResource),
		"ListTopics":                    handle(readOnly, a.listTopics),
		"TagResource":                   handle(operator, a.tagResource),
		"UntagResource":                 handle(operator, a.untagResource),
		"UpdateBrokerStorage":           handle(operator, a.updateBrokerStorage),
		"UpdateConfiguration":           handle(operator, a.updateConfiguration),
		"UpdateStorage":                 handle(operator, a.updateStorage),
		"UpdateTopic":                   handle(operator, a.updateTopic),
	}
}

// The roles, as the tables of what callers may do name them.
const (
	readOnly = accesskey.ReadOnly
	operator = accesskey.Operator
	admin    = accesskey.Admin
)

// handler answers one operation for callers of at least one role. It knows the types it takes and gives, so that a test can
// hold the table to the model.
type handler struct {
	role    accesskey.Role
	answer  func(ctx context.Context, input any) (output any, err error)
	in, out reflect.Type
}

// handle makes a handler of a function that takes and gives the SDK's own types.
func handle[In, Out any](role accesskey.Role, f func(context.Context, *In) (*Out, error)) handler {
	return handler{
		role: role,
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
