package api_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"
)

// Pipelines create and tag by the dozen at the same moment. Every call here writes to one and the same record, and the
// client tries nothing again.

func TestCreateCluster_FiftyAtOnceShareOneConfiguration(t *testing.T) {
	desk := openFrontDesk(t)
	configuration, err := desk.CreateConfiguration(t.Context(), &kafka.CreateConfigurationInput{
		Name: aws.String("shared"), ServerProperties: []byte("log.retention.hours=48"),
	})
	if err != nil {
		t.Fatal(err)
	}
	atOnce(t, 50, func(i int) error {
		p := threeBrokers()
		p.ConfigurationInfo = &types.ConfigurationInfo{Arn: configuration.Arn, Revision: aws.Int64(1)}
		_, err := desk.CreateClusterV2(t.Context(), &kafka.CreateClusterV2Input{
			ClusterName: aws.String(fmt.Sprintf("orders-%d", i)), Provisioned: &p,
		})
		return err
	})
	clusters, err := desk.records.AllClusters(t.Context())
	if err != nil || len(clusters) != 50 {
		t.Errorf("there are %d clusters (%v)", len(clusters), err)
	}
}

func TestTagResource_FortyAtOnceOnOneCluster(t *testing.T) {
	desk := openFrontDesk(t)
	arn := desk.create(t, "orders").ARN
	atOnce(t, 40, func(i int) error {
		_, err := desk.TagResource(t.Context(), &kafka.TagResourceInput{
			ResourceArn: &arn, Tags: map[string]string{fmt.Sprintf("team-%d", i): "yes"},
		})
		return err
	})
	if tags := desk.recorded(t, "orders").Tags; len(tags) != 40 {
		t.Errorf("the cluster has %d tags", len(tags))
	}
}

// atOnce makes n calls at the same moment; all of them have to succeed.
func atOnce(t *testing.T, n int, call func(i int) error) {
	t.Helper()
	var callers sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		callers.Go(func() {
			<-begin
			if err := call(i); err != nil {
				t.Error(err)
			}
		})
	}
	close(begin)
	callers.Wait()
}
