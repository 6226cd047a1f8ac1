package bill

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/millrace/millrace/shared/awsfacts"
)

// Cluster is a cluster as far as it costs.
type Cluster struct {
	Brokers      int    `json:"brokers"`
	InstanceType string `json:"instanceType"` // MSK's name for it: kafka.m7g.large
	VolumeGiB    int    `json:"volumeGiB"`    // of each broker
	Controllers  int    `json:"controllers"`
	Zones        int    `json:"zones"`
	Replicas     int    `json:"replicas"` // of each record
	// WrittenMBs is what producers send, in MB/s as compressed; Consumers is how many groups read all of it.
	WrittenMBs float64 `json:"writtenMBs"`
	Consumers  int     `json:"consumers"`
	// PlainInside says that brokers talk to each other without TLS.
	PlainInside bool `json:"plainInside"`
}

// What every host has beside its log volume, and what controllers are.
const (
	rootVolumeGiB       = 8
	controllerVolumeGiB = 10
	controllerType      = "t4g.small"
)

// No cluster is written or read more than this; beyond it a bill is no answer but a row of digits.
const (
	mostWrittenMBs = 100000
	mostConsumers  = 1000
)

// Problem says in words for people what is wrong with a cluster; empty when it can be priced.
func (c Cluster) Problem() string {
	smallest, largest := awsfacts.LimitOf("ebs.volume-min").Count(), awsfacts.LimitOf("ebs.volume-max").Count()
	_, atMSK := awsfacts.FindPrice("msk." + c.InstanceType)
	_, own := awsfacts.FindPrice(ec2Price(c.InstanceType))
	switch {
	case !atMSK || !own:
		return fmt.Sprintf("there is no price for brokers of type %s; it is one of %s", c.InstanceType, strings.Join(Types(), ", "))
	case c.Brokers < 1 || c.Brokers > 60:
		return fmt.Sprintf("a cluster has 1 to 60 brokers, not %d", c.Brokers)
	case !slices.Contains([]int{0, 1, 3, 5}, c.Controllers): // two or four would bear the loss of no more than one or three do
		return fmt.Sprintf("a cluster has 1, 3 or 5 controllers (0 leaves them out of the bill), not %d", c.Controllers)
	case c.VolumeGiB < smallest || c.VolumeGiB > largest:
		return fmt.Sprintf("a volume has %d to %d GiB, not %d", smallest, largest, c.VolumeGiB)
	case c.Zones < 1 || c.Zones > 3:
		return fmt.Sprintf("a cluster spans 1 to 3 zones, not %d", c.Zones)
	case c.Replicas < 1 || c.Replicas > c.Brokers:
		return fmt.Sprintf("%d brokers can't hold %d replicas of a record", c.Brokers, c.Replicas)
	case !(c.WrittenMBs >= 0 && c.WrittenMBs <= mostWrittenMBs): // so that NaN is none either
		return fmt.Sprintf("traffic is a number of MB/s from 0 to %d", mostWrittenMBs)
	case c.Consumers < 0 || c.Consumers > mostConsumers:
		return fmt.Sprintf("there are 0 to %d groups of consumers, not %d", mostConsumers, c.Consumers)
	}
	return ""
}

// Types are the broker types that have a price on both sides.
func Types() []string {
	var types []string
	for _, p := range awsfacts.Prices() {
		name, atMSK := strings.CutPrefix(p.Name, "msk.")
		if _, own := awsfacts.FindPrice(ec2Price(name)); atMSK && own {
			types = append(types, name)
		}
	}
	return types
}

func ec2Price(instanceType string) string { return "ec2." + strings.TrimPrefix(instanceType, "kafka.") }

// OwnHosts is what the hosts, volumes and traffic of a cluster cost in the customer's own account. The cluster has no [Cluster.Problem].
func OwnHosts(c Cluster) Sheet {
	s := Sheet{Title: "Own hosts"}
	host := strings.TrimPrefix(c.InstanceType, "kafka.")
	s.Lines = append(s.Lines,
		line("Brokers", ec2Price(c.InstanceType), float64(c.Brokers)*Hours, fmt.Sprintf("%d × %s", c.Brokers, host)),
		line("Brokers: log volumes", "ebs.gp3", float64(c.Brokers*c.VolumeGiB), fmt.Sprintf("%d × %d GiB gp3", c.Brokers, c.VolumeGiB)),
		line("Brokers: root volumes", "ebs.gp3", float64(c.Brokers*rootVolumeGiB), fmt.Sprintf("%d × %d GiB gp3", c.Brokers, rootVolumeGiB)),
	)
	if c.Controllers > 0 {
		gib := c.Controllers * (controllerVolumeGiB + rootVolumeGiB)
		s.Lines = append(s.Lines,
			line("Controllers", "ec2."+controllerType, float64(c.Controllers)*Hours, fmt.Sprintf("%d × %s", c.Controllers, controllerType)),
			line("Controllers: volumes", "ebs.gp3", float64(gib), fmt.Sprintf("%d × (%d + %d) GiB gp3", c.Controllers, controllerVolumeGiB, rootVolumeGiB)),
		)
	}
	if c.WrittenMBs > 0 {
		s.Lines = append(s.Lines,
			between("Traffic: replication", c.gigabytes()*c.crossings(), "both ends pay"),
			c.clients())
	}
	return s
}

// MSK is what MSK asks for the same brokers. Controllers and traffic among brokers are part of its price.
func MSK(c Cluster) Sheet {
	s := Sheet{Title: "Amazon MSK", Lines: []Line{
		line("Brokers", "msk."+c.InstanceType, float64(c.Brokers)*Hours, fmt.Sprintf("%d × %s", c.Brokers, c.InstanceType)),
		line("Storage", "msk.storage", float64(c.Brokers*c.VolumeGiB), fmt.Sprintf("%d × %d GiB", c.Brokers, c.VolumeGiB)),
	}}
	if c.WrittenMBs > 0 {
		s.Lines = append(s.Lines, c.clients())
	}
	return s
}

// gigabytes are written in a month.
func (c Cluster) gigabytes() float64 { return c.WrittenMBs * seconds / 1000 }

// between prices traffic that goes from one zone to another: it is paid for on the way out and on the way in.
func between(name string, gigabytes float64, why string) Line {
	return line(name, "ec2.traffic-between-zones", 2*gigabytes, why)
}

// clients prices what producers and consumers send and get across zones. Clients are spread over the zones and talk to the
// leaders, which are too, so that all but one zone's share crosses.
func (c Cluster) clients() Line {
	elsewhere := 1 - 1/float64(c.Zones)
	return between("Traffic: producers and consumers", c.gigabytes()*float64(1+c.Consumers)*elsewhere,
		fmt.Sprintf("%d %% of it crosses zones", int(math.Round(100*elsewhere))))
}

// crossings is how many times a written byte is copied to another zone: replicas are spread over the zones evenly.
func (c Cluster) crossings() (copies float64) {
	for zone := range c.Zones {
		here := c.Replicas / c.Zones
		if zone < c.Replicas%c.Zones {
			here++
		}
		copies += float64(here) / float64(c.Replicas) * float64(c.Replicas-here)
	}
	return copies
}
