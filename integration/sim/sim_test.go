package sim_test

import (
	"flag"
	"log/slog"
	"os"
	"testing"

	"github.com/millrace/millrace/integration/sim"
)

var (
	seeds = flag.Int("seeds", 3, "how many seeds to run")
	first = flag.Uint64("first", 1, "the first of them")
	seed  = flag.Uint64("seed", 0, "the one seed to run, with its trace")
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

func TestSeeds(t *testing.T) {
	if *seeds < 10 {
		t.Skip("asked for with -seeds")
	}
	events := 0
	for n := range *seeds {
		r := sim.Run(t, *first+uint64(n), sim.Options{})
		events += r.Events
		if len(r.Violations) > 0 {
			t.Error(r)
		}
	}
	t.Log(events)
}

func TestSame(t *testing.T) {
	for n := range *seeds {
		a, b := sim.Run(t, *first+uint64(n), sim.Options{Trace: true}), sim.Run(t, *first+uint64(n), sim.Options{Trace: true})
		if a.Hash != b.Hash {
			for i := range a.Trace {
				if i >= len(b.Trace) || a.Trace[i] != b.Trace[i] {
					t.Errorf("seed %d at %d\n%s\n%s\n%s", a.Seed, i, a.Trace[max(0, i-1)], a.Trace[i], b.Trace[min(i, len(b.Trace)-1)])
					break
				}
			}
		}
	}
}

func TestSeed(t *testing.T) {
	if *seed == 0 {
		t.Skip("asked for with -seed")
	}
	r := sim.Run(t, *seed, sim.Options{Trace: true})
	for _, l := range r.Trace {
		t.Log(l)
	}
	t.Log(r)
}
