package harness

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/millrace/millrace/integration/aws/iam"
	"github.com/millrace/millrace/integration/awsrules"
	"github.com/millrace/millrace/shared/platform/local/asl"
)

// rates are how often schedules fire here: nobody would rather wait for a minute to see it. What fires daily fires once.
var rates = map[string]time.Duration{
	"rate(1 minute)": 10 * time.Second, "rate(10 minutes)": 10 * time.Second, "rate(1 day)": 24 * time.Hour,
}

// addSchedules starts what the template's schedules say, until the deployment ends.
func (d *Deployment) addSchedules() error {
	for _, logical := range d.resources.resolver.Template.Names("AWS::Scheduler::Schedule") {
		p, err := d.resources.resolver.Properties(logical)
		if err != nil {
			return err
		}
		every, known := rates[properties(p).text("ScheduleExpression")]
		if !known {
			return fmt.Errorf("the schedule %s is %q, which is not understood", logical, properties(p).text("ScheduleExpression"))
		}
		described, _ := p["Target"].(map[string]any)
		t, err := d.target("schedule "+logical, described)
		if err != nil {
			return err
		}
		d.background.Go(func() {
			for first := min(every, rates["rate(1 minute)"]); d.pause(first); first = every {
				t.call(nil)
			}
		})
	}
	return nil
}

// rule is one of EventBridge's that does something.
type rule struct {
	name, bus string // no bus is the default one
	pattern   any
	targets   []target
}

// target is what a schedule or a rule calls.
type target struct {
	d              *Deployment
	by             string
	function       string // or else:
	machine        string
	input, rewrite string
	paths          map[string]any // of what is put into rewrite
}

// target understands a target, and makes sure that its role may do what it does. Functions that rules call have to let them
// instead, see mayInvoke.
func (d *Deployment) target(by string, described map[string]any) (target, error) {
	p := properties(described)
	t := target{d: d, by: by, input: p.text("Input")}
	if transformer, is := described["InputTransformer"].(map[string]any); is {
		t.rewrite = properties(transformer).text("InputTemplate")
		t.paths, _ = transformer["InputPathsMap"].(map[string]any)
	}
	role := iam.Principal{Name: by, Policies: d.resources.policies[p.text("RoleArn")]}
	arn := p.text("Arn")
	switch _, kind, _ := strings.Cut(arn, ":"+d.resources.account+":"); {
	case strings.HasPrefix(kind, "stateMachine:"):
		t.machine = strings.TrimPrefix(kind, "stateMachine:")
		return t, role.Demand(iam.Check{Action: "states:StartExecution", Resource: arn})
	case strings.HasPrefix(kind, "function:"):
		t.function = strings.TrimPrefix(kind, "function:")
		if p.text("RoleArn") != "" {
			return t, role.Demand(iam.Check{Action: "lambda:InvokeFunction", Resource: arn})
		}
	}
	return t, nil
}

// call does what the target is for, with an event where there is one. It waits for nothing.
func (t target) call(event map[string]any) {
	payload := []byte(t.input)
	switch {
	case t.rewrite != "":
		payload = t.rewritten(event)
	case t.input == "":
		payload, _ = json.Marshal(event) // it came from JSON
	}
	t.d.background.Go(func() {
		var err error
		if t.machine != "" {
			_, err = t.d.workflows.running().Start(t.d.ctx, t.machine, uuid.NewString(), payload)
		} else {
			_, err = t.d.invokeInTurn(t.function, payload)
		}
		if err != nil {
			t.d.note("%s: %v", t.by, err)
		}
	})
}

// rewritten is a template with what its paths find in an event, as JSON.
func (t target) rewritten(event map[string]any) []byte {
	text := t.rewrite
	for name, path := range t.paths {
		var value any = event
		for member := range strings.SplitSeq(strings.TrimPrefix(fmt.Sprint(path), "$."), ".") {
			inner, _ := value.(map[string]any)
			value = inner[member]
		}
		found, _ := json.Marshal(value) // it came from JSON
		text = strings.ReplaceAll(text, "<"+name+">", string(found))
	}
	return []byte(text)
}

