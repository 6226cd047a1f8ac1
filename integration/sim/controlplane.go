package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"

	"github.com/millrace/millrace/events"
	"github.com/millrace/millrace/functions/brokerreplacement"
	"github.com/millrace/millrace/functions/healthsweep"
	"github.com/millrace/millrace/functions/hostevents"
	"github.com/millrace/millrace/functions/operations"
	"github.com/millrace/millrace/functions/provisioning"
	"github.com/millrace/millrace/functions/storageautoscaling"
	"github.com/millrace/millrace/functions/topicadmin"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/platform/local"
	"github.com/millrace/millrace/shared/platform/local/asl"
	"github.com/millrace/millrace/shared/records"
	"github.com/millrace/millrace/shared/serve"
	"github.com/millrace/millrace/statemachines"
)

// plane is one life of the control plane: from its start until it is killed.
type plane struct {
	w         *World
	dead      bool // guarded by the world's lock
	engine    *asl.Engine
	functions map[string]serve.Steps
	workflows local.Workflows
	timers    clock
}

// Wiring is how the control plane is put together. Tests change it to plant a bug.
type Wiring struct {
	World        *World
	Operations   operations.Deps
	Provisioning provisioning.Deps
	Health       healthsweep.Deps
	Replacement  brokerreplacement.Deps
	Topics       topicadmin.Deps
	Storage      storageautoscaling.Deps
	// Wrap, where it is set, changes the steps of the functions once they are made.
	Wrap func(functions map[string]serve.Steps)
}

// records are the records over the table, for whoever has a context of the simulation's.
func (w *World) records() records.Records {
	return records.Records{
		Table: w.table,
		Jitter: func(ctx context.Context, upTo time.Duration) time.Duration {
			return time.Duration(1 + actorOf(ctx).rng.Int64N(int64(upTo)))
		},
	}
}

// powerOn starts a control plane over what is recorded and journalled.
func (w *World) powerOn() {
	p := &plane{w: w}
	p.timers = clock{p: p}
	engine, err := asl.New(asl.Config{
		Machines: machines(), Invoker: p, Journal: journal{w.journal, p}, Clock: &p.timers,
		Rand: w.random(fmt.Sprintf("engine %d", w.stats.Crashes)), KeepCount: 200,
	})
	if err != nil {
		panic(err) // the journal is in memory and always good
	}
	p.engine, p.workflows = engine, local.Workflows{Engine: engine}
	wiring := &Wiring{
		World: w,
		Operations: operations.Deps{
			Records: w.records(), Workflows: p.workflows, Now: time.Now,
			NewVersion: func() (string, error) { return fmt.Sprintf("K%d", w.number()), nil },
		},
		Provisioning: provisioning.Deps{
			Records: w.records(), Now: time.Now,
			Platform: provisioning.Platform{
				Addresses: w.cloud, Volumes: w.cloud, Hosts: w.cloud, Secrets: w.cloud, Zones: w.cloud,
				Sizing: provisioning.Sizing{HeapMiB: func(string, cluster.Role) int { return 256 }},
			},
		},
		Health: healthsweep.Deps{
			Deployment: "sim", Records: w.records(), Hosts: w.cloud, Workflows: p.workflows, Now: time.Now, NewID: w.newID,
			Metrics: io.Discard,
		},
		Replacement: brokerreplacement.Deps{Records: w.records(), Kafka: admin{w: w}, Now: time.Now},
		Topics: topicadmin.Deps{
			Deployment: "sim", Records: w.records(), Kafka: admin{w: w}, Now: time.Now, Metrics: io.Discard,
		},
		Storage: storageautoscaling.Deps{
			Deployment: "sim", Records: w.records(), Workflows: p.workflows, Now: time.Now, NewID: w.newID, Metrics: io.Discard,
		},
	}
	if w.options.Plant != nil {
		w.options.Plant(wiring)
	}
	p.functions = map[string]serve.Steps{
		"operations":        operations.Steps(wiring.Operations),
		"provisioning":      provisioning.Steps(wiring.Provisioning),
		"healthsweep":       healthsweep.Steps(wiring.Health),
		"brokerreplacement": brokerreplacement.Steps(wiring.Replacement),
		"topicadmin":        topicadmin.Steps(wiring.Topics),

		"storageautoscaling": storageautoscaling.Steps(wiring.Storage),
	}
	if wiring.Wrap != nil {
		wiring.Wrap(p.functions)
	}
	w.mu.Lock()
	w.plane = p
	w.mu.Unlock()
	ctx, a := w.as(context.Background(), "power on", p)
	w.start(func() {
		w.pass(a, time.Millisecond)
		if err := engine.Resume(ctx); err != nil {
			w.violate("the control plane can't be resumed: %v", err)
		}
		for minute := 0; ; minute++ {
			p.sweep(a, "operations-sweep", map[string]any{})
			w.pass(a, between(a.rng, time.Second, 5*time.Second))
			p.sweep(a, "health-sweep", map[string]any{})
			if minute%5 == 1 {
				w.pass(a, between(a.rng, time.Second, 5*time.Second))
				p.sweep(a, "topics-sweep", map[string]any{})
			}
			w.pass(a, time.Minute)
		}
	})
}

