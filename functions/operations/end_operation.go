package operations

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// EndOperation records how an operation ended and lets go of the cluster, in one write: nobody ever sees a complete
// operation of a cluster that is not ACTIVE with its new version.
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

// Run may be called again, and by an execution that holds nothing: then it changes nothing.
func (s EndOperation) Run(ctx context.Context, in EndOperationInput) (EndOperationOutput, error) {
	out := EndOperationOutput{Succeeded: in.Failure == nil}
	c, op, err := s.Records.ChangeOperation(ctx, in.ClusterID, in.OperationID, func(c *cluster.Cluster, op *cluster.Operation) error {
		if op.Ended() || (op.Execution != "" && op.Execution != in.Execution) {
			return nil // ended already, or another execution's to end
		}
		if in.Failure != nil {
			op.Fail(c, in.Failure.explain(), s.Now())
			return nil
		}
		if op.Type == cluster.DeleteCluster {
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
	case fault.Is(err, fault.NotFound) && in.Failure == nil:
		return out, nil // a deleted cluster, forgotten by an earlier try
	case err != nil:
		return out, fmt.Errorf("end operation: %w", err)
	}
	if op.Type == cluster.DeleteCluster && in.Failure == nil {
		if err := s.Records.ForgetCluster(ctx, in.ClusterID); err != nil && !fault.Is(err, fault.NotFound) {
			return out, fmt.Errorf("end operation: %w", err)
		}
	}
	log := slog.With("cluster", c.ID, "operation", op.ID, "type", op.Type, "took", s.Now().Sub(op.CreatedAt).Round(time.Millisecond))
	if in.Failure != nil {
		log.ErrorContext(ctx, "operation failed", "reason", in.Failure.explain().Message)
	} else {
		log.InfoContext(ctx, "operation ended well")
	}
	return out, nil
}

// explain makes a cause that people can read of what a state machine caught. A step's error arrives in Lambda's wrapping.
func (c *Cause) explain() cluster.Failure {
	message := c.Cause
	if m, ok := lambdaMessage(c.Cause); ok {
		message = m
	}
	if message == "" {
		message = c.Error
	}
	return cluster.Failure{Code: c.Error, Message: message}
}
