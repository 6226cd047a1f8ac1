package topicplan

import "strings"

// hardLimits are how many replicas a broker may have before MSK refuses to touch its cluster, by the size of the instance. Its
// developer guide has them among the best practices for Standard brokers and for Express brokers.
var hardLimits = map[string]map[string]int{
	"kafka": {
		"small": 300, "large": 1500, "xlarge": 1500, "2xlarge": 3000,
		"4xlarge": 6000, "8xlarge": 6000, "12xlarge": 6000, "16xlarge": 6000, "24xlarge": 6000,
	},
	"express": {
		"large": 1500, "xlarge": 2000, "2xlarge": 4000, "4xlarge": 8000, "8xlarge": 16000, "12xlarge": 24000, "16xlarge": 32000,
	},
}

// MaxReplicas is how many replicas a broker of an instance type may have, by MSK's name of the type; 0 is no limit that is known.
func MaxReplicas(instanceType string) int {
	parts := strings.Split(instanceType, ".")
	return hardLimits[parts[0]][parts[len(parts)-1]]
}