// sweep starts a sweep's machine, as a schedule or an event does.
func (p *plane) sweep(a *actor, machine string, input any) {
	if machines()[machine] == nil {
		return
	}
	name := fmt.Sprintf("%s-%d", machine, p.w.number())
	p.w.note(a.name, "starts "+name)
	_ = p.workflows.Start(context.Background(), machine, name, input) // the next one comes within a minute
}

// number gives numbers that are given once.
func (w *World) number() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.versions++
	return w.versions
}

// newID makes ids as UUIDs of version 7 are: in the order of time, and each once.
func (w *World) newID() (string, error) {
	return fmt.Sprintf("%012x-7000-8000-%06d", time.Now().UnixMilli(), w.number()), nil
}

// crash kills the control plane. Nothing of it goes on; its state machines are where they were journalled.
func (w *World) crashLocked(why string) {
	p := w.plane
	if p == nil || w.over {
		return
	}
	p.dead = true
	w.plane = nil
	w.stats.Crashes++
	w.noteLocked("control plane", "is killed "+why)
	away := between(w.cloud.rng, time.Second, 90*time.Second)
	w.downFor += away
	w.laterLocked("restart", away, func(_ context.Context, a *actor) {
		w.note(a.name, "starts the control plane again")
		w.powerOn()
	})
	w.closeEngine(p)
}

// closeEngine lets go of what an engine has in the background.
func (w *World) closeEngine(p *plane) {
	w.start(func() {
		_ = p.engine.Close(context.Background()) // it waits for all that was dead already
	})
}

// clock is the engine's clock: that of the bubble, on which no two things happen at the same instant.
type clock struct {
	p    *plane
	next atomic.Int64
}

func (c *clock) Now() time.Time { return time.Now() }

func (c *clock) actor(kind string) *actor {
	return &actor{name: kind, plane: c.p, rng: c.p.w.random(fmt.Sprintf("%s %d %d", kind, time.Now().UnixNano(), c.next.Add(1)))}
}

func (c *clock) AfterFunc(d time.Duration, f func()) func() {
	a := c.actor("timer")
	stopped := make(chan struct{})
	var once atomic.Bool
	timer := time.NewTimer(d)
	c.p.w.start(func() {
		select {
		case <-timer.C:
		case <-stopped:
			return
		}
		c.p.w.pass(a, between(a.rng, 1, time.Millisecond))
		if once.CompareAndSwap(false, true) {
			f()
		}
	})
	return func() {
		timer.Stop()
		if once.CompareAndSwap(false, true) {
			close(stopped)
		}
	}
}

