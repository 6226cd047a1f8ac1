package main

import (
	"slices"
)

// Who or what a sample is of.
const (
	ours  = "ours"
	tuned = "tuned" // started by hand as Millrace would
	stock = "stock" // started by hand as Kafka's own scripts would
)

// samples are measured values, by figure and by whose they are. Seconds, MB, milliseconds or a count: the figure knows.
type samples map[string]map[string][]float64

func (s samples) add(figure, whose string, values ...float64) {
	if s[figure] == nil {
		s[figure] = map[string][]float64{}
	}
	s[figure][whose] = append(s[figure][whose], values...)
}

// median of nothing is 0.
func median(values []float64) float64 { return percentile(values, 50) }

// percentile gives the value that p percent of the values do not exceed; the mean of the middle two for an even median.
func percentile(values []float64, p int) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	if p == 50 && len(sorted)%2 == 0 {
		return (sorted[len(sorted)/2-1] + sorted[len(sorted)/2]) / 2
	}
	at := (len(sorted)*p + 99) / 100 // the nearest rank, from 1
	return sorted[max(at, 1)-1]
}
