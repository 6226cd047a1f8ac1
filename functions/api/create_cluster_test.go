package api_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"
	"github.com/google/uuid"

	"github.com/millrace/millrace/shared/cluster"
)

func TestCreateCluster_RecordsClusterAndOperationAndStartsTheMachine(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.create(t, "orders")

	if c.State() != cluster.Creating || c.Active == nil {
		t.Fatalf("the cluster is %s, held by %v", c.State(), c.Active)
	}
	op, err := desk.records.Operation(t.Context(), c.ID, c.Active.ID)
	if err != nil {
		t.Fatal(err)
	}
	if op.State != cluster.Pending || op.Type != cluster.CreateCluster || op.Attempt != 1 || op.RequestID == "" {
		t.Errorf("operation: %+v", op)
	}
	if id, err := uuid.Parse(op.ID); err != nil || id.Version() != 7 {
		t.Errorf("the operation id %s is no UUID of version 7", op.ID)
	}
	if want := []string{"create-cluster " + op.ID + "-1"}; !reflect.DeepEqual(desk.workflows.started, want) {
		t.Errorf("started %v, want %v", desk.workflows.started, want)
	}
	if !strings.Contains(desk.workflows.inputs[0], c.ID) || !strings.Contains(desk.workflows.inputs[0], op.ID) {
		t.Errorf("the machine was started with %s", desk.workflows.inputs[0])
	}
	if unfinished, err := desk.records.UnfinishedOperations(t.Context()); err != nil || len(unfinished) != 1 {
		t.Errorf("the sweep would find %v, %v", unfinished, err)
	}
	want := cluster.Spec{
		KafkaVersion: "4.1.x.kraft", Brokers: 3, Controllers: 1, InstanceType: "kafka.m7g.large",
		Subnets: []string{"subnet-c", "subnet-a", "subnet-b"}, SecurityGroups: []string{"sg-default"}, VolumeGiB: 100,
		ClientBroker: cluster.TLS, InCluster: true,
	}
	if !reflect.DeepEqual(c.Spec, want) {
		t.Errorf("spec %+v, want %+v", c.Spec, want)
	}
	if !regexp.MustCompile(`^[0-9A-Za-z_][0-9A-Za-z_-]{21}$`).MatchString(c.KafkaID) {
		t.Errorf("Kafka would not take the cluster id %s", c.KafkaID)
	}
}

func TestCreateCluster_BothVersionsOfTheAPIShowTheSameCluster(t *testing.T) {
	desk := openFrontDesk(t)
	p := everythingSupported()
	created, err := desk.CreateCluster(t.Context(), &kafka.CreateClusterInput{
		ClusterName: aws.String("orders"), Tags: map[string]string{"team": "shop"},
		BrokerNodeGroupInfo: p.BrokerNodeGroupInfo, KafkaVersion: p.KafkaVersion, NumberOfBrokerNodes: p.NumberOfBrokerNodes,
		ClientAuthentication: p.ClientAuthentication, EncryptionInfo: p.EncryptionInfo,
		EnhancedMonitoring: p.EnhancedMonitoring, LoggingInfo: p.LoggingInfo, OpenMonitoring: p.OpenMonitoring,
		StorageMode: p.StorageMode,
	})
	if err != nil {
		t.Fatal(err)
	}
	if created.State != types.ClusterStateCreating || *created.ClusterName != "orders" {
		t.Errorf("create answered %+v", created)
	}
	v1, err := desk.DescribeCluster(t.Context(), &kafka.DescribeClusterInput{ClusterArn: created.ClusterArn})
	if err != nil {
		t.Fatal(err)
	}
	v2, err := desk.DescribeClusterV2(t.Context(), &kafka.DescribeClusterV2Input{ClusterArn: created.ClusterArn})
	if err != nil {
		t.Fatal(err)
	}
	one, two := asJSON(t, v1.ClusterInfo), asJSON(t, v2.ClusterInfo)
	for member, value := range two["Provisioned"].(map[string]any) {
		two[member] = value
	}
	delete(two, "Provisioned")
	delete(two, "Serverless")
	delete(two, "ClusterType")
	if !reflect.DeepEqual(one, two) {
		t.Errorf("the views differ:\nv1 %v\nv2 %v", one, two)
	}
}

