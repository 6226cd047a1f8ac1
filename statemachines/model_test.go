package statemachines_test

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"text/tabwriter"
	"time"

	"github.com/millrace/millrace/shared/awsfacts"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/platform/local"
	"github.com/millrace/millrace/shared/platform/local/asl"
	"github.com/millrace/millrace/shared/records"
	"github.com/millrace/millrace/shared/watch"
)

// What a create takes on AWS, modelled: the real machine, engine, steps and records, in virtual time, over a cloud, a table
// and functions whose every call takes as long as shared/awsfacts says, drawn from one seed. Three brokers, three controllers.
func TestCreateCluster_IsModelledWithinItsTimeOnAWS(t *testing.T) {
	runs := 200
	if testing.Short() {
		runs = 40
	}
	creates := modelCreates(t, runs)
	took := totals(creates)
	median, budget := creates[len(creates)/2], cluster.CreateCluster.Budget()
	t.Logf("create of 3 brokers and 3 controllers on AWS, %d modelled runs: p50 %s, p90 %s, p99.9 %s of a budget of %s",
		runs, seconds(took[len(took)/2]), seconds(took[len(took)*9/10]), seconds(tail(took)), budget)
	t.Logf("critical path of the median run:\n%s", median)

	if p50 := took[len(took)/2]; p50 > 90*time.Second {
		t.Errorf("half of the creates take longer than %s, which is more than 90 s", p50)
	}
	if own := median.own(); own > 5*time.Second {
		t.Errorf("the control plane itself takes %s of the median create, more than 5 s", own)
	}
	if waits := median.waits(); len(waits) > 3 {
		t.Errorf("the median create waits one after the other in %v, more than three times", waits)
	}
	for _, c := range creates {
		if c.transitions > 80 {
			t.Errorf("a create took %d transitions, more than 80", c.transitions)
			break
		}
	}
	if late := tail(took); late > budget/2 {
		t.Errorf("one create of a thousand takes %s, more than half of its budget of %s", late, budget)
	}
}

func TestModel_DrawsTheSameFromTheSameSeed(t *testing.T) {
	first, again := totals(modelCreates(t, 3)), totals(modelCreates(t, 3))
	if !slices.Equal(first, again) {
		t.Errorf("creates of %v, and then of %v", first, again)
	}
}

// The model counts the states between functions by hand: none may be left out.
func TestModel_KnowsTheStatesBetweenFunctions(t *testing.T) {
	var walk func(machine string, d definition, containers int)
	walk = func(machine string, d definition, containers int) {
		for name, s := range d.States {
			before := 0
			if name == d.StartAt {
				before = containers
			}
			switch s.Type {
			case "Parallel":
				for _, branch := range s.Branches {
					walk(machine, branch, before+1)
				}
			case "Map":
				walk(machine, *s.ItemProcessor, before+1)
			case "Task":
				if d.States[d.StartAt].Default == name { // what is entered first only leads here
					before = containers + 1
				}
				after := 0
				if d.States[s.Next].Type == "Choice" {
					after++
					if to := d.States[s.Next].Choices[0].Next; d.States[to].Type == "Succeed" {
						after++
					}
				}
				if got := aroundIn(machine, name); got.before != before || got.after != after {
					t.Errorf("%s has %d states before it and %d after it, not %d and %d", name, before, after, got.before, got.after)
				}
			}
		}
	}
	for _, machine := range []string{"create-cluster", "health-sweep", "replace-broker", "update-broker-storage"} {
		walk(machine, read(t, machine), 0)
	}
}

// modelCreates models creates, and gives them by how long they took.
func modelCreates(t *testing.T, runs int) []modelled {
	t.Helper()
	var creates []modelled
	for run := range runs {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			defer w.end()
			creates = append(creates, newModel(w, run).create())
		})
	}
	slices.SortFunc(creates, func(a, b modelled) int { return int(a.total() - b.total()) })
	return creates
}

func totals(creates []modelled) []time.Duration {
	took := make([]time.Duration, len(creates))
	for i, c := range creates {
		took[i] = c.total()
	}
	return took
}

// tail is what one of a thousand takes longer than, by the log-normal distribution that has the samples' mean and spread,
// and never less than was seen.
func tail(took []time.Duration) time.Duration {
	var sum, squares float64
	for _, d := range took {
		l := math.Log(d.Seconds())
		sum, squares = sum+l, squares+l*l
	}
	n := float64(len(took))
	mean := sum / n
	const thousandth = 3.0902323061678132
	fitted := math.Exp(mean + thousandth*math.Sqrt(squares/n-mean*mean))
	return max(time.Duration(fitted*float64(time.Second)), slices.Max(took))
}

