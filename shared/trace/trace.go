// Package trace follows one request through the control plane: API call, state machine and steps are one trace.
//
// It is free where nobody traces: everything here does nothing until a tracer is set. Only Lambda functions set one, that of
// package xray, so that the programs of a laptop and of hosts don't carry AWS's tracing library.
package trace

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Tracer sends what is traced to where somebody can look at it.
type Tracer interface {
	// Begin begins a span inside the one of the context.
	Begin(ctx context.Context, name string) (context.Context, Span)
	// Header is what a service that is called in this context has to be told; empty when there is no trace.
	Header(ctx context.Context) string
	// Instrument makes a span of every call of the clients that are made of a configuration.
	Instrument(c *aws.Config)
}

// Span is a piece of work with a beginning and an end.
type Span interface {
	Annotate(key, value string)
	End(err error)
}

// tracer is set before any work begins, and never again.
var tracer Tracer

// Use sets the tracer of this process. It is called once, before anything else of this package.
func Use(t Tracer) { tracer = t }

type spanKey struct{}

// In runs work as a span. An error of the work is the span's.
func In(ctx context.Context, name string, work func(context.Context) error) error {
	if tracer == nil {
		return work(ctx)
	}
	ctx, span := tracer.Begin(ctx, name)
	var err error
	defer func() { span.End(err) }()
	err = work(context.WithValue(ctx, spanKey{}, span))
	return err
}

// Annotate says something of the span of a context, which spans can be searched by. An empty value says nothing.
func Annotate(ctx context.Context, key, value string) {
	if span, ok := ctx.Value(spanKey{}).(Span); ok && value != "" {
		span.Annotate(key, value)
	}
}

// Header is what a service that is called in this context has to be told, so that its work becomes part of the trace:
// the value of X-Amzn-Trace-Id, and of StartExecution's traceHeader. It is empty when there is no trace.
func Header(ctx context.Context) string {
	if tracer == nil {
		return ""
	}
	return tracer.Header(ctx)
}

// Instrument makes a span of every call of the clients that will be made of a configuration.
func Instrument(c *aws.Config) {
	if tracer != nil {
		tracer.Instrument(c)
	}
}

// LambdaHeader is the trace header of the invocation that a context belongs to; empty outside Lambda. Lambda's runtime keeps
// it under this plain string, which is its interface.
func LambdaHeader(ctx context.Context) string {
	header, _ := ctx.Value("x-amzn-trace-id").(string)
	return header
}

// ID is the id of the trace that a context belongs to, sampled or not; empty when there is none.
func ID(ctx context.Context) string {
	for field := range strings.SplitSeq(LambdaHeader(ctx), ";") {
		if id, ok := strings.CutPrefix(strings.TrimSpace(field), "Root="); ok {
			return id
		}
	}
	return ""
}
