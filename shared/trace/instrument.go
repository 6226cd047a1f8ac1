package trace

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

// Instrument makes a span of every call of the clients that will be made of a configuration, with all its attempts. It does
// nothing where tracing is off.
func Instrument(c *aws.Config) {
	if daemon != nil {
		c.APIOptions = append(c.APIOptions, func(s *middleware.Stack) error {
			return s.Initialize.Add(middleware.InitializeMiddlewareFunc("Trace", traceCall), middleware.After)
		})
	}
}

func traceCall(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
	out middleware.InitializeOutput, metadata middleware.Metadata, err error,
) {
	ctx, s := begin(ctx, awsmiddleware.GetServiceID(ctx))
	if s == nil {
		return next.HandleInitialize(ctx, in)
	}
	out, metadata, err = next.HandleInitialize(ctx, in)
	d := &s.document
	d.Namespace = "aws"
	d.AWS = &awsCall{Operation: awsmiddleware.GetOperationName(ctx), Region: awsmiddleware.GetRegion(ctx)}
	d.AWS.RequestID, _ = awsmiddleware.GetRequestIDMetadata(metadata)
	if attempts, ok := retry.GetAttemptResults(metadata); ok {
		d.AWS.Retries = max(0, len(attempts.Results)-1)
	}
	if err != nil {
		s.callFailed(err)
	}
	s.end()
	return out, metadata, err
}

// callFailed tells what AWS says of a call from what kept it from an answer.
func (s *span) callFailed(err error) {
	var said smithy.APIError
	switch {
	case !errors.As(err, &said):
		s.failed(err, &s.document.Fault)
		return
	case said.ErrorFault() == smithy.FaultServer:
		s.failed(err, &s.document.Fault)
	default:
		s.failed(err, &s.document.Error)
	}
	s.document.Cause.Exceptions[0].Type = said.ErrorCode()
	for _, r := range retry.DefaultThrottles {
		if r.IsErrorThrottle(err) == aws.TrueTernary {
			s.document.Throttle = true
		}
	}
}
