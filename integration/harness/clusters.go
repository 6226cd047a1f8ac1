package harness

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/mskapi/mskapitest"
)

// Environment is what `eval "$(millrace env)"` sets in a shell, and nothing else.
func (m *Millrace) Environment() map[string]string {
	m.t.Helper()
	script := m.Command("env")
	out, err := run(m.context(), nil, "/bin/sh", "-c", `eval "$1" && env -0`, "sh", script)
	if err != nil {
		m.t.Fatalf("a shell does not understand what millrace env prints: %v\n%s", err, script)
	}
	set := map[string]string{}
	for line := range strings.SplitSeq(out, "\x00") {
		if name, value, ok := strings.Cut(line, "="); ok && name != "PWD" && name != "_" && name != "SHLVL" {
			set[name] = value
		}
	}
	return set
}

// KafkaClient is the Go SDK's client of the MSK API, set up from what millrace env prints.
func (m *Millrace) KafkaClient(t testing.TB) *kafka.Client {
	t.Helper()
	e := m.Environment()
	return kafka.New(kafka.Options{
		BaseEndpoint: aws.String(e["AWS_ENDPOINT_URL_KAFKA"]),
		Region:       e["AWS_REGION"],
		Credentials:  credentials.NewStaticCredentialsProvider(e["AWS_ACCESS_KEY_ID"], e["AWS_SECRET_ACCESS_KEY"], ""),
	})
}

