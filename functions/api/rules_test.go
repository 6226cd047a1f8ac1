package api

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/mskapi"
	"github.com/millrace/millrace/shared/topicplan"
)

// on returns a request for three brokers in three zones, with changes.
func on(edit func(*types.ProvisionedRequest)) types.ProvisionedRequest {
	p := types.ProvisionedRequest{
		KafkaVersion:        aws.String("4.1.x.kraft"),
		NumberOfBrokerNodes: aws.Int32(3),
		BrokerNodeGroupInfo: &types.BrokerNodeGroupInfo{
			InstanceType:  aws.String("kafka.m7g.large"),
			ClientSubnets: []string{"subnet-a", "subnet-b", "subnet-c"},
		},
		EncryptionInfo: &types.EncryptionInfo{EncryptionInTransit: &types.EncryptionInTransit{}},
	}
	edit(&p)
	return p
}

func express(p *types.ProvisionedRequest) {
	p.BrokerNodeGroupInfo.InstanceType = aws.String("express.m7g.large")
	p.KafkaVersion = aws.String("3.9.x.kraft")
}

func smallest(p *types.ProvisionedRequest) {
	p.BrokerNodeGroupInfo.InstanceType = aws.String(smallestType)
	p.KafkaVersion = aws.String("3.9.x")
}

func withVolume(v types.EBSStorageInfo) func(*types.ProvisionedRequest) {
	return func(p *types.ProvisionedRequest) {
		p.BrokerNodeGroupInfo.StorageInfo = &types.StorageInfo{EbsStorageInfo: &v}
	}
}

func withThroughput(instanceType string, gib, miB int32) func(*types.ProvisionedRequest) {
	asked := types.ProvisionedThroughput{Enabled: aws.Bool(true)}
	if miB > 0 {
		asked.VolumeThroughput = &miB
	}
	return all(typed(instanceType), withVolume(types.EBSStorageInfo{VolumeSize: &gib, ProvisionedThroughput: &asked}))
}

func withScram(p *types.ProvisionedRequest) {
	p.ClientAuthentication = &types.ClientAuthentication{Sasl: &types.Sasl{Scram: &types.Scram{Enabled: aws.Bool(true)}}}
}

func withIAM(p *types.ProvisionedRequest) {
	p.ClientAuthentication = &types.ClientAuthentication{Sasl: &types.Sasl{Iam: &types.Iam{Enabled: aws.Bool(true)}}}
}

func withTLS(authorities ...string) func(*types.ProvisionedRequest) {
	return func(p *types.ProvisionedRequest) {
		p.ClientAuthentication = &types.ClientAuthentication{
			Tls: &types.Tls{Enabled: aws.Bool(true), CertificateAuthorityArnList: authorities},
		}
	}
}

func unauthenticatedIs(value bool, more ...func(*types.ProvisionedRequest)) func(*types.ProvisionedRequest) {
	return all(append(more, func(p *types.ProvisionedRequest) {
		if p.ClientAuthentication == nil {
			p.ClientAuthentication = &types.ClientAuthentication{}
		}
		p.ClientAuthentication.Unauthenticated = &types.Unauthenticated{Enabled: &value}
	})...)
}

func clientBroker(value types.ClientBroker) func(*types.ProvisionedRequest) {
	return func(p *types.ProvisionedRequest) { p.EncryptionInfo.EncryptionInTransit.ClientBroker = value }
}

func inCluster(value bool) func(*types.ProvisionedRequest) {
	return func(p *types.ProvisionedRequest) { p.EncryptionInfo.EncryptionInTransit.InCluster = &value }
}

func subnets(names ...string) func(*types.ProvisionedRequest) {
	return func(p *types.ProvisionedRequest) { p.BrokerNodeGroupInfo.ClientSubnets = names }
}

func brokers(n int32) func(*types.ProvisionedRequest) {
	return func(p *types.ProvisionedRequest) { p.NumberOfBrokerNodes = &n }
}

func version(name string) func(*types.ProvisionedRequest) {
	return func(p *types.ProvisionedRequest) { p.KafkaVersion = &name }
}

func typed(name string) func(*types.ProvisionedRequest) {
	return func(p *types.ProvisionedRequest) { p.BrokerNodeGroupInfo.InstanceType = &name }
}

func reached(c types.ConnectivityInfo) func(*types.ProvisionedRequest) {
	return func(p *types.ProvisionedRequest) { p.BrokerNodeGroupInfo.ConnectivityInfo = &c }
}

