package statemachines_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/millrace/millrace/functions/brokerreplacement"
	"github.com/millrace/millrace/functions/healthsweep"
	"github.com/millrace/millrace/functions/operations"
	"github.com/millrace/millrace/functions/provisioning"
	"github.com/millrace/millrace/functions/storageautoscaling"
	"github.com/millrace/millrace/functions/topicadmin"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/serve"
	"github.com/millrace/millrace/statemachines"
)

// served are the steps of every function, by the function's name.
var served = map[string]serve.Steps{
	"brokerreplacement":  brokerreplacement.Steps(brokerreplacement.Deps{}),
	"healthsweep":        healthsweep.Steps(healthsweep.Deps{}),
	"operations":         operations.Steps(operations.Deps{}),
	"provisioning":       provisioning.Steps(provisioning.Deps{}),
	"storageautoscaling": storageautoscaling.Steps(storageautoscaling.Deps{}),
	"topicadmin":         topicadmin.Steps(topicadmin.Deps{}),
}

// The errors that the service behind a Task gives, which are no code of ours.
var (
	lambdaFaults = []string{
		"Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException",
		"Lambda.ClientExecutionTimeoutException", "Lambda.TooManyRequestsException",
		// What becomes of an invocation whose process is killed, or runs out of memory or time. Steps look before they act, so
		// it is asked again.
		"Lambda.Unknown", "Runtime.ExitError", "Sandbox.Timedout",
	}
	// What becomes of an invocation of a function in a VPC while its network interface is made, or made again after it was idle
	// for long. EC2AccessDeniedException and the limits are none of them: trying again does not help.
	insideFaults = []string{
		"Lambda.ENINotReadyException", "Lambda.ResourceNotReadyException", "Lambda.EC2ThrottledException",
		"Lambda.EC2UnexpectedException",
	}
	// inside are the functions in the VPC, by their placeholders.
	inside      = []string{"BrokerReplacement", "TopicAdmin"}
	statesNames = []string{"States.ALL", "States.Timeout", "States.TaskFailed"}
)

// carryingOut are the machines that carry out operations: all but the sweeps.
func carryingOut() []string {
	return slices.DeleteFunc(statemachines.Names(), statemachines.IsSweep)
}

// everyTask runs a check for every Task of every machine.
func everyTask(t *testing.T, check func(t *testing.T, d definition, task task)) {
	for _, machine := range statemachines.Names() {
		d := read(t, machine)
		for _, task := range d.tasks() {
			t.Run(machine+"/"+task.name, func(t *testing.T) { check(t, d, task) })
		}
	}
}

func TestMachines_Load(t *testing.T) {
	for name := range load(t) {
		if d := read(t, name); d.Comment == "" || d.TimeoutSeconds == 0 {
			t.Errorf("%s: a machine says what it promises (Comment) and how long it takes at most (TimeoutSeconds)", name)
		}
	}
}

func TestFunctions_HaveAFolderAndSteps(t *testing.T) {
	for placeholder, folder := range statemachines.Functions() {
		if info, err := os.Stat(filepath.Join("..", "functions", folder)); err != nil || !info.IsDir() {
			t.Errorf("${%s} is functions/%s, which is no folder (%v)", placeholder, folder, err)
		}
		if served[folder] == nil {
			t.Errorf("the steps of functions/%s are not known to this test", folder)
		}
	}
}

func TestFunctions_AreAllCalled(t *testing.T) {
	called := map[string]string{}
	for _, machine := range statemachines.Names() {
		maps.Copy(called, statemachines.FunctionsOf(machine))
	}
	if !maps.Equal(called, statemachines.Functions()) {
		t.Errorf("machines call %v, of %v", called, statemachines.Functions())
	}
}

func TestTasks_CallAStepThatIsServed(t *testing.T) {
	everyTask(t, func(t *testing.T, _ definition, task task) {
		folder, known := statemachines.Functions()[task.function()]
		if !known || task.Parameters.FunctionName != "${"+task.function()+"}" {
			t.Fatalf("no function stands behind %s", task.Parameters.FunctionName)
		}
		if task.step() != task.name {
			t.Errorf("the state is called %s and its step %s: one thing has one name", task.name, task.step())
		}
		if _, ok := served[folder][task.step()]; !ok {
			t.Errorf("functions/%s serves no step %s", folder, task.step())
		}
		file := filepath.Join("..", "functions", folder, snake(task.step())+".go")
		if _, err := os.Stat(file); err != nil {
			t.Errorf("the step is not where a reader looks for it: %v", err)
		}
	})
}