// model makes a world as slow as AWS is.
type model struct {
	w       *world
	run     int
	machine string // whose way between functions is modelled

	mu        sync.Mutex
	drawn     map[string]int // draws so far, by label
	calls     []*stopwatch
	happened  map[event]time.Time
	inSync    map[string]time.Time // when all servers have a name, by its address
	attached  map[int32]time.Time  // by node: when its volume was given to its last host
	available map[int32]time.Time  // by node: when the volume that was made for it last is
	given     map[int32]time.Time  // by node: when EBS has given its host more room
	registers map[int32]bool       // brokers that have started
}

// event is something that a check waits for.
type event struct {
	step string
	node int32
}

const (
	tick       = time.Second            // of whoever looks again: the table's Watch and the hosts', and an agent for its spec
	registered = 500 * time.Millisecond // until a started broker is known to the others: a heartbeat to the controllers
)

func newModel(w *world, run int) *model {
	m := &model{
		w: w, run: run,
		drawn: map[string]int{}, happened: map[event]time.Time{}, attached: map[int32]time.Time{}, registers: map[int32]bool{},
		inSync: map[string]time.Time{}, available: map[int32]time.Time{}, given: map[int32]time.Time{},
	}
	if err := w.engine.Close(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	w.records = records.Records{Table: slowTable{w.records.Table, m}}
	w.agent = m.agent
	w.platform.Takes, w.platform.Polled = m.cloudTakes, tick
	w.platform.Named = m.named
	w.platform.Booting = func(token cluster.Token) time.Duration {
		return m.draw("ec2.pending-to-running", fmt.Sprint("host ", token.NodeID))
	}
	w.platform.Ending = func(token cluster.Token) time.Duration {
		ends := m.draw("ec2.terminate", fmt.Sprint("host ", token.NodeID))
		m.mu.Lock()
		defer m.mu.Unlock()
		m.happened[event{"CheckHostFenced", token.NodeID}] = time.Now().Add(ends)
		return ends
	}
	w.powerOn(w.journal)
	slow := local.Functions{}
	for name, function := range w.functions {
		slow[name] = slowFunction{function, m}
	}
	w.functions = slow
	return m
}

// create models one create.
func (m *model) create() modelled {
	m.w.t.Helper()
	m.machine = "create-cluster"
	op := m.w.recordCreate(small(3))
	began := time.Now()
	m.w.start(op)
	if x := m.w.wait(op); x.Status != asl.Succeeded {
		m.w.t.Fatalf("%+v", x)
	}
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	return m.summarize(began, len(m.w.entered[op.ExecutionName()]))
}

// draw gives one duration. Each label counts its own draws, so that it does not matter which of two goroutines is first.
func (m *model) draw(latency, label string) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := latency + "/" + label
	m.drawn[key]++
	hash := fnv.New64a()
	fmt.Fprintf(hash, "%s/%d", key, m.drawn[key])
	return awsfacts.LatencyOf(latency).Draw(mathrand.New(mathrand.NewPCG(uint64(m.run), hash.Sum64())).NormFloat64())
}

// first tells whether something happens for the first time.
func (m *model) first(what string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drawn[what]++
	return m.drawn[what] == 1
}

// stopwatch takes the times of one call of a step.
type stopwatch struct {
	step       string
	node       int32
	label      string
	start, end time.Time
	body       time.Time   // when the step itself began
	aws        []timeRange // in which AWS was asked something
}

type timeRange struct{ from, to time.Time }

type (
	stopwatchKey struct{}
	hostKey      struct{}
)

// takes lets a call to AWS take its time, on behalf of a step or a host. Whoever is neither is the test, which waits for nothing.
func (m *model) takes(ctx context.Context, latencies ...string) {
	for _, latency := range latencies {
		if s, ok := ctx.Value(stopwatchKey{}).(*stopwatch); ok {
			from := time.Now()
			time.Sleep(m.draw(latency, s.label))
			s.aws = append(s.aws, timeRange{from, time.Now()})
		} else if host, ok := ctx.Value(hostKey{}).(string); ok {
			time.Sleep(m.draw(latency, host))
		}
	}
}

