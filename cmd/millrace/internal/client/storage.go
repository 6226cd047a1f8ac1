package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/cluster"
)

// Storage is the storage of a cluster: what it has, what is used of it, and how it grows.
type Storage struct {
	Name  string        `json:"name"`
	ARN   string        `json:"arn"`
	State cluster.State `json:"state"`
	// VolumeGiB is what the volume of each broker has at least; ThroughputMiB is in MiB a second, 0 where nobody has asked for more
	// than a volume has.
	VolumeGiB     int             `json:"volumeGiB"`
	ThroughputMiB int             `json:"throughputMiB,omitempty"`
	Brokers       []BrokerStorage `json:"brokers"` // by id
	// Autoscaling is the policy by which the volumes grow by themselves; nil where there is none.
	Autoscaling *cluster.StorageAutoscaling `json:"autoscaling,omitempty"`
	// Growing is the growth that is under way.
	Growing *Growth `json:"growing,omitempty"`
	// Growths are the last ones, newest first, with the one that is under way.
	Growths []Growth `json:"growths"`
}

// BrokerStorage is the volume of a broker, with what its last heartbeat said of it.
type BrokerStorage struct {
	ID            int32      `json:"id"`
	Zone          string     `json:"zone"`
	Volume        string     `json:"volume,omitempty"`
	Volumes       []string   `json:"volumes,omitempty"` // that it is made of, where these are several: Volume is the first
	VolumeGiB     int        `json:"volumeGiB"`
	ThroughputMiB int        `json:"throughputMiB,omitempty"`
	UsedBytes     *int64     `json:"usedBytes,omitempty"`
	TotalBytes    *int64     `json:"totalBytes,omitempty"`
	UsedPercent   *float64   `json:"usedPercent,omitempty"`
	SeenAt        *time.Time `json:"seenAt,omitempty"`
}

// Growth is an operation that has changed volumes, or does.
type Growth struct {
	Cause     string         `json:"cause"`            // request, autoscaling, healing, or merging of further volumes with the first ones
	Reason    string         `json:"reason,omitempty"` // of healing
	Volumes   []VolumeChange `json:"volumes"`
	Operation Operation      `json:"operation"`
}

// VolumeChange is the change of a broker's volume. Of one that was healed it is not known what it was before.
type VolumeChange struct {
	NodeID            int32 `json:"nodeId"`
	FromGiB           int   `json:"fromGiB,omitempty"`
	ToGiB             int   `json:"toGiB"`
	FromThroughputMiB int   `json:"fromThroughputMiB,omitempty"`
	ToThroughputMiB   int   `json:"toThroughputMiB,omitempty"`
}

// Storage gives the volumes of a cluster's brokers, with how full they are, and how they have grown.
func (c Client) Storage(ctx context.Context, arn string) (Storage, error) {
	var answer Storage
	err := c.call(ctx, http.MethodGet, "clusters/"+escape(arn)+"/storage", nil, &answer)
	return answer, err
}

// GrowStorage begins to grow the volumes of brokers, or of every broker where none is named, by the API of MSK. It gives the operation
// that does it.
func (c Client) GrowStorage(ctx context.Context, arn, version string, gib int, brokers []int32) (Operation, error) {
	var volumes []types.BrokerEBSVolumeInfo
	for _, b := range brokers {
		volumes = append(volumes, types.BrokerEBSVolumeInfo{KafkaBrokerNodeId: aws.String(fmt.Sprint(b)), VolumeSizeGB: aws.Int32(int32(gib))})
	}
	if len(volumes) == 0 {
		volumes = []types.BrokerEBSVolumeInfo{{KafkaBrokerNodeId: aws.String("All"), VolumeSizeGB: aws.Int32(int32(gib))}}
	}
	said, err := c.byMSK(ctx, func(ctx context.Context, msk *kafka.Client) error {
		_, err := msk.UpdateBrokerStorage(ctx, &kafka.UpdateBrokerStorageInput{
			ClusterArn: aws.String(arn), CurrentVersion: aws.String(version), TargetBrokerEBSVolumeInfo: volumes,
		})
		return err
	})
	if err != nil {
		return Operation{}, err
	}
	var answer struct{ ClusterOperationArn string }
	if err := json.Unmarshal(said.Body, &answer); err != nil {
		return Operation{}, err
	}
	return c.Operation(ctx, arn, answer.ClusterOperationArn[strings.LastIndexByte(answer.ClusterOperationArn, '/')+1:])
}

// AutoscaleStorage lets the volumes of a cluster grow by themselves, by a rule; nil for no more.
func (c Client) AutoscaleStorage(ctx context.Context, arn string, rule *cluster.StorageAutoscaling) (Storage, error) {
	var answer Storage
	var ask any
	method := http.MethodDelete
	if rule != nil {
		method, ask = http.MethodPut, rule
	}
	err := c.call(ctx, method, "clusters/"+escape(arn)+"/storage-autoscaling", ask, &answer)
	return answer, err
}