func TestCreateCluster_IsEchoedExactly(t *testing.T) {
	desk := openFrontDesk(t)
	p := everythingSupported()
	created, err := desk.CreateClusterV2(t.Context(), &kafka.CreateClusterV2Input{
		ClusterName: aws.String("orders"), Provisioned: &p, Tags: map[string]string{"team": "shop"},
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := desk.DescribeClusterV2(t.Context(), &kafka.DescribeClusterV2Input{ClusterArn: created.ClusterArn})
	if err != nil {
		t.Fatal(err)
	}
	asked, shown := asJSON(t, p), asJSON(t, out.ClusterInfo.Provisioned)
	for _, added := range []string{"CurrentBrokerSoftwareInfo", "CustomerActionStatus", "ZookeeperConnectString", "ZookeeperConnectStringTls"} {
		delete(shown, added)
	}
	for _, elsewhere := range []string{"KafkaVersion", "ConfigurationInfo"} {
		delete(asked, elsewhere)
	}
	if !reflect.DeepEqual(asked, shown) {
		t.Errorf("asked for %v\nshown      %v", asked, shown)
	}
	if got := *out.ClusterInfo.Provisioned.CurrentBrokerSoftwareInfo.KafkaVersion; got != "4.1.x.kraft" {
		t.Errorf("the version is shown as %s", got)
	}
	if got := out.ClusterInfo.Tags["team"]; got != "shop" {
		t.Errorf("the tags are shown as %v", out.ClusterInfo.Tags)
	}
}

func TestCreateCluster_ShowsMSKsDefaultsWhereTheRequestIsSilent(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.create(t, "orders")
	out, err := desk.DescribeCluster(t.Context(), &kafka.DescribeClusterInput{ClusterArn: &c.ARN})
	if err != nil {
		t.Fatal(err)
	}
	info := out.ClusterInfo
	for _, check := range []struct {
		fact string
		ok   bool
	}{
		{"the volumes have 100 GiB", *info.BrokerNodeGroupInfo.StorageInfo.EbsStorageInfo.VolumeSize == 100},
		{"public access is off", *info.BrokerNodeGroupInfo.ConnectivityInfo.PublicAccess.Type == "DISABLED"},
		{"brokers are spread by default", info.BrokerNodeGroupInfo.BrokerAZDistribution == "DEFAULT"},
		{"there is a security group", reflect.DeepEqual(info.BrokerNodeGroupInfo.SecurityGroups, []string{"sg-default"})},
		{"subnets keep their order", info.BrokerNodeGroupInfo.ClientSubnets[0] == "subnet-c"},
		{"clients speak TLS", info.EncryptionInfo.EncryptionInTransit.ClientBroker == "TLS"},
		{"brokers speak TLS", *info.EncryptionInfo.EncryptionInTransit.InCluster},
		{"volumes are encrypted", *info.EncryptionInfo.EncryptionAtRest.DataVolumeKMSKeyId == volumeKey},
		{"monitoring is DEFAULT", info.EnhancedMonitoring == "DEFAULT"},
		{"storage is LOCAL", info.StorageMode == "LOCAL"},
		{"nobody has to act", info.CustomerActionStatus == "NONE"},
		{"no authentication was asked for", info.ClientAuthentication == nil},
		{"no logging was asked for", info.LoggingInfo == nil && info.OpenMonitoring == nil},
		{"no configuration is attached", info.CurrentBrokerSoftwareInfo.ConfigurationArn == nil},
		{"the create operation is under way", info.ActiveOperationArn != nil},
		{"there is a version", len(*info.CurrentVersion) >= 13},
		{"there is no state info", info.StateInfo == nil},
		{"there is no ZooKeeper", info.ZookeeperConnectString == nil},
	} {
		if !check.ok {
			t.Errorf("not so: %s", check.fact)
		}
	}
}

// One call must not start more Java processes than the machine can bear.
func TestCreateCluster_RefusesMoreBrokersThanTheMachineIsSetUpFor(t *testing.T) {
	desk := openFrontDesk(t)
	desk.deps.MaxBrokers = 3
	desk.listen(t)
	p := everythingSupported()
	create := func(name string, brokers int32) error {
		_, err := desk.CreateCluster(t.Context(), &kafka.CreateClusterInput{
			ClusterName: &name, BrokerNodeGroupInfo: p.BrokerNodeGroupInfo, KafkaVersion: p.KafkaVersion, NumberOfBrokerNodes: &brokers,
		})
		return err
	}
	var refused *types.BadRequestException
	if err := create("large", 6); !errors.As(err, &refused) || aws.ToString(refused.InvalidParameter) != "numberOfBrokerNodes" {
		t.Errorf("six brokers: %v", err)
	}
	if err := create("small", 3); err != nil {
		t.Errorf("three brokers: %v", err)
	}
}

func TestCreateCluster_OfFiftyWithOneNameExactlyOneSucceeds(t *testing.T) {
	desk := openFrontDesk(t)
	p := threeBrokers()
	results := make([]error, 50)
	var all sync.WaitGroup
	for i := range results {
		all.Go(func() {
			_, results[i] = desk.CreateClusterV2(t.Context(),
				&kafka.CreateClusterV2Input{ClusterName: aws.String("orders"), Provisioned: &p})
		})
	}
	all.Wait()
	created := 0
	for _, err := range results {
		if err == nil {
			created++
			continue
		}
		refused(t, err, "ConflictException", "already exists")
	}
	if created != 1 || len(desk.workflows.started) != 1 {
		t.Errorf("%d creates succeeded and %d machines were started", created, len(desk.workflows.started))
	}
}

func TestCreateCluster_SucceedsWhenTheMachineCannotBeStartedNow(t *testing.T) {
	desk := openFrontDesk(t)
	desk.workflows.broken = errors.New("throttled")
	c := desk.create(t, "orders")
	if unfinished, err := desk.records.UnfinishedOperations(t.Context()); err != nil || len(unfinished) != 1 {
		t.Errorf("the sweep would find %v, %v for %s", unfinished, err, c.ID)
	}
}

func TestCreateCluster_RefusesWithoutATrace(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*kafka.CreateClusterV2Input)
		want string
	}{
		{"a serverless cluster", func(in *kafka.CreateClusterV2Input) {
			in.Provisioned, in.Serverless = nil, &types.ServerlessRequest{VpcConfigs: []types.VpcConfig{{SubnetIds: []string{"subnet-a"}}}}
		}, "serverless clusters yet"},
		{"neither kind of cluster", func(in *kafka.CreateClusterV2Input) { in.Provisioned = nil }, "exactly one"},
		{"both kinds of cluster", func(in *kafka.CreateClusterV2Input) {
			in.Serverless = &types.ServerlessRequest{VpcConfigs: []types.VpcConfig{{SubnetIds: []string{"subnet-a"}}}}
		}, "exactly one"},
		{"a name with an underscore", func(in *kafka.CreateClusterV2Input) { in.ClusterName = aws.String("my_orders") }, "not valid"},
		{"a name of 65 characters", func(in *kafka.CreateClusterV2Input) { in.ClusterName = aws.String(strings.Repeat("a", 65)) }, "1 to 64"},
		{"a tag without a key", func(in *kafka.CreateClusterV2Input) { in.Tags = map[string]string{"": "x"} }, "1 to 128"},
		{"a foreign subnet", func(in *kafka.CreateClusterV2Input) {
			in.Provisioned.BrokerNodeGroupInfo.ClientSubnets[1] = "subnet-foreign"
		}, "not one of ours"},
		{"two subnets in one zone", func(in *kafka.CreateClusterV2Input) {
			in.Provisioned.BrokerNodeGroupInfo.ClientSubnets = []string{"subnet-a", "subnet-a2", "subnet-b"}
		}, "both in zone"},
		{"a security group that is not there", func(in *kafka.CreateClusterV2Input) {
			in.Provisioned.BrokerNodeGroupInfo.SecurityGroups = []string{"sg-ours", "sg-foreign"}
		}, `no security group "sg-foreign"`},
		{"a configuration that is not there", func(in *kafka.CreateClusterV2Input) {
			in.Provisioned.ConfigurationInfo = &types.ConfigurationInfo{
				Arn:      aws.String("arn:aws:kafka:eu-west-1:000000000000:configuration/fast/11111111-1111-1111-1111-111111111111-1"),
				Revision: aws.Int64(1),
			}
		}, "Configuration ARN does not exist"},
		{"what is not built", func(in *kafka.CreateClusterV2Input) { in.Provisioned.StorageMode = types.StorageModeTiered }, "storageMode TIERED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			desk := openFrontDesk(t)
			desk.zones["subnet-a2"] = "zone of subnet-a"
			desk.deps.SecurityGroups = fakeGroups{"sg-ours"}
			desk.listen(t)
			p := threeBrokers()
			in := &kafka.CreateClusterV2Input{ClusterName: aws.String("orders"), Provisioned: &p}
			tt.edit(in)
			_, err := desk.CreateClusterV2(t.Context(), in)
			refused(t, err, "BadRequestException", tt.want)
			if all, err := desk.records.AllClusters(t.Context()); err != nil || len(all) != 0 || len(desk.workflows.started) != 0 {
				t.Errorf("it left %v, %v, %v", all, err, desk.workflows.started)
			}
		})
	}
}

