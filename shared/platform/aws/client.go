// Package aws connects to AWS: one configuration for all services, and what their errors have in common. The adapters lie
// beneath it, one package for each service or few.
package aws

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"

	"github.com/millrace/millrace/shared/trace"
)

// Bounds of time. A caller's own deadline, such as that of a Lambda invocation, ends a call earlier.
const (
	// connectWithin bounds a connection: AWS's endpoints answer in milliseconds, and a lost packet must not cost an attempt.
	connectWithin = 3 * time.Second
	// attemptWithin bounds one attempt, from the first byte to the last. EC2's launches are the slowest calls we make.
	attemptWithin = 8 * time.Second
	// callWithin bounds a call with all its attempts and the pauses between them.
	callWithin = 25 * time.Second
)

// Load gives the configuration that the environment describes: region, credentials, and endpoints where AWS_ENDPOINT_URL or
// AWS_ENDPOINT_URL_<SERVICE> name others than AWS's. Calls are tried again by the SDK's standard rules, and each one ends:
// after 25 seconds at the latest, an attempt after 8. Where this process is traced, so is each call.
func Load(ctx context.Context, options ...func(*config.LoadOptions) error) (aws.Config, error) {
	options = append([]func(*config.LoadOptions) error{
		config.WithRetryMode(aws.RetryModeStandard),
		config.WithHTTPClient(awshttp.NewBuildableClient().
			WithTimeout(attemptWithin).
			WithDialerOptions(func(d *net.Dialer) { d.Timeout = connectWithin })),
		config.WithLogger(quiet),
		config.WithAPIOptions([]func(*middleware.Stack) error{endsWithin(callWithin)}),
	}, options...)
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("read the AWS configuration: %w", err)
	}
	trace.Instrument(&loaded)
	return loaded, nil
}

// LoadInside is Load for a function that runs in the VPC: DynamoDB goes by the one name that the VPC's gateway endpoint serves
// everywhere, not by one of the account's own.
func LoadInside(ctx context.Context) (aws.Config, error) {
	return Load(ctx, config.WithAccountIDEndpointMode(aws.AccountIDEndpointModeDisabled))
}

// quiet keeps the SDK's own remarks out of a function's log unless somebody looks closely: what matters is an error.
var quiet = logging.LoggerFunc(func(_ logging.Classification, format string, args ...any) {
	slog.Debug("the SDK remarks", "remark", fmt.Sprintf(format, args...))
})

// endsWithin bounds each call of a client, with all its attempts.
func endsWithin(limit time.Duration) func(*middleware.Stack) error {
	bound := middleware.InitializeMiddlewareFunc("EndsWithin", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return next.HandleInitialize(ctx, in)
	})
	return func(s *middleware.Stack) error { return s.Initialize.Add(bound, middleware.Before) }
}