// cloudTakes says which calls to AWS the adapters make for each of theirs: they look before they make something, and once
// more whether it can be seen.
func (m *model) cloudTakes(ctx context.Context, call string) {
	look := "ec2.describe"
	switch call {
	case "Zones", "Host", "FindHost", "ForgetHost":
		m.takes(ctx, look)
	case "HostStates", "RetireHost": // the checks of those that run; a call that ends
		m.takes(ctx, look, look)
	case "EnsureAddress":
		m.takes(ctx, look, "ec2.create-interface", look, "route53.change")
		if s, ok := ctx.Value(stopwatchKey{}).(*stopwatch); ok {
			inSync := time.Now().Add(m.draw("route53.in-sync", s.label))
			m.mu.Lock()
			m.inSync["eni-"+cluster.Token{ClusterID: clusterID, NodeID: s.node}.String()] = inSync
			m.mu.Unlock()
		}
	case "EnsureVolume":
		m.takes(ctx, look, "ebs.create-volume", look)
		if s, ok := ctx.Value(stopwatchKey{}).(*stopwatch); ok {
			available := time.Now().Add(m.draw("ebs.available", s.label))
			m.mu.Lock()
			m.available[s.node] = available
			m.mu.Unlock()
		}
	case "LaunchHost":
		m.takes(ctx, look, "ec2.run-instances", look)
	case "AttachVolume": // a first one is made long before its host runs
		s, ok := ctx.Value(stopwatchKey{}).(*stopwatch)
		if ok && s.step == "CheckVolumeGrown" {
			m.attachFurther(ctx, s)
			return
		}
		m.takes(ctx, look, "ebs.attach-volume")
		if ok {
			m.mu.Lock()
			m.attached[s.node] = time.Now()
			m.mu.Unlock()
		}
	case "GrowVolume": // which looks at the volume, and at how far its last change is
		m.takes(ctx, look, look, "ebs.modify-volume")
		if m.w.platform.ChangesAgainAfter > 0 { // and once more where EBS refuses it
			m.takes(ctx, look, look)
		}
	case "VolumeGrown", "VolumeSize":
		m.takes(ctx, look, look)
	case "NameKnown":
		m.takes(ctx, "route53.change")
	case "PutSecret", "Secret":
		m.takes(ctx, "secretsmanager.request")
	}
}

// named tells whether all servers have a name. It became known to them some time after the interface was made.
func (m *model) named(a cluster.Address) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !time.Now().Before(m.inSync[a.ID])
}

// slowTable is a table as slow as DynamoDB, whose Watch is a reminder.
type slowTable struct {
	records.Table
	m *model
}

func (t slowTable) Get(ctx context.Context, key records.Key) (records.Item, error) {
	t.m.takes(ctx, "dynamodb.read")
	return t.Table.Get(ctx, key)
}

func (t slowTable) Query(ctx context.Context, partition, prefix, after string, limit int) ([]records.Item, error) {
	t.m.takes(ctx, "dynamodb.read")
	return t.Table.Query(ctx, partition, prefix, after, limit)
}

func (t slowTable) Write(ctx context.Context, writes ...records.Write) error {
	latency := "dynamodb.transaction"
	if len(writes) == 1 && writes[0].If == records.Always() {
		latency = "dynamodb.write"
	}
	t.m.takes(ctx, latency)
	return t.Table.Write(ctx, writes...)
}

func (t slowTable) Watch(string) (<-chan struct{}, func()) { return watch.Every(tick) }

// slowFunction is called as slowly as Lambda is by Step Functions.
type slowFunction struct {
	function interface {
		Invoke(ctx context.Context, payload []byte) ([]byte, error)
	}
	m *model
}

func (f slowFunction) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	s := &stopwatch{start: time.Now()}
	var call struct {
		Step   string `json:"step"`
		NodeID int32  `json:"nodeId"`
	}
	if err := json.Unmarshal(payload, &call); err != nil {
		return nil, err
	}
	s.step, s.node, s.label = call.Step, call.NodeID, fmt.Sprint(call.Step, " ", call.NodeID)
	around := aroundIn(f.m.machine, s.step)
	for range around.before + 1 {
		time.Sleep(f.m.draw("states.transition", s.label))
	}
	latency := "lambda.warm"
	switch {
	case around.inside && f.m.first("inside"):
		latency = "lambda.cold-inside"
	case around.cold:
		latency = "lambda.cold"
	}
	time.Sleep(f.m.draw(latency, s.label))
	s.body = time.Now()
	answer, err := f.function.Invoke(context.WithValue(ctx, stopwatchKey{}, s), payload)
	for range around.after {
		time.Sleep(f.m.draw("states.transition", s.label))
	}
	s.end = time.Now()
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.m.calls = append(f.m.calls, s)
	return answer, err
}

