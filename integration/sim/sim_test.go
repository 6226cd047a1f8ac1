package sim

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	seeds = flag.Uint64("seeds", 500, "how many seeds to run")
	first = flag.Uint64("first", 1, "the first of them")
	seed  = flag.Uint64("seed", 0, "the one seed to run, with its trace")
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	debug.SetGCPercent(400) // a seed leaves little behind, and memory is there
	os.Exit(m.Run())
}

// Every seed has at least so much in it.
const (
	leastOperations = 3
	leastFaults     = 5
)

// enoughToGrow is how many seeds have growths of volumes among them, and such that nobody has asked for.
const enoughToGrow = 25

func TestSeeds_KeepWhatIsPromised(t *testing.T) {
	count := *seeds
	if testing.Short() {
		count = min(count, 25)
	}
	began := time.Now()
	var mu sync.Mutex
	var sum Stats
	var events int
	all(t, count, func(t *testing.T, seed uint64) {
		r := Run(t, seed, Options{})
		if r.Stats.Operations < leastOperations || r.Stats.Faults < leastFaults {
			t.Errorf("too little happens: %s", r)
		}
		if len(r.Violations) > 0 {
			r = Run(t, seed, Options{Trace: true})
			t.Errorf("%s\nWhat happened:\n%s\nAll of it, event by event: make sim SEED=%d", r, strings.Join(r.Story(), "\n"), seed)
		}
		mu.Lock()
		defer mu.Unlock()
		events += r.Events
		sum.Operations += r.Stats.Operations
		sum.Heals += r.Stats.Heals
		sum.Applications += r.Stats.Applications
		sum.Growths += r.Stats.Growths
		sum.Scaled += r.Stats.Scaled
		sum.Faults += r.Stats.Faults
		sum.Crashes += r.Stats.Crashes
	})
	took := time.Since(began)
	fmt.Printf("%d seeds in %s (%.0f a second): %d events, %d operations, of which %d heals, %d applications of topics and %d growths of volumes (%d by themselves), %d faults, %d crashes of the "+
		"control plane\n", count, took.Round(time.Second), float64(count)/took.Seconds(), events, sum.Operations, sum.Heals,
		sum.Applications, sum.Growths, sum.Scaled, sum.Faults, sum.Crashes)
	if count >= enoughToGrow && (sum.Growths == 0 || sum.Scaled == 0) {
		t.Errorf("%d volumes grew in %d seeds, %d of them by themselves: there is to be some of either", sum.Growths, count, sum.Scaled)
	}
}

// all runs check for so many seeds, on as many processors as there are.
func all(t *testing.T, count uint64, check func(t *testing.T, seed uint64)) {
	t.Helper()
	t.Run("seeds", func(t *testing.T) {
		for shard := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(shard), func(t *testing.T) {
				t.Parallel()
				for n := uint64(shard); n < count; n += uint64(runtime.GOMAXPROCS(0)) {
					check(t, *first+n)
				}
			})
		}
	})
}

func TestSeeds_AreTheSameEachTime(t *testing.T) {
	count := uint64(40)
	if testing.Short() {
		count = 4
	}
	all(t, count, func(t *testing.T, seed uint64) {
		one, other := Run(t, seed, Options{}), Run(t, seed, Options{})
		if one.Hash != other.Hash || one.Events != other.Events {
			t.Errorf("seed %d gives the trace hash %016x of %d events, and then %016x of %d: %s", seed, one.Hash, one.Events,
				other.Hash, other.Events, parting(t, seed))
		}
	})
}

// parting finds where two runs of a seed part. They may not do so again.
func parting(t *testing.T, seed uint64) string {
	one, other := Run(t, seed, Options{Trace: true}).Trace, Run(t, seed, Options{Trace: true}).Trace
	for i := range min(len(one), len(other)) {
		if one[i] != other[i] {
			return fmt.Sprintf("after\n%s\ncomes\n%s\nor\n%s", strings.Join(one[max(0, i-3):i], "\n"), one[i], other[i])
		}
	}
	return "two more runs are the same"
}

func TestSeed_WithItsTrace(t *testing.T) {
	if *seed == 0 {
		t.Skip("for one seed: make sim SEED=17")
	}
	r := Run(t, *seed, Options{Trace: true})
	for _, l := range r.Trace {
		_, _ = io.WriteString(os.Stdout, l+"\n")
	}
	fmt.Println(r)
	if len(r.Violations) > 0 {
		t.Fail()
	}
}
