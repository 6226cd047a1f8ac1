package api

import (
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/kafkaversion"
	"github.com/millrace/millrace/shared/mskapi"
)

// rule is one thing MSK demands of a new cluster: nil, or the refusal. Members the model requires are there.
type rule func(types.ProvisionedRequest) error

// rules of a create request, in the order in which a request with several faults hears of them: what a cluster is made
// of first, how it is reached after that, what watches it last. They know nothing of what Millrace has built.
var rules = []rule{
	subnetsAreDistinct,
	subnetsAreTwoOrThree,
	instanceTypeIsKnown,
	expressHasThreeSubnets,
	versionIsKnown,
	versionIsNotDeprecated,
	smallestTypeIsNotForKRaft,
	versionRunsOnExpress,
	brokersFillEveryZone,
	brokersAreWithinLimit,
	securityGroupsAreDistinct,
	securityGroupsAreIDs,
	expressHasNoStorage,
	expressHasNoStorageMode,
	smallestTypeIsNotTiered,
	volumeSizeIsInRange,
	throughputIsEnabledFirst,
	someAuthenticationIsLeft,
	authenticationHasTLS,
	authenticationHasTLSInCluster,
	saslBesidePlaintextIsExplicit,
	certificateAuthoritiesAreARNs,
	accessStartsPrivate,
	vpcConnectivityStartsOff,
	rebalancingIsForExpress,
	loggingHasDestination,
	loggingDestinationsHaveNames,
	monitoringHasExporter,
}

func checkRules(p types.ProvisionedRequest) error {
	for _, check := range rules {
		if err := check(p); err != nil {
			return err
		}
	}
	return nil
}