func TestTasks_SendWhatTheStepReads(t *testing.T) {
	everyTask(t, func(t *testing.T, _ definition, task task) {
		step, ok := served[statemachines.Functions()[task.function()]][task.step()]
		if !ok {
			t.Skip("told by another test")
		}
		required, known := members(step.Input)
		sent := map[string]bool{}
		for key := range task.Parameters.Payload {
			name := strings.TrimSuffix(key, ".$")
			sent[name] = true
			if name != "step" && !slices.Contains(known, name) {
				t.Errorf("the step reads no %q; it reads %v", name, known)
			}
		}
		for _, name := range required {
			if !sent[name] {
				t.Errorf("%q is not sent", name)
			}
		}
	})
}

func TestSteps_AreAllUsed(t *testing.T) {
	used := []string{"StayConnected"} // which a schedule calls, each day
	for _, machine := range statemachines.Names() {
		for _, task := range read(t, machine).tasks() {
			used = append(used, task.step())
		}
	}
	for function, steps := range served {
		for name, step := range steps {
			isErrand := strings.HasSuffix(step.Input.PkgPath(), "/shared/errand") // for which functions/api calls
			if !isErrand && !slices.Contains(used, name) {
				t.Errorf("no state machine asks functions/%s for %s", function, name)
			}
		}
	}
}

func TestTasks_SayWhatTheyAskAndForHowLong(t *testing.T) {
	everyTask(t, func(t *testing.T, _ definition, task task) {
		if task.Comment == "" {
			t.Error("a Task says in its Comment which question it answers")
		}
		if longest := int(serve.LongPoll.Seconds()); task.TimeoutSeconds <= longest {
			t.Errorf("TimeoutSeconds is %d; a step may take %d before it answers", task.TimeoutSeconds, longest)
		}
	})
}

func TestTasks_RetryFaultsOnly(t *testing.T) {
	everyTask(t, func(t *testing.T, _ definition, task task) {
		var retried []string
		for _, r := range task.Retry {
			retried = append(retried, r.ErrorEquals...)
			if r.JitterStrategy != "FULL" || r.MaxAttempts < 3 {
				t.Errorf("a Retry without jitter, or with fewer than 3 attempts: %+v", r)
			}
			// All nodes of a cluster are worked at together, and a new account runs ten functions at once: those that have no
			// turn yet wait for it, and that is no fault.
			if slices.Contains(r.ErrorEquals, "Lambda.TooManyRequestsException") && r.MaxAttempts < 60 {
				t.Errorf("a step that gets no turn is given up after %d attempts", r.MaxAttempts)
			}
		}
		want := append([]string{string(fault.Unavailable)}, lambdaFaults...)
		if slices.Contains(inside, task.function()) {
			want = append(want, insideFaults...)
		}
		if slices.Sort(retried); !slices.Equal(retried, slices.Sorted(slices.Values(want))) {
			t.Errorf("retries %v, want %v", retried, want)
		}
	})
}

func TestErrorNames_AreKnown(t *testing.T) {
	known := slices.Concat(lambdaFaults, insideFaults, statesNames)
	for _, code := range fault.Codes() {
		known = append(known, string(code))
	}
	var check func(t *testing.T, d definition)
	check = func(t *testing.T, d definition) {
		for name, s := range d.States {
			var names []string
			for _, r := range s.Retry {
				names = append(names, r.ErrorEquals...)
			}
			for _, c := range s.Catch {
				names = append(names, c.ErrorEquals...)
			}
			for _, e := range names {
				if !slices.Contains(known, e) {
					t.Errorf("%s: nothing gives the error %s", name, e)
				}
			}
			for _, inner := range s.inner() {
				check(t, inner)
			}
		}
	}
	for _, machine := range statemachines.Names() {
		t.Run(machine, func(t *testing.T) { check(t, read(t, machine)) })
	}
}

// A failure of anything ends the operation, in words, before it ends the execution.
func TestFailures_LeadThroughEndOperationToOneOfTwoEnds(t *testing.T) {
	for _, machine := range carryingOut() {
		d := read(t, machine)
		for name, s := range d.States {
			if s.Type != "Task" && s.Type != "Map" && s.Type != "Parallel" {
				continue
			}
			want := "EndOperation"
			if name == "EndOperation" {
				want = "FailedPartway" // where things stand is not recorded; the sweep does that
			}
			if machine == "replace-broker" && name == "RenewKafkaAccess" {
				want = "IsHostProvenDead" // a dead host has a successor without; for every other, that ends the operation
			}
			if len(s.Catch) != 1 || !slices.Equal(s.Catch[0].ErrorEquals, []string{"States.ALL"}) || s.Catch[0].Next != want {
				t.Errorf("%s/%s: catches %+v, want States.ALL to %s", machine, name, s.Catch, want)
			}
		}
		if c, ok := d.States["IsHostProvenDead"]; ok && c.Default != "EndOperation" {
			t.Errorf("%s: a failure that is not borne leads to %s", machine, c.Default)
		}
		reached := d.reachable("EndOperation")
		for _, end := range []string{"Succeeded", "FailedUnchanged", "FailedPartway"} {
			if !reached[end] {
				t.Errorf("%s: EndOperation does not lead to %s", machine, end)
			}
		}
		for name, s := range d.States {
			if s.Type == "Fail" && (name != "FailedUnchanged" && name != "FailedPartway" || s.Comment == "") {
				t.Errorf("%s/%s: two failure ends, each with a Comment that says where things stand", machine, name)
			}
		}
	}
}

