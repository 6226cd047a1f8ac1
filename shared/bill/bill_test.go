package bill_test

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/millrace/millrace/shared/bill"
)

var update = flag.Bool("update", false, "write the tables of COST.md anew")

// three is the cluster whose prices are known: three brokers of m7g.large with 100 GiB each.
func three(change func(*bill.Cluster)) bill.Cluster {
	c := bill.Cluster{
		Brokers: 3, InstanceType: "kafka.m7g.large", VolumeGiB: 100, Controllers: 3, Zones: 3, Replicas: 3, Consumers: 1,
	}
	if change != nil {
		change(&c)
	}
	return c
}

func TestBill_HasTheKnownFigures(t *testing.T) {
	alone := three(func(c *bill.Cluster) { c.Controllers = 0 })
	for _, tt := range []struct {
		name  string
		sheet bill.Sheet
		want  string
	}{
		{"MSK", bill.MSK(three(nil)), "476.76"},
		{"own hosts of the brokers", bill.OwnHosts(alone), "204.62"},
		{"own hosts with three controllers", bill.OwnHosts(three(nil)), "245.74"},
	} {
		if got := fmt.Sprintf("%.2f", tt.sheet.USD()); got != tt.want {
			t.Errorf("%s: $%s, want $%s", tt.name, got, tt.want)
		}
	}
}

func TestControlPlane_CostsAtMostTwoDollarsAtRest(t *testing.T) {
	if got := bill.ControlPlane().USD(); got > 2 {
		t.Errorf("$%.2f", got)
	}
}

func TestIdleCluster_CostsAtMostADollar(t *testing.T) {
	if got := bill.IdleCluster(three(nil)).USD(); got > 1 {
		t.Errorf("$%.2f", got)
	}
	plain := bill.IdleCluster(three(func(c *bill.Cluster) { c.PlainInside = true }))
	if more := plain.USD() - bill.IdleCluster(three(nil)).USD(); math.Abs(more-0.40) > 1e-9 {
		t.Errorf("without TLS inside it is $%.2f more, want a secret of $0.40", more)
	}
}

func TestLines_TakeNoMoreOffThanTheyCost(t *testing.T) {
	c := bill.Compare(three(func(c *bill.Cluster) { c.WrittenMBs = 5 }))
	for _, sheet := range []bill.Sheet{c.Own, c.MSK, c.Plane, c.Watching, c.Idle, c.Metrics, bill.DeclaredTopics()} {
		for _, l := range sheet.Lines {
			if l.USD <= 0 || l.Free < 0 || l.Free > l.USD || l.Quantity <= 0 {
				t.Errorf("%s: an odd line %+v", sheet.Title, l)
			}
		}
	}
}

func TestReplication_IsPaidForEachCopyInAnotherZone(t *testing.T) {
	const month = 2628.0 // GB that 1 MB/s makes
	for _, tt := range []struct {
		zones, replicas int
		crossings       float64
	}{{3, 3, 2}, {3, 2, 1}, {3, 1, 0}, {2, 2, 1}, {2, 3, 4.0 / 3}, {1, 3, 0}} {
		still := three(func(c *bill.Cluster) { c.Zones, c.Replicas = tt.zones, tt.replicas })
		busy := still
		busy.WrittenMBs = 1
		more := (bill.OwnHosts(busy).USD() - bill.OwnHosts(still).USD()) - (bill.MSK(busy).USD() - bill.MSK(still).USD())
		if want := month * tt.crossings * 0.02; math.Abs(more-want) > 1e-6 {
			t.Errorf("%d replicas in %d zones: $%.4f for 1 MB/s more than at MSK, want $%.4f", tt.replicas, tt.zones, more, want)
		}
	}
}

func TestVerdict_SaysWhichOneIsCheaperAndFromWhenOn(t *testing.T) {
	quiet := bill.Compare(three(nil))
	at := three(func(c *bill.Cluster) { c.WrittenMBs = quiet.BreakEvenMBs })
	if there := bill.Compare(at); math.Abs(there.OwnUSD()-there.MSK.USD()) > 1e-6 {
		t.Errorf("at the break-even of %.2f MB/s: $%.2f and $%.2f", quiet.BreakEvenMBs, there.OwnUSD(), there.MSK.USD())
	}
	above := three(func(c *bill.Cluster) { c.WrittenMBs = quiet.BreakEvenMBs + 1 })
	lone := three(func(c *bill.Cluster) { c.Brokers, c.Replicas, c.VolumeGiB = 1, 1, 10 })
	zone := three(func(c *bill.Cluster) { c.Zones = 1 })
	for _, tt := range []struct {
		name    string
		cluster bill.Cluster
		want    []string
	}{
		{"no traffic", three(nil), []string{"Own hosts with Millrace are the cheaper ones", "more than 2.1 MB/s"}},
		{"much traffic", above, []string{"MSK is the cheaper one"}},
		{"one small broker with three controllers", lone, []string{"Own hosts", "nothing is replicated"}},
		{"one zone", zone, []string{"Own hosts", "nothing is replicated"}},
	} {
		verdict := bill.Compare(tt.cluster).Verdict
		for _, want := range tt.want {
			if !strings.Contains(verdict, want) {
				t.Errorf("%s: %q, want %q in it", tt.name, verdict, want)
			}
		}
	}
}