// statesAround says how many states without a function are gone through right before and after a step's own, and whether
// its function starts cold: nothing was asked of it lately, or more is asked at once than before. The one inside the VPC does so
// once, whichever of its steps comes first.
var statesAround = map[string]around{
	"BeginOperation":     {cold: true},
	"PlanCluster":        {cold: true},
	"EnsureAddress":      {before: 2, cold: true}, // ProvisionNodes, EnsureAddressAndVolume
	"EnsureVolume":       {before: 2, cold: true},
	"CheckHostRunning":   {after: 1}, // IsHostRunning
	"CheckHostsReported": {after: 1},
	"CheckNodesJoined":   {after: 1},
	"EndOperation":       {after: 2}, // HasSucceeded, Succeeded

	"create-cluster/RenewKafkaAccess": {},
	"health-sweep/ScaleStorage":       {after: 1}, // IsThereMoreToSee

	"RetireVolumes":    {before: 1, cold: true}, // GrowVolumes
	"GrowVolume":       {after: 1},              // IsVolumeGrowing
	"CheckVolumeGrown": {after: 2},              // HasVolumeGrown, Grown
	"JudgeGrowth":      {},

	"SweepHealth":       {before: 1, after: 1, cold: true}, // IsAboutOneCluster; IsStorageDue
	"RenewKafkaAccess":  {after: 1, cold: true},            // IsHostProvenDead
	"JudgeReplacement":  {after: 1, inside: true},
	"FenceHost":         {after: 1},
	"CheckHostFenced":   {after: 1},
	"CheckHostReported": {after: 1},
	"CheckNodeJoined":   {after: 1},
	"CheckBrokerInSync": {after: 1, inside: true},
}

type around struct {
	before, after int
	cold, inside  bool
}

// aroundIn is what is around a step in a machine, which may differ from others.
func aroundIn(machine, step string) around {
	if a, own := statesAround[machine+"/"+step]; own {
		return a
	}
	return statesAround[step]
}

// agent is a host that boots, says hello, and starts Kafka as it is told.
func (m *model) agent(ctx context.Context, hostID string, nodeID int32) {
	label := fmt.Sprint("host ", nodeID)
	ctx = context.WithValue(ctx, hostKey{}, label)
	m.happens("CheckHostRunning", nodeID)
	if !pause(ctx, m.draw("host.boot", label)) {
		return
	}
	m.w.hello(ctx, hostID)
	m.happens("CheckHostsReported", nodeID)
	m.happens("CheckHostReported", nodeID)
	spec, ok := m.w.nextSpec(ctx, hostID, 0)
	if !ok {
		return
	}
	m.mu.Lock()
	attached := m.attached[nodeID]
	m.mu.Unlock()
	attached = attached.Add(m.draw("ebs.attached", label))
	if !pause(ctx, max(time.Until(attached), 0)+m.draw("host.format-volume", label)) {
		return
	}
	start := "kafka." + string(spec.Role) + "-start"
	if !spec.Volume.New { // left by a Kafka that had no time to close its files
		start = "kafka.broker-recover"
	}
	if !pause(ctx, m.draw(start, label)) {
		return
	}
	m.mu.Lock()
	m.registers[nodeID] = true
	m.mu.Unlock()
	for spec.Role == cluster.Broker && !m.allBrokersStarted() {
		if !pause(ctx, tick) {
			return
		}
	}
	if !pause(ctx, registered) {
		return
	}
	m.w.beat(ctx, hostID, nodespec.Heartbeat{Generation: spec.Generation, State: nodespec.Running, Brokers: []int32{1, 2, 3}})
	m.happens("CheckNodesJoined", nodeID)
	m.happens("CheckNodeJoined", nodeID)
	lag := m.draw("kafka.catch-up", label)
	m.w.kafka.slowly(lag)
	m.w.kafka.join(nodeID, hostID)
	if pause(ctx, lag) {
		m.happens("CheckBrokerInSync", nodeID)
	}
}

