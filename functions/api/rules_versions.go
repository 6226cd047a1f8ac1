package api

import (
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/kafkaversion"
	"github.com/millrace/millrace/shared/mskapi"
)

// versionIsOffered tells apart what no version of MSK is called and what is not run here, as MSK does for a version that is
// not for new clusters.
func versionIsOffered(p types.ProvisionedRequest) error {
	if _, runs := kafkaversion.Lookup(*p.KafkaVersion); runs {
		return nil
	}
	var valid []string
	for _, v := range kafkaversion.All() {
		valid = append(valid, v.Name)
	}
	if !slices.Contains(kafkaversion.Names(), *p.KafkaVersion) {
		return mskapi.BadRequest("kafkaVersion", "Unsupported KafkaVersion [%s]. Valid values: %v", *p.KafkaVersion, valid)
	}
	family := "Standard"
	if isExpress(p) {
		family = "Express"
	}
	return mskapi.BadRequest("kafkaVersion", "%s instance types are not supported for Kafka version %s. Valid values: %v",
		family, *p.KafkaVersion, valid)
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

func isKRaft(p types.ProvisionedRequest) bool { return strings.HasSuffix(*p.KafkaVersion, ".kraft") }
