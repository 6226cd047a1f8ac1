package asl

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Load reads and checks a definition. It is strict: a field that a state does not have, or that this engine does not
// run, a transition to nowhere, a state nothing leads to, a malformed path are errors that name the state and the field.
// All of them are reported together.
func Load(name string, definition []byte) (*Machine, error) {
	v, err := decode(definition)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s: a definition is an object", name)
	}
	f := newFields(name, object)
	m := &Machine{Name: name, definition: definition}
	if version := f.text("Version"); version != "" && version != "1.0" {
		f.refuse("Version", "has to be 1.0")
	}
	m.timeout = f.seconds("TimeoutSeconds", 1)
	m.sequence = f.sequence()
	f.done()
	if len(*f.errs) == 0 {
		m.check(f)
	}
	if err := errors.Join(*f.errs...); err != nil {
		return nil, err
	}
	return m, nil
}

// sequence reads StartAt and States.
func (f *fields) sequence() *sequence {
	f.language()
	q := &sequence{startAt: f.required("StartAt"), states: map[string]*state{}}
	states, ok := f.value("States").(map[string]any)
	if !ok || len(states) == 0 {
		f.refuse("States", "has to be an object with at least one state")
		return q
	}
	for _, name := range slices.Sorted(maps.Keys(states)) {
		object, ok := states[name].(map[string]any)
		if !ok {
			f.refuse("States", fmt.Sprintf("has %q, which is not an object", name))
			continue
		}
		q.states[name] = f.at("state "+name, object).state(name)
	}
	return q
}

// language refuses JSONata by name.
func (f *fields) language() {
	if language := f.text("QueryLanguage"); language != "" && language != "JSONPath" {
		f.refuse("QueryLanguage", language+" is not supported: use JSONPath")
	}
}

// state reads one state: what all have in common, then what its type has.
func (f *fields) state(name string) *state {
	f.language()
	if len(name) > 80 {
		f.refuse("", "the name is longer than 80 characters")
	}
	s := &state{name: name, kind: kind(f.required("Type"))}
	switch s.kind {
	case kindPass:
		s.result, s.hasResult = f.value("Result"), f.has("Result")
		s.parameters = f.template("Parameters")
		s.resultPath = f.resultPath()
	case kindTask:
		s.task = f.task()
		s.parameters = f.template("Parameters")
		f.execution(s)
		f.taskParameters(s)
	case kindChoice:
		s.next = f.text("Default")
		s.choices = f.choices()
	case kindWait:
		s.wait = f.wait()
	case kindSucceed:
	case kindFail:
		s.errorName = f.textOrPath("Error", "ErrorPath")
		s.cause = f.textOrPath("Cause", "CausePath")
	case kindParallel:
		s.parameters = f.template("Parameters")
		f.execution(s)
		s.branches = f.branches()
	case kindMap:
		f.execution(s)
		f.mapState(s)
	default:
		f.refuse("Type", fmt.Sprintf("%q is not a type of state", s.kind))
		return s
	}
	if s.kind != kindFail {
		s.inputPath, s.outputPath = f.dataPath("InputPath"), f.dataPath("OutputPath")
	}
	if s.kind != kindFail && s.kind != kindSucceed {
		s.assign = f.assign()
	}
	if s.kind != kindFail && s.kind != kindSucceed && s.kind != kindChoice {
		f.transition(s)
	}
	f.done()
	return s
}

// transition reads Next or End, exactly one of which has to be there.
func (f *fields) transition(s *state) {
	s.next = f.text("Next")
	if end := f.boolean("End"); end == (s.next != "") {
		f.refuse("Next", "either Next or End: true is needed, and not both")
	}
}

// execution reads what Task, Parallel and Map have in common.
func (f *fields) execution(s *state) {
	s.resultSelector = f.template("ResultSelector")
	s.resultPath = f.resultPath()
	for _, r := range f.objects("Retry") {
		s.retry = append(s.retry, r.retrier())
	}
	for _, c := range f.objects("Catch") {
		s.catch = append(s.catch, &catcher{
			names: c.errorNames(), next: c.required("Next"), resultPath: c.resultPath(), assign: c.assign(),
		})
		c.done()
	}
	lastTakesAll(f, "Retry", s.retry, func(r *retrier) []string { return r.names })
	lastTakesAll(f, "Catch", s.catch, func(c *catcher) []string { return c.names })
}

// lastTakesAll refuses States.ALL anywhere but alone in the last entry.
func lastTakesAll[T any](f *fields, name string, entries []T, names func(T) []string) {
	for i, e := range entries {
		if all := names(e); slices.Contains(all, errAll) && (len(all) > 1 || i < len(entries)-1) {
			f.refuse(name, "States.ALL has to stand alone in the last entry")
		}
	}
}

func (f *fields) errorNames() []string {
	names := f.texts("ErrorEquals")
	if len(names) == 0 {
		f.refuse("ErrorEquals", "needs at least one name")
	}
	return names
}

func (f *fields) retrier() *retrier {
	r := &retrier{names: f.errorNames(), interval: time.Second, maxAttempts: 3, backoff: 2}
	if f.has("IntervalSeconds") {
		r.interval = f.seconds("IntervalSeconds", 1)
	}
	if f.has("MaxAttempts") {
		r.maxAttempts = f.count("MaxAttempts")
	}
	if f.has("BackoffRate") {
		rate, ok := number(f.value("BackoffRate"))
		if r.backoff = rate; !ok || rate < 1 {
			f.refuse("BackoffRate", "has to be a number of at least 1")
		}
	}
	if f.has("MaxDelaySeconds") {
		if r.maxDelay = f.seconds("MaxDelaySeconds", 1); r.maxDelay <= r.interval {
			f.refuse("MaxDelaySeconds", "has to be above IntervalSeconds")
		}
	}
	switch strategy := f.text("JitterStrategy"); strategy {
	case "", "NONE":
	case "FULL":
		r.jitter = true
	default:
		f.refuse("JitterStrategy", fmt.Sprintf("has to be FULL or NONE, not %q", strategy))
	}
	f.done()
	return r
}

