package sim_test

import (
	"flag"
	"log/slog"
	"os"
	"testing"

	"github.com/millrace/millrace/integration/sim"
)

var (
	seeds = flag.Int("seeds", 500, "how many seeds to run")
	seed  = flag.Uint64("seed", 0, "the one seed to run, with its trace")
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

func TestSeed(t *testing.T) {
	r := sim.Run(t, *seed, sim.Options{Trace: true})
	for _, l := range r.Trace {
		t.Log(l)
	}
	t.Log(r)
}