func TestCreateCluster_TakesAConfigurationThatFitsItsVersion(t *testing.T) {
	desk := openFrontDesk(t)
	arn := "arn:aws:kafka:eu-west-1:000000000000:configuration/fast/11111111-1111-1111-1111-111111111111-1"
	configuration := cluster.Configuration{
		ID: "11111111-1111-1111-1111-111111111111-1", Name: "fast", ARN: arn,
		KafkaVersions: []string{"4.1.x.kraft"}, Latest: cluster.Revision{Number: 1},
	}
	if err := desk.records.CreateConfiguration(t.Context(), configuration, cluster.Revision{Number: 1}); err != nil {
		t.Fatal(err)
	}
	create := func(name, version string, revision int64) error {
		p := threeBrokers()
		p.KafkaVersion = &version
		p.ConfigurationInfo = &types.ConfigurationInfo{Arn: &arn, Revision: &revision}
		_, err := desk.CreateClusterV2(t.Context(), &kafka.CreateClusterV2Input{ClusterName: &name, Provisioned: &p})
		return err
	}
	refused(t, create("other-version", "4.0.x.kraft", 1), "BadRequestException", "is for the Kafka versions [4.1.x.kraft]")
	refused(t, create("other-revision", "4.1.x.kraft", 2), "BadRequestException", "no revision 2")
	if err := create("orders", "4.1.x.kraft", 1); err != nil {
		t.Fatal(err)
	}
	c := desk.recorded(t, "orders")
	out, err := desk.DescribeCluster(t.Context(), &kafka.DescribeClusterInput{ClusterArn: &c.ARN})
	if err != nil {
		t.Fatal(err)
	}
	info := out.ClusterInfo.CurrentBrokerSoftwareInfo
	if aws.ToString(info.ConfigurationArn) != arn || aws.ToInt64(info.ConfigurationRevision) != 1 {
		t.Errorf("the configuration is shown as %+v", info)
	}
}