var clusterName = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z-]*$`)

func nameIsValid(name string) error {
	switch {
	case len(name) < 1 || len(name) > 64:
		return mskapi.BadRequest("clusterName", "A cluster's name has 1 to 64 characters, not %d.", len(name))
	case !clusterName.MatchString(name):
		return mskapi.BadRequest("clusterName", "The name %q contains one or more characters that are not valid. "+
			"Letters, digits and hyphens are, and it starts with a letter or digit.", name)
	}
	return nil
}

// tagsAreValid checks everything a resource is to carry, in the order of the keys.
func tagsAreValid(tags map[string]string) error {
	if len(tags) > 50 {
		return mskapi.BadRequest("tags", "A resource has at most 50 tags, not %d.", len(tags))
	}
	keys := make([]string, 0, len(tags))
	for key := range tags {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		switch {
		case key == "" || len([]rune(key)) > 128:
			return mskapi.BadRequest("tags", "The key of a tag has 1 to 128 characters: %q.", key)
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return mskapi.BadRequest("tags", "Keys of tags that begin with aws: are reserved: %q.", key)
		case len([]rune(tags[key])) > 256:
			return mskapi.BadRequest("tags", "The value of a tag has at most 256 characters: %q has more.", key)
		}
	}
	return nil
}

func subnetsAreDistinct(p types.ProvisionedRequest) error {
	return areDistinct("clientSubnets", p.BrokerNodeGroupInfo.ClientSubnets)
}

func subnetsAreTwoOrThree(p types.ProvisionedRequest) error {
	if n := len(p.BrokerNodeGroupInfo.ClientSubnets); n != 2 && n != 3 {
		return mskapi.BadRequest("brokerNodeGroupInfo", "A cluster has two or three client subnets, not %d.", n)
	}
	return nil
}

func expressHasThreeSubnets(p types.ProvisionedRequest) error {
	if n := len(p.BrokerNodeGroupInfo.ClientSubnets); isExpress(p) && n != 3 {
		return mskapi.BadRequest("brokerNodeGroupInfo",
			"Clusters with Express instance types require 3 subnets, not %d.", n)
	}
	return nil
}

// zonesAreDistinct is a rule about what the subnets turned out to be.
func zonesAreDistinct(subnets, zones []string) error {
	for i, zone := range zones {
		if before := slices.Index(zones[:i], zone); before >= 0 {
			return mskapi.BadRequest("clientSubnets", "The subnets %s and %s are both in zone %s. "+
				"Each client subnet has to be in a zone of its own.", subnets[before], subnets[i], zone)
		}
	}
	return nil
}

func brokersFillEveryZone(p types.ProvisionedRequest) error {
	n, zones := int(*p.NumberOfBrokerNodes), len(p.BrokerNodeGroupInfo.ClientSubnets)
	if n < 1 || n%zones != 0 {
		return mskapi.BadRequest("numberOfBrokerNodes", "The number of broker nodes must be a multiple of the number of "+
			"Availability Zones, so with %d client subnets it can't be %d.", zones, n)
	}
	return nil
}

// brokersAreWithinLimit keeps to MSK's limits per cluster. Its limit per account is a quota of a shared service, which an
// account of one's own does not have.
func brokersAreWithinLimit(p types.ProvisionedRequest) error {
	limit := 30
	if isKRaft(p) {
		limit = 60
	}
	if n := int(*p.NumberOfBrokerNodes); n > limit {
		return mskapi.BadRequest("numberOfBrokerNodes",
			"A cluster of Kafka version %s has at most %d broker nodes, not %d.", *p.KafkaVersion, limit, n)
	}
	return nil
}

func securityGroupsAreDistinct(p types.ProvisionedRequest) error {
	return areDistinct("securityGroups", p.BrokerNodeGroupInfo.SecurityGroups)
}

func securityGroupsAreIDs(p types.ProvisionedRequest) error {
	for _, group := range p.BrokerNodeGroupInfo.SecurityGroups {
		if !strings.HasPrefix(group, "sg-") {
			return mskapi.BadRequest("securityGroups", "%q is not the id of a security group.", group)
		}
	}
	return nil
}

const smallestType = "kafka.t3.small"

var instanceTypes = slices.Concat(
	[]string{smallestType},
	sizes("kafka.m5", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge"),
	sizes("kafka.m7g", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"),
	sizes("express.m7g", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"),
)

func sizes(family string, sizes ...string) []string {
	types := make([]string, len(sizes))
	for i, size := range sizes {
		types[i] = family + "." + size
	}
	return types
}

func instanceTypeIsKnown(p types.ProvisionedRequest) error {
	if slices.Contains(instanceTypes, instanceType(p)) {
		return nil
	}
	return unsupportedInstanceType(p, instanceTypes)
}

// smallestTypeIsNotForKRaft: MSK offers the burstable type for versions without the .kraft suffix only.
func smallestTypeIsNotForKRaft(p types.ProvisionedRequest) error {
	if instanceType(p) == smallestType && isKRaft(p) {
		return unsupportedInstanceType(p, instanceTypes[1:])
	}
	return nil
}

func unsupportedInstanceType(p types.ProvisionedRequest, valid []string) error {
	return mskapi.BadRequest("instanceType", "Unsupported InstanceType %s specified for Kafka version %s. Valid values: %v",
		instanceType(p), *p.KafkaVersion, valid)
}

func versionIsKnown(p types.ProvisionedRequest) error {
	if _, known := kafkaversion.Lookup(*p.KafkaVersion); known {
		return nil
	}
	var valid []string
	for _, v := range kafkaversion.All() {
		if v.Status == kafkaversion.Active {
			valid = append(valid, v.Name)
		}
	}
	return mskapi.BadRequest("kafkaVersion", "Unsupported KafkaVersion [%s]. Valid values: %v", *p.KafkaVersion, valid)
}

func versionIsNotDeprecated(p types.ProvisionedRequest) error {
	if v, _ := kafkaversion.Lookup(*p.KafkaVersion); v.Status == kafkaversion.Deprecated {
		return mskapi.BadRequest("kafkaVersion",
			"Kafka version %s is deprecated: new clusters are not created with it.", v.Name)
	}
	return nil
}

// versionFitsConfiguration is a rule about what the named configuration turned out to be. One that lists no versions fits
// all of them.
func versionFitsConfiguration(version string, c cluster.Configuration) error {
	if len(c.KafkaVersions) > 0 && !slices.Contains(c.KafkaVersions, version) {
		return mskapi.BadRequest("configurationInfo", "The configuration %s is for the Kafka versions %v, not for %s.",
			c.Name, c.KafkaVersions, version)
	}
	return nil
}

var expressVersions = regexp.MustCompile(`^(3\.6|3\.8|3\.9|4\.2)\.`)

func versionRunsOnExpress(p types.ProvisionedRequest) error {
	if isExpress(p) && !expressVersions.MatchString(*p.KafkaVersion) {
		return mskapi.BadRequest("kafkaVersion",
			"Express instance types are not supported for Kafka version %s.", *p.KafkaVersion)
	}
	return nil
}

func expressHasNoStorage(p types.ProvisionedRequest) error {
	if isExpress(p) && p.BrokerNodeGroupInfo.StorageInfo != nil {
		return mskapi.BadRequest("brokerNodeGroupInfo",
			"The storageInfo parameter is not supported for Express instance types.")
	}
	return nil
}

func expressHasNoStorageMode(p types.ProvisionedRequest) error {
	if isExpress(p) && p.StorageMode != "" {
		return mskapi.BadRequest("storageMode", "The storageMode parameter is not supported for Express instance types.")
	}
	return nil
}

func smallestTypeIsNotTiered(p types.ProvisionedRequest) error {
	if p.StorageMode == types.StorageModeTiered && instanceType(p) == smallestType {
		return mskapi.BadRequest("instanceType", "Tiered storage is not supported for the broker type %s.", smallestType)
	}
	return nil
}

func volumeSizeIsInRange(p types.ProvisionedRequest) error {
	size := volume(p).VolumeSize
	if size != nil && (*size < 1 || *size > 16384) {
		return mskapi.BadRequest("volumeSize", "The volume of a broker has 1 to 16384 GiB, not %d.", *size)
	}
	return nil
}

func throughputIsEnabledFirst(p types.ProvisionedRequest) error {
	throughput := volume(p).ProvisionedThroughput
	if throughput != nil && throughput.VolumeThroughput != nil && !aws.ToBool(throughput.Enabled) {
		return mskapi.BadRequest("volumeThroughput",
			"To specify a value for VolumeThroughput, you must enable ProvisionedThroughput.")
	}
	return nil
}

func someAuthenticationIsLeft(p types.ProvisionedRequest) error {
	if isOff(unauthenticated(p)) && !hasAuthentication(p) {
		return mskapi.BadRequest("clientAuthentication",
			"Unauthenticated cannot be set to false without enabling an authentication mechanism.")
	}
	return nil
}

func authenticationHasTLS(p types.ProvisionedRequest) error {
	if hasAuthentication(p) && inTransit(p).ClientBroker == types.ClientBrokerPlaintext {
		return mskapi.BadRequest("clientAuthentication", "Client-broker encryption in transit must be set to either TLS or "+
			"TLS_PLAINTEXT to enable client authentication.")
	}
	return nil
}

func authenticationHasTLSInCluster(p types.ProvisionedRequest) error {
	if hasAuthentication(p) && isOff(inTransit(p).InCluster) {
		return mskapi.BadRequest("clientAuthentication",
			"To turn on client authentication, you must also turn on in-cluster encryption.")
	}
	return nil
}

func saslBesidePlaintextIsExplicit(p types.ProvisionedRequest) error {
	open := aws.ToBool(unauthenticated(p))
	if hasSASL(p) && inTransit(p).ClientBroker == types.ClientBrokerTlsPlaintext && !open {
		return mskapi.BadRequest("clientAuthentication",
			"With TLS_PLAINTEXT and SASL you must enable unauthenticated traffic explicitly.")
	}
	return nil
}

var privateCA = regexp.MustCompile(`^arn:aws[a-z-]*:acm-pca:[a-z0-9-]+:[0-9]{12}:certificate-authority/[0-9A-Za-z-]+$`)

func certificateAuthoritiesAreARNs(p types.ProvisionedRequest) error {
	if p.ClientAuthentication == nil || p.ClientAuthentication.Tls == nil {
		return nil
	}
	for _, arn := range p.ClientAuthentication.Tls.CertificateAuthorityArnList {
		if !privateCA.MatchString(arn) {
			return mskapi.BadRequest("certificateAuthorityArnList",
				"One or more of the certificate authority ARNs provided are invalid: %q.", arn)
		}
	}
	return nil
}

func accessStartsPrivate(p types.ProvisionedRequest) error {
	access := connectivity(p).PublicAccess
	if access != nil && access.Type != nil && *access.Type != "DISABLED" {
		return mskapi.BadRequest("publicAccess", "When creating a cluster, the only valid type of public access is "+
			"DISABLED, not %s.", *access.Type)
	}
	return nil
}

func vpcConnectivityStartsOff(p types.ProvisionedRequest) error {
	vpc := connectivity(p).VpcConnectivity
	if vpc == nil || vpc.ClientAuthentication == nil {
		return nil
	}
	auth := vpc.ClientAuthentication
	on := auth.Tls != nil && aws.ToBool(auth.Tls.Enabled)
	if sasl := auth.Sasl; sasl != nil {
		on = on || sasl.Iam != nil && aws.ToBool(sasl.Iam.Enabled) || sasl.Scram != nil && aws.ToBool(sasl.Scram.Enabled)
	}
	if on {
		return mskapi.BadRequest("vpcConnectivity.clientAuthentication",
			"When creating a cluster, all vpcConnectivity authentication schemes must be disabled.")
	}
	return nil
}

func rebalancingIsForExpress(p types.ProvisionedRequest) error {
	if p.Rebalancing != nil && !isExpress(p) {
		return mskapi.BadRequest("rebalancing", "The rebalancing parameter is supported for Express instance types only.")
	}
	return nil
}

func loggingHasDestination(p types.ProvisionedRequest) error {
	if logs := brokerLogs(p); logs != nil && logs.CloudWatchLogs == nil && logs.Firehose == nil && logs.S3 == nil {
		return mskapi.BadRequest("brokerLogs",
			"You must define one or more of the broker log types cloudWatchLogs, firehose and s3.")
	}
	return nil
}

// loggingDestinationsHaveNames asks for a name only where logs are to go: a disabled destination needs none.
func loggingDestinationsHaveNames(p types.ProvisionedRequest) error {
	logs := brokerLogs(p)
	if logs == nil {
		return nil
	}
	missing := func(enabled *bool, name *string) bool { return aws.ToBool(enabled) && aws.ToString(name) == "" }
	switch {
	case logs.CloudWatchLogs != nil && missing(logs.CloudWatchLogs.Enabled, logs.CloudWatchLogs.LogGroup):
		return mskapi.BadRequest("logGroup", "To deliver logs to CloudWatch Logs, you must specify a log group.")
	case logs.Firehose != nil && missing(logs.Firehose.Enabled, logs.Firehose.DeliveryStream):
		return mskapi.BadRequest("deliveryStream", "To deliver logs to Firehose, you must specify a delivery stream.")
	case logs.S3 != nil && missing(logs.S3.Enabled, logs.S3.Bucket):
		return mskapi.BadRequest("bucket", "To deliver logs to Amazon S3, you must specify an S3 bucket.")
	}
	return nil
}

func monitoringHasExporter(p types.ProvisionedRequest) error {
	if p.OpenMonitoring == nil || p.OpenMonitoring.Prometheus == nil {
		return nil
	}
	if p.OpenMonitoring.Prometheus.JmxExporter == nil && p.OpenMonitoring.Prometheus.NodeExporter == nil {
		return mskapi.BadRequest("openMonitoring",
			"You must specify at least one type of exporter, jmxExporter or nodeExporter.")
	}
	return nil
}

func areDistinct(parameter string, items []string) error {
	for i, item := range items {
		if slices.Contains(items[:i], item) {
			return mskapi.BadRequest(parameter, "The list provided contains duplicate items: %s.", item)
		}
	}
	return nil
}

func instanceType(p types.ProvisionedRequest) string { return *p.BrokerNodeGroupInfo.InstanceType }
func isExpress(p types.ProvisionedRequest) bool {
	return strings.HasPrefix(instanceType(p), "express.")
}

func isKRaft(p types.ProvisionedRequest) bool { return strings.HasSuffix(*p.KafkaVersion, ".kraft") }

// isOff tells an explicit false from a member that is not set.
func isOff(b *bool) bool { return b != nil && !*b }

func volume(p types.ProvisionedRequest) types.EBSStorageInfo {
	if s := p.BrokerNodeGroupInfo.StorageInfo; s != nil && s.EbsStorageInfo != nil {
		return *s.EbsStorageInfo
	}
	return types.EBSStorageInfo{}
}

func connectivity(p types.ProvisionedRequest) types.ConnectivityInfo {
	if c := p.BrokerNodeGroupInfo.ConnectivityInfo; c != nil {
		return *c
	}
	return types.ConnectivityInfo{}
}

func inTransit(p types.ProvisionedRequest) types.EncryptionInTransit {
	if e := p.EncryptionInfo; e != nil && e.EncryptionInTransit != nil {
		return *e.EncryptionInTransit
	}
	return types.EncryptionInTransit{}
}

func brokerLogs(p types.ProvisionedRequest) *types.BrokerLogs {
	if p.LoggingInfo == nil {
		return nil
	}
	return p.LoggingInfo.BrokerLogs
}

func unauthenticated(p types.ProvisionedRequest) *bool {
	if c := p.ClientAuthentication; c != nil && c.Unauthenticated != nil {
		return c.Unauthenticated.Enabled
	}
	return nil
}

func hasSASL(p types.ProvisionedRequest) bool {
	c := p.ClientAuthentication
	if c == nil || c.Sasl == nil {
		return false
	}
	return c.Sasl.Iam != nil && aws.ToBool(c.Sasl.Iam.Enabled) || c.Sasl.Scram != nil && aws.ToBool(c.Sasl.Scram.Enabled)
}

func hasAuthentication(p types.ProvisionedRequest) bool {
	c := p.ClientAuthentication
	return hasSASL(p) || c != nil && c.Tls != nil && aws.ToBool(c.Tls.Enabled)
}
