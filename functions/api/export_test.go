package api

import (
	"maps"
	"slices"
)

// KafkaErrors are the names of Kafka's errors that have a row of their own.
func KafkaErrors() []string { return slices.Sorted(maps.Keys(kafkaErrors)) }
