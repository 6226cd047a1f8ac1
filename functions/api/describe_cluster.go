package api

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/mskapi"
)

func (a *API) describeCluster(ctx context.Context, in *kafka.DescribeClusterInput) (*kafka.DescribeClusterOutput, error) {
	c, err := a.cluster(ctx, *in.ClusterArn)
	if err != nil {
		return nil, err
	}
	h, err := a.lastLook(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	info, err := a.clusterInfo(c)
	if err != nil {
		return nil, err
	}
	info.CustomerActionStatus = actionStatus(h)
	info.StateInfo = cmp.Or(info.StateInfo, actionInfo(h))
	return &kafka.DescribeClusterOutput{ClusterInfo: &info}, nil
}

func (a *API) describeClusterV2(
	ctx context.Context, in *kafka.DescribeClusterV2Input,
) (*kafka.DescribeClusterV2Output, error) {
	c, err := a.cluster(ctx, *in.ClusterArn)
	if err != nil {
		return nil, err
	}
	h, err := a.lastLook(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	info, err := a.clusterInfoV2(c)
	if err != nil {
		return nil, err
	}
	info.Provisioned.CustomerActionStatus = actionStatus(h)
	info.StateInfo = cmp.Or(info.StateInfo, actionInfo(h))
	return &kafka.DescribeClusterV2Output{ClusterInfo: &info}, nil
}

// actionStatus tells whether a cluster waits for its people, in MSK's words.
func actionStatus(h cluster.Health) types.CustomerActionStatus {
	if h.Urgent() {
		return types.CustomerActionStatusCriticalActionRequired
	}
	return types.CustomerActionStatusNone
}

// actionInfo says what a cluster waits for; nil when it does not wait for its people.
func actionInfo(h cluster.Health) *types.StateInfo {
	f, urgent := h.FirstUrgent()
	if !urgent {
		return nil
	}
	return &types.StateInfo{
		Code:    aws.String(string(types.CustomerActionStatusCriticalActionRequired)),
		Message: aws.String(strings.TrimSpace(fmt.Sprintf("%s %d: %s. %s", f.Role, f.NodeID, strings.TrimSuffix(f.Reason, "."), f.Advice))),
	}
}

// cluster finds the cluster that an ARN in a request names.
func (a *API) cluster(ctx context.Context, arn string) (cluster.Cluster, error) {
	return a.clusterOf(ctx, "clusterArn", arn)
}

// clusterOf finds the cluster that a parameter of a request names.
func (a *API) clusterOf(ctx context.Context, parameter, arn string) (cluster.Cluster, error) {
	name, err := a.scope.ParseCluster(parameter, arn)
	if err != nil {
		return cluster.Cluster{}, err
	}
	c, err := a.Records.Cluster(ctx, name.ID)
	if fault.Is(err, fault.NotFound) || err == nil && c.ARN != arn {
		return cluster.Cluster{}, mskapi.NotFound(parameter, "The cluster %s does not exist.", arn)
	}
	return c, err
}

// clusterInfo is the first version's view of a cluster. It is made from the second's, so the two always agree.
func (a *API) clusterInfo(c cluster.Cluster) (types.ClusterInfo, error) {
	v2, err := a.clusterInfoV2(c)
	if err != nil {
		return types.ClusterInfo{}, err
	}
	p := v2.Provisioned
	return types.ClusterInfo{
		ActiveOperationArn:        v2.ActiveOperationArn,
		ClusterArn:                v2.ClusterArn,
		ClusterName:               v2.ClusterName,
		CreationTime:              v2.CreationTime,
		CurrentVersion:            v2.CurrentVersion,
		State:                     v2.State,
		StateInfo:                 v2.StateInfo,
		Tags:                      v2.Tags,
		BrokerNodeGroupInfo:       p.BrokerNodeGroupInfo,
		ClientAuthentication:      p.ClientAuthentication,
		CurrentBrokerSoftwareInfo: p.CurrentBrokerSoftwareInfo,
		CustomerActionStatus:      p.CustomerActionStatus,
		EncryptionInfo:            p.EncryptionInfo,
		EnhancedMonitoring:        p.EnhancedMonitoring,
		LoggingInfo:               p.LoggingInfo,
		NumberOfBrokerNodes:       p.NumberOfBrokerNodes,
		OpenMonitoring:            openMonitoringV1(p.OpenMonitoring),
		Rebalancing:               p.Rebalancing,
		StorageMode:               p.StorageMode,
	}, nil
}

// clusterInfoV2 is the second version's view of a cluster.
func (a *API) clusterInfoV2(c cluster.Cluster) (types.Cluster, error) {
	provisioned, err := a.provisioned(c)
	if err != nil {
		return types.Cluster{}, err
	}
	info := types.Cluster{
		ClusterArn:     aws.String(c.ARN),
		ClusterName:    aws.String(c.Name),
		ClusterType:    types.ClusterTypeProvisioned,
		CreationTime:   aws.Time(c.CreatedAt),
		CurrentVersion: aws.String(c.Version),
		Provisioned:    &provisioned,
		State:          types.ClusterState(c.State()),
		Tags:           tagsOf(c),
	}
	if holder := cmp.Or(c.Active, c.Growing); holder != nil {
		info.ActiveOperationArn = aws.String(a.scope.OperationARN(c.Name, c.ID, holder.ID))
	}
	if c.State() == cluster.Failed && c.Failure != nil {
		info.StateInfo = &types.StateInfo{Code: aws.String(c.Failure.Code), Message: aws.String(c.Failure.Message)}
	}
	return info, nil
}

// provisioned echoes what was requested as it was requested, because clients compare it with what they would send again.
// What the spec holds comes from there, as updates change it; where the request said nothing MSK's defaults are shown.
func (a *API) provisioned(c cluster.Cluster) (types.Provisioned, error) {
	var asked types.ProvisionedRequest
	// Our own writing, checked when it came: reading it strictly again would be half of what a long list costs.
	if err := json.Unmarshal(c.Requested, &asked); err != nil {
		return types.Provisioned{}, fmt.Errorf("read the request of cluster %s: %w", c.ID, err)
	}
	p := types.Provisioned{
		BrokerNodeGroupInfo:       brokerNodeGroup(c, asked),
		NumberOfBrokerNodes:       aws.Int32(int32(c.Spec.Brokers)),
		ClientAuthentication:      asked.ClientAuthentication,
		CurrentBrokerSoftwareInfo: softwareInfo(c),
		CustomerActionStatus:      types.CustomerActionStatusNone,
		EncryptionInfo: &types.EncryptionInfo{
			EncryptionAtRest: &types.EncryptionAtRest{DataVolumeKMSKeyId: aws.String(a.VolumeKey)},
			EncryptionInTransit: &types.EncryptionInTransit{
				ClientBroker: types.ClientBroker(c.Spec.ClientBroker),
				InCluster:    aws.Bool(c.Spec.InCluster),
			},
		},
		EnhancedMonitoring: types.EnhancedMonitoringDefault,
		LoggingInfo:        asked.LoggingInfo,
		OpenMonitoring:     asked.OpenMonitoring,
		Rebalancing:        asked.Rebalancing,
		StorageMode:        types.StorageModeLocal,
	}
	if asked.EnhancedMonitoring != "" {
		p.EnhancedMonitoring = asked.EnhancedMonitoring
	}
	if asked.StorageMode != "" {
		p.StorageMode = asked.StorageMode
	}
	return p, nil
}

func brokerNodeGroup(c cluster.Cluster, asked types.ProvisionedRequest) *types.BrokerNodeGroupInfo {
	group := *asked.BrokerNodeGroupInfo
	group.ClientSubnets = c.Spec.Subnets
	group.InstanceType = aws.String(c.Spec.InstanceType)
	group.SecurityGroups = c.Spec.SecurityGroups
	group.BrokerAZDistribution = types.BrokerAZDistributionDefault

	storage := volume(asked)
	storage.VolumeSize = aws.Int32(int32(c.Spec.VolumeGiB))
	if c.Spec.ThroughputMiB > 0 || storage.ProvisionedThroughput != nil {
		storage.ProvisionedThroughput = provisionedThroughput(c.Spec.ThroughputMiB)
	}
	group.StorageInfo = &types.StorageInfo{EbsStorageInfo: &storage}

	reached := connectivity(asked)
	if reached.PublicAccess == nil || reached.PublicAccess.Type == nil {
		reached.PublicAccess = &types.PublicAccess{Type: aws.String("DISABLED")}
	}
	group.ConnectivityInfo = &reached
	return &group
}

// provisionedThroughput says how fast a volume is, in MSK's words; 0 is as fast as one that nobody has asked for more.
func provisionedThroughput(miB int) *types.ProvisionedThroughput {
	if miB == 0 {
		return &types.ProvisionedThroughput{Enabled: aws.Bool(false)}
	}
	return &types.ProvisionedThroughput{Enabled: aws.Bool(true), VolumeThroughput: aws.Int32(int32(miB))}
}

// softwareInfo is there for every cluster, at any time: Terraform's provider crashes without it.
func softwareInfo(c cluster.Cluster) *types.BrokerSoftwareInfo {
	info := &types.BrokerSoftwareInfo{KafkaVersion: aws.String(c.Spec.KafkaVersion)}
	if ref := c.Spec.Configuration; ref != nil {
		info.ConfigurationArn = aws.String(ref.ARN)
		info.ConfigurationRevision = aws.Int64(ref.Revision)
	}
	return info
}

// openMonitoringV1 is the same under the names of the first version's types.
func openMonitoringV1(info *types.OpenMonitoringInfo) *types.OpenMonitoring {
	if info == nil {
		return nil
	}
	monitoring := &types.OpenMonitoring{}
	if info.Prometheus == nil {
		return monitoring
	}
	monitoring.Prometheus = &types.Prometheus{}
	if e := info.Prometheus.JmxExporter; e != nil {
		monitoring.Prometheus.JmxExporter = &types.JmxExporter{EnabledInBroker: e.EnabledInBroker}
	}
	if e := info.Prometheus.NodeExporter; e != nil {
		monitoring.Prometheus.NodeExporter = &types.NodeExporter{EnabledInBroker: e.EnabledInBroker}
	}
	return monitoring
}
