package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/mskapi"
	"github.com/millrace/millrace/shared/records"
)

// defaultVolumeGiB is the volume of brokers whose request names no size.
const defaultVolumeGiB = 100

func (a *API) createCluster(ctx context.Context, in *kafka.CreateClusterInput) (*kafka.CreateClusterOutput, error) {
	c, err := a.create(ctx, *in.ClusterName, in.Tags, types.ProvisionedRequest{
		BrokerNodeGroupInfo:  in.BrokerNodeGroupInfo,
		KafkaVersion:         in.KafkaVersion,
		NumberOfBrokerNodes:  in.NumberOfBrokerNodes,
		ClientAuthentication: in.ClientAuthentication,
		ConfigurationInfo:    in.ConfigurationInfo,
		EncryptionInfo:       in.EncryptionInfo,
		EnhancedMonitoring:   in.EnhancedMonitoring,
		LoggingInfo:          in.LoggingInfo,
		OpenMonitoring:       in.OpenMonitoring,
		Rebalancing:          in.Rebalancing,
		StorageMode:          in.StorageMode,
	})
	if err != nil {
		return nil, err
	}
	return &kafka.CreateClusterOutput{
		ClusterArn:  aws.String(c.ARN),
		ClusterName: aws.String(c.Name),
		State:       types.ClusterState(c.State()),
	}, nil
}

func (a *API) createClusterV2(ctx context.Context, in *kafka.CreateClusterV2Input) (*kafka.CreateClusterV2Output, error) {
	switch {
	case in.Provisioned != nil && in.Serverless != nil, in.Provisioned == nil && in.Serverless == nil:
		return nil, mskapi.BadRequest("provisioned", "A cluster is either provisioned or serverless: send exactly one of them.")
	case in.Serverless != nil:
		return nil, mskapi.BadRequest("serverless", "Millrace does not support serverless clusters yet. "+
			"A small provisioned cluster, such as three brokers of type kafka.m7g.large, serves the same clients.")
	}
	c, err := a.create(ctx, *in.ClusterName, in.Tags, *in.Provisioned)
	if err != nil {
		return nil, err
	}
	return &kafka.CreateClusterV2Output{
		ClusterArn:  aws.String(c.ARN),
		ClusterName: aws.String(c.Name),
		ClusterType: types.ClusterTypeProvisioned,
		State:       types.ClusterState(c.State()),
	}, nil
}

// create makes a cluster of either form of the request.
//
//  1. Check everything that can be known now, before anything is touched.
//  2. Record the cluster and the operation that creates it in one write, which one of many with the same name wins.
//  3. Start the operation's machine.
func (a *API) create(
	ctx context.Context, name string, tags map[string]string, p types.ProvisionedRequest,
) (cluster.Cluster, error) {
	if err := a.checkCreate(ctx, name, tags, p); err != nil {
		return cluster.Cluster{}, err
	}
	c, err := a.newCluster(name, tags, p)
	if err != nil {
		return cluster.Cluster{}, err
	}
	op, err := a.newOperation(ctx, c, cluster.CreateCluster)
	if err != nil {
		return cluster.Cluster{}, err
	}
	op.Claim(&c)
	err = a.Records.CreateCluster(ctx, c, op)
	if errors.Is(err, records.ErrNameTaken) {
		return cluster.Cluster{}, mskapi.Conflict("clusterName", "A resource with this name already exists: %s.", name)
	}
	if err != nil {
		return cluster.Cluster{}, err
	}
	a.start(ctx, op)
	return c, nil
}

// checkCreate applies MSK's own rules first, so that a mistake is explained as MSK would, and only then what Millrace has
// not built.
func (a *API) checkCreate(ctx context.Context, name string, tags map[string]string, p types.ProvisionedRequest) error {
	if err := nameIsValid("clusterName", "cluster", name); err != nil {
		return err
	}
	if err := tagsAreValid(tags); err != nil {
		return err
	}
	if err := checkRules(p); err != nil {
		return err
	}
	if brokers := int(*p.NumberOfBrokerNodes); a.MaxBrokers > 0 && brokers > a.MaxBrokers {
		return mskapi.BadRequest("numberOfBrokerNodes", "This machine is set up for clusters of at most %d brokers, not %d. "+
			"A control plane that is started with a higher --max-brokers takes more.", a.MaxBrokers, brokers)
	}
	if err := hostsCanBe(a.HostArchitecture, p); err != nil {
		return err
	}
	if _, err := a.resolveConfiguration(ctx, p.ConfigurationInfo, *p.KafkaVersion); err != nil {
		return err
	}
	subnets := p.BrokerNodeGroupInfo.ClientSubnets
	zones, err := a.Zones.Zones(ctx, subnets)
	if err != nil {
		return fmt.Errorf("look up the zones of %v: %w", subnets, err)
	}
	if err := zonesAreDistinct(subnets, zones); err != nil {
		return err
	}
	if groups := p.BrokerNodeGroupInfo.SecurityGroups; a.SecurityGroups != nil && len(groups) > 0 {
		if err := a.SecurityGroups.CheckSecurityGroups(ctx, groups); err != nil {
			return fmt.Errorf("look up the security groups %v: %w", groups, err)
		}
	}
	return checkSupported(p, supportedMembers(a.VolumeKey))
}

