package mskapi

import (
	"context"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/schemas"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/traits"
)

// Operation is one operation of the MSK API. The zero value stands for a request that is none; it models no exception
// beyond BadRequest and those that any request may meet.
type Operation struct {
	Name           string
	Method         string
	URI            string // the model's template, with {ClusterArn} and the like
	SuccessStatus  int    // 200, or 204 for the two tag calls without a body
	ModelsNotFound bool
	ModelsConflict bool
	// ModelsKafka says that it has exceptions for what the cluster itself answers; ModelsTopicExists is the one of them that only the
	// creation of a topic has.
	ModelsKafka       bool
	ModelsTopicExists bool

	input    *smithy.Schema
	newInput func() any
	newOut   func() any
	validate func(input any) error
}

// NewInput gives an empty input of the operation, such as *kafka.CreateClusterInput.
func (o Operation) NewInput() any { return o.newInput() }

// NewOutput gives an empty output of the operation, such as *kafka.CreateClusterOutput.
func (o Operation) NewOutput() any { return o.newOut() }

// Operations lists every operation of the model, in the order of their names.
func Operations() []Operation { return append([]Operation(nil), operations...) }

// Lookup finds an operation by its name.
func Lookup(name string) (Operation, bool) {
	for _, op := range operations {
		if op.Name == name {
			return op, true
		}
	}
	return Operation{}, false
}

// What an operation models beside the exceptions that all share. The SDK's schemas leave this out.
type models int

const (
	notFound models = 1 << iota
	conflict
	kafkaAnswers
	topicExists
)

