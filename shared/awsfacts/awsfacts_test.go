package awsfacts_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/awsfacts"
)

func TestTables_HaveASourceForEveryRow(t *testing.T) {
	check := func(name, source string) {
		said := strings.Contains(source, "https://") || strings.Contains(source, "github.com/") ||
			strings.Contains(source, "our own estimate because")
		if !said {
			t.Errorf("%s: %q names no page and is no estimate with a reason", name, source)
		}
	}
	for _, p := range awsfacts.Prices() {
		check(p.Name, p.Source)
		if p.Second == "" || p.Unit == "" || p.USD <= 0 || p.Each <= 0 || p.Free < 0 {
			t.Errorf("an incomplete price: %+v", p)
		}
	}
	for _, l := range awsfacts.Latencies() {
		check(l.Name, l.Source)
		whose := []awsfacts.Owner{awsfacts.AWS, awsfacts.Host, awsfacts.Own}
		if l.P50 <= 0 || l.P90 <= l.P50 || !slices.Contains(whose, l.Whose) {
			t.Errorf("an odd latency: %+v", l)
		}
	}
	for _, l := range awsfacts.Limits() {
		check(l.Name, l.Source)
		if l.Unit == "duration" && l.Duration() <= 0 || l.Unit != "duration" && l.Count() <= 0 {
			t.Errorf("an odd limit: %+v", l)
		}
	}
}

func TestPrice_IsOfAQuantity(t *testing.T) {
	if got := awsfacts.PriceOf("dynamodb.write").Of(2_000_000); got != 1.25 {
		t.Errorf("two million writes cost $%v", got)
	}
	if _, ok := awsfacts.FindPrice("ec2.m99.large"); ok {
		t.Error("a price for a type that there is not")
	}
}

func TestLatency_DrawsItsPercentiles(t *testing.T) {
	for _, l := range awsfacts.Latencies() {
		p50, p90 := l.Draw(0), l.Draw(1.2815515655446004)
		if (p50-l.P50).Abs() > time.Millisecond || (p90-l.P90).Abs() > time.Millisecond {
			t.Errorf("%s draws %s and %s, want %s and %s", l.Name, p50, p90, l.P50, l.P90)
		}
	}
}