// addRules has the template's rules hear of every execution that ends (Express ones end unheard), of every instance whose
// state changes, and of what functions put on the deployment's bus. Alarms are not heard: nobody computes metrics here.
func (d *Deployment) addRules() error {
	for _, logical := range d.resources.resolver.Template.Names("AWS::Events::Rule") {
		p, err := d.resources.resolver.Properties(logical)
		if err != nil {
			return err
		}
		if state := properties(p).text("State"); state != "ENABLED" && state != "" {
			continue
		}
		r := rule{name: logical, bus: properties(p).text("EventBusName"), pattern: p["EventPattern"]}
		targets, _ := p["Targets"].([]any)
		for _, described := range targets {
			described, _ := described.(map[string]any)
			t, err := d.target("rule "+logical, described)
			if err != nil {
				return err
			}
			switch {
			case t.machine != "":
			case t.function != "":
				if err := d.mayInvoke("events.amazonaws.com", t.function, d.resources.arn("events", "rule/"+properties(p).text("Name"))); err != nil {
					return err
				}
			default:
				continue // somebody is told, nothing is done
			}
			r.targets = append(r.targets, t)
		}
		d.rulesHear = append(d.rulesHear, r)
	}
	d.rules.Observe(func(c awsrules.Call) {
		if c.Name() == "events:PutEvents" {
			d.hearPublished(c)
		}
	})
	d.background.Go(d.hearOfExecutions)
	return nil
}

// functionOf gives the name of the function that an ARN names.
func functionOf(arn string) (name string, ok bool) {
	_, name, ok = strings.Cut(arn, ":function:")
	return name, ok
}

// hearPublished tells rules of what a call has published.
func (d *Deployment) hearPublished(c awsrules.Call) {
	entries, _ := c.Parameters["Entries"].([]any)
	for _, e := range entries {
		entry, _ := e.(map[string]any)
		var detail any
		if err := json.Unmarshal([]byte(properties(entry).text("Detail")), &detail); err != nil {
			d.complain("somebody has published %v: %v", entry, err)
			continue
		}
		d.tellRules(properties(entry).text("EventBusName"), map[string]any{
			"source": entry["Source"], "detail-type": entry["DetailType"], "detail": detail,
		})
	}
}

// hearOfExecutions tells the rules of every execution once it has ended.
func (d *Deployment) hearOfExecutions() {
	express := d.expressMachines()
	told := map[string]bool{}
	for d.pause(200 * time.Millisecond) {
		for _, x := range d.workflows.running().List() {
			if x.Status == asl.Running || told[x.ARN] || express[machineOf(x.ARN)] {
				continue
			}
			told[x.ARN] = true
			d.tellRules("", map[string]any{
				"source": "aws.states", "detail-type": "Step Functions Execution Status Change",
				"detail": map[string]any{
					"executionArn": x.ARN, "stateMachineArn": machineOf(x.ARN), "name": x.Name, "status": string(x.Status),
				},
			})
		}
	}
}

// hearOfInstance tells the rules that an instance has come into a state, unless they are deaf to it.
func (d *Deployment) hearOfInstance(id, state string) {
	if d.deaf {
		return
	}
	d.tellRules("", map[string]any{
		"source": "aws.ec2", "detail-type": "EC2 Instance State-change Notification",
		"detail": map[string]any{"instance-id": id, "state": state},
	})
}

func (d *Deployment) tellRules(bus string, event map[string]any) {
	for _, r := range d.rulesHear {
		if r.bus != bus {
			continue
		}
		fits, err := matchesPattern(r.pattern, event)
		if err != nil {
			d.complain("rule %s: %v", r.name, err)
		}
		if !fits {
			continue
		}
		for _, t := range r.targets {
			t.call(event)
		}
	}
}

// expressMachines are those whose executions leave no trace.
func (d *Deployment) expressMachines() map[string]bool {
	express := map[string]bool{}
	for _, logical := range d.resources.resolver.Template.Names("AWS::StepFunctions::StateMachine") {
		p, err := d.resources.resolver.Properties(logical)
		if err == nil && properties(p).text("StateMachineType") == "EXPRESS" {
			express[d.resources.arn("states", "stateMachine:"+properties(p).text("StateMachineName"))] = true
		}
	}
	return express
}

// mayInvoke makes sure that a service may call a function: the function's own policy has to name it.
func (d *Deployment) mayInvoke(service, function, source string) error {
	for _, logical := range d.resources.resolver.Template.Names("AWS::Lambda::Permission") {
		p, err := d.resources.resolver.Properties(logical)
		if err != nil {
			return err
		}
		name, _ := functionOf(properties(p).text("FunctionName"))
		allowed := iam.Principal{Policies: []iam.Policy{{Statement: []iam.Statement{{
			Effect: "Allow", Action: []string{"lambda:InvokeFunction"}, Resource: []string{properties(p).text("SourceArn")},
		}}}}}
		fits, err := allowed.Allows(iam.Check{Action: "lambda:InvokeFunction", Resource: source})
		if err != nil {
			return err
		}
		if name == function && properties(p).text("Principal") == service && fits {
			return nil
		}
	}
	return fmt.Errorf("no permission lets %s (%s) call %s", service, source, function)
}
