package local_test

import (
	"context"
	"testing"

	"github.com/millrace/millrace/shared/platform/local"
	"github.com/millrace/millrace/shared/platform/local/asl"
	"github.com/millrace/millrace/shared/platform/platformtest"
)

func TestWorkflows_Conform(t *testing.T) {
	platformtest.WorkflowsSuite(t, func(t *testing.T) platformtest.Workflows {
		machines := map[string]*asl.Machine{}
		for name, definition := range platformtest.Machines() {
			machine, err := asl.Load(name, []byte(definition))
			if err != nil {
				t.Fatal(err)
			}
			machines[name] = machine
		}
		engine, err := asl.New(asl.Config{Machines: machines, Journal: asl.NewMemoryJournal(), Invoker: local.Functions{}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := engine.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
		return local.Workflows{Engine: engine}
	})
}
