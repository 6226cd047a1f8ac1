// Package xray sends traces to AWS X-Ray. AWS's library for it is in maintenance mode and takes some MB of a program, so
// nothing but Lambda functions imports this package, and nothing but this package the library.
//
// The library brings gRPC and protobuf. Both have looked up methods by name, and then the linker keeps every method of every
// AWS client: 46 MB of program for functions/provisioning instead of 15. So functions are built with the tag grpcnotrace, and
// go.mod asks for a protobuf of 1.36.12 at least.
package xray

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-xray-sdk-go/v2/header"
	"github.com/aws/aws-xray-sdk-go/v2/instrumentation/awsv2"
	"github.com/aws/aws-xray-sdk-go/v2/strategy/ctxmissing"
	"github.com/aws/aws-xray-sdk-go/v2/xray"
	"github.com/aws/aws-xray-sdk-go/v2/xraylog"

	"github.com/millrace/millrace/shared/trace"
)

// Enable has this process traced where there is somebody to send traces to: Lambda names the daemon of a function that is
// traced in AWS_XRAY_DAEMON_ADDRESS. Without one the library would print an error for everything it fails to send.
func Enable() {
	if os.Getenv("AWS_XRAY_DAEMON_ADDRESS") == "" || xray.SdkDisabled() {
		return
	}
	xray.SetLogger(quiet{})
	// What happens outside an invocation, such as the first calls of a cold start, belongs to no trace.
	if err := xray.Configure(xray.Config{ContextMissingStrategy: ctxmissing.NewDefaultIgnoreErrorStrategy()}); err != nil {
		slog.Warn("traces are off", "error", err)
		return
	}
	trace.Use(tracer{})
}

type tracer struct{}

// Begin begins a subsegment: Lambda itself writes the segment of a function, and the library stands in for it with one that
// it never sends. There is none outside an invocation, and in one that is not sampled nothing is sent, so neither is begun.
func (tracer) Begin(ctx context.Context, name string) (context.Context, trace.Span) {
	if !sampled(ctx) {
		return ctx, nothing{}
	}
	ctx, segment := xray.BeginSubsegment(ctx, name)
	if segment == nil {
		return ctx, nothing{}
	}
	return ctx, span{segment}
}

// Header names the current subsegment as the parent of what is called. A call in an invocation that is not sampled hands on
// that decision.
func (tracer) Header(ctx context.Context) string {
	if segment := xray.GetSegment(ctx); segment != nil {
		return segment.DownstreamHeader().String()
	}
	return trace.LambdaHeader(ctx)
}

func (tracer) Instrument(c *aws.Config) { awsv2.AWSV2Instrumentor(&c.APIOptions) }

func sampled(ctx context.Context) bool {
	return header.FromString(trace.LambdaHeader(ctx)).SamplingDecision == header.Sampled
}

type span struct{ segment *xray.Segment }

func (s span) Annotate(key, value string) {
	if err := s.segment.AddAnnotation(key, value); err != nil {
		slog.Debug("not annotated", "key", key, "error", err)
	}
}

func (s span) End(err error) { s.segment.Close(err) }

type nothing struct{}

func (nothing) Annotate(string, string) {}
func (nothing) End(error)               {}

// quiet keeps what the library has to say out of the function's log: a trace that is lost harms nobody.
type quiet struct{}

func (quiet) Log(level xraylog.LogLevel, message fmt.Stringer) {
	if level >= xraylog.LogLevelWarn {
		slog.Debug("xray", "says", message.String())
	}
}