func (a *API) newCluster(name string, tags map[string]string, p types.ProvisionedRequest) (cluster.Cluster, error) {
	id, err := mskapi.NewID(a.Random)
	if err != nil {
		return cluster.Cluster{}, err
	}
	version, err := mskapi.NewClusterVersion(a.Random)
	if err != nil {
		return cluster.Cluster{}, err
	}
	kafkaID, err := cluster.NewKafkaID(a.Random)
	if err != nil {
		return cluster.Cluster{}, err
	}
	requested, err := mskapi.Marshal(p)
	if err != nil {
		return cluster.Cluster{}, fmt.Errorf("keep the request: %w", err)
	}
	return cluster.Cluster{
		ID:        id,
		Name:      name,
		ARN:       a.scope.ClusterARN(name, id),
		KafkaID:   kafkaID,
		CreatedAt: a.now(),
		Version:   version,
		Spec:      a.newSpec(p),
		Requested: requested,
		Tags:      tags,
	}, nil
}

// newSpec is what a request asks for, with MSK's defaults where it says nothing.
func (a *API) newSpec(p types.ProvisionedRequest) cluster.Spec {
	spec := cluster.Spec{
		KafkaVersion:   *p.KafkaVersion,
		Brokers:        int(*p.NumberOfBrokerNodes),
		Controllers:    a.Controllers,
		InstanceType:   instanceType(p),
		Subnets:        p.BrokerNodeGroupInfo.ClientSubnets,
		SecurityGroups: p.BrokerNodeGroupInfo.SecurityGroups,
		VolumeGiB:      defaultVolumeGiB,
		ClientBroker:   cluster.TLS,
		InCluster:      !isOff(inTransit(p).InCluster),
	}
	if len(spec.SecurityGroups) == 0 {
		spec.SecurityGroups = []string{a.SecurityGroup}
	}
	if size := volume(p).VolumeSize; size != nil {
		spec.VolumeGiB = int(*size)
	}
	spec.ThroughputMiB = throughputOf(volume(p).ProvisionedThroughput)
	if clientBroker := inTransit(p).ClientBroker; clientBroker != "" {
		spec.ClientBroker = string(clientBroker)
	}
	if info := p.ConfigurationInfo; info != nil {
		spec.Configuration = &cluster.ConfigurationRef{ARN: *info.Arn, Revision: *info.Revision}
	}
	return spec
}

// newOperation makes the record of an operation that no execution has begun.
func (a *API) newOperation(
	ctx context.Context, c cluster.Cluster, kind cluster.OperationType,
) (cluster.Operation, error) {
	id, err := cluster.NewOperationID(a.Now(), a.Random)
	if err != nil {
		return cluster.Operation{}, err
	}
	return cluster.Operation{
		ID:        id,
		ClusterID: c.ID,
		ARN:       a.scope.OperationARN(c.Name, c.ID, id),
		Type:      kind,
		State:     cluster.Pending,
		RequestID: callOf(ctx).requestID,
		CreatedAt: a.now(),
		Attempt:   1,
	}, nil
}

// start starts the machine of an operation that is recorded already. The record is the promise: when the start fails, the
// sweep, which starts every operation without a living execution, makes up for it, so the caller need not know.
func (a *API) start(ctx context.Context, op cluster.Operation) {
	if err := a.Workflows.Start(ctx, op.Machine(), op.ExecutionName(), op.Input()); err != nil {
		slog.WarnContext(ctx, "left the start of an operation to the sweep",
			"cluster", op.ClusterID, "operation", op.ID, "type", op.Type, "error", err)
	}
}

// now is the time in the precision of the API, so that what is recorded is what is shown.
func (a *API) now() time.Time { return a.Now().UTC().Truncate(time.Millisecond) }
