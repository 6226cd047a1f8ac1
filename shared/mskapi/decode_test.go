package mskapi_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kafka"

	"github.com/millrace/millrace/shared/mskapi"
)

// wantCode checks that err is an API error of this code, blaming this member.
func wantCode(t *testing.T, what string, err error, code mskapi.Code, param string) {
	t.Helper()
	var e *mskapi.Error
	if !errors.As(err, &e) {
		t.Errorf("%s: got %v, want %s", what, err, code)
		return
	}
	if e.Code != code || e.InvalidParameter != param {
		t.Errorf("%s: got %v, want %s [%s]", what, err, code, param)
	}
	if e.HTTPStatus < 400 || e.Message == "" {
		t.Errorf("%s: the error has status %d and message %q", what, e.HTTPStatus, e.Message)
	}
}

// decode reads a body as one operation would, with a cluster in the path if it has one.
func decode(t *testing.T, operation, body, query string) (any, error) {
	t.Helper()
	op, ok := mskapi.Lookup(operation)
	if !ok {
		t.Fatalf("there is no operation %s", operation)
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	params := map[string]string{"clusterArn": clusterARN, "arn": configurationARN, "resourceArn": clusterARN, "revision": "1"}
	return mskapi.Decode(op, params, mskapi.Request{Body: []byte(body), Query: values})
}

const goodCreate = `{"clusterName":"demo","kafkaVersion":"3.9.x","numberOfBrokerNodes":3,
	"brokerNodeGroupInfo":{"clientSubnets":["a","b","c"],"instanceType":"kafka.m5.large"}}`

func TestDecode_NamesTheMemberAtFault(t *testing.T) {
	for _, tt := range []struct {
		name             string
		op, query, body  string
		invalidParameter string
	}{
		{"not JSON", "CreateCluster", "", `{"clusterName":`, ""},
		{"not an object", "CreateCluster", "", `["clusterName"]`, ""},
		{"null", "CreateCluster", "", `null`, ""},
		{"trailing data", "CreateCluster", "", goodCreate + `{}`, ""},
		{"trailing nonsense", "CreateCluster", "", goodCreate + `x`, ""},
		{"too large", "CreateCluster", "", `{"clusterName":"` + strings.Repeat("a", mskapi.MaxBodyBytes) + `"}`, ""},
		{"deep nesting", "CreateCluster", "", strings.Repeat("[", 500_000), ""},
		{"an unknown member", "CreateCluster", "", `{"clusterNames":"x"}`, "clusterNames"},
		{"an unknown member deep inside", "CreateCluster", "", `{"brokerNodeGroupInfo":{"storageInfo":{"ebs":{}}}}`, "brokerNodeGroupInfo.storageInfo.ebs"},
		{"an unknown member in a list", "UpdateBrokerStorage", "", `{"targetBrokerEBSVolumeInfo":[{},{"size":1}]}`, "targetBrokerEBSVolumeInfo[1].size"},
		{"a member in another case", "CreateCluster", "", `{"ClusterName":"x"}`, "ClusterName"},
		{"the SDK's own bookkeeping", "CreateCluster", "", `{"noSmithyDocumentSerde":{}}`, "noSmithyDocumentSerde"},
		{"a path member in the body", "UpdateBrokerCount", "", `{"clusterArn":"x"}`, "clusterArn"},
		{"a body where there is none", "DescribeCluster", "", `{"x":1}`, "x"},
		{"a number for a string", "CreateCluster", "", `{"clusterName":1}`, "clusterName"},
		{"a string for a number", "CreateCluster", "", `{"numberOfBrokerNodes":"3"}`, "numberOfBrokerNodes"},
		{"a fraction for an integer", "CreateCluster", "", `{"numberOfBrokerNodes":3.5}`, "numberOfBrokerNodes"},
		{"over 32 bits", "CreateCluster", "", `{"numberOfBrokerNodes":2147483648}`, "numberOfBrokerNodes"},
		{"far over 64 bits", "CreateCluster", "", `{"numberOfBrokerNodes":1e400}`, "numberOfBrokerNodes"},
		{"an object for a list", "RebootBroker", "", `{"brokerIds":{}}`, "brokerIds"},
		{"null in a list", "RebootBroker", "", `{"brokerIds":["1",null]}`, "brokerIds[1]"},
		{"null in a map", "TagResource", "", `{"tags":{"k":null}}`, "tags.k"},
		{"nulls in a map, of which the first by name is told", "TagResource", "", `{"tags":{"z":null,"y":null,"k":null,"x":null}}`, "tags.k"},
		{"text for truth", "CreateCluster", "", `{"clientAuthentication":{"unauthenticated":{"enabled":"true"}}}`, "clientAuthentication.unauthenticated.enabled"},
		{"text for an object", "CreateCluster", "", `{"brokerNodeGroupInfo":"x"}`, "brokerNodeGroupInfo"},
		{"broken base64", "CreateConfiguration", "", `{"name":"c","serverProperties":"a=b"}`, "serverProperties"},
		{"an unknown value of an enum", "CreateCluster", "", `{"storageMode":"GLACIER"}`, "storageMode"},
		{"a required member is missing", "CreateCluster", "", `{"clusterName":"x"}`, "brokerNodeGroupInfo"},
		{"a required member is null", "UpdateBrokerCount", "", `{"currentVersion":null,"targetNumberOfBrokerNodes":3}`, "currentVersion"},
		{"a required member is missing deep inside", "CreateCluster", "", `{"brokerNodeGroupInfo":{"clientSubnets":["a"]},"clusterName":"x","kafkaVersion":"3","numberOfBrokerNodes":1}`, "brokerNodeGroupInfo.instanceType"},
		{"a required member is missing in a list", "UpdateBrokerStorage", "", `{"currentVersion":"K1","targetBrokerEBSVolumeInfo":[{"volumeSizeGB":1}]}`, "targetBrokerEBSVolumeInfo[0].kafkaBrokerNodeId"},
		{"no body at all", "UpdateBrokerCount", "", ``, "currentVersion"},
		{"an unknown query parameter", "ListClusters", "name=x", ``, "name"},
		{"two unknown query parameters, of which the first by name is told", "ListClusters", "name=x&zone=y&kind=z&color=red", ``, "color"},
		{"a repeated query parameter", "ListClusters", "maxResults=1&maxResults=2", ``, "maxResults"},
		{"text for a number in the query", "ListClusters", "maxResults=ten", ``, "maxResults"},
		{"over 32 bits in the query", "ListClusters", "maxResults=9999999999", ``, "maxResults"},
		{"a required query parameter is missing", "UntagResource", "", ``, "tagKeys"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := decode(t, tt.op, tt.body, tt.query)
			wantCode(t, tt.op, err, mskapi.CodeBadRequest, tt.invalidParameter)
		})
	}
}

