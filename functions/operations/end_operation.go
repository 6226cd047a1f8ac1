package operations

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// EndOperation records how an operation ended and lets go of the cluster, of its topics or of its volumes, in one write: nobody ever
// sees a complete operation of a cluster that is not ACTIVE with its new version.
type EndOperation struct {
	Records interface {
		ChangeOperation(ctx context.Context, clusterID, id string,
			change func(*cluster.Cluster, *cluster.Operation) error) (cluster.Cluster, cluster.Operation, error)
		ForgetCluster(ctx context.Context, id string) error
	}
	Now func() time.Time
	// NewVersion makes the currentVersion that clients see from now on.
	NewVersion func() (string, error)
}

// EndOperationInput names the operation and the execution that carried it out; Failure is null when it went well.
type EndOperationInput struct {
	ClusterID   string `json:"clusterId"`
	OperationID string `json:"operationId"`
	Execution   string `json:"execution"`
	Failure     *Cause `json:"failure"`
}

// Cause is an error as a state machine catches it.
type Cause struct {
	Error string `json:"Error"`
	Cause string `json:"Cause"`
}

// EndOperationOutput says how the operation ended.
type EndOperationOutput struct {
	Succeeded bool `json:"succeeded"`
}

// Run may be called again. A failure that is told by an execution that does not hold the operation changes nothing; a
// success that is told by one is a Conflict, because nothing of what it says was recorded.
func (s EndOperation) Run(ctx context.Context, in EndOperationInput) (EndOperationOutput, error) {
	out := EndOperationOutput{Succeeded: in.Failure == nil}
	c, op, err := s.Records.ChangeOperation(ctx, in.ClusterID, in.OperationID, func(c *cluster.Cluster, op *cluster.Operation) error {
		switch {
		case op.Ended() || !isHeldBy(*op, in.Execution):
			return errNotHeld
		case in.Failure != nil:
			if len(op.Steps) == 0 {
				op.Steps = op.Plan() // it failed before it began
			}
			op.Fail(c, in.Failure.explain(), s.Now())
			return nil
		case op.Type == cluster.DeleteCluster:
			return nil // the records go below, all of them
		}
		version, err := s.NewVersion()
		if err != nil {
			return fmt.Errorf("make a version: %w", err)
		}
		op.Succeed(c, version, s.Now())
		return nil
	})
	switch {
	case errors.Is(err, errNotHeld):
		return out, s.heldNoLonger(op, in)
	case fault.Is(err, fault.NotFound):
		return out, nil // a deleted cluster: forgotten by an earlier try or, beside this operation, by another
	case err != nil:
		return out, fmt.Errorf("end operation: %w", err)
	}
	if op.Type == cluster.DeleteCluster && in.Failure == nil {
		if err := s.Records.ForgetCluster(ctx, in.ClusterID); err != nil && !fault.Is(err, fault.NotFound) {
			return out, fmt.Errorf("end operation: %w", err)
		}
	}
	log := slog.With("cluster", c.ID, "operation", op.ID, "type", op.Type, "ms", s.Now().Sub(op.CreatedAt).Milliseconds())
	if in.Failure != nil {
		log.ErrorContext(ctx, "operation failed", "reason", in.Failure.explain().Message)
	} else {
		log.InfoContext(ctx, "operation ended well")
	}
	return out, nil
}

var errNotHeld = errors.New("the operation is over or another execution's")

// isHeldBy tells whether an execution may end an operation: the one that has begun it or, while none has, the one that
// was started for this attempt. A straggler of an attempt before may not.
func isHeldBy(op cluster.Operation, execution string) bool {
	if op.Execution == "" {
		return strings.HasSuffix(execution, ":"+op.ExecutionName())
	}
	return op.Execution == execution
}

// heldNoLonger answers an execution that has nothing to end: the one that has ended it already in these words, or a stranger.
func (s EndOperation) heldNoLonger(op cluster.Operation, in EndOperationInput) error {
	if in.Failure != nil || (op.State == cluster.Complete && op.Execution == in.Execution) {
		return nil
	}
	return fault.New(fault.Conflict, "operation %s is not held by execution %s, which says that all is done", op.ID, in.Execution)
}

// explain makes a cause that people can read of what a state machine caught. A step's error arrives in Lambda's wrapping.
func (c *Cause) explain() cluster.Failure {
	message := c.Cause
	if m, ok := lambdaMessage(c.Cause); ok {
		message = m
	}
	if message == "" {
		message = inWords(c.Error)
	}
	return cluster.Failure{Code: c.Error, Message: message}
}

// inWords says what an error of Step Functions' or Lambda's own means, which comes without a cause.
func inWords(code string) string {
	switch {
	case code == "States.Timeout":
		return "a step of the operation did not answer in time (States.Timeout)"
	case strings.HasPrefix(code, "Lambda."):
		return fmt.Sprintf("a function of the control plane could not be called (%s)", code)
	default:
		return fmt.Sprintf("the operation's state machine ended with %s", code)
	}
}