// everythingSupported is a request that sets whatever can be set today, with explicit defaults and explicit falses, as
// Terraform and Ansible send them.
func everythingSupported() types.ProvisionedRequest {
	off := aws.Bool(false)
	p := threeBrokers()
	p.BrokerNodeGroupInfo.BrokerAZDistribution = types.BrokerAZDistributionDefault
	p.BrokerNodeGroupInfo.SecurityGroups = []string{"sg-2", "sg-1"}
	p.BrokerNodeGroupInfo.StorageInfo = &types.StorageInfo{EbsStorageInfo: &types.EBSStorageInfo{
		VolumeSize: aws.Int32(7), ProvisionedThroughput: &types.ProvisionedThroughput{Enabled: off},
	}}
	p.BrokerNodeGroupInfo.ConnectivityInfo = &types.ConnectivityInfo{
		NetworkType:  types.NetworkTypeIpv4,
		PublicAccess: &types.PublicAccess{Type: aws.String("DISABLED")},
		VpcConnectivity: &types.VpcConnectivity{ClientAuthentication: &types.VpcConnectivityClientAuthentication{
			Sasl: &types.VpcConnectivitySasl{
				Iam: &types.VpcConnectivityIam{Enabled: off}, Scram: &types.VpcConnectivityScram{Enabled: off},
			},
			Tls: &types.VpcConnectivityTls{Enabled: off},
		}},
	}
	p.ClientAuthentication = &types.ClientAuthentication{
		Unauthenticated: &types.Unauthenticated{Enabled: aws.Bool(true)},
		Sasl:            &types.Sasl{Iam: &types.Iam{Enabled: off}, Scram: &types.Scram{Enabled: off}},
		Tls:             &types.Tls{Enabled: off, CertificateAuthorityArnList: []string{}},
	}
	p.EncryptionInfo = &types.EncryptionInfo{
		EncryptionAtRest:    &types.EncryptionAtRest{DataVolumeKMSKeyId: aws.String(volumeKey)},
		EncryptionInTransit: &types.EncryptionInTransit{ClientBroker: types.ClientBrokerTlsPlaintext, InCluster: off},
	}
	p.EnhancedMonitoring = types.EnhancedMonitoringDefault
	p.StorageMode = types.StorageModeLocal
	p.LoggingInfo = &types.LoggingInfo{BrokerLogs: &types.BrokerLogs{
		CloudWatchLogs: &types.CloudWatchLogs{Enabled: off},
		Firehose:       &types.Firehose{Enabled: off, DeliveryStream: aws.String("unused")},
		S3:             &types.S3{Enabled: off},
	}}
	p.OpenMonitoring = &types.OpenMonitoringInfo{Prometheus: &types.PrometheusInfo{
		JmxExporter:  &types.JmxExporterInfo{EnabledInBroker: off},
		NodeExporter: &types.NodeExporterInfo{EnabledInBroker: off},
	}}
	return p
}

// asJSON gives a value as maps, for comparing what has different types. Members that are not set are left out.
func asJSON(t *testing.T, v any) map[string]any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return dropUnset(m)
}

func dropUnset(m map[string]any) map[string]any {
	for key, value := range m {
		switch v := value.(type) {
		case nil:
			delete(m, key)
		case string:
			if v == "" {
				delete(m, key)
			}
		case map[string]any:
			dropUnset(v)
		}
	}
	return m
}