// Go runs f even when the control plane has died meanwhile: the engine is closed by then, and counts who has ended.
func (c *clock) Go(f func()) {
	a := c.actor("go")
	c.p.w.start(func() {
		c.p.w.sleep(a, between(a.rng, 1, time.Millisecond))
		f()
	})
}

// journal is the engine's journal, at each write of which the control plane may be killed: right before it, or right after.
type journal struct {
	*asl.MemoryJournal
	p *plane
}

func (j journal) Save(write asl.Write) error {
	w := j.p.w
	name := write.ARN[strings.LastIndexByte(write.ARN, ':')+1:]
	a := j.p.timers.actor("journal of " + name)
	w.pass(a, between(a.rng, 100*time.Microsecond, 3*time.Millisecond))
	j.strike("before a write of the journal")
	if err := j.MemoryJournal.Save(write); err != nil {
		return err
	}
	w.note(a.name, fmt.Sprintf("writes %d events from %d", len(write.Events), write.First))
	j.strike("after a write of the journal")
	return nil
}

func (j journal) strike(when string) {
	w := j.p.w
	w.mu.Lock()
	struck := false
	if w.crashIn > 0 {
		w.crashIn--
		if struck = w.crashIn == 0; struck {
			w.crashLocked(when)
		}
	}
	w.mu.Unlock()
	if struck {
		runtime.Goexit()
	}
}

// longestCall is how long Lambda lets a function run. It goes on when nobody waits for its answer any more.
const longestCall = 90 * time.Second

// lambdaError is an error of the Lambda service's own.
type lambdaError string

func (e lambdaError) Error() string      { return string(e) }
func (e lambdaError) ErrorType() string  { return string(e) }
func (e lambdaError) ErrorCause() string { return "" }

// Invoke calls a function as Lambda does.
func (p *plane) Invoke(ctx context.Context, function string, payload []byte) ([]byte, error) {
	w := p.w
	var call struct {
		Step   string `json:"step"`
		NodeID int32  `json:"nodeId"`
	}
	if err := json.Unmarshal(payload, &call); err != nil {
		return nil, err
	}
	execution := asl.ExecutionOf(ctx)
	name := execution[strings.LastIndexByte(execution, ':')+1:] + " " + call.Step
	if call.NodeID != 0 {
		name += fmt.Sprintf(" %d", call.NodeID)
	}
	ctx, end := context.WithTimeout(context.WithoutCancel(ctx), longestCall)
	defer end()
	ctx, a := w.as(ctx, name, p)
	begins := between(a.rng, 5*time.Millisecond, 40*time.Millisecond)
	if odds(a.rng, 20) {
		begins = between(a.rng, 200*time.Millisecond, 1500*time.Millisecond)
	}
	w.pass(a, w.weather.takes(a, "functions", begins))
	if err := w.weather.strike(a, "functions"); err != nil {
		return nil, lambdaError("Lambda.TooManyRequestsException")
	}
	steps, ok := p.functions[function]
	if !ok {
		return nil, fmt.Errorf("there is no function %q", function)
	}
	out, err := steps.Invoke(ctx, payload)
	w.pass(a, between(a.rng, time.Millisecond, 10*time.Millisecond))
	if err != nil {
		w.note(a.name, "fails: "+err.Error())
		return nil, err
	}
	w.note(a.name, "answers "+string(out))
	if err := w.weather.lose(a, "functions"); err != nil {
		return nil, lambdaError("Lambda.SdkClientException")
	}
	return out, nil
}

// laterLocked lets somebody of a name do something after a while, unless the run is over by then. Whoever asks has the world's
// lock.
func (w *World) laterLocked(name string, after time.Duration, do func(ctx context.Context, a *actor)) {
	w.names[name]++
	if n := w.names[name]; n > 1 {
		name = fmt.Sprintf("%s~%d", name, n)
	}
	a := &actor{name: name, rng: w.random(name)}
	ctx := context.WithValue(context.Background(), actorKey{}, a)
	w.start(func() {
		w.pass(a, after)
		do(ctx, a)
	})
}