func (f *fields) choices() []*choice {
	var out []*choice
	for _, rule := range f.objects("Choices") {
		out = append(out, &choice{when: rule.condition(), next: rule.required("Next"), assign: rule.assign()})
		rule.done()
	}
	if len(out) == 0 {
		f.refuse("Choices", "needs at least one rule")
	}
	return out
}

func (f *fields) wait() *wait {
	w := &wait{secondsPath: f.path("SecondsPath"), timestampPath: f.path("TimestampPath")}
	forms := 0
	for _, name := range []string{"Seconds", "SecondsPath", "Timestamp", "TimestampPath"} {
		if f.has(name) {
			forms++
		}
	}
	if forms != 1 {
		f.refuse("Seconds", "exactly one of Seconds, SecondsPath, Timestamp and TimestampPath is needed")
	}
	if f.has("Seconds") {
		d := f.seconds("Seconds", 0)
		w.seconds = &d
	}
	if f.has("Timestamp") {
		at, ok := timestamp(f.value("Timestamp"))
		if w.timestamp = &at; !ok {
			f.refuse("Timestamp", "is not an RFC 3339 timestamp with T and offset")
		}
	}
	return w
}

func (f *fields) branches() []*sequence {
	var out []*sequence
	for _, branch := range f.objects("Branches") {
		out = append(out, branch.sequence())
		branch.done()
	}
	if len(out) == 0 {
		f.refuse("Branches", "needs at least one branch")
	}
	return out
}

// mapState reads what is peculiar to Map, under its present names and the older ones (Iterator, Parameters).
func (f *fields) mapState(s *state) {
	s.itemsPath = f.path("ItemsPath")
	s.parameters = f.either("ItemSelector", "Parameters")
	if f.has("MaxConcurrency") {
		s.maxConcurrency = f.count("MaxConcurrency")
	}
	s.maxConcurrencyPath = f.path("MaxConcurrencyPath")
	if f.has("MaxConcurrency") && f.has("MaxConcurrencyPath") {
		f.refuse("MaxConcurrencyPath", "and MaxConcurrency exclude each other")
	}
	name := "ItemProcessor"
	if f.has("Iterator") {
		name = "Iterator"
	}
	p := f.object(name)
	if p.has("ProcessorConfig") {
		config := p.object("ProcessorConfig")
		if mode := config.text("Mode"); mode != "" && mode != "INLINE" {
			config.refuse("Mode", mode+" is not supported: use INLINE")
		}
		config.done()
	}
	s.processor = p.sequence()
	p.done()
}

func (f *fields) either(name, older string) *template {
	if f.has(name) {
		return f.template(name)
	}
	return f.template(older)
}

func (f *fields) task() *task {
	t := &task{
		resource:      f.required("Resource"),
		timeout:       f.seconds("TimeoutSeconds", 1),
		timeoutPath:   f.path("TimeoutSecondsPath"),
		heartbeat:     f.seconds("HeartbeatSeconds", 1),
		heartbeatPath: f.path("HeartbeatSecondsPath"),
	}
	if t.timeout > 0 && t.heartbeat >= t.timeout {
		f.refuse("HeartbeatSeconds", "has to be below TimeoutSeconds")
	}
	for _, name := range []string{"TimeoutSeconds", "HeartbeatSeconds"} {
		if f.has(name) && f.has(name+"Path") {
			f.refuse(name+"Path", "and "+name+" exclude each other")
		}
	}
	if _, known := integrationOf(t.resource); !known && t.resource != "" {
		f.refuse("Resource", t.resource+" is not supported")
	}
	return t
}

// taskParameters refuses parameters that an integration has on AWS but not here, or lacks one that it needs.
func (f *fields) taskParameters(s *state) {
	i, known := integrationOf(s.task.resource)
	if !known || i.parameters == nil {
		return
	}
	if s.parameters == nil {
		f.refuse("Parameters", "are needed by "+s.task.resource)
		return
	}
	for name := range s.parameters.fields {
		if !slices.Contains(i.parameters, name) {
			f.refuse("Parameters", fmt.Sprintf("%s is not supported for %s", name, s.task.resource))
		}
	}
	if s.parameters.fields[i.parameters[0]] == nil {
		f.refuse("Parameters", "lack "+i.parameters[0])
	}
}

// textOrPath reads a constant (Error) or an expression in its place (ErrorPath); nil when neither is there.
func (f *fields) textOrPath(name, pathName string) expression {
	if f.has(name) && f.has(pathName) {
		f.refuse(pathName, "and "+name+" exclude each other")
	}
	if f.has(name) {
		text := f.text(name)
		return literal{text, text}
	}
	if !f.has(pathName) {
		return nil
	}
	e, err := parseExpression(f.text(pathName))
	if err != nil {
		f.refuse(pathName, err.Error())
		return nil
	}
	if c, isCall := e.(*call); isCall && !slices.Contains(textFunctions, c.text[:strings.IndexByte(c.text, '(')]) {
		f.refuse(pathName, "has to call a function that gives a string")
	}
	return e
}

var textFunctions = []string{
	"States.Format", "States.JsonToString", "States.ArrayGetItem", "States.Base64Encode", "States.Base64Decode",
	"States.Hash", "States.UUID",
}
