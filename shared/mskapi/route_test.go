package mskapi_test

import (
	"maps"
	"net/url"
	"strings"
	"testing"

	"github.com/millrace/millrace/shared/mskapi"
)

const (
	operationARN     = "arn:aws:kafka:eu-west-1:123456789012:cluster-operation/demo/11111111-2222-3333-4444-555555555555-2/99999999-2222-3333-4444-555555555555"
	configurationARN = "arn:aws:kafka:eu-west-1:123456789012:configuration/conf/11111111-2222-3333-4444-555555555555-2"
	confusingARN     = "arn:aws:kafka:eu-west-1:123456789012:cluster/topics/nodes"
)

func TestMatch_TakesARNsEncodedAndDecoded(t *testing.T) {
	for _, tt := range []struct {
		method, before, arn, after string
		want                       string
		params                     map[string]string
	}{
		{"GET", "/v1/clusters/", clusterARN, "", "DescribeCluster", map[string]string{"clusterArn": clusterARN}},
		{"GET", "/api/v2/clusters/", clusterARN, "", "DescribeClusterV2", map[string]string{"clusterArn": clusterARN}},
		{"GET", "/v1/clusters/", clusterARN, "/nodes", "ListNodes", map[string]string{"clusterArn": clusterARN}},
		{"PUT", "/v1/clusters/", clusterARN, "/nodes/count", "UpdateBrokerCount", map[string]string{"clusterArn": clusterARN}},
		{"PATCH", "/v1/clusters/", clusterARN, "/security", "UpdateSecurity", map[string]string{"clusterArn": clusterARN}},
		{"GET", "/v1/operations/", operationARN, "", "DescribeClusterOperation", map[string]string{"clusterOperationArn": operationARN}},
		{
			"GET", "/v1/configurations/", configurationARN, "/revisions/3", "DescribeConfigurationRevision",
			map[string]string{"arn": configurationARN, "revision": "3"},
		},
		{
			"GET", "/v1/clusters/", clusterARN, "/topics/a.b_c-1", "DescribeTopic",
			map[string]string{"clusterArn": clusterARN, "topicName": "a.b_c-1"},
		},
		{"POST", "/v1/tags/", configurationARN, "", "TagResource", map[string]string{"resourceArn": configurationARN}},
		{"GET", "/v1/clusters/", confusingARN, "", "DescribeCluster", map[string]string{"clusterArn": confusingARN}},
		{"GET", "/v1/clusters/", confusingARN, "/topics", "ListTopics", map[string]string{"clusterArn": confusingARN}},
	} {
		forms := map[string]string{
			"decoded":       tt.arn,
			"encoded":       strings.NewReplacer(":", "%3A", "/", "%2F").Replace(tt.arn),
			"lower case":    strings.NewReplacer(":", "%3a", "/", "%2f").Replace(tt.arn),
			"slashes alone": url.PathEscape(tt.arn),
		}
		for name, arn := range forms {
			t.Run(tt.want+" "+name, func(t *testing.T) {
				op, params, err := mskapi.Match(tt.method, tt.before+arn+tt.after)
				if err != nil {
					t.Fatal(err)
				}
				if op.Name != tt.want || !maps.Equal(params, tt.params) {
					t.Errorf("got %s %v, want %s %v", op.Name, params, tt.want, tt.params)
				}
			})
		}
	}
}

