package harness

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/millrace/millrace/integration/aws/iam"
	"github.com/millrace/millrace/shared/platform/local/asl"
)

// minutely is how often the one schedule that is understood fires. A test would rather not wait for a minute to see it.
const minutely = 10 * time.Second

// addSchedules starts machines as the template's schedules say, until the deployment ends.
func (d *Deployment) addSchedules() error {
	for _, logical := range d.resources.resolver.Template.Names("AWS::Scheduler::Schedule") {
		p, err := d.resources.resolver.Properties(logical)
		if err != nil {
			return err
		}
		if rate := properties(p).text("ScheduleExpression"); rate != "rate(1 minute)" {
			return fmt.Errorf("the schedule %s is %q, which is not understood", logical, rate)
		}
		target, _ := p["Target"].(map[string]any)
		machine := properties(target).text("Arn")
		role := iam.Principal{Name: logical, Policies: d.resources.policies[properties(target).text("RoleArn")]}
		if err := role.Demand(iam.Check{Action: "states:StartExecution", Resource: machine}); err != nil {
			return err
		}
		input := properties(target).text("Input")
		d.background.Go(func() {
			ticker := time.NewTicker(minutely)
			defer ticker.Stop()
			for {
				select {
				case <-ticker.C:
					if _, err := d.workflows.running().Start(d.ctx, machine[strings.LastIndex(machine, ":")+1:], uuid.NewString(), []byte(input)); err != nil {
						d.note("schedule %s: %v", logical, err)
					}
				case <-d.ctx.Done():
					return
				}
			}
		})
	}
	return nil
}

// rule is one of EventBridge's on the default bus that calls functions.
type rule struct {
	name    string
	pattern any
	targets []ruleTarget
}

type ruleTarget struct {
	function string
	input    string
}

// addRules has the template's rules on the default bus hear of every execution that ends. Express executions end unheard.
func (d *Deployment) addRules() error {
	var rules []rule
	for _, logical := range d.resources.resolver.Template.Names("AWS::Events::Rule") {
		p, err := d.resources.resolver.Properties(logical)
		if err != nil {
			return err
		}
		if properties(p).text("EventBusName") != "" || properties(p).text("State") != "ENABLED" {
			continue
		}
		r := rule{name: logical, pattern: p["EventPattern"]}
		targets, _ := p["Targets"].([]any)
		for _, t := range targets {
			target, _ := t.(map[string]any)
			name, isFunction := functionOf(properties(target).text("Arn"))
			if !isFunction {
				continue // somebody is told, nothing is done
			}
			if err := d.mayInvoke("events.amazonaws.com", name, d.resources.arn("events", "rule/"+properties(p).text("Name"))); err != nil {
				return err
			}
			r.targets = append(r.targets, ruleTarget{name, properties(target).text("Input")})
		}
		rules = append(rules, r)
	}
	d.background.Go(func() { d.hearOfExecutions(rules) })
	return nil
}

// functionOf gives the name of the function that an ARN names.
func functionOf(arn string) (name string, ok bool) {
	_, name, ok = strings.Cut(arn, ":function:")
	return name, ok
}

// hearOfExecutions tells the rules of every execution once it has ended.
func (d *Deployment) hearOfExecutions(rules []rule) {
	express := d.expressMachines()
	told := map[string]bool{}
	for d.pause(200 * time.Millisecond) {
		for _, x := range d.workflows.running().List() {
			if x.Status == asl.Running || told[x.ARN] || express[machineOf(x.ARN)] {
				continue
			}
			told[x.ARN] = true
			d.tellRules(rules, map[string]any{
				"source": "aws.states", "detail-type": "Step Functions Execution Status Change",
				"detail": map[string]any{
					"executionArn": x.ARN, "stateMachineArn": machineOf(x.ARN), "name": x.Name, "status": string(x.Status),
				},
			})
		}
	}
}

func (d *Deployment) tellRules(rules []rule, event map[string]any) {
	for _, r := range rules {
		fits, err := matchesPattern(r.pattern, event)
		if err != nil {
			d.t.Errorf("rule %s: %v", r.name, err)
		}
		if !fits {
			continue
		}
		for _, target := range r.targets {
			payload := []byte(target.input)
			if target.input == "" {
				payload, _ = json.Marshal(event) // it came from JSON
			}
			d.background.Go(func() {
				if _, err := d.invokeInTurn(target.function, payload); err != nil {
					d.note("rule %s called %s: %v", r.name, target.function, err)
				}
			})
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