// A sweep has no operation to end: what it could not do is left for the next one.
func TestSweeps_EndInTimeAndSayWhenTheyFail(t *testing.T) {
	for _, machine := range statemachines.Names() {
		if !statemachines.IsSweep(machine) {
			continue
		}
		d := read(t, machine)
		if d.TimeoutSeconds > 5*60 {
			t.Errorf("%s: an Express machine ends within five minutes, not in %d s", machine, d.TimeoutSeconds)
		}
		for name, s := range d.States {
			switch s.Type {
			case "Task":
				want := "Failed"
				if machine == "health-sweep" && name == "ScaleStorage" {
					want = "IsThereMoreToSee" // it is no matter of health: the function counts as one that fails
				}
				if len(s.Catch) != 1 || !slices.Equal(s.Catch[0].ErrorEquals, []string{"States.ALL"}) || s.Catch[0].Next != want {
					t.Errorf("%s/%s: catches %+v, want States.ALL to %s", machine, name, s.Catch, want)
				}
			case "Map":
				for inner, task := range s.ItemProcessor.States {
					if task.Type != "Task" {
						continue
					}
					if len(task.Catch) != 1 || s.ItemProcessor.States[task.Catch[0].Next].Type != "Succeed" {
						t.Errorf("%s/%s: what fails for one keeps nobody from looking at the others; it catches %+v", machine, inner, task.Catch)
					}
				}
			case "Fail":
				if name != "Failed" || s.Comment == "" {
					t.Errorf("%s/%s: one failure end, Failed, with a Comment that says where things stand", machine, name)
				}
			case "Wait": // for a time that the step knows to matter; anything else is left to the next sweep
				if d.States[s.Next].Type != "Task" || s.SecondsPath != "$.lookAgainSeconds" {
					t.Errorf("%s/%s: a sweep waits for nothing but for its own next look", machine, name)
				}
			}
		}
	}
}

func TestOperationTypes_HaveAMachineEach(t *testing.T) {
	var used []string
	for name, kind := range operationTypes(t) {
		for _, op := range operationsOf(kind) {
			if !slices.Contains(statemachines.Names(), op.Machine()) {
				t.Errorf("%s: there is no machine %q", name, op.Machine())
				continue
			}
			if len(op.Plan()) == 0 || kind.Budget() <= 0 {
				t.Errorf("%s has no steps to show, or no time", name)
			}
			used = append(used, op.Machine())
			if budget, limit := kind.Budget(), read(t, op.Machine()).TimeoutSeconds; limit < 2*int(budget.Seconds()) {
				t.Errorf("%s: the machine is cut off after %d s, before its checks have given up (%s) and said why", name, limit, budget)
			}
		}
	}
	for _, machine := range carryingOut() {
		if !slices.Contains(used, machine) {
			t.Errorf("no operation is carried out by %s", machine)
		}
	}
}

// operationsOf gives an operation of a type for each machine that such operations have.
func operationsOf(kind cluster.OperationType) (ops []cluster.Operation) {
	if kind != cluster.HealBroker {
		return []cluster.Operation{{Type: kind}}
	}
	for _, remedy := range []cluster.Remedy{cluster.Restart, cluster.Replace, cluster.Grow} {
		ops = append(ops, cluster.Operation{Type: kind, Heal: &cluster.Heal{Remedy: remedy}})
	}
	return ops
}

// operationTypes reads the constants of type OperationType, so that a new one can't be forgotten here.
func operationTypes(t *testing.T) map[string]cluster.OperationType {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "shared", "cluster", "operation.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]cluster.OperationType{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "OperationType" {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		types[spec.Names[0].Name] = cluster.OperationType(value)
		return true
	})
	if len(types) == 0 {
		t.Fatal("no OperationType was found")
	}
	return types
}

// members are the JSON members of an input type: those that have to be sent, and all.
func members(input reflect.Type) (required, all []string) {
	for _, field := range reflect.VisibleFields(input) {
		if field.Anonymous {
			continue // its fields follow
		}
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		all = append(all, name)
		if !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero") {
			required = append(required, name)
		}
	}
	return required, all
}

// snake turns JudgeReplacement into judge_replacement.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func TestFiles_AreMachines(t *testing.T) {
	files, err := filepath.Glob("*.json")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		names = append(names, strings.TrimSuffix(file, ".asl.json"))
	}
	if slices.Sort(names); !slices.Equal(names, slices.Sorted(maps.Keys(load(t)))) {
		t.Errorf("files %v, machines %v", names, statemachines.Names())
	}
}
