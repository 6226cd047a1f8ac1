package sim

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/shared/platform/local/asl"
)

// World is one seed's run.
type World struct {
	seed    uint64
	options Options
	began   time.Time

	mu         sync.Mutex
	hash       uint64
	events     int
	trace      []string // kept only where it is asked for
	violations []string
	taken      map[int64]bool // instants that somebody has
	names      map[string]int // how often each name of an actor was given
	over       bool           // everybody stops at their next effect
	everybody  sync.WaitGroup // who has to stop

	chance *rand.Rand // of the one who leads the run, and of nobody else

	table    *table
	cloud    *cloud
	kafka    *kafka
	weather  *weather
	journal  *asl.MemoryJournal
	plane    *plane // nil while there is none
	stats    Stats
	versions int
	reckless bool                 // agents format whatever is said to be new, for bugs that are planted above them
	crashIn  int                  // writes of the journal until the control plane is killed; 0 for never
	downFor  time.Duration        // that there was no control plane, in all
	begun    map[string]time.Time // when each execution has begun its operation
	judged   map[string]bool      // operations that were found bad
	running  map[string]string    // the operation that has not ended, by what it holds
	// applications are all that were asked for.
	applications []*application
	struck       time.Time // when something broke last
	cutOffUntil  time.Time // the functions that talk to Kafka reach no broker until then
}

// Options are what a run can be asked for.
type Options struct {
	// Trace keeps every event in words.
	Trace bool
	// Plant changes the wiring of the control plane, to see whether a bug is found. Tests only.
	Plant func(*Wiring)
}

// Stats counts what a run went through.
type Stats struct {
	Operations, Faults, Heals, Applications, Crashes int
	Growths, Scaled                                  int // of volumes, and those of them that nobody has asked for
	FaultNames                                       map[string]int
}

// Result is what came of a seed.
type Result struct {
	Seed       uint64
	Hash       uint64
	Events     int
	Took       time.Duration // on the virtual clock
	Violations []string
	Trace      []string
	Stats      Stats
}

// actor is somebody who makes effects, with random numbers of their own.
type actor struct {
	name  string
	rng   *rand.Rand
	plane *plane // the control plane that they are part of and end with; nil for everybody else
}

type actorKey struct{}

func actorOf(ctx context.Context) *actor {
	a, ok := ctx.Value(actorKey{}).(*actor)
	if !ok {
		panic("an effect of nobody: its context comes from nowhere in the simulation")
	}
	return a
}

// as gives a context for somebody new. Two of one name are told apart by a number.
func (w *World) as(ctx context.Context, name string, p *plane) (context.Context, *actor) {
	w.mu.Lock()
	w.names[name]++
	if n := w.names[name]; n > 1 {
		name = fmt.Sprintf("%s~%d", name, n)
	}
	w.mu.Unlock()
	a := &actor{name: name, rng: w.random(name), plane: p}
	return context.WithValue(ctx, actorKey{}, a), a
}

// random gives the random numbers that belong to a name.
func (w *World) random(name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // it never fails
	return rand.New(rand.NewPCG(w.seed, h.Sum64()))
}

// between gives a duration of at least low and less than high.
func between(r *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(r.Int64N(int64(high-low)))
}

// odds is true in about one of n cases.
func odds(r *rand.Rand, n int) bool { return r.IntN(n) == 0 }

// pass lets so much time pass, up to an instant that nobody else has. Whoever has ended meanwhile goes no further.
func (w *World) pass(a *actor, d time.Duration) {
	if w.sleep(a, d) {
		runtime.Goexit()
	}
}

// sleep is pass for those who still have something to put in order when they have ended.
func (w *World) sleep(a *actor, d time.Duration) (ended bool) {
	at := time.Now().UnixNano() + int64(max(d, 1))
	w.mu.Lock()
	for w.taken[at] {
		at++
	}
	w.taken[at] = true
	w.mu.Unlock()
	time.Sleep(time.Duration(at - time.Now().UnixNano()))
	w.mu.Lock()
	delete(w.taken, at)
	ended = w.over || a.plane != nil && a.plane.dead
	w.mu.Unlock()
	return ended
}

// start runs f in the background. The run ends when all of it has.
func (w *World) start(f func()) {
	w.everybody.Add(1)
	go func() {
		defer w.everybody.Done()
		f()
	}()
}

// note records an event: it becomes part of the hash and, where one is kept, of the trace. Only who has an instant of
// their own may have something to note.
func (w *World) note(who, what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noteLocked(who, what)
}

// say adds to the trace what is no event.
func (w *World) say(who, what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace = append(w.trace, line(time.Since(w.began), who, what))
}

const (
	fnvPrime  = 1099511628211
	fnvOffset = 14695981039346656037
)

func (w *World) noteLocked(who, what string) {
	if w.over {
		return
	}
	at := time.Since(w.began)
	w.events++
	h := w.hash
	for i := range 8 {
		h = (h ^ uint64(at)>>(8*i)&0xff) * fnvPrime
	}
	for _, s := range [2]string{who, what} {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * fnvPrime
		}
	}
	w.hash = h
	if w.options.Trace {
		w.trace = append(w.trace, line(at, who, what))
	}
}

func line(at time.Duration, who, what string) string {
	return fmt.Sprintf("%12.6f  %-40s %s", at.Seconds(), who, what)
}

// violate records that something happened that must never happen. The run goes on, so that all of it is seen.
func (w *World) violate(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.violateLocked(format, args...)
}

func (w *World) violateLocked(format string, args ...any) {
	if w.over {
		return
	}
	text := fmt.Sprintf("after %.3f s: ", time.Since(w.began).Seconds()) + fmt.Sprintf(format, args...)
	if len(w.violations) < 20 {
		w.violations = append(w.violations, text)
	}
	w.noteLocked("VIOLATION", text)
}

// String says what came of a seed, for people.
func (r Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d events in %s, trace hash %016x; %d operations (%d heals), %d applications of topics, %d growths of volumes (%d by themselves), %d faults, %d crashes of the control plane",
		r.Seed, r.Events, r.Took.Round(time.Second), r.Hash, r.Stats.Operations, r.Stats.Heals,
		r.Stats.Applications, r.Stats.Growths, r.Stats.Scaled, r.Stats.Faults, r.Stats.Crashes)
	for _, v := range r.Violations {
		b.WriteString("\n  " + v)
	}
	return b.String()
}

// Story is the part of a trace that tells what happened, without what everybody did.
func (r Result) Story() []string {
	var story []string
	for _, l := range r.Trace {
		who := strings.TrimSpace(l[min(len(l), 14):min(len(l), 54)])
		switch who {
		case "FAULT", "VIOLATION", "heal", "control plane":
			story = append(story, l)
		}
	}
	return story
}
