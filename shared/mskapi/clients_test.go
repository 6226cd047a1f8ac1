package mskapi_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/mskapi"
	"github.com/millrace/millrace/shared/mskapi/mskapitest"
)

// recorder answers every operation with something small and keeps what it was asked.
type recorder struct {
	mu   sync.Mutex
	seen []string // operation and input, as JSON
}

func (r *recorder) handle(op mskapi.Operation, input any) (any, error) {
	in, err := mskapi.Marshal(input)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, op.Name+" "+string(in))
	switch op.Name {
	case "DescribeCluster":
		return nil, mskapi.NotFound("clusterArn", "There is no such cluster.")
	case "DescribeConfigurationRevision":
		return &kafka.DescribeConfigurationRevisionOutput{
			Arn: aws.String(configurationARN), Revision: aws.Int64(1), ServerProperties: []byte("a=b\n"),
			CreationTime: aws.Time(signedAt.Add(123 * time.Millisecond)),
		}, nil
	case "ListNodes":
		return &kafka.ListNodesOutput{NodeInfoList: []types.NodeInfo{{
			NodeType: types.NodeTypeBroker, BrokerNodeInfo: &types.BrokerNodeInfo{BrokerId: aws.Float64(1)},
		}}}, nil
	default:
		return op.NewOutput(), nil
	}
}

func (r *recorder) want(t *testing.T, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range max(len(want), len(r.seen)) {
		switch {
		case i >= len(r.seen):
			t.Errorf("request %d never came: %s", i, want[i])
		case i >= len(want):
			t.Errorf("request %d is one too many: %s", i, r.seen[i])
		case r.seen[i] != want[i]:
			t.Errorf("request %d is %s\nwant %s", i, r.seen[i], want[i])
		}
	}
	r.seen = nil
}

