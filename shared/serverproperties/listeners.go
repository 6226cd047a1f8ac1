package serverproperties

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const listenersFormat = "a comma-separated list of LISTENER_NAME://host:port+{broker_id}"

// The listeners that clients use. Those between brokers and controllers keep the addresses that the service gives them.
var clientListeners = []string{
	"CLIENT", "CLIENT_SECURE", "CLIENT_SECURE_PUBLIC", "CLIENT_SASL_SCRAM", "CLIENT_SASL_SCRAM_PUBLIC",
	"CLIENT_IAM", "CLIENT_IAM_PUBLIC",
}

var listenerFormat = regexp.MustCompile(`^([A-Z_]+)://([0-9A-Za-z]([0-9A-Za-z.-]*[0-9A-Za-z])?):([0-9]{1,5})\+\{broker_id\}$`)

// checkListeners judges a value of custom.advertised.listeners as far as that is possible without a cluster.
func checkListeners(value string) (normal, complaint string) {
	var names, parts []string
	for part := range strings.SplitSeq(value, ",") {
		part = strings.TrimSpace(part)
		m := listenerFormat.FindStringSubmatch(part)
		if m == nil || !isPort(m[4]) {
			return "", "Invalid " + CustomAdvertisedListeners + " format. Expected: LISTENER_NAME://host:port+{broker_id}, " +
				"separated by commas."
		}
		name := m[1]
		if !slices.Contains(clientListeners, name) {
			return "", fmt.Sprintf("Listener '%s' cannot have a custom address. Valid listeners: %s.",
				name, strings.Join(clientListeners, ", "))
		}
		if slices.Contains(names, name) {
			return "", fmt.Sprintf("Listener '%s' is given more than once.", name)
		}
		names, parts = append(names, name), append(parts, part)
	}
	return strings.Join(parts, ","), ""
}

// isPort tells whether the broker's id can be added to the port and still give a port.
func isPort(text string) bool {
	port, err := strconv.Atoi(text)
	return err == nil && 1 <= port && port < 65535
}
