package mskapi_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/mskapi"
)

func TestMarshal_WritesWhatMSKWrites(t *testing.T) {
	berlin := time.FixedZone("CEST", 2*60*60)
	for _, tt := range []struct {
		name  string
		value any
		want  string
	}{
		{"nothing", nil, `{}`},
		{"a nil output", (*kafka.DescribeClusterOutput)(nil), `{}`},
		{"unset members and enums are left out", &types.ClusterInfo{ClusterName: aws.String("x")}, `{"clusterName":"x"}`},
		{"an empty list is an answer", &kafka.ListClustersOutput{ClusterInfoList: []types.ClusterInfo{}}, `{"clusterInfoList":[]}`},
		{"an empty map is an answer", &kafka.ListTagsForResourceOutput{Tags: map[string]string{}}, `{"tags":{}}`},
		{"false and zero are answers", &types.EncryptionInTransit{InCluster: aws.Bool(false)}, `{"inCluster":false}`},
		{"an empty text that was set is an answer", &types.StateInfo{Message: aws.String("")}, `{"message":""}`},
		{
			"times are UTC in milliseconds",
			&types.ConfigurationRevision{CreationTime: aws.Time(time.Date(2026, 9, 20, 14, 0, 0, 123456789, berlin)), Revision: aws.Int64(1)},
			`{"creationTime":"2026-09-20T12:00:00.123Z","revision":1}`,
		},
		{
			"whole seconds keep their milliseconds",
			&types.ConfigurationRevision{CreationTime: aws.Time(time.Unix(0, 0))},
			`{"creationTime":"1970-01-01T00:00:00.000Z"}`,
		},
		{
			"blobs are base64",
			&kafka.DescribeConfigurationRevisionOutput{ServerProperties: []byte("a=b\n")},
			`{"serverProperties":"YT1iCg=="}`,
		},
		{
			"only the first letter changes",
			&types.BrokerEBSVolumeInfo{VolumeSizeGB: aws.Int32(7)},
			`{"volumeSizeGB":7}`,
		},
		{
			"keys of maps keep their case and their order is stable",
			&kafka.ListTagsForResourceOutput{Tags: map[string]string{"b": "2", "Name": "<x>&"}},
			`{"tags":{"Name":"<x>&","b":"2"}}`,
		},
		{
			"broker ids are doubles without a fraction",
			&types.BrokerCountUpdateInfo{CreatedBrokerIds: []float64{4, 5}},
			`{"createdBrokerIds":[4,5]}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := mskapi.Marshal(tt.value)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestEncode_TagCallsHaveNoBody(t *testing.T) {
	op, _ := mskapi.Lookup("TagResource")
	r, err := mskapi.Encode(op, "req-1", &kafka.TagResourceOutput{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != 204 || len(r.Body) != 0 || r.Header.Get("Content-Type") != "" || r.Header.Get("x-amzn-RequestId") != "req-1" {
		t.Errorf("got %+v", r)
	}
}
