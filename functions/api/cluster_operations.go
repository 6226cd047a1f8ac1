package api

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/mskapi"
)

func (a *API) listClusterOperations(
	ctx context.Context, in *kafka.ListClusterOperationsInput,
) (*kafka.ListClusterOperationsOutput, error) {
	c, page, next, err := a.pageOfOperations(ctx, *in.ClusterArn, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	infos, err := convert(page, func(op cluster.Operation) (types.ClusterOperationInfo, error) {
		return operationInfo(c.ARN, op), nil
	})
	return &kafka.ListClusterOperationsOutput{ClusterOperationInfoList: infos, NextToken: next}, err
}

func (a *API) listClusterOperationsV2(
	ctx context.Context, in *kafka.ListClusterOperationsV2Input,
) (*kafka.ListClusterOperationsV2Output, error) {
	c, page, next, err := a.pageOfOperations(ctx, *in.ClusterArn, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	infos, err := convert(page, func(op cluster.Operation) (types.ClusterOperationV2Summary, error) {
		return types.ClusterOperationV2Summary{
			ClusterArn:     aws.String(c.ARN),
			ClusterType:    types.ClusterTypeProvisioned,
			OperationArn:   aws.String(op.ARN),
			OperationState: aws.String(string(op.State)),
			OperationType:  aws.String(string(op.Type)),
			StartTime:      aws.Time(op.CreatedAt),
			EndTime:        endTime(op),
		}, nil
	})
	return &kafka.ListClusterOperationsV2Output{ClusterOperationInfoList: infos, NextToken: next}, err
}

func (a *API) describeClusterOperation(
	ctx context.Context, in *kafka.DescribeClusterOperationInput,
) (*kafka.DescribeClusterOperationOutput, error) {
	c, op, err := a.operation(ctx, *in.ClusterOperationArn)
	if err != nil {
		return nil, err
	}
	info := operationInfo(c.ARN, op)
	return &kafka.DescribeClusterOperationOutput{ClusterOperationInfo: &info}, nil
}

func (a *API) describeClusterOperationV2(
	ctx context.Context, in *kafka.DescribeClusterOperationV2Input,
) (*kafka.DescribeClusterOperationV2Output, error) {
	c, op, err := a.operation(ctx, *in.ClusterOperationArn)
	if err != nil {
		return nil, err
	}
	return &kafka.DescribeClusterOperationV2Output{ClusterOperationInfo: &types.ClusterOperationV2{
		ClusterArn:     aws.String(c.ARN),
		ClusterType:    types.ClusterTypeProvisioned,
		OperationArn:   aws.String(op.ARN),
		OperationState: aws.String(string(op.State)),
		OperationType:  aws.String(string(op.Type)),
		StartTime:      aws.Time(op.CreatedAt),
		EndTime:        endTime(op),
		ErrorInfo:      errorInfo(op),
		Provisioned: &types.ClusterOperationV2Provisioned{
			OperationSteps: operationSteps(op), SourceClusterInfo: sourceInfo(op), TargetClusterInfo: targetInfo(op),
		},
	}}, nil
}

// operation finds the operation that an ARN in a request names, with its cluster.
func (a *API) operation(ctx context.Context, arn string) (cluster.Cluster, cluster.Operation, error) {
	name, err := a.scope.ParseOperation("clusterOperationArn", arn)
	if err != nil {
		return cluster.Cluster{}, cluster.Operation{}, err
	}
	c, err := a.Records.Cluster(ctx, name.ID)
	var op cluster.Operation
	if err == nil {
		op, err = a.Records.Operation(ctx, name.ID, name.OperationID)
	}
	if fault.Is(err, fault.NotFound) || err == nil && op.ARN != arn {
		return c, op, mskapi.NotFound("clusterOperationArn", "The cluster operation %s does not exist.", arn)
	}
	return c, op, err
}

// pageOfOperations gives operations of a cluster, the newest first.
func (a *API) pageOfOperations(
	ctx context.Context, clusterARN string, maxResults *int32, nextToken *string,
) (cluster.Cluster, []cluster.Operation, *string, error) {
	c, err := a.cluster(ctx, clusterARN)
	if err != nil {
		return c, nil, nil, err
	}
	all, err := a.allOperations(ctx, c.ID)
	if err != nil {
		return c, nil, nil, err
	}
	newestFirst := func(op cluster.Operation) string { return mskapi.NewestFirst(op.CreatedAt, op.ID) }
	page, next, err := paginate(ctx, all, newestFirst, maxResults, nextToken)
	return c, page, next, err
}

// allOperations gives every operation of a cluster, oldest first.
func (a *API) allOperations(ctx context.Context, clusterID string) ([]cluster.Operation, error) {
	const atOnce = 200
	var all []cluster.Operation
	after := ""
	for {
		some, err := a.Records.Operations(ctx, clusterID, after, atOnce)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if len(some) < atOnce {
			return all, nil
		}
		after = some[len(some)-1].ID
	}
}

func operationInfo(clusterARN string, op cluster.Operation) types.ClusterOperationInfo {
	info := types.ClusterOperationInfo{
		ClusterArn:        aws.String(clusterARN),
		OperationArn:      aws.String(op.ARN),
		OperationState:    aws.String(string(op.State)),
		OperationType:     aws.String(string(op.Type)),
		CreationTime:      aws.Time(op.CreatedAt),
		EndTime:           endTime(op),
		ErrorInfo:         errorInfo(op),
		OperationSteps:    operationSteps(op),
		SourceClusterInfo: sourceInfo(op),
		TargetClusterInfo: targetInfo(op),
	}
	if op.RequestID != "" {
		info.ClientRequestId = aws.String(op.RequestID)
	}
	return info
}

func operationSteps(op cluster.Operation) []types.ClusterOperationStep {
	var steps []types.ClusterOperationStep
	for _, s := range op.Steps {
		steps = append(steps, types.ClusterOperationStep{
			StepName: aws.String(s.Name),
			StepInfo: &types.ClusterOperationStepInfo{StepStatus: aws.String(string(s.Status))},
		})
	}
	return steps
}

// sourceInfo is what an operation changes, as it was before; nil where MSK has no members for it.
func sourceInfo(op cluster.Operation) *types.MutableClusterInfo {
	return volumesInfo(op, func(v cluster.VolumeChange) cluster.VolumeShape { return v.From })
}

// targetInfo is what an operation changes, as it is to be.
func targetInfo(op cluster.Operation) *types.MutableClusterInfo {
	return volumesInfo(op, func(v cluster.VolumeChange) cluster.VolumeShape { return v.To })
}

func volumesInfo(op cluster.Operation, shape func(cluster.VolumeChange) cluster.VolumeShape) *types.MutableClusterInfo {
	if op.Storage == nil {
		return nil
	}
	info := &types.MutableClusterInfo{BrokerEBSVolumeInfo: []types.BrokerEBSVolumeInfo{}}
	for _, v := range op.Storage.Volumes {
		if v.NodeID >= cluster.FirstController { // MSK tells of brokers alone
			continue
		}
		s := shape(v)
		volume := types.BrokerEBSVolumeInfo{KafkaBrokerNodeId: aws.String(fmt.Sprint(v.NodeID)), VolumeSizeGB: aws.Int32(int32(s.SizeGiB))}
		if v.From.ThroughputMiB > 0 || v.To.ThroughputMiB > 0 {
			volume.ProvisionedThroughput = provisionedThroughput(s.ThroughputMiB)
		}
		info.BrokerEBSVolumeInfo = append(info.BrokerEBSVolumeInfo, volume)
	}
	return info
}

func errorInfo(op cluster.Operation) *types.ErrorInfo {
	if op.Failure == nil {
		return nil
	}
	return &types.ErrorInfo{ErrorCode: aws.String(op.Failure.Code), ErrorString: aws.String(op.Failure.Message)}
}

func endTime(op cluster.Operation) *time.Time {
	if op.EndedAt.IsZero() {
		return nil
	}
	return &op.EndedAt
}
