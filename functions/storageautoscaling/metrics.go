package storageautoscaling

import (
	"github.com/millrace/millrace/shared/autoscale"
	"github.com/millrace/millrace/shared/emf"
)

// Metrics go to CloudWatch through the function's own log, a line for each look at all clusters, and are of the whole deployment.
const (
	namespace = "Millrace/Storage"
	dimension = "Deployment"
	atMaximum = "ClustersAtMaximum"
)

// counts are of the clusters whose storage grows by itself.
type counts struct {
	clusters  int
	atMaximum int // of which a broker is as full as the rule allows, and its volume as large
}

func (c *counts) add(v autoscale.Verdict) {
	c.clusters++
	if v.AtMaximum {
		c.atMaximum++
	}
}

// writeMetrics tells how many of what there are. Where no storage grows by itself it tells nothing, which costs nothing.
func (s ScaleStorage) writeMetrics(c counts) error {
	if s.Metrics == nil || c.clusters == 0 {
		return nil
	}
	line := emf.NewLine(namespace, map[string]string{dimension: s.Deployment})
	line.Add(atMaximum, "Count", c.atMaximum, dimension)
	return line.Write(s.Metrics, s.Now())
}
