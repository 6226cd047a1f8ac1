package bill

import (
	"fmt"

	"github.com/millrace/millrace/shared/awsfacts"
)

// Comparison is everything that a cluster costs, on both sides.
type Comparison struct {
	Cluster Cluster `json:"cluster"`
	Own     Sheet   `json:"own"`
	MSK     Sheet   `json:"msk"`
	// Plane, Watching, Idle and Metrics are what Millrace itself adds to Own.
	Plane    Sheet `json:"controlPlane"`
	Watching Sheet `json:"watching"`
	Idle     Sheet `json:"idle"`
	Metrics  Sheet `json:"metrics"`
	// BreakEvenMBs is how much may be written until MSK is the cheaper one; zero when it is at once, negative when it never is.
	BreakEvenMBs float64 `json:"breakEvenMBs"`
	// Verdict says which one is the cheaper one and when, in plain sentences.
	Verdict string `json:"verdict"`
}

// OwnUSD is the whole of one cluster in the own account, at list prices: hosts, volumes, traffic and all of Millrace.
func (c Comparison) OwnUSD() float64 {
	return c.Own.USD() + c.Plane.USD() + c.Watching.USD() + c.Idle.USD() + c.Metrics.USD()
}

// Compare prices a cluster without [Cluster.Problem] on both sides, as the only one of its control plane.
func Compare(c Cluster) Comparison {
	out := Comparison{
		Cluster: c, Own: OwnHosts(c), MSK: MSK(c),
		Plane: ControlPlane(), Watching: Watching(), Idle: IdleCluster(c), Metrics: Metrics(c),
	}
	out.BreakEvenMBs = out.breakEven()
	out.Verdict = out.verdict()
	return out
}

// breakEven compares what does not grow with traffic to the one thing that does on one side only: replication.
func (c Comparison) breakEven() float64 {
	still := c.Cluster
	still.WrittenMBs = 0
	saved := MSK(still).USD() - (c.OwnUSD() - c.Own.USD() + OwnHosts(still).USD())
	one := c.Cluster
	one.WrittenMBs = 1
	perMBs := between("", one.gigabytes()*one.crossings(), "").USD
	switch {
	case saved <= 0:
		return 0
	case perMBs == 0:
		return -1
	}
	return saved / perMBs
}

func (c Comparison) verdict() string {
	own, msk := c.OwnUSD(), c.MSK.USD()
	text := fmt.Sprintf("Own hosts with Millrace are the cheaper ones: $%.2f against $%.2f a month.", own, msk)
	if msk <= own {
		text = fmt.Sprintf("MSK is the cheaper one: $%.2f against $%.2f a month.", msk, own)
	}
	switch {
	case c.BreakEvenMBs < 0:
		text += " Traffic does not change that: nothing is replicated across zones."
	case c.BreakEvenMBs == 0:
		text += " It is at any traffic."
	default:
		text += fmt.Sprintf(" MSK is cheaper as soon as more than %.1f MB/s are written, because it does not charge for replication"+
			" across zones.", c.BreakEvenMBs)
	}
	small := float64(c.Cluster.Brokers) * (awsfacts.PriceOf("msk.kafka.t3.small").Of(Hours) + awsfacts.PriceOf("msk.storage").Of(float64(c.Cluster.VolumeGiB)))
	return text + fmt.Sprintf(" Brokers small enough for kafka.t3.small cost $%.2f at MSK; Millrace has none as small.", small)
}