// run starts a program with our keys and nothing of the user's own AWS set-up; it ends with the test at the latest.
func run(t *testing.T, name string, args ...string) (stdout, stderr []byte, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Env = append(withoutAWS(os.Environ()),
		"AWS_ACCESS_KEY_ID="+testKey, "AWS_SECRET_ACCESS_KEY="+testSecret, "AWS_DEFAULT_REGION="+testRegion,
		"AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull, "AWS_MAX_ATTEMPTS=1", "NO_PROXY=127.0.0.1")
	err = cmd.Run()
	return out.Bytes(), errs.Bytes(), err
}

// withoutAWS drops what the user set for AWS clients, such as a profile or a session.
func withoutAWS(environ []string) []string {
	return slices.DeleteFunc(environ, func(e string) bool { return strings.HasPrefix(e, "AWS_") })
}

func TestClients_TheCommandLineIsUnderstood(t *testing.T) {
	cli := mskapitest.CommandLine(t)
	var r recorder
	server := serve(t, r.handle)
	ask := func(args ...string) []byte {
		t.Helper()
		out, errs, err := run(t, cli, append([]string{"--endpoint-url", server.URL, "--output", "json", "kafka"}, args...)...)
		if err != nil {
			t.Errorf("aws kafka %v: %v\n%s", args, err, errs)
		}
		return out
	}

	ask("list-clusters", "--cluster-name-filter", "de mo+/=", "--max-results", "10", "--no-paginate")
	r.want(t, `ListClusters {"clusterNameFilter":"de mo+/=","maxResults":10}`)

	ask("untag-resource", "--resource-arn", clusterARN, "--tag-keys", "b c", "a/b", "a-b")
	r.want(t, `UntagResource {"resourceArn":"`+clusterARN+`","tagKeys":["b c","a/b","a-b"]}`)

	properties := filepath.Join(t.TempDir(), "server.properties")
	if err := os.WriteFile(properties, []byte("a=b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ask("create-configuration", "--name", "c", "--server-properties", "fileb://"+properties)
	r.want(t, `CreateConfiguration {"name":"c","serverProperties":"YT1iCg=="}`)

	var revision struct {
		CreationTime, ServerProperties string
		Revision                       int
	}
	out := ask("describe-configuration-revision", "--arn", configurationARN, "--revision", "1")
	if err := json.Unmarshal(out, &revision); err != nil || revision.Revision != 1 || revision.ServerProperties != "YT1iCg==" {
		t.Errorf("the command line printed %s (%v)", out, err)
	}
	r.want(t, `DescribeConfigurationRevision {"arn":"`+configurationARN+`","revision":1}`)

	_, errs, err := run(t, cli, "--endpoint-url", server.URL, "kafka", "describe-cluster", "--cluster-arn", clusterARN)
	if err == nil || !bytes.Contains(errs, []byte("(NotFoundException)")) {
		t.Errorf("an unknown cluster made the command line print %s", errs)
	}

	_, errs, err = run(t, cli, "--no-sign-request", "--endpoint-url", server.URL, "kafka", "list-clusters")
	if err == nil || !bytes.Contains(errs, []byte("(UnauthorizedException)")) {
		t.Errorf("an unsigned request made the command line print %s", errs)
	}
}

// Python's boto3 is a thin layer on botocore; this client is the one boto3.client("kafka") gives.
const pythonScript = `
import botocore.session, json, sys
from botocore.config import Config
k = botocore.session.get_session().create_client("kafka", endpoint_url=sys.argv[1], config=Config(retries={"max_attempts": 0}))
cluster, configuration = sys.argv[2:]
k.list_clusters(ClusterNameFilter="de mo", MaxResults=10, NextToken="a+/=b")
k.update_broker_count(ClusterArn=cluster, CurrentVersion="K1", TargetNumberOfBrokerNodes=31)
k.tag_resource(ResourceArn=cluster, Tags={"schlüssel": "漢 +/="})
k.delete_cluster(ClusterArn=cluster, CurrentVersion="K3AEGXETSR30VB")
for name in ["orders.v1", "a/partitions", "%2e%2e", "über"]:
    k.describe_topic(ClusterArn=cluster, TopicName=name)
r = k.describe_configuration_revision(Arn=configuration, Revision=1)
try:
    k.describe_cluster(ClusterArn=cluster)
    code = None
except k.exceptions.NotFoundException as e:
    code = e.response["Error"]["Code"] + " " + e.response["InvalidParameter"]
print(json.dumps({
    "time": r["CreationTime"].isoformat(), "blob": r["ServerProperties"].decode(), "code": code,
    "broker": k.list_nodes(ClusterArn=cluster)["NodeInfoList"][0]["BrokerNodeInfo"]["BrokerId"],
}))
`

func TestClients_BotoIsUnderstood(t *testing.T) {
	var r recorder
	server := serve(t, r.handle)
	out, errs, err := run(t, mskapitest.Python(t), "-c", pythonScript, server.URL, clusterARN, configurationARN)
	if err != nil {
		t.Fatalf("%v\n%s", err, errs)
	}
	r.want(t,
		`ListClusters {"clusterNameFilter":"de mo","maxResults":10,"nextToken":"a+/=b"}`,
		`UpdateBrokerCount {"clusterArn":"`+clusterARN+`","currentVersion":"K1","targetNumberOfBrokerNodes":31}`,
		`TagResource {"resourceArn":"`+clusterARN+`","tags":{"schlüssel":"漢 +/="}}`,
		`DeleteCluster {"clusterArn":"`+clusterARN+`","currentVersion":"K3AEGXETSR30VB"}`,
		`DescribeTopic {"clusterArn":"`+clusterARN+`","topicName":"orders.v1"}`,
		`DescribeTopic {"clusterArn":"`+clusterARN+`","topicName":"a/partitions"}`,
		`DescribeTopic {"clusterArn":"`+clusterARN+`","topicName":"%2e%2e"}`,
		`DescribeTopic {"clusterArn":"`+clusterARN+`","topicName":"über"}`,
		`DescribeConfigurationRevision {"arn":"`+configurationARN+`","revision":1}`,
		`DescribeCluster {"clusterArn":"`+clusterARN+`"}`,
		`ListNodes {"clusterArn":"`+clusterARN+`"}`,
	)
	var got struct {
		Time, Blob, Code string
		Broker           float64
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got.Time != "2026-09-20T12:00:00.123000+00:00" || got.Blob != "a=b\n" || got.Code != "NotFoundException clusterArn" || got.Broker != 1 {
		t.Errorf("python saw %s", out)
	}
}

// modelScript prints the exceptions of every operation, as the service's model has them.
const modelScript = `
import botocore.session, json
m = botocore.session.get_session().get_service_model("kafka")
print(json.dumps({n: [e.name for e in m.operation_model(n).error_shapes] for n in m.operation_names}))
`

func TestOperations_HaveTheExceptionsOfTheModel(t *testing.T) {
	out, errs, err := run(t, mskapitest.Python(t), "-c", modelScript)
	if err != nil {
		t.Fatalf("%v\n%s", err, errs)
	}
	model := map[string][]string{}
	if err := json.Unmarshal(out, &model); err != nil || len(model) < 50 {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, exceptions := range model {
		op, known := mskapi.Lookup(name)
		if !known {
			t.Errorf("there is no operation %s", name)
			continue
		}
		for exception, has := range map[mskapi.Code]bool{
			mskapi.CodeNotFound: op.ModelsNotFound, mskapi.CodeConflict: op.ModelsConflict, mskapi.CodeTopicExists: op.ModelsTopicExists,
			mskapi.CodeClusterConnectivity: op.ModelsKafka, mskapi.CodeKafkaTimeout: op.ModelsKafka,
			mskapi.CodeUnknownTopicOrPartition: op.ModelsKafka, mskapi.CodeControllerMoved: op.ModelsKafka,
			mskapi.CodeNotController: op.ModelsKafka, mskapi.CodeReassignmentInProgress: op.ModelsKafka,
			mskapi.CodeGroupSubscribedToTopic: op.ModelsKafka, mskapi.CodeKafkaRequest: op.ModelsKafka,
		} {
			if modelled := slices.Contains(exceptions, string(exception)); modelled != has {
				t.Errorf("%s: the model has %s: %t, and we say %t", name, exception, modelled, has)
			}
		}
	}
}
