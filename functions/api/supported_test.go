package api

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"
)

const testKey = "arn:aws:kms:eu-west-1:000000000000:alias/aws/kafka"

func TestSupported_RefusesByNameWhatWouldNotBeHonoured(t *testing.T) {
	yes, no := aws.Bool(true), aws.Bool(false)
	for _, tt := range []struct {
		name   string
		edit   func(*types.ProvisionedRequest)
		member string // that is refused; empty when the request is honoured
	}{
		{"the smallest request", all(), ""},
		{"IAM", withIAM, "clientAuthentication.sasl.iam.enabled"},
		{"SCRAM", withScram, "clientAuthentication.sasl.scram.enabled"},
		{"mutual TLS", withTLS(), "clientAuthentication.tls.enabled"},
		{"authorities for mutual TLS that is off", func(p *types.ProvisionedRequest) {
			p.ClientAuthentication = &types.ClientAuthentication{Tls: &types.Tls{Enabled: no, CertificateAuthorityArnList: []string{"arn"}}}
		}, "clientAuthentication.tls.certificateAuthorityArnList"},
		{"everybody, said aloud", unauthenticatedIs(true), ""},
		{"logs to CloudWatch", logs(types.BrokerLogs{CloudWatchLogs: &types.CloudWatchLogs{Enabled: yes, LogGroup: aws.String("g")}}), "loggingInfo.brokerLogs.cloudWatchLogs.enabled"},
		{"logs to Firehose", logs(types.BrokerLogs{Firehose: &types.Firehose{Enabled: yes}}), "loggingInfo.brokerLogs.firehose.enabled"},
		{"logs to S3", logs(types.BrokerLogs{S3: &types.S3{Enabled: yes}}), "loggingInfo.brokerLogs.s3.enabled"},
		{"logs that are off, with names", logs(types.BrokerLogs{S3: &types.S3{Enabled: no, Bucket: aws.String("b"), Prefix: aws.String("p")}}), ""},
		{"logs of the authorizer", authorizerLogs(types.AuthorizerLogs{S3: &types.S3{Enabled: yes}}), "loggingInfo.authorizerLogs.s3.enabled"},
		{"the JMX exporter", func(p *types.ProvisionedRequest) {
			p.OpenMonitoring = &types.OpenMonitoringInfo{Prometheus: &types.PrometheusInfo{JmxExporter: &types.JmxExporterInfo{EnabledInBroker: yes}}}
		}, "openMonitoring.prometheus.jmxExporter.enabledInBroker"},
		{"the node exporter", func(p *types.ProvisionedRequest) {
			p.OpenMonitoring = &types.OpenMonitoringInfo{Prometheus: &types.PrometheusInfo{NodeExporter: &types.NodeExporterInfo{EnabledInBroker: yes}}}
		}, "openMonitoring.prometheus.nodeExporter.enabledInBroker"},
		{"metrics per broker", func(p *types.ProvisionedRequest) { p.EnhancedMonitoring = "PER_BROKER" }, "enhancedMonitoring"},
		{"default metrics", func(p *types.ProvisionedRequest) { p.EnhancedMonitoring = "DEFAULT" }, ""},
		{"tiered storage", func(p *types.ProvisionedRequest) { p.StorageMode = "TIERED" }, "storageMode"},
		{"local storage", func(p *types.ProvisionedRequest) { p.StorageMode = "LOCAL" }, ""},
		{"provisioned throughput", withVolume(types.EBSStorageInfo{ProvisionedThroughput: &types.ProvisionedThroughput{Enabled: yes, VolumeThroughput: aws.Int32(250)}}), ""},
		{"a key of the customer", func(p *types.ProvisionedRequest) {
			p.EncryptionInfo.EncryptionAtRest = &types.EncryptionAtRest{DataVolumeKMSKeyId: aws.String("arn:aws:kms:eu-west-1:000000000000:key/1")}
		}, "encryptionInfo.encryptionAtRest.dataVolumeKMSKeyId"},
		{"the key that volumes have anyway", func(p *types.ProvisionedRequest) {
			p.EncryptionInfo.EncryptionAtRest = &types.EncryptionAtRest{DataVolumeKMSKeyId: aws.String(testKey)}
		}, ""},
		{"both network types", reached(types.ConnectivityInfo{NetworkType: "DUAL"}), "brokerNodeGroupInfo.connectivityInfo.networkType"},
		{"public access", reached(types.ConnectivityInfo{PublicAccess: &types.PublicAccess{Type: aws.String("SERVICE_PROVIDED_EIPS")}}), "brokerNodeGroupInfo.connectivityInfo.publicAccess.type"},
		{"VPC connectivity", vpc(types.VpcConnectivityClientAuthentication{Tls: &types.VpcConnectivityTls{Enabled: yes}}), "brokerNodeGroupInfo.connectivityInfo.vpcConnectivity.clientAuthentication.tls.enabled"},
		{"zone ids", func(p *types.ProvisionedRequest) { p.BrokerNodeGroupInfo.ZoneIds = []string{"euw1-az1"} }, "brokerNodeGroupInfo.zoneIds"},
		{"Express brokers", express, "brokerNodeGroupInfo.instanceType"},
		{"rebalancing", func(p *types.ProvisionedRequest) { p.Rebalancing = &types.Rebalancing{Status: "PAUSED"} }, "rebalancing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := checkSupported(on(tt.edit), supportedMembers(testKey))
			if tt.member == "" {
				wantRefusal(t, err, "", "")
				return
			}
			wantRefusal(t, err, tt.member, "Millrace does not support "+tt.member)
		})
	}
}

func TestSupported_RefusesMembersThatNobodyThoughtOf(t *testing.T) {
	type later struct{ Mode string }
	type request struct {
		StorageMode types.StorageMode
		Later       *later
		Turbo       *bool
		Names       map[string]string
	}
	for _, tt := range []struct {
		name    string
		request request
		member  string
	}{
		{"nothing new", request{StorageMode: "LOCAL"}, ""},
		{"a new switch", request{Turbo: aws.Bool(false)}, "turbo"},
		{"a new object", request{Later: &later{Mode: "fast"}}, "later"},
		{"a new empty object", request{Later: &later{}}, "later"},
		{"a new map", request{Names: map[string]string{"a": "b"}}, "names"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := checkSupported(tt.request, supportedMembers(testKey))
			if tt.member == "" {
				wantRefusal(t, err, "", "")
				return
			}
			wantRefusal(t, err, tt.member, "Millrace does not support "+tt.member)
		})
	}
}

func TestSupported_ListsOnlyMembersOfTheSDK(t *testing.T) {
	var known []string
	var collect func(path string, t reflect.Type)
	collect = func(path string, t reflect.Type) {
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			known = append(known, path)
			return
		}
		for f := range t.Fields() {
			if f.IsExported() {
				collect(strings.TrimPrefix(path+"."+wireName(f.Name), "."), f.Type)
			}
		}
	}
	collect("", reflect.TypeFor[types.ProvisionedRequest]())
	for member := range supportedMembers(testKey) {
		if !slices.Contains(known, member) {
			t.Errorf("%s is not a member of a create request", member)
		}
	}
}