func TestDecode_ARevisionHasToBeANumber(t *testing.T) {
	op, params, err := mskapi.Match("GET", "/v1/configurations/"+configurationARN+"/revisions/latest")
	if err != nil {
		t.Fatal(err)
	}
	_, err = mskapi.Decode(op, params, mskapi.Request{})
	wantCode(t, "revisions/latest", err, mskapi.CodeBadRequest, "revision")
}

func TestDecode_ReadsWhatClientsSend(t *testing.T) {
	input, err := decode(t, "CreateCluster", goodCreate, "")
	if err != nil {
		t.Fatal(err)
	}
	if c := input.(*kafka.CreateClusterInput); *c.ClusterName != "demo" || *c.NumberOfBrokerNodes != 3 ||
		len(c.BrokerNodeGroupInfo.ClientSubnets) != 3 || c.Tags != nil {
		t.Errorf("got %+v", c)
	}

	input, err = decode(t, "UntagResource", "", "tagKeys=a&tagKeys=b+c")
	if err != nil {
		t.Fatal(err)
	}
	if u := input.(*kafka.UntagResourceInput); len(u.TagKeys) != 2 || u.TagKeys[1] != "b c" || *u.ResourceArn != clusterARN {
		t.Errorf("got %+v", u)
	}

	input, err = decode(t, "ListClusters", " \n", "maxResults=10&nextToken=a%2B%2F%3D")
	if err != nil {
		t.Fatal(err)
	}
	if l := input.(*kafka.ListClustersInput); *l.MaxResults != 10 || *l.NextToken != "a+/=" || l.ClusterNameFilter != nil {
		t.Errorf("got %+v", l)
	}
}

func TestUnmarshal_IsAsStrictOutsideTheModel(t *testing.T) {
	var into struct {
		Reason *string
		Count  int
	}
	if err := mskapi.Unmarshal([]byte(`{"reason":"r","count":2}`), &into); err != nil || *into.Reason != "r" || into.Count != 2 {
		t.Errorf("got %+v, %v", into, err)
	}
	wantCode(t, "unknown", mskapi.Unmarshal([]byte(`{"because":"r"}`), &into), mskapi.CodeBadRequest, "because")
}
