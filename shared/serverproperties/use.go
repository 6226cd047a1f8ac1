package serverproperties

import (
	"strconv"
	"strings"

	"github.com/millrace/millrace/shared/fault"
)

// UseParameter is the request member that attaches a configuration to a cluster.
const UseParameter = "configurationInfo"

// CheckUse tells whether a cluster of an exact Kafka release, such as 4.1.2, could start with properties that Parse has
// returned. A configuration may exist without that: it is not bound to one release. The error is Invalid, for the member
// configurationInfo.
func CheckUse(properties map[string]string, release string) error {
	if _, set := properties[CustomAdvertisedListeners]; set {
		return fault.InvalidParameter(UseParameter,
			"The configuration sets %s, which Millrace does not support on clusters yet.", CustomAdvertisedListeners)
	}
	if strings.HasPrefix(release, "3.") {
		return nil
	}
	for _, k := range keys {
		if k.MinFrom4 == 0 {
			continue
		}
		value, set := properties[k.Name]
		n, err := strconv.ParseInt(value, 10, 64)
		if set && (err != nil || n < k.MinFrom4) {
			return fault.InvalidParameter(UseParameter,
				"The configuration sets %s to %s. Apache Kafka %s does not start with less than %d.",
				k.Name, value, release, k.MinFrom4)
		}
	}
	return nil
}