func TestMatch_TakesATopicsNameForNothingElse(t *testing.T) {
	const topicARN = "arn:aws:kafka:eu-west-1:123456789012:topic/demo/11111111-2222-3333-4444-555555555555-2/orders.v1"
	encoded, decoded := url.PathEscape(clusterARN), clusterARN
	long := strings.Repeat("a", 249)
	for _, tt := range []struct{ method, path, want, param, value string }{
		{"GET", encoded + "/topics/orders.v1", "DescribeTopic", "topicName", "orders.v1"},
		{"GET", decoded + "/topics/orders.v1", "DescribeTopic", "topicName", "orders.v1"},
		{"GET", decoded + "/topics/orders.v1/partitions", "DescribeTopicPartitions", "topicName", "orders.v1"},
		{"PUT", encoded + "/topics/" + long, "UpdateTopic", "topicName", long},
		{"DELETE", encoded + "/topics/topics", "DeleteTopic", "topicName", "topics"},
		{"GET", encoded + "/topics/nodes", "DescribeTopic", "topicName", "nodes"},
		{"GET", encoded + "/topics/partitions/partitions", "DescribeTopicPartitions", "topicName", "partitions"},
		// None of these is a name that a topic can have, which is for the operation to say.
		{"GET", encoded + "/topics/.", "DescribeTopic", "topicName", "."},
		{"GET", encoded + "/topics/..", "DescribeTopic", "topicName", ".."},
		{"GET", encoded + "/topics/%2e%2e", "DescribeTopic", "topicName", ".."},
		{"DELETE", encoded + "/topics/%2E%2E%2F%2E%2E", "DeleteTopic", "topicName", "../.."},
		{"GET", encoded + "/topics/%2F%2F", "DescribeTopic", "topicName", "//"},
		{"GET", encoded + "/topics/a%2Fpartitions", "DescribeTopic", "topicName", "a/partitions"},
		{"GET", encoded + "/topics/a%2Fb/partitions", "DescribeTopicPartitions", "topicName", "a/b"},
		{"GET", encoded + "/topics/%C3%BCber", "DescribeTopic", "topicName", "über"},
		{"GET", encoded + "/topics/" + url.PathEscape(topicARN), "DescribeTopic", "topicName", topicARN},
	} {
		op, params, err := mskapi.Match(tt.method, "/v1/clusters/"+tt.path)
		if err != nil || op.Name != tt.want || params[tt.param] != tt.value || params["clusterArn"] != clusterARN {
			t.Errorf("%s %s: got %s %q, %v; want %s %s", tt.method, tt.path, op.Name, params, err, tt.want, tt.value)
		}
	}
	for _, arn := range []string{topicARN, url.PathEscape(topicARN)} {
		op, params, err := mskapi.Match("GET", "/v1/tags/"+arn)
		if err != nil || op.Name != "ListTagsForResource" || params["resourceArn"] != topicARN {
			t.Errorf("%s: got %s %q, %v", arn, op.Name, params, err)
		}
	}
}

func TestMatch_LeavesStrangePartsToTheOperation(t *testing.T) {
	for _, tt := range []struct{ path, want, param, value string }{
		{"/v1/clusters/orders", "DescribeCluster", "clusterArn", "orders"},
		{"/v1/clusters/" + url.PathEscape(clusterARN) + "/topics/a%2Fb", "DescribeTopic", "topicName", "a/b"},
		{"/v1/clusters/" + url.PathEscape(clusterARN) + "/topics/100%25", "DescribeTopic", "topicName", "100%"},
	} {
		op, params, err := mskapi.Match("GET", tt.path)
		if err != nil {
			t.Errorf("%s: %v", tt.path, err)
			continue
		}
		if op.Name != tt.want || params[tt.param] != tt.value {
			t.Errorf("%s: got %s %v", tt.path, op.Name, params)
		}
	}
}

func TestMatch_UnknownPathsAreBadRequestsNeverNotFound(t *testing.T) {
	for _, tt := range []struct{ method, path string }{
		{"GET", "/"},
		{"GET", ""},
		{"GET", "/v1/cluster"},
		{"DELETE", "/v1/clusters"},
		{"get", "/v1/clusters"},
		{"GET", "/v1/clusters/"},
		{"GET", "/v1/clusters//nodes"},
		{"GET", "/prod/v1/clusters"},
		{"GET", "/v1/clusters/%zz"},
		{"GET", "/v1/clusters/" + clusterARN + "/topics//"},
		{"GET", "/v1/clusters/" + clusterARN + "/topics/a//partitions"},
		{"GET", "/v1/clusters/" + clusterARN + "/topics/a/../b"},
		{"GET", "/v1/clusters\n"},
	} {
		_, _, err := mskapi.Match(tt.method, tt.path)
		wantCode(t, tt.method+" "+tt.path, err, mskapi.CodeBadRequest, "")
	}
}