// AWS runs the aws command line with what millrace env prints, and gives the JSON it printed.
func (m *Millrace) AWS(t testing.TB, args ...string) string {
	t.Helper()
	out, err := m.TryAWS(t, args...)
	if err != nil {
		t.Fatalf("aws %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// TryAWS is AWS for what may be refused: the error holds what the command line said.
func (m *Millrace) TryAWS(t testing.TB, args ...string) (string, error) {
	t.Helper()
	return run(m.context(), m.clientEnvironment(), mskapitest.CommandLine(t), append([]string{"--output", "json"}, args...)...)
}

// Boto runs a Python script that uses boto3 with what millrace env prints, and gives what it printed. The Python is the one that the
// aws command line runs on.
func (m *Millrace) Boto(t testing.TB, script string, args ...string) string {
	t.Helper()
	out, err := run(m.context(), m.clientEnvironment(), mskapitest.Python(t), append([]string{"-c", script}, args...)...)
	if err != nil {
		t.Fatalf("boto3: %v", err)
	}
	return out
}

// clientEnvironment is what millrace env prints, for a client that knows nothing else of AWS.
func (m *Millrace) clientEnvironment() []string {
	m.t.Helper()
	environment := slices.Clone(m.environment)
	for name, value := range m.Environment() {
		environment = append(environment, name+"="+value)
	}
	return append(environment, "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull, "AWS_PAGER=")
}

// Request is a request for a cluster, to be changed by those who want another one than the usual: three brokers in three
// zones, TLS for clients and in the cluster.
type Request = kafka.CreateClusterInput

// Small asks for the smallest cluster there is: two brokers in two zones.
func Small(r *Request) {
	r.BrokerNodeGroupInfo.ClientSubnets = []string{"subnet-a", "subnet-b"}
	r.NumberOfBrokerNodes = aws.Int32(2)
}

// Version asks for a version of Kafka, by MSK's name for it.
func Version(name string) func(*Request) {
	return func(r *Request) { r.KafkaVersion = aws.String(name) }
}

// InTransit asks for what clients speak (TLS, PLAINTEXT, TLS_PLAINTEXT) and whether brokers encrypt among themselves.
func InTransit(clientBroker types.ClientBroker, inCluster bool) func(*Request) {
	return func(r *Request) {
		r.EncryptionInfo = &types.EncryptionInfo{EncryptionInTransit: &types.EncryptionInTransit{
			ClientBroker: clientBroker, InCluster: aws.Bool(inCluster),
		}}
	}
}

// Configured asks for a configuration's first revision.
func Configured(arn string) func(*Request) {
	return func(r *Request) {
		r.ConfigurationInfo = &types.ConfigurationInfo{Arn: aws.String(arn), Revision: aws.Int64(1)}
	}
}

// NewRequest is the usual request for a cluster with changes.
func NewRequest(name string, changes ...func(*Request)) *Request {
	r := &Request{
		ClusterName:         aws.String(name),
		KafkaVersion:        aws.String("4.3.x.kraft"),
		NumberOfBrokerNodes: aws.Int32(3),
		BrokerNodeGroupInfo: &types.BrokerNodeGroupInfo{
			InstanceType:  aws.String("kafka.m7g.large"),
			ClientSubnets: []string{"subnet-a", "subnet-b", "subnet-c"},
		},
	}
	for _, change := range changes {
		change(r)
	}
	return r
}

// CreateCluster asks for a cluster and gives its ARN.
func (m *Millrace) CreateCluster(t testing.TB, name string, changes ...func(*Request)) (arn string) {
	t.Helper()
	out, err := m.KafkaClient(t).CreateCluster(t.Context(), NewRequest(name, changes...))
	if err != nil {
		t.Fatalf("create cluster %s: %v", name, err)
	}
	return *out.ClusterArn
}

// settled is how long a cluster may take to become ACTIVE, to fail or to be gone, on a machine that has much else to do.
const settled = 5 * time.Minute

// WaitUntilActive waits until a cluster is ACTIVE.
func (m *Millrace) WaitUntilActive(t testing.TB, arn string) {
	t.Helper()
	c := m.waitUntilSettled(t, arn)
	if c.State != types.ClusterStateActive {
		t.Fatalf("cluster %s is %s: %s", arn, c.State, explanation(c))
	}
}

// WaitUntilFailed waits until a cluster is FAILED, and gives the reason that the API tells.
func (m *Millrace) WaitUntilFailed(t testing.TB, arn string) (reason string) {
	t.Helper()
	c := m.waitUntilSettled(t, arn)
	if c.State != types.ClusterStateFailed {
		t.Fatalf("cluster %s is %s, not FAILED", arn, c.State)
	}
	return explanation(c)
}

// waitUntilSettled waits until a cluster is not being worked on any more.
func (m *Millrace) waitUntilSettled(t testing.TB, arn string) types.ClusterInfo {
	t.Helper()
	client := m.KafkaClient(t)
	var c types.ClusterInfo
	Until(t, "cluster "+arn+" is ACTIVE or FAILED", settled, func() (bool, string) {
		out, err := client.DescribeCluster(t.Context(), &kafka.DescribeClusterInput{ClusterArn: aws.String(arn)})
		if err != nil {
			t.Fatalf("describe cluster: %v", err)
		}
		c = *out.ClusterInfo
		return c.State != types.ClusterStateCreating, string(c.State)
	})
	return c
}

func explanation(c types.ClusterInfo) string {
	if c.StateInfo == nil {
		return ""
	}
	return aws.ToString(c.StateInfo.Message)
}

// DeleteCluster asks for the end of a cluster.
func (m *Millrace) DeleteCluster(t testing.TB, arn string) {
	t.Helper()
	_, err := m.KafkaClient(t).DeleteCluster(t.Context(), &kafka.DeleteClusterInput{ClusterArn: aws.String(arn)})
	if err != nil {
		t.Fatalf("delete cluster %s: %v", arn, err)
	}
}

// WaitUntilGone waits until the API knows nothing of a cluster any more.
func (m *Millrace) WaitUntilGone(t testing.TB, arn string) {
	t.Helper()
	client := m.KafkaClient(t)
	Until(t, "cluster "+arn+" is gone", settled, func() (bool, string) {
		_, err := client.DescribeCluster(t.Context(), &kafka.DescribeClusterInput{ClusterArn: aws.String(arn)})
		var notFound *types.NotFoundException
		if errors.As(err, &notFound) {
			return true, ""
		}
		if err != nil {
			t.Fatalf("describe cluster: %v", err)
		}
		return false, ""
	})
}

// Bootstrap gives the addresses that clients of a cluster begin with, over TLS and in plain text.
func (m *Millrace) Bootstrap(t testing.TB, arn string) (tls, plaintext string) {
	t.Helper()
	out, err := m.KafkaClient(t).GetBootstrapBrokers(t.Context(), &kafka.GetBootstrapBrokersInput{ClusterArn: aws.String(arn)})
	if err != nil {
		t.Fatalf("get bootstrap brokers: %v", err)
	}
	return aws.ToString(out.BootstrapBrokerStringTls), aws.ToString(out.BootstrapBrokerString)
}

// Decode reads the JSON that a command printed. The aws command line prints nothing at all for an empty answer.
func Decode[T any](t testing.TB, printed string) (v T) {
	t.Helper()
	if printed == "" {
		return v
	}
	if err := json.Unmarshal([]byte(printed), &v); err != nil {
		t.Fatalf("%v: %s", err, printed)
	}
	return v
}