// operations is the whole API. A row names the SDK's schemas and the client's method; everything else follows.
var operations = []Operation{
	operation(schemas.BatchAssociateScramSecret, schemas.BatchAssociateScramSecretRequest, (*kafka.Client).BatchAssociateScramSecret, notFound),
	operation(schemas.BatchDisassociateScramSecret, schemas.BatchDisassociateScramSecretRequest, (*kafka.Client).BatchDisassociateScramSecret, notFound),
	operation(schemas.CreateChannel, schemas.CreateChannelRequest, (*kafka.Client).CreateChannel, notFound|conflict),
	operation(schemas.CreateCluster, schemas.CreateClusterRequest, (*kafka.Client).CreateCluster, conflict),
	operation(schemas.CreateClusterV2, schemas.CreateClusterV2Request, (*kafka.Client).CreateClusterV2, conflict),
	operation(schemas.CreateConfiguration, schemas.CreateConfigurationRequest, (*kafka.Client).CreateConfiguration, conflict),
	operation(schemas.CreateReplicator, schemas.CreateReplicatorRequest, (*kafka.Client).CreateReplicator, notFound|conflict),
	operation(schemas.CreateTopic, schemas.CreateTopicRequest, (*kafka.Client).CreateTopic, conflict|kafkaAnswers|topicExists),
	operation(schemas.CreateVpcConnection, schemas.CreateVpcConnectionRequest, (*kafka.Client).CreateVpcConnection, 0),
	operation(schemas.DeleteChannel, schemas.DeleteChannelRequest, (*kafka.Client).DeleteChannel, notFound),
	operation(schemas.DeleteCluster, schemas.DeleteClusterRequest, (*kafka.Client).DeleteCluster, notFound),
	operation(schemas.DeleteClusterPolicy, schemas.DeleteClusterPolicyRequest, (*kafka.Client).DeleteClusterPolicy, notFound),
	operation(schemas.DeleteConfiguration, schemas.DeleteConfigurationRequest, (*kafka.Client).DeleteConfiguration, notFound),
	operation(schemas.DeleteReplicator, schemas.DeleteReplicatorRequest, (*kafka.Client).DeleteReplicator, notFound),
	operation(schemas.DeleteTopic, schemas.DeleteTopicRequest, (*kafka.Client).DeleteTopic, notFound|kafkaAnswers),
	operation(schemas.DeleteVpcConnection, schemas.DeleteVpcConnectionRequest, (*kafka.Client).DeleteVpcConnection, notFound),
	operation(schemas.DescribeChannel, schemas.DescribeChannelRequest, (*kafka.Client).DescribeChannel, notFound),
	operation(schemas.DescribeCluster, schemas.DescribeClusterRequest, (*kafka.Client).DescribeCluster, notFound),
	operation(schemas.DescribeClusterOperation, schemas.DescribeClusterOperationRequest, (*kafka.Client).DescribeClusterOperation, notFound),
	operation(schemas.DescribeClusterOperationV2, schemas.DescribeClusterOperationV2Request, (*kafka.Client).DescribeClusterOperationV2, notFound),
	operation(schemas.DescribeClusterV2, schemas.DescribeClusterV2Request, (*kafka.Client).DescribeClusterV2, notFound),
	operation(schemas.DescribeConfiguration, schemas.DescribeConfigurationRequest, (*kafka.Client).DescribeConfiguration, notFound),
	operation(schemas.DescribeConfigurationRevision, schemas.DescribeConfigurationRevisionRequest, (*kafka.Client).DescribeConfigurationRevision, notFound),
	operation(schemas.DescribeReplicator, schemas.DescribeReplicatorRequest, (*kafka.Client).DescribeReplicator, notFound),
	operation(schemas.DescribeTopic, schemas.DescribeTopicRequest, (*kafka.Client).DescribeTopic, notFound),
	operation(schemas.DescribeTopicPartitions, schemas.DescribeTopicPartitionsRequest, (*kafka.Client).DescribeTopicPartitions, notFound),
	operation(schemas.DescribeVpcConnection, schemas.DescribeVpcConnectionRequest, (*kafka.Client).DescribeVpcConnection, notFound),
	operation(schemas.GetBootstrapBrokers, schemas.GetBootstrapBrokersRequest, (*kafka.Client).GetBootstrapBrokers, conflict),
	operation(schemas.GetClusterPolicy, schemas.GetClusterPolicyRequest, (*kafka.Client).GetClusterPolicy, notFound),
	operation(schemas.GetCompatibleKafkaVersions, schemas.GetCompatibleKafkaVersionsRequest, (*kafka.Client).GetCompatibleKafkaVersions, notFound),
	operation(schemas.ListChannels, schemas.ListChannelsRequest, (*kafka.Client).ListChannels, notFound),
	operation(schemas.ListClientVpcConnections, schemas.ListClientVpcConnectionsRequest, (*kafka.Client).ListClientVpcConnections, 0),
	operation(schemas.ListClusterOperations, schemas.ListClusterOperationsRequest, (*kafka.Client).ListClusterOperations, 0),
	operation(schemas.ListClusterOperationsV2, schemas.ListClusterOperationsV2Request, (*kafka.Client).ListClusterOperationsV2, notFound),
	operation(schemas.ListClusters, schemas.ListClustersRequest, (*kafka.Client).ListClusters, 0),
	operation(schemas.ListClustersV2, schemas.ListClustersV2Request, (*kafka.Client).ListClustersV2, 0),
	operation(schemas.ListConfigurationRevisions, schemas.ListConfigurationRevisionsRequest, (*kafka.Client).ListConfigurationRevisions, notFound),
	operation(schemas.ListConfigurations, schemas.ListConfigurationsRequest, (*kafka.Client).ListConfigurations, 0),
	operation(schemas.ListKafkaVersions, schemas.ListKafkaVersionsRequest, (*kafka.Client).ListKafkaVersions, 0),
	operation(schemas.ListNodes, schemas.ListNodesRequest, (*kafka.Client).ListNodes, notFound),
	operation(schemas.ListReplicators, schemas.ListReplicatorsRequest, (*kafka.Client).ListReplicators, notFound),
	operation(schemas.ListScramSecrets, schemas.ListScramSecretsRequest, (*kafka.Client).ListScramSecrets, notFound),
	operation(schemas.ListTagsForResource, schemas.ListTagsForResourceRequest, (*kafka.Client).ListTagsForResource, notFound),
	operation(schemas.ListTopics, schemas.ListTopicsRequest, (*kafka.Client).ListTopics, 0),
	operation(schemas.ListVpcConnections, schemas.ListVpcConnectionsRequest, (*kafka.Client).ListVpcConnections, 0),
	operation(schemas.PutClusterPolicy, schemas.PutClusterPolicyRequest, (*kafka.Client).PutClusterPolicy, 0),
	operation(schemas.RebootBroker, schemas.RebootBrokerRequest, (*kafka.Client).RebootBroker, notFound),
	operation(schemas.RejectClientVpcConnection, schemas.RejectClientVpcConnectionRequest, (*kafka.Client).RejectClientVpcConnection, 0),
	operation(schemas.TagResource, schemas.TagResourceRequest, (*kafka.Client).TagResource, notFound),
	operation(schemas.UntagResource, schemas.UntagResourceRequest, (*kafka.Client).UntagResource, notFound),
	operation(schemas.UpdateBrokerCount, schemas.UpdateBrokerCountRequest, (*kafka.Client).UpdateBrokerCount, 0),
	operation(schemas.UpdateBrokerStorage, schemas.UpdateBrokerStorageRequest, (*kafka.Client).UpdateBrokerStorage, 0),
	operation(schemas.UpdateBrokerType, schemas.UpdateBrokerTypeRequest, (*kafka.Client).UpdateBrokerType, notFound),
	operation(schemas.UpdateChannel, schemas.UpdateChannelRequest, (*kafka.Client).UpdateChannel, notFound),
	operation(schemas.UpdateClusterConfiguration, schemas.UpdateClusterConfigurationRequest, (*kafka.Client).UpdateClusterConfiguration, notFound),
	operation(schemas.UpdateClusterKafkaVersion, schemas.UpdateClusterKafkaVersionRequest, (*kafka.Client).UpdateClusterKafkaVersion, notFound),
	operation(schemas.UpdateConfiguration, schemas.UpdateConfigurationRequest, (*kafka.Client).UpdateConfiguration, notFound),
	operation(schemas.UpdateConnectivity, schemas.UpdateConnectivityRequest, (*kafka.Client).UpdateConnectivity, notFound),
	operation(schemas.UpdateMonitoring, schemas.UpdateMonitoringRequest, (*kafka.Client).UpdateMonitoring, 0),
	operation(schemas.UpdateRebalancing, schemas.UpdateRebalancingRequest, (*kafka.Client).UpdateRebalancing, notFound),
	operation(schemas.UpdateReplicationInfo, schemas.UpdateReplicationInfoRequest, (*kafka.Client).UpdateReplicationInfo, notFound),
	operation(schemas.UpdateSecurity, schemas.UpdateSecurityRequest, (*kafka.Client).UpdateSecurity, notFound),
	operation(schemas.UpdateStorage, schemas.UpdateStorageRequest, (*kafka.Client).UpdateStorage, notFound),
	operation(schemas.UpdateTopic, schemas.UpdateTopicRequest, (*kafka.Client).UpdateTopic, notFound|kafkaAnswers),
}

// call is the shape of every method of the SDK's client.
type call[In, Out any] func(*kafka.Client, context.Context, *In, ...func(*kafka.Options)) (*Out, error)

func operation[In, Out any](op, input *smithy.Schema, c call[In, Out], m models) Operation {
	route, ok := smithy.SchemaTrait[*traits.HTTP](op)
	if !ok {
		route = &traits.HTTP{Code: http.StatusOK}
	}
	return Operation{
		Name:              op.ID().Name,
		Method:            route.Method,
		URI:               route.URI,
		SuccessStatus:     route.Code,
		ModelsNotFound:    m&notFound != 0,
		ModelsConflict:    m&conflict != 0,
		ModelsKafka:       m&kafkaAnswers != 0,
		ModelsTopicExists: m&topicExists != 0,
		input:             input,
		newInput:          func() any { return new(In) },
		newOut:            func() any { return new(Out) },
		validate: func(input any) error {
			_, err := c(validatingClient, context.Background(), input.(*In))
			return err
		},
	}
}