// allBrokersStarted tells whether every broker runs, and enough controllers for them to register with.
func (m *model) allBrokersStarted() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	controllers := 0
	for id := range m.registers {
		if id > 1000 {
			controllers++
		}
	}
	return m.registers[1] && m.registers[2] && m.registers[3] && controllers >= 2
}

// happens notes when something happened that a check waits for. A check of the whole cluster waits for the last of them.
func (m *model) happens(step string, node int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.happened[event{step, node}] = time.Now()
	m.happened[event{step, 0}] = time.Now()
}

// modelled is one create: its critical path, and what it took.
type modelled struct {
	path        []stretch
	transitions int
}

// stretch is one state of the critical path: whose time it took, and how much of that was waiting for something to happen.
type stretch struct {
	state                 string
	node                  int32
	aws, host, own, waits time.Duration
}

func (s stretch) total() time.Duration { return s.aws + s.host + s.own }

// summarize walks back from the last call: the one before it on the critical path ended when it began.
func (m *model) summarize(began time.Time, transitions int) modelled {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := modelled{transitions: transitions}
	at := m.calls[len(m.calls)-1]
	for {
		c.path = slices.Insert(c.path, 0, m.stretch(at))
		if at.start.Equal(began) {
			return c
		}
		i := slices.IndexFunc(m.calls, func(s *stopwatch) bool {
			return s.end.Equal(at.start) && (s.node == at.node || s.node == 0 || at.node == 0)
		})
		if i < 0 {
			m.w.t.Fatalf("nothing led to %s of node %d", at.step, at.node)
		}
		at = m.calls[i]
	}
}

// stretch parts the time of a call: until what it waits for happens the time is that of whoever makes it happen, calls to
// AWS are AWS's, and the rest is ours.
func (m *model) stretch(s *stopwatch) stretch {
	out := stretch{state: s.step, node: s.node}
	happens, awaits := m.happened[event{s.step, s.node}]
	if awaits {
		if happens.After(s.end) {
			happens = s.end
		}
		out.waits = max(happens.Sub(s.body), 0)
		switch s.step {
		case "CheckHostRunning", "CheckHostFenced":
			out.aws = out.waits
		case "CheckVolumeGrown": // EBS is first, and then the host looks
			out.aws = min(max(m.given[s.node].Sub(s.body), 0), out.waits)
			out.host = out.waits - out.aws
		default:
			out.host = out.waits
		}
	}
	if s.step == "CheckNodesJoined" { // which waits for the brokers' names, too
		for id := range int32(3) {
			token := cluster.Token{ClusterID: clusterID, NodeID: 1 + id}
			if known := m.inSync["eni-"+token.String()]; known.After(happens) && !known.After(s.end) {
				out.aws += known.Sub(happens)
				out.waits += known.Sub(happens)
				happens = known
			}
		}
	}
	for _, r := range s.aws {
		if awaits && r.from.Before(happens) {
			r.from = happens
		}
		out.aws += max(r.to.Sub(r.from), 0)
	}
	out.own = s.end.Sub(s.start) - out.aws - out.host
	return out
}

func (c modelled) total() (d time.Duration) {
	for _, s := range c.path {
		d += s.total()
	}
	return d
}

func (c modelled) own() (d time.Duration) {
	for _, s := range c.path {
		d += s.own
	}
	return d
}

// waits are the states that have to wait for something, one after the other.
func (c modelled) waits() []string {
	var states []string
	for _, s := range c.path {
		if s.waits > 0 && !slices.Contains(states, s.state) {
			states = append(states, s.state)
		}
	}
	return states
}

func (c modelled) String() string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "state\ttook\tAWS\thosts\town\t\n")
	var sum stretch
	for _, s := range c.path {
		name := s.state
		if s.node != 0 {
			name = fmt.Sprintf("%s of node %d", name, s.node)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t\n", name, seconds(s.total()), seconds(s.aws), seconds(s.host), seconds(s.own))
		sum.aws, sum.host, sum.own = sum.aws+s.aws, sum.host+s.host, sum.own+s.own
	}
	fmt.Fprintf(w, "all\t%s\t%s\t%s\t%s\t\n", seconds(sum.total()), seconds(sum.aws), seconds(sum.host), seconds(sum.own))
	_ = w.Flush() // a builder takes all
	fmt.Fprintf(&text, "waits one after the other: %s; %d transitions", strings.Join(c.waits(), ", "), c.transitions)
	return text.String()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
