// Package reach finds the way to a cluster's brokers for the functions that talk to them: where they listen, and what the control
// plane shows them. It talks to nobody itself.
package reach

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/millrace/millrace/shared/brokerconfig"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/kafka"
	"github.com/millrace/millrace/shared/records"
)

// ErrNone says that there is nothing by which brokers would know the control plane, or that it has ended. Brokers that do not
// answer are something else.
var ErrNone = fault.New(fault.NotFound, "the control plane has no valid access to Kafka")

// Way leads to the brokers of clusters.
type Way struct {
	Records interface {
		KafkaAccess(ctx context.Context, clusterID string) (records.KafkaAccess, error)
	}
	Now func() time.Time
}

// To gives the access to those brokers of a cluster that are among the nodes and have an address. Where there is none, because it
// was never issued or has ended, the error is ErrNone.
func (w Way) To(ctx context.Context, c cluster.Cluster, nodes []cluster.Node) (kafka.Access, error) {
	recorded, err := w.Records.KafkaAccess(ctx, c.ID)
	switch {
	case fault.Is(err, fault.NotFound), err == nil && !recorded.Ends.IsZero() && !w.Now().Before(recorded.Ends):
		return kafka.Access{}, fmt.Errorf("ask the brokers of %s: %w", c.ID, ErrNone)
	case err != nil:
		return kafka.Access{}, err
	}
	access := kafka.Access{
		Authority: c.Authority, Certificate: recorded.Certificate, Key: recorded.Key,
		User: recorded.User, Password: recorded.Password,
	}
	port := brokerconfig.ReplicationSecurePort
	if !c.Spec.InCluster {
		port = brokerconfig.ReplicationPort
	}
	for _, n := range nodes {
		if n.Role == cluster.Broker && n.Address != nil {
			access.Brokers = append(access.Brokers, net.JoinHostPort(n.Address.IP, strconv.Itoa(port)))
		}
	}
	return access, nil
}
