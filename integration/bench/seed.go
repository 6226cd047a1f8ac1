package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"
	"github.com/google/uuid"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/mskapi"
	"github.com/millrace/millrace/shared/placement"
	"github.com/millrace/millrace/shared/platform/local"
)

// seed writes a hundred clusters into a data directory, as they are after their creates, with all that the API shows of
// them and without hosts: answers cost what they cost, and no Kafka runs. It gives their ARNs.
func (c *controlPlane) seed(ctx context.Context, version string) (arns []string, err error) {
	platform, err := local.Open(local.Config{Layout: c.layout, Region: region})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, platform.Close()) }()
	for i := range storedClusters {
		stored, err := seedOne(ctx, platform, fmt.Sprintf("stored-%03d", i), version)
		if err != nil {
			return nil, err
		}
		arns = append(arns, stored.ARN)
	}
	return arns, nil
}

func seedOne(ctx context.Context, platform *local.Platform, name, version string) (cluster.Cluster, error) {
	id, err := mskapi.NewID(rand.Reader)
	if err != nil {
		return cluster.Cluster{}, err
	}
	currentVersion, err := mskapi.NewClusterVersion(rand.Reader)
	if err != nil {
		return cluster.Cluster{}, err
	}
	subnets := []string{"subnet-a", "subnet-b", "subnet-c"}
	requested, err := mskapi.Marshal(types.ProvisionedRequest{
		BrokerNodeGroupInfo: &types.BrokerNodeGroupInfo{InstanceType: aws.String("kafka.m7g.large"), ClientSubnets: subnets},
		KafkaVersion:        aws.String(version),
		NumberOfBrokerNodes: aws.Int32(brokerCount),
	})
	if err != nil {
		return cluster.Cluster{}, err
	}
	scope := mskapi.Scope{Partition: "aws", Region: region, Account: local.Account}
	now := time.Now().UTC()
	operationID := uuid.Must(uuid.NewV7()).String()
	stored := cluster.Cluster{
		ID: id, Name: name, ARN: scope.ClusterARN(name, id), KafkaID: randomID(), CreatedAt: now, Version: currentVersion,
		Spec: cluster.Spec{
			KafkaVersion: version, Brokers: brokerCount, Controllers: 1, InstanceType: "kafka.m7g.large",
			Subnets: subnets, SecurityGroups: []string{"sg-local"}, VolumeGiB: 100, ClientBroker: cluster.TLS, InCluster: true,
		},
		Requested: requested,
		Tags:      map[string]string{"team": "bench", "number": name},
		Active:    &cluster.ActiveOperation{ID: operationID, Type: cluster.CreateCluster},
	}
	operation := cluster.Operation{
		ID: operationID, ClusterID: id, ARN: scope.OperationARN(name, id, operationID),
		Type: cluster.CreateCluster, State: cluster.InProgress, CreatedAt: now, Attempt: 1, Steps: cluster.Operation{Type: cluster.CreateCluster}.Plan(),
	}
	if err := platform.Records.CreateCluster(ctx, stored, operation); err != nil {
		return stored, err
	}
	zones, err := platform.Zones.Zones(ctx, subnets)
	if err != nil {
		return stored, err
	}
	if err := platform.Records.AddNodes(ctx, placement.NewNodes(stored, zones)); err != nil {
		return stored, err
	}
	_, _, err = platform.Records.ChangeOperation(ctx, id, operationID, func(c *cluster.Cluster, op *cluster.Operation) error {
		op.Succeed(c, currentVersion, now)
		return nil
	})
	return stored, err
}
