package api

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/millrace/millrace/shared/mskapi"
)

// Nothing requested is dropped. So a create request is not searched for what Millrace lacks, it is walked over, and each
// member that is set has to be on the list of those that are honoured, with a value that is. A member that a later SDK
// adds is refused by name until somebody puts it here.

// honoured tells whether the value of a member is one that a cluster will really have.
type honoured func(value any) bool

func anything(any) bool { return true }

// off accepts what asks for nothing.
func off(value any) bool {
	v := reflect.ValueOf(value)
	return v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0
}

func only(want string) honoured {
	return func(value any) bool { return fmt.Sprint(value) == want }
}

func standardType(value any) bool { return !strings.HasPrefix(fmt.Sprint(value), "express.") }

// supportedMembers lists the members of a create request by their wire paths. volumeKey is the only key that volumes are
// encrypted with.
func supportedMembers(volumeKey string) map[string]honoured {
	const (
		group = "brokerNodeGroupInfo."
		vpc   = group + "connectivityInfo.vpcConnectivity.clientAuthentication."
	)
	members := map[string]honoured{
		"kafkaVersion":        anything,
		"numberOfBrokerNodes": anything,

		group + "clientSubnets":        anything,
		group + "instanceType":         standardType,
		group + "brokerAZDistribution": anything,
		group + "securityGroups":       anything,

		group + "storageInfo.ebsStorageInfo.volumeSize":                             anything,
		group + "storageInfo.ebsStorageInfo.provisionedThroughput.enabled":          anything,
		group + "storageInfo.ebsStorageInfo.provisionedThroughput.volumeThroughput": anything,

		group + "connectivityInfo.networkType":       only("IPV4"),
		group + "connectivityInfo.publicAccess.type": only("DISABLED"),
		vpc + "sasl.iam.enabled":                     off,
		vpc + "sasl.scram.enabled":                   off,
		vpc + "tls.enabled":                          off,

		"clientAuthentication.unauthenticated.enabled":         anything,
		"clientAuthentication.sasl.iam.enabled":                off,
		"clientAuthentication.sasl.scram.enabled":              off,
		"clientAuthentication.tls.enabled":                     off,
		"clientAuthentication.tls.certificateAuthorityArnList": off,

		"configurationInfo.arn":      anything,
		"configurationInfo.revision": anything,

		"encryptionInfo.encryptionAtRest.dataVolumeKMSKeyId": only(volumeKey),
		"encryptionInfo.encryptionInTransit.clientBroker":    anything,
		"encryptionInfo.encryptionInTransit.inCluster":       anything,

		"enhancedMonitoring": only("DEFAULT"),
		"storageMode":        only("LOCAL"),
		"openMonitoring.prometheus.jmxExporter.enabledInBroker":  off,
		"openMonitoring.prometheus.nodeExporter.enabledInBroker": off,
	}
	for _, logs := range []string{"loggingInfo.brokerLogs.", "loggingInfo.authorizerLogs."} {
		members[logs+"cloudWatchLogs.enabled"] = off
		members[logs+"cloudWatchLogs.logGroup"] = anything // of a destination that is off
		members[logs+"firehose.enabled"] = off
		members[logs+"firehose.deliveryStream"] = anything
		members[logs+"s3.enabled"] = off
		members[logs+"s3.bucket"] = anything
		members[logs+"s3.prefix"] = anything
	}
	return members
}

// checkSupported refuses the first member of a request, in the order of the SDK's type, that would not be honoured.
func checkSupported(request any, supported map[string]honoured) error {
	return walk("", reflect.ValueOf(request), supported)
}

func walk(path string, v reflect.Value, supported map[string]honoured) error {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		if accepts, listed := supported[path]; !listed || !accepts(v.Interface()) {
			return unsupported(path, v)
		}
		return nil
	}
	if path != "" && !leadsTo(supported, path) {
		return unsupported(path, v)
	}
	for i := range v.NumField() {
		field, value := v.Type().Field(i), v.Field(i)
		if !field.IsExported() || isUnset(value) {
			continue
		}
		if err := walk(strings.TrimPrefix(path+"."+wireName(field.Name), "."), value, supported); err != nil {
			return err
		}
	}
	return nil
}

// leadsTo tells whether anything below path is honoured. An empty object below which nothing is may still ask for
// something.
func leadsTo(supported map[string]honoured, path string) bool {
	for member := range supported {
		if strings.HasPrefix(member, path+".") {
			return true
		}
	}
	return false
}

func unsupported(path string, v reflect.Value) error {
	switch v.Kind() {
	case reflect.Bool, reflect.String, reflect.Int32, reflect.Int64:
		return mskapi.BadRequest(path, "Millrace does not support %s %v yet.", path, v)
	default:
		return mskapi.BadRequest(path, "Millrace does not support %s yet.", path)
	}
}

// isUnset: the SDK leaves a member that was not sent nil, or an enum empty.
func isUnset(v reflect.Value) bool {
	return v.IsZero() && slices.Contains(
		[]reflect.Kind{reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface, reflect.String}, v.Kind())
}

// wireName is a member's name in requests: the SDK's, with a lower first letter.
func wireName(field string) string {
	first, size := utf8.DecodeRuneInString(field)
	if size == 0 {
		return ""
	}
	return string(unicode.ToLower(first)) + field[size:]
}
