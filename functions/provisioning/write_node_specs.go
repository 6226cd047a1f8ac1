package provisioning

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/millrace/millrace/shared/authority"
	"github.com/millrace/millrace/shared/brokerconfig"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/kafkaversion"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/serverproperties"
)

// WriteNodeSpecs tells every host what to run: Kafka's properties and the certificate that answers the host's request.
type WriteNodeSpecs struct {
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
	Secrets interface {
		Secret(ctx context.Context, name string) (string, error)
	}
	Progress Progress
	Sizing   Sizing
	Now      func() time.Time
}

// Sizing says how large a node's Java process is on this platform.
type Sizing struct {
	// Lean is for many nodes on one machine: quick to start, small, and quick to notice a dead neighbour.
	Lean bool
	// HeapMiB is the maximum heap of a node of an instance type.
	HeapMiB func(instanceType string, role cluster.Role) int
}

// Run writes a spec of a new generation for each attempt at the operation: whatever an agent gave up on in the attempt
// before, it tries again at once. A spec of this attempt that is there already is left alone.
func (s WriteNodeSpecs) Run(ctx context.Context, in CheckClusterInput) (Empty, error) {
	c, err := s.Records.Cluster(ctx, in.ClusterID)
	if err != nil {
		return Empty{}, fmt.Errorf("load cluster: %w", err)
	}
	nodes, err := s.Records.Nodes(ctx, in.ClusterID)
	if err != nil {
		return Empty{}, fmt.Errorf("load nodes: %w", err)
	}
	if err := s.Progress.report(ctx, in.ClusterID, in.OperationID, cluster.StepCertify, 0, "certificates and properties"); err != nil {
		return Empty{}, err
	}
	shape, err := s.shape(ctx, c, nodes)
	if err != nil {
		return Empty{}, err
	}
	signer, err := s.signer(ctx, c)
	if err != nil {
		return Empty{}, err
	}
	op, err := s.Records.Operation(ctx, in.ClusterID, in.OperationID)
	if err != nil {
		return Empty{}, fmt.Errorf("load operation: %w", err)
	}
	for _, n := range slices.Backward(nodes) { // controllers first: brokers can't do without them
		n, err := s.Records.ChangeNode(ctx, c.ID, n.ID, func(n *cluster.Node) error {
			n.SpecGeneration = max(n.SpecGeneration, firstGeneration(op.Attempt))
			return nil
		})
		if err != nil {
			return Empty{}, err
		}
		spec, err := s.spec(ctx, c, n, shape, signer)
		if err != nil {
			return Empty{}, fmt.Errorf("spec of %s: %w", n, err)
		}
		if err := s.Records.PutSpec(ctx, n.Host.ID, spec); err != nil {
			return Empty{}, fmt.Errorf("write spec of %s: %w", n, err)
		}
	}
	if err := s.Progress.report(ctx, in.ClusterID, in.OperationID, cluster.StepCertify, 100, ""); err != nil {
		return Empty{}, err
	}
	slog.InfoContext(ctx, "wrote node specs", "cluster", c.ID, "nodes", len(nodes), "release", shape.Release)
	return Empty{}, nil
}

// firstGeneration numbers the specs of an attempt. Each attempt has two: the one that starts the node, and the one that
// SealVolumes writes once it has run.
func firstGeneration(attempt int) int64 { return 2*int64(attempt) - 1 }

// shape is what all nodes of the cluster have in common.
func (s WriteNodeSpecs) shape(ctx context.Context, c cluster.Cluster, nodes []cluster.Node) (brokerconfig.Cluster, error) {
	version, ok := kafkaversion.Lookup(c.Spec.KafkaVersion)
	if !ok {
		return brokerconfig.Cluster{}, fault.New(fault.Invalid, "Kafka version %s is not known", c.Spec.KafkaVersion)
	}
	password, err := s.password(ctx, c)
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

// password gives what the nodes know each other by; empty where they do by their certificates.
func (s WriteNodeSpecs) password(ctx context.Context, c cluster.Cluster) (string, error) {
	if !needsPassword(c) {
		return "", nil
	}
	password, err := s.Secrets.Secret(ctx, passwordName(c.ID))
	if err != nil {
		return "", fmt.Errorf("read the internal password of %s: %w", c.ID, err)
	}
	return password, nil
}

// configuration gives the customer's own properties; none when the cluster runs on the defaults.
func (s WriteNodeSpecs) configuration(ctx context.Context, c cluster.Cluster) (map[string]string, error) {
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

func (s WriteNodeSpecs) signer(ctx context.Context, c cluster.Cluster) (authority.Authority, error) {
	pair, err := s.Secrets.Secret(ctx, authorityName(c.ID))
	if err != nil {
		return authority.Authority{}, fmt.Errorf("read the authority of %s: %w", c.ID, err)
	}
	return authority.Load(pair)
}

func (s WriteNodeSpecs) spec(
	ctx context.Context, c cluster.Cluster, n cluster.Node, shape brokerconfig.Cluster, signer authority.Authority,
) (nodespec.Spec, error) {
	certificate, err := s.certificate(ctx, n, signer)
	if err != nil {
		return nodespec.Spec{}, err
	}
	properties, err := brokerconfig.Properties(shape, brokerconfig.Node{
		ID: n.ID, Role: n.Role, Rack: n.Rack, Address: n.Address.IP, Host: n.Address.Name,
	})
	if err != nil {
		return nodespec.Spec{}, err
	}
	return nodespec.Spec{
		Generation:  n.SpecGeneration,
		Cluster:     c.Name,
		ClusterID:   c.KafkaID,
		NodeID:      n.ID,
		Role:        n.Role,
		Release:     shape.Release,
		Volume:      nodespec.Volume{New: !n.Formatted, DirectoryID: n.DirectoryID},
		Properties:  properties,
		JVM:         nodespec.JVM{HeapMiB: s.Sizing.HeapMiB(c.Spec.InstanceType, n.Role), Lean: s.Sizing.Lean},
		Certificate: certificate,
		Authority:   c.Authority,
	}, nil
}

// certificate gives the chain that the host's last spec has while it is good, so that a Kafka that runs well is not
// restarted for a new one, or else signs the request that the host has made.
func (s WriteNodeSpecs) certificate(ctx context.Context, n cluster.Node, signer authority.Authority) (string, error) {
	beat, ok, err := s.Records.Beat(ctx, n.Host.ID)
	if err != nil {
		return "", err
	}
	if !ok {
		return "", fault.New(fault.Unavailable, "host %s has not reported", n.Host.ID)
	}
	last, err := s.Records.Spec(ctx, n.Host.ID)
	switch {
	case err == nil && authority.Answers(last.Certificate, beat.SigningRequest, s.Now()):
		return last.Certificate, nil
	case err != nil && !fault.Is(err, fault.NotFound):
		return "", err
	}
	return signer.Sign(beat.SigningRequest, authority.Subject{
		CommonName: brokerconfig.InternalUser,
		Names:      []string{n.Address.Name, n.Address.IP},
	}, s.Now())
}