func vpc(auth types.VpcConnectivityClientAuthentication) func(*types.ProvisionedRequest) {
	return reached(types.ConnectivityInfo{VpcConnectivity: &types.VpcConnectivity{ClientAuthentication: &auth}})
}

func logs(l types.BrokerLogs) func(*types.ProvisionedRequest) {
	return func(p *types.ProvisionedRequest) { p.LoggingInfo = &types.LoggingInfo{BrokerLogs: &l} }
}

func authorizerLogs(l types.AuthorizerLogs) func(*types.ProvisionedRequest) {
	return func(p *types.ProvisionedRequest) { p.LoggingInfo = &types.LoggingInfo{AuthorizerLogs: &l} }
}

func all(edits ...func(*types.ProvisionedRequest)) func(*types.ProvisionedRequest) {
	return func(p *types.ProvisionedRequest) {
		for _, edit := range edits {
			edit(p)
		}
	}
}

func groups(ids ...string) func(*types.ProvisionedRequest) {
	return func(p *types.ProvisionedRequest) { p.BrokerNodeGroupInfo.SecurityGroups = ids }
}

func TestRules_OfMSKForNewClusters(t *testing.T) {
	yes, no := aws.Bool(true), aws.Bool(false)
	refusedBy := map[string]bool{}
	for _, tt := range []struct {
		name      string
		edit      func(*types.ProvisionedRequest)
		parameter string // MSK's invalidParameter
		message   string // a telling part of it; empty when the request is fine
	}{
		{"three brokers in three zones", all(), "", ""},
		{"two zones", all(subnets("subnet-a", "subnet-b"), brokers(2)), "", ""},
		{"one subnet", subnets("subnet-a"), "brokerNodeGroupInfo", "two or three"},
		{"four subnets", subnets("subnet-a", "subnet-b", "subnet-c", "subnet-d"), "brokerNodeGroupInfo", "two or three"},
		{"no subnet", subnets(), "brokerNodeGroupInfo", "two or three"},
		{"a subnet twice", subnets("subnet-a", "subnet-b", "subnet-a"), "clientSubnets", "duplicate items: subnet-a"},
		{"Express in two zones", all(express, subnets("subnet-a", "subnet-b"), brokers(2)), "brokerNodeGroupInfo", "require 3 subnets"},
		{"Express in three zones", express, "", ""},
		{"sixty brokers with KRaft", brokers(60), "", ""},
		{"sixty-three brokers with KRaft", brokers(63), "numberOfBrokerNodes", "at most 60"},
		{"thirty brokers by the name of a ZooKeeper version", all(version("3.9.x"), brokers(30)), "", ""},
		{"thirty-three brokers by the name of a ZooKeeper version", all(version("3.9.x"), brokers(33)), "numberOfBrokerNodes", "at most 30"},
		{"four brokers in three zones", brokers(4), "numberOfBrokerNodes", "multiple of the number of Availability Zones"},
		{"no brokers", brokers(0), "numberOfBrokerNodes", "multiple of the number of Availability Zones"},
		{"fewer than no brokers", brokers(-3), "numberOfBrokerNodes", "multiple of the number of Availability Zones"},
		{"security groups", groups("sg-1", "sg-2"), "", ""},
		{"a security group twice", groups("sg-1", "sg-1"), "securityGroups", "duplicate items: sg-1"},
		{"a security group by its name", groups("default"), "securityGroups", "not the id"},

		{"a version nobody knows", version("9.9.x"), "kafkaVersion", "Unsupported KafkaVersion [9.9.x]. Valid values: [3.9.x 3.9.x.kraft"},
		{"a version that MSK once had", version("2.8.1"), "kafkaVersion", "Standard instance types are not supported for Kafka version 2.8.1. Valid values: [3.9.x 3.9.x.kraft"},
		{"a version that MSK still has and we do not run", version("3.6.0"), "kafkaVersion", "Standard instance types are not supported for Kafka version 3.6.0."},
		{"Express with a version we do not run", all(express, version("3.8.x")), "kafkaVersion", "Express instance types are not supported for Kafka version 3.8.x."},
		{"an instance type nobody knows", typed("kafka.x1.large"), "instanceType", "Unsupported InstanceType kafka.x1.large"},
		{"an instance type without its prefix", typed("m7g.large"), "instanceType", "Valid values: [kafka.m5.large"},
		{"the same, with a ZooKeeper version", all(typed("m7g.large"), version("3.9.x")), "instanceType", "Valid values: [kafka.t3.small kafka.m5.large"},
		{"the smallest type with a ZooKeeper version", smallest, "", ""},
		{"the smallest type with a KRaft version", typed(smallestType), "instanceType", "Unsupported InstanceType kafka.t3.small"},
		{"Express with a version it never had", all(express, version("4.1.x.kraft")), "kafkaVersion", "Express instance types are not supported for Kafka version 4.1.x.kraft"},

		{"Express with a volume", all(express, withVolume(types.EBSStorageInfo{VolumeSize: aws.Int32(10)})), "brokerNodeGroupInfo", "storageInfo parameter is not supported for Express"},
		{"Express with a storage mode", all(express, func(p *types.ProvisionedRequest) { p.StorageMode = "LOCAL" }), "storageMode", "not supported for Express"},
		{"tiered storage on the smallest type", all(smallest, func(p *types.ProvisionedRequest) { p.StorageMode = "TIERED" }), "instanceType", "Tiered storage is not supported"},
		{"a volume of 1 GiB", withVolume(types.EBSStorageInfo{VolumeSize: aws.Int32(1)}), "", ""},
		{"a volume of 16384 GiB", withVolume(types.EBSStorageInfo{VolumeSize: aws.Int32(16384)}), "", ""},
		{"a volume of nothing", withVolume(types.EBSStorageInfo{VolumeSize: aws.Int32(0)}), "volumeSize", "1 to 16384 GiB, not 0"},
		{"a volume above the limit", withVolume(types.EBSStorageInfo{VolumeSize: aws.Int32(16385)}), "volumeSize", "not 16385"},
		{"throughput without enabling it", withVolume(types.EBSStorageInfo{ProvisionedThroughput: &types.ProvisionedThroughput{VolumeThroughput: aws.Int32(250)}}), "volumeThroughput", "you must enable ProvisionedThroughput"},
		{"throughput without saying how much", withThroughput("kafka.m7g.4xlarge", 100, 0), "volumeThroughput", "between 250 and 1000 MiB/s, not 0"},
		{"too little throughput", withThroughput("kafka.m7g.4xlarge", 100, 249), "volumeThroughput", "between 250 and 1000 MiB/s"},
		{"too much throughput", withThroughput("kafka.m7g.16xlarge", 100, 1001), "volumeThroughput", "between 250 and 1000 MiB/s"},
		{"all the throughput there is", withThroughput("kafka.m7g.16xlarge", 10, 1000), "", ""},
		{"more throughput than the type can use", withThroughput("kafka.m5.4xlarge", 100, 594), "volumeThroughput", "For kafka.m5.4xlarge, the maximum value for VolumeThroughput cannot exceed 593 MiB/s"},
		{"throughput on a type that can't use any", withThroughput("kafka.m7g.xlarge", 100, 250), "provisionedThroughput", "not supported for the specified broker type kafka.m7g.xlarge"},
		{"throughput of a volume that is too small", withThroughput("kafka.m7g.2xlarge", 9, 250), "volumeSize", "at least 10 GiB, not 9"},
		{"throughput that is disabled", withVolume(types.EBSStorageInfo{ProvisionedThroughput: &types.ProvisionedThroughput{Enabled: no}}), "", ""},

		{"nobody may connect", unauthenticatedIs(false), "clientAuthentication", "without enabling an authentication mechanism"},
		{"anybody may connect", unauthenticatedIs(true), "", ""},
		{"only SCRAM may connect", unauthenticatedIs(false, withScram), "", ""},
		{"SCRAM over plaintext", all(withScram, clientBroker("PLAINTEXT")), "clientAuthentication", "either TLS or TLS_PLAINTEXT"},
		{"IAM over plaintext", all(withIAM, clientBroker("PLAINTEXT")), "clientAuthentication", "either TLS or TLS_PLAINTEXT"},
		{"mutual TLS over plaintext", all(withTLS(), clientBroker("PLAINTEXT")), "clientAuthentication", "either TLS or TLS_PLAINTEXT"},
		{"IAM without TLS among brokers", all(withIAM, inCluster(false)), "clientAuthentication", "also turn on in-cluster encryption"},
		{"no TLS among brokers", inCluster(false), "", ""},
		{"SCRAM beside plaintext, not said aloud", all(withScram, clientBroker("TLS_PLAINTEXT")), "clientAuthentication", "unauthenticated traffic explicitly"},
		{"SCRAM beside plaintext, said aloud", all(unauthenticatedIs(true, withScram), clientBroker("TLS_PLAINTEXT")), "", ""},
		{"mutual TLS beside plaintext", all(withTLS(), clientBroker("TLS_PLAINTEXT")), "", ""},
		{"mutual TLS with a private authority", withTLS("arn:aws:acm-pca:eu-west-1:123456789012:certificate-authority/11111111-1111-1111-1111-111111111111"), "", ""},
		{"mutual TLS with something else", withTLS("arn:aws:acm:eu-west-1:123456789012:certificate/1"), "certificateAuthorityArnList", "are invalid"},

		{"no public access", reached(types.ConnectivityInfo{PublicAccess: &types.PublicAccess{Type: aws.String("DISABLED")}}), "", ""},
		{"public access", reached(types.ConnectivityInfo{PublicAccess: &types.PublicAccess{Type: aws.String("SERVICE_PROVIDED_EIPS")}}), "publicAccess", "DISABLED"},
		{"VPC connectivity that is off", vpc(types.VpcConnectivityClientAuthentication{Tls: &types.VpcConnectivityTls{Enabled: no}}), "", ""},
		{"VPC connectivity by TLS", vpc(types.VpcConnectivityClientAuthentication{Tls: &types.VpcConnectivityTls{Enabled: yes}}), "vpcConnectivity.clientAuthentication", "must be disabled"},
		{"VPC connectivity by IAM", vpc(types.VpcConnectivityClientAuthentication{Sasl: &types.VpcConnectivitySasl{Iam: &types.VpcConnectivityIam{Enabled: yes}}}), "vpcConnectivity.clientAuthentication", "must be disabled"},
		{"VPC connectivity by SCRAM", vpc(types.VpcConnectivityClientAuthentication{Sasl: &types.VpcConnectivitySasl{Scram: &types.VpcConnectivityScram{Enabled: yes}}}), "vpcConnectivity.clientAuthentication", "must be disabled"},

		{"rebalancing on Standard brokers", func(p *types.ProvisionedRequest) { p.Rebalancing = &types.Rebalancing{Status: "ACTIVE"} }, "rebalancing", "Express instance types only"},
		{"logs to nowhere", logs(types.BrokerLogs{}), "brokerLogs", "one or more of the broker log types"},
		{"logs that are off, without names", logs(types.BrokerLogs{S3: &types.S3{Enabled: no}, Firehose: &types.Firehose{Enabled: no}, CloudWatchLogs: &types.CloudWatchLogs{Enabled: no}}), "", ""},
		{"logs to CloudWatch, without a group", logs(types.BrokerLogs{CloudWatchLogs: &types.CloudWatchLogs{Enabled: yes}}), "logGroup", "a log group"},
		{"logs to Firehose, without a stream", logs(types.BrokerLogs{Firehose: &types.Firehose{Enabled: yes}}), "deliveryStream", "a delivery stream"},
		{"logs to S3, without a bucket", logs(types.BrokerLogs{S3: &types.S3{Enabled: yes}}), "bucket", "an S3 bucket"},
		{"an authorizer's logs to nowhere", authorizerLogs(types.AuthorizerLogs{}), "authorizerLogs", "one or more of the authorizer log types"},
		{"an authorizer's logs to S3, without a bucket", authorizerLogs(types.AuthorizerLogs{S3: &types.S3{Enabled: yes}}), "bucket", "an S3 bucket"},
		{"an authorizer's logs that are off", authorizerLogs(types.AuthorizerLogs{S3: &types.S3{Enabled: no}}), "", ""},
		{"open monitoring of nothing", func(p *types.ProvisionedRequest) {
			p.OpenMonitoring = &types.OpenMonitoringInfo{Prometheus: &types.PrometheusInfo{}}
		}, "openMonitoring", "at least one type of exporter"},
		{"open monitoring that is off", func(p *types.ProvisionedRequest) {
			p.OpenMonitoring = &types.OpenMonitoringInfo{Prometheus: &types.PrometheusInfo{JmxExporter: &types.JmxExporterInfo{EnabledInBroker: no}}}
		}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := on(tt.edit)
			wantRefusal(t, checkRules(p), tt.parameter, tt.message)
			for _, check := range rules {
				if check(p) != nil {
					refusedBy[nameOf(check)] = true
					break
				}
			}
		})
	}
	for _, check := range rules {
		if !refusedBy[nameOf(check)] {
			t.Errorf("no request above is refused by %s", nameOf(check))
		}
	}
}

