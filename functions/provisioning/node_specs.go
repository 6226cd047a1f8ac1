package provisioning

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/shared/authority"
	"github.com/millrace/millrace/shared/brokerconfig"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/kafkaversion"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/serverproperties"
)

// nodeSpecs makes the specs of a cluster's nodes, for the steps that write them.
type nodeSpecs struct {
	Records interface {
		Cluster(ctx context.Context, id string) (cluster.Cluster, error)
		Nodes(ctx context.Context, clusterID string) ([]cluster.Node, error)
		ChangeNode(ctx context.Context, clusterID string, id int32, change func(*cluster.Node) error) (cluster.Node, error)
		Revision(ctx context.Context, configurationID string, number int64) (cluster.Revision, error)
		Operation(ctx context.Context, clusterID, id string) (cluster.Operation, error)
		Beat(ctx context.Context, hostID string) (beat nodespec.Heartbeat, ok bool, err error)
		Spec(ctx context.Context, hostID string) (nodespec.Spec, error)
		PutSpec(ctx context.Context, hostID string, spec nodespec.Spec) error
	}
	Secrets secrets
	Sizing  Sizing
	Now     func() time.Time
}

// Sizing says how large a node's Java process is on this platform.
type Sizing struct {
	// Lean is for many nodes on one machine: quick to start, small, and quick to notice a dead neighbour.
	Lean bool
	// HeapMiB is the maximum heap of a node of an instance type.
	HeapMiB func(instanceType string, role cluster.Role) int
}

// common is what the specs of all nodes of a cluster are made from.
type common struct {
	cluster cluster.Cluster
	shape   brokerconfig.Cluster
	signer  authority.Authority
}

func (s nodeSpecs) common(ctx context.Context, c cluster.Cluster, nodes []cluster.Node) (common, error) {
	shape, err := s.shape(ctx, c, nodes)
	if err != nil {
		return common{}, err
	}
	signer, err := signerOf(ctx, s.Secrets, c)
	return common{c, shape, signer}, err
}

// shape is what all nodes of the cluster have in common.
func (s nodeSpecs) shape(ctx context.Context, c cluster.Cluster, nodes []cluster.Node) (brokerconfig.Cluster, error) {
	version, ok := kafkaversion.Lookup(c.Spec.KafkaVersion)
	if !ok {
		return brokerconfig.Cluster{}, fault.New(fault.Invalid, "Kafka version %s is not known", c.Spec.KafkaVersion)
	}
	password, err := passwordOf(ctx, s.Secrets, c)
	if err != nil {
		return brokerconfig.Cluster{}, err
	}
	configuration, err := s.configuration(ctx, c)
	if err != nil {
		return brokerconfig.Cluster{}, err
	}
	shape := brokerconfig.Cluster{
		Release:          version.Release,
		Brokers:          c.Spec.Brokers,
		Zones:            len(c.Spec.Subnets),
		ClientBroker:     c.Spec.ClientBroker,
		InCluster:        c.Spec.InCluster,
		InternalPassword: password,
		Configuration:    configuration,
		Lean:             s.Sizing.Lean,
	}
	for _, n := range nodes {
		if n.Role == cluster.Controller {
			shape.Controllers = append(shape.Controllers, brokerconfig.Controller{ID: n.ID, Host: n.Address.IP})
		}
	}
	return shape, nil
}

// configuration gives the customer's own properties; none when the cluster runs on the defaults.
func (s nodeSpecs) configuration(ctx context.Context, c cluster.Cluster) (map[string]string, error) {
	if c.Spec.Configuration == nil {
		return nil, nil
	}
	ref := c.Spec.Configuration
	revision, err := s.Records.Revision(ctx, ref.ID(), ref.Revision)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return serverproperties.Parse(revision.ServerProperties)
}

// spec makes the spec of a node's host. What its last one says of the host itself stays.
func (s nodeSpecs) spec(ctx context.Context, n cluster.Node, common common) (nodespec.Spec, error) {
	last, err := s.Records.Spec(ctx, n.Host.ID)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nodespec.Spec{}, err
	}
	certificate, err := s.certificate(ctx, n, last, common.signer)
	if err != nil {
		return nodespec.Spec{}, err
	}
	c := common.cluster
	properties, err := brokerconfig.Properties(common.shape, brokerconfig.Node{
		ID: n.ID, Role: n.Role, Rack: n.Rack, Address: n.Address.IP, Host: n.Address.Name,
	})
	if err != nil {
		return nodespec.Spec{}, err
	}
	return nodespec.Spec{
		Generation:  n.SpecGeneration,
		Restarts:    last.Restarts,
		Cluster:     c.Name,
		ClusterID:   c.KafkaID,
		NodeID:      n.ID,
		Role:        n.Role,
		Release:     common.shape.Release,
		Volume:      nodespec.Volume{New: !n.Formatted, DirectoryID: n.DirectoryID, ID: n.VolumeID()},
		Properties:  properties,
		JVM:         nodespec.JVM{HeapMiB: s.Sizing.HeapMiB(c.Spec.InstanceType, n.Role), Lean: s.Sizing.Lean},
		Certificate: certificate,
		Authority:   c.Authority,
	}, nil
}

// certificate gives the chain that the host's last spec has while it is good, so that a Kafka that runs well is not
// restarted for a new one, or else signs the request that the host has made.
func (s nodeSpecs) certificate(
	ctx context.Context, n cluster.Node, last nodespec.Spec, signer authority.Authority,
) (string, error) {
	beat, ok, err := s.Records.Beat(ctx, n.Host.ID)
	if err != nil {
		return "", err
	}
	if !ok {
		return "", fault.New(fault.Unavailable, "host %s has not reported", n.Host.ID)
	}
	if authority.Answers(last.Certificate, beat.SigningRequest, s.Now()) {
		return last.Certificate, nil
	}
	return signer.Sign(beat.SigningRequest, authority.Subject{
		CommonName: brokerconfig.InternalUser,
		Names:      []string{n.Address.Name, n.Address.IP},
	}, s.Now())
}