// streamed is told of every write to the table, and hands news of hosts to the function that makes events of them.
func (w *World) streamed(key records.Key, before, after []byte) {
	host, ok := records.HostOfBeat(key.Partition)
	if !ok || key.Sort != records.NewsBeat {
		return
	}
	body := func(b []byte) map[string]lambdaevents.DynamoDBAttributeValue {
		if b == nil {
			return nil
		}
		return map[string]lambdaevents.DynamoDBAttributeValue{"body": lambdaevents.NewStringAttribute(string(b))}
	}
	batch := events.HeartbeatStream{Records: []lambdaevents.DynamoDBEventRecord{{
		EventID: key.Partition, EventName: "MODIFY",
		Change: lambdaevents.DynamoDBStreamRecord{
			SequenceNumber: "1",
			Keys: map[string]lambdaevents.DynamoDBAttributeValue{
				"pk": lambdaevents.NewStringAttribute(key.Partition), "sk": lambdaevents.NewStringAttribute(key.Sort),
			},
			OldImage: body(before), NewImage: body(after),
		},
	}}}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.laterLocked("stream of "+host, between(w.cloud.rng, 50*time.Millisecond, time.Second), func(ctx context.Context, _ *actor) {
		_, err := hostevents.Handler{Deployment: "sim", Bus: bus{w}, Metrics: io.Discard}.Handle(ctx, batch)
		if err != nil {
			w.violate("news of host %s: %v", host, err)
		}
	})
}

// bus is EventBridge: what it takes comes late, twice, or not at all.
type bus struct{ w *World }

// Put implements the bus of [hostevents.Handler].
func (b bus) Put(_ context.Context, told ...cluster.HostEvent) []error {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	for _, e := range told {
		b.w.noteLocked("bus", string(e.Type)+": "+e.Message)
		about := map[string]any{"cluster": e.Cluster}
		b.w.deliverLocked("event of "+e.Host, "health-sweep", about)
		switch e.Type {
		case cluster.DiskFills, cluster.DiskNearlyFull, cluster.DiskFilled:
			b.w.deliverLocked("event of the disk of "+e.Host, "storage-autoscaling", about)
		default:
		}
	}
	return make([]error, len(told))
}

// hostChangedLocked is EC2's event of a host that has changed its state.
func (w *World) hostChangedLocked(h *host) {
	w.deliverLocked("state of "+h.id, "health-sweep", map[string]any{})
}

// deliverLocked brings an event to the machine that it starts.
func (w *World) deliverLocked(name, machine string, input map[string]any) {
	r := w.cloud.rng
	copies := 1
	switch {
	case w.weather.locked(busGone) || odds(r, 25):
		return
	case odds(r, 6):
		copies = 2
	}
	for range copies {
		after := between(r, 100*time.Millisecond, 3*time.Second)
		if odds(r, 15) {
			after = between(r, 3*time.Second, 15*time.Minute)
		}
		w.laterLocked(name, after, func(_ context.Context, a *actor) {
			w.mu.Lock()
			p := w.plane
			w.mu.Unlock()
			if p == nil {
				return // nobody is there to hear it
			}
			a.plane = p
			p.sweep(a, machine, input)
		})
	}
}

var loaded = loadMachines()

func machines() map[string]*asl.Machine { return loaded }

func loadMachines() map[string]*asl.Machine {
	all := map[string]*asl.Machine{}
	for _, name := range statemachines.Names() {
		text, err := statemachines.Definition(name)
		if err != nil {
			panic(err)
		}
		text, err = asl.Substitute(text, statemachines.FunctionsOf(name))
		if err != nil {
			panic(err)
		}
		if all[name], err = asl.Load(name, text); err != nil {
			panic(err)
		}
	}
	return all
}
