package platformtest

import (
	"context"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// Workflows are a platform's state machines.
type Workflows interface {
	Start(ctx context.Context, machine, name string, input any) error
	Execution(ctx context.Context, id string) (e cluster.Execution, known bool, err error)
	ExecutionNamed(ctx context.Context, machine, name string) (e cluster.Execution, known bool, err error)
}

// Machines are the definitions of the machines that a platform has for WorkflowsSuite, by their names.
func Machines() map[string]string {
	return map[string]string{
		"succeed": `{"StartAt":"Ends","States":{"Ends":{"Type":"Succeed"}}}`,
		"fail":    `{"StartAt":"Ends","States":{"Ends":{"Type":"Fail","Error":"Broken","Cause":"it fell"}}}`,
		"wait":    `{"StartAt":"Waits","States":{"Waits":{"Type":"Wait","Seconds":3600,"End":true}}}`,
		"late":    `{"TimeoutSeconds":1,"StartAt":"Waits","States":{"Waits":{"Type":"Wait","Seconds":3600,"End":true}}}`,
	}
}

// WorkflowsSuite checks what every adapter of workflows promises. open gives a platform that has Machines and no executions.
func WorkflowsSuite(t *testing.T, open func(t *testing.T) Workflows) {
	for promise, check := range map[string]func(*testing.T, Workflows){
		"a name starts one execution, whatever became of it": namesStartOnce,
		"an execution tells how it ended":                    executionsTellTheirEnd,
		"an execution is found by its name and by its id":    executionsAreFound,
		"what was never started is not known":                strangersAreNotKnown,
		"a machine that is not there can't be started":       absentMachinesDoNotStart,
	} {
		t.Run(promise, func(t *testing.T) { check(t, open(t)) })
	}
}

type anyInput struct {
	ClusterID string `json:"clusterId"`
}

// name is that of the executions which the suite starts.
const name = "op-1"

func start(t *testing.T, w Workflows, machine string, input any) {
	t.Helper()
	if err := w.Start(t.Context(), machine, name, input); err != nil {
		t.Fatalf("start %s: %v", machine, err)
	}
}

// ended waits until an execution has ended.
func ended(t *testing.T, w Workflows, machine string) cluster.Execution {
	t.Helper()
	for late := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		e, known, err := w.ExecutionNamed(t.Context(), machine, name)
		if err != nil || known && !e.Running {
			if err != nil {
				t.Fatalf("look at %s: %v", machine, err)
			}
			return e
		}
		if time.Now().After(late) {
			t.Fatalf("%s has not ended within %s: %+v, known: %t", machine, patience, e, known)
		}
	}
}

func namesStartOnce(t *testing.T, w Workflows) {
	for range 2 {
		start(t, w, "wait", anyInput{"a"})
		start(t, w, "succeed", anyInput{"a"}) // names belong to their machines
		ended(t, w, "succeed")
	}
	start(t, w, "wait", anyInput{"another input"})
	start(t, w, "succeed", anyInput{"another input"})
	if e, known, err := w.ExecutionNamed(t.Context(), "wait", name); err != nil || !known || !e.Running {
		t.Errorf("%+v, known: %t, %v", e, known, err)
	}
}

func executionsTellTheirEnd(t *testing.T, w Workflows) {
	for machine, want := range map[string]cluster.Failure{
		"succeed": {}, "fail": {Code: "Broken", Message: "it fell"}, "late": {Code: "States.Timeout"},
	} {
		start(t, w, machine, anyInput{"a"})
		e := ended(t, w, machine)
		switch {
		case want.Code == "" && e.Failure == nil:
		case e.Failure == nil || e.Failure.Code != want.Code || want.Message != "" && e.Failure.Message != want.Message:
			t.Errorf("%s ended with %+v, want %+v", machine, e.Failure, want)
		}
	}
}

func executionsAreFound(t *testing.T, w Workflows) {
	start(t, w, "wait", anyInput{"a"})
	named, known, err := w.ExecutionNamed(t.Context(), "wait", name)
	if err != nil || !known || !named.Running || named.Failure != nil {
		t.Fatalf("by name: %+v, known: %t, %v", named, known, err)
	}
	if e, known, err := w.Execution(t.Context(), named.ID); err != nil || !known || e != named {
		t.Errorf("by id: %+v, known: %t, %v; want %+v", e, known, err, named)
	}
}

func strangersAreNotKnown(t *testing.T, w Workflows) {
	start(t, w, "wait", anyInput{"a"})
	e, _, err := w.ExecutionNamed(t.Context(), "wait", name)
	if err != nil {
		t.Fatal(err)
	}
	for what, look := range map[string]func() (cluster.Execution, bool, error){
		"another name":    func() (cluster.Execution, bool, error) { return w.ExecutionNamed(t.Context(), "wait", "op-2") },
		"another machine": func() (cluster.Execution, bool, error) { return w.ExecutionNamed(t.Context(), "fail", name) },
		"another id":      func() (cluster.Execution, bool, error) { return w.Execution(t.Context(), e.ID+"x") },
	} {
		if e, known, err := look(); err != nil || known {
			t.Errorf("%s: %+v, known: %t, %v", what, e, known, err)
		}
	}
}

func absentMachinesDoNotStart(t *testing.T, w Workflows) {
	wantCode(t, "start", w.Start(t.Context(), "absent", name, anyInput{"a"}), fault.Internal)
}