func TestProblem_NamesWhatCannotBePriced(t *testing.T) {
	for _, tt := range []struct {
		change func(*bill.Cluster)
		want   string
	}{
		{nil, ""},
		{func(c *bill.Cluster) { c.InstanceType = "kafka.t3.small" }, "kafka.m7g.large"},
		{func(c *bill.Cluster) { c.InstanceType = "m7g.large" }, "no price"},
		{func(c *bill.Cluster) { c.Brokers = 0 }, "brokers"},
		{func(c *bill.Cluster) { c.Controllers = -1 }, "controllers"},
		{func(c *bill.Cluster) { c.Controllers = 0 }, ""},
		{func(c *bill.Cluster) { c.Controllers = 2 }, "1, 3 or 5 controllers"},
		{func(c *bill.Cluster) { c.VolumeGiB = 16385 }, "16384"},
		{func(c *bill.Cluster) { c.Zones = 0 }, "zones"},
		{func(c *bill.Cluster) { c.Replicas = 4 }, "replicas"},
		{func(c *bill.Cluster) { c.WrittenMBs = math.NaN() }, "MB/s"},
		{func(c *bill.Cluster) { c.WrittenMBs = math.Inf(1) }, "MB/s"},
		{func(c *bill.Cluster) { c.WrittenMBs = 1e300 }, "from 0 to 100000"},
		{func(c *bill.Cluster) { c.Consumers = -1 }, "consumers"},
		{func(c *bill.Cluster) { c.Consumers = math.MaxInt }, "0 to 1000 groups of consumers"},
	} {
		problem := three(tt.change).Problem()
		if (problem == "") != (tt.want == "") || !strings.Contains(problem, tt.want) {
			t.Errorf("%q, want %q in it", problem, tt.want)
		}
	}
}

// The document's tables are what the code computes.
func TestDocument_IsUpToDate(t *testing.T) {
	const name = "COST.md"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	tables := map[string]string{
		"clusters": clusters(), "plane": markdown(bill.ControlPlane()), "idle": markdown(bill.IdleCluster(three(nil))),
		"declared": markdown(bill.DeclaredTopics()),
		"watching": markdown(bill.Watching()), "metrics": markdown(bill.Metrics(three(nil))),
	}
	block := regexp.MustCompile(`(?s)<!-- (\w+) -->\n.*?<!-- end -->`)
	written := block.ReplaceAllStringFunc(string(text), func(old string) string {
		about := block.FindStringSubmatch(old)[1]
		return fmt.Sprintf("<!-- %s -->\n%s<!-- end -->", about, tables[about])
	})
	if *update {
		if err := os.WriteFile(name, []byte(written), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if written != string(text) {
		t.Errorf("%s is not what the code computes; go test ./shared/bill -update writes it. It would be:\n%s", name, written)
	}
}

// clusters is a row for each type and traffic.
func clusters() string {
	var rows strings.Builder
	rows.WriteString("| brokers | written | MSK | own hosts | with Millrace | MSK is cheaper from |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, kind := range []string{"kafka.m7g.large", "kafka.m7g.xlarge", "kafka.m7g.2xlarge", "kafka.m7g.4xlarge"} {
		for _, traffic := range []float64{0, 1, 5} {
			c := bill.Compare(three(func(c *bill.Cluster) { c.InstanceType, c.WrittenMBs = kind, traffic }))
			fmt.Fprintf(&rows, "| 3 × %s | %.0f MB/s | $%.2f | $%.2f | $%.2f | %.1f MB/s |\n",
				strings.TrimPrefix(kind, "kafka."), traffic, c.MSK.USD(), c.Own.USD(), c.OwnUSD(), c.BreakEvenMBs)
		}
	}
	return rows.String()
}

func markdown(s bill.Sheet) string {
	var rows strings.Builder
	fmt.Fprintf(&rows, "| %s | quantity | a month | always-free tier takes off | why |\n| --- | --- | --- | --- | --- |\n", s.Title)
	for _, l := range s.Lines {
		fmt.Fprintf(&rows, "| %s | %.6g %s | $%.3f | $%.3f | %s |\n", l.Name, l.Quantity, l.Unit, l.USD, l.Free, l.Why)
	}
	fmt.Fprintf(&rows, "| **Total** | | **$%.2f** | **$%.2f** | |\n", s.USD(), s.Free())
	return rows.String()
}

// What the bill counts on lies elsewhere, in code that can't tell it.
func TestBill_CountsWhatIsDeployed(t *testing.T) {
	for file, says := range map[string][]string{
		"infra/hosts.go":                      {`rootVolumeGiB = 8\b`},
		"shared/platform/aws/compute/heap.go": {`controllerType = "t4g\.small"`},
		"infra/functions.go": {
			`folder: "operations",.*memoryMiB: 256,`, `folder: "topicadmin",.*memoryMiB: 512,`, `name: "hostmetrics",.*memoryMiB: 128,`, `folder: "healthsweep",.*memoryMiB: 128,`,
		},
		"infra/triggers.go":                            {`topicsRate = "rate\(10 minutes\)"`},
		"shared/records/kafka_access.go":               {`AccessLife = 24 \* time\.Hour`},
		"statemachines/topics-sweep.asl.json":          {`"FunctionName": "\$\{Operations\}",\s+"Payload": \{ "step": "FindClustersDue" \}`},
		"cmd/broker-agent/ec2.go":                      {`heartbeatInterval = 30 \* time\.Second`, `\.Lagging\(\)`},
		"functions/healthsweep/lambda/main.go":         {`\.Lagging\(\)`},
		"functions/healthsweep/record.go":              {`restful = 50 \* time\.Second`},
		"shared/nodespec/tablemailbox/tablemailbox.go": {`lookInPeace += 45 \* time\.Second`},
		"functions/provisioning/ensure_volume.go":      {`controllerVolumeGiB = 10\b`},
	} {
		text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		for _, pattern := range says {
			if !regexp.MustCompile(pattern).Match(text) {
				t.Errorf("%s does not say %s any more: mend shared/bill", file, pattern)
			}
		}
	}
}