func TestRules_OfMSKForNamesAndTags(t *testing.T) {
	tooMany := map[string]string{}
	for i := range 51 {
		tooMany[fmt.Sprint(i)] = ""
	}
	for _, tt := range []struct {
		name      string
		err       error
		parameter string
		message   string
	}{
		{"a plain name", nameIsValid("clusterName", "cluster", "Orders-2"), "", ""},
		{"a name of 64 characters", nameIsValid("clusterName", "cluster", strings.Repeat("a", 64)), "", ""},
		{"a name of 65 characters", nameIsValid("clusterName", "cluster", strings.Repeat("a", 65)), "clusterName", "not 65"},
		{"no name", nameIsValid("clusterName", "cluster", ""), "clusterName", "not 0"},
		{"a name with an underscore", nameIsValid("clusterName", "cluster", "my_orders"), "clusterName", "contains one or more characters that are not valid"},
		{"a name with a dot", nameIsValid("clusterName", "cluster", "my.orders"), "clusterName", "contains one or more characters that are not valid"},
		{"a name that begins with a hyphen", nameIsValid("clusterName", "cluster", "-orders"), "clusterName", "contains one or more characters that are not valid"},
		{"a name that ends in a newline", nameIsValid("clusterName", "cluster", "orders\n"), "clusterName", "contains one or more characters that are not valid"},

		{"no tags", tagsAreValid(nil), "", ""},
		{"a tag without a value", tagsAreValid(map[string]string{"team": ""}), "", ""},
		{"a tag at both limits", tagsAreValid(map[string]string{strings.Repeat("ä", 128): strings.Repeat("ß", 256)}), "", ""},
		{"51 tags", tagsAreValid(tooMany), "tags", "at most 50"},
		{"a tag without a key", tagsAreValid(map[string]string{"": "x"}), "tags", "1 to 128 characters"},
		{"a key of 129 characters", tagsAreValid(map[string]string{strings.Repeat("a", 129): "x"}), "tags", "1 to 128 characters"},
		{"a value of 257 characters", tagsAreValid(map[string]string{"team": strings.Repeat("a", 257)}), "tags", "at most 256 characters"},
		{"a reserved key", tagsAreValid(map[string]string{"aws:team": "x"}), "tags", "reserved"},

		{"three zones", zonesAreDistinct([]string{"s1", "s2", "s3"}, []string{"z1", "z2", "z3"}), "", ""},
		{"two subnets in one zone", zonesAreDistinct([]string{"s1", "s2", "s3"}, []string{"z1", "z2", "z1"}), "clientSubnets", "s1 and s3 are both in zone z1"},

		{"a configuration for every version", versionFitsConfiguration("4.1.x.kraft", cluster.Configuration{}), "", ""},
		{"a configuration for another version", versionFitsConfiguration("4.1.x.kraft", cluster.Configuration{KafkaVersions: []string{"3.9.x"}}), "configurationInfo", "not for 4.1.x.kraft"},
	} {
		t.Run(tt.name, func(t *testing.T) { wantRefusal(t, tt.err, tt.parameter, tt.message) })
	}
}

// wantRefusal wants a BadRequest, or none when no message is given.
func wantRefusal(t *testing.T, err error, parameter, message string) {
	t.Helper()
	if message == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	var e *mskapi.Error
	if !errors.As(err, &e) || e.Code != mskapi.CodeBadRequest {
		t.Fatalf("got %v, want a BadRequest", err)
	}
	if e.InvalidParameter != parameter || !strings.Contains(e.Message, message) {
		t.Errorf("got %q [%s], want %q [%s]", e.Message, e.InvalidParameter, message, parameter)
	}
}

func nameOf(r rule) string {
	full := runtime.FuncForPC(reflect.ValueOf(r).Pointer()).Name()
	return full[strings.LastIndex(full, ".")+1:]
}

func TestInstanceTypes_EachHasALimitOfReplicas(t *testing.T) {
	for _, name := range instanceTypes {
		if topicplan.MaxReplicas(name) == 0 {
			t.Errorf("a broker of %s may have any number of replicas", name)
		}
	}
}
