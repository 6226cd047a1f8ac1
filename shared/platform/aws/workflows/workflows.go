// Package workflows starts executions of state machines in Step Functions, and tells how they fare. It makes no machines and
// stops no execution. Express machines, whose executions nobody can look up, are not for it.
package workflows

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/millrace/millrace/shared/cluster"
	platform "github.com/millrace/millrace/shared/platform/aws"
)

// Workflows are the state machines of a deployment.
type Workflows struct {
	client *sfn.Client
	config Config
}

// Config says which machines are ours.
type Config struct {
	// Prefix is the ARN of a machine without its own name:
	// arn:aws:states:<region>:<account>:stateMachine:<deployment>-
	Prefix string
	// TraceHeader, where it is set, gives the X-Ray header of the trace that a context belongs to, so that the execution
	// belongs to it too; empty for none.
	TraceHeader func(ctx context.Context) string
}

// New gives the machines of a deployment.
func New(config aws.Config, c Config) Workflows {
	return Workflows{client: sfn.NewFromConfig(config), config: c}
}

// Start starts an execution of a machine, once for each name: a name that was used is success, whether its execution runs or
// has ended. Step Functions keeps names for 90 days.
func (w Workflows) Start(ctx context.Context, machine, name string, input any) error {
	body, err := json.Marshal(input)
	if err != nil {
		return fmt.Errorf("start %s: %w", machine, err)
	}
	in := &sfn.StartExecutionInput{
		StateMachineArn: aws.String(w.config.Prefix + machine), Name: &name, Input: aws.String(string(body)),
	}
	if w.config.TraceHeader != nil {
		if header := w.config.TraceHeader(ctx); header != "" {
			in.TraceHeader = &header
		}
	}
	_, err = w.client.StartExecution(ctx, in)
	if err != nil && platform.Code(err) != alreadyExists {
		return fmt.Errorf("start %s: %w", machine, codes.Fault(err))
	}
	return nil
}

// Execution tells of an execution by its id; known is false when there is no trace of it. What was started a moment ago may
// not be known yet: Step Functions is eventually consistent.
func (w Workflows) Execution(ctx context.Context, id string) (e cluster.Execution, known bool, err error) {
	found, err := w.client.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &id})
	if platform.Code(err) == doesNotExist {
		return cluster.Execution{}, false, nil
	}
	if err != nil {
		return cluster.Execution{}, false, fmt.Errorf("look at execution %s: %w", id, codes.Fault(err))
	}
	e = cluster.Execution{ID: aws.ToString(found.ExecutionArn)}
	switch found.Status {
	case types.ExecutionStatusRunning, types.ExecutionStatusPendingRedrive:
		e.Running = true
	case types.ExecutionStatusSucceeded:
	default: // FAILED, TIMED_OUT, ABORTED
		e.Failure = &cluster.Failure{Code: aws.ToString(found.Error), Message: aws.ToString(found.Cause)}
		if e.Failure.Code == "" {
			e.Failure.Code = unnamed(found.Status)
		}
	}
	return e, true, nil
}

// ExecutionNamed tells of an execution by its name; known is false when there is none.
func (w Workflows) ExecutionNamed(ctx context.Context, machine, name string) (e cluster.Execution, known bool, err error) {
	return w.Execution(ctx, strings.Replace(w.config.Prefix, ":stateMachine:", ":execution:", 1)+machine+":"+name)
}

// unnamed is the error of an execution that ended without one: too late, or by an abort that gave none.
func unnamed(status types.ExecutionStatus) string {
	if status == types.ExecutionStatusTimedOut {
		return "States.Timeout"
	}
	return string(status)
}
