package asl

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

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
