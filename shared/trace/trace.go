// Package trace follows one request through the control plane, in AWS X-Ray: API call, state machine and steps are one trace.
//
// It is free and silent where nobody traces, and that is everywhere but in Lambda functions that call [Enable].
//
// It writes X-Ray's documents itself, and of AWS's library takes no more than the header. That library brings gRPC, and with it
// protobuf, which looks up methods by name; the linker then keeps every method of every AWS client: 46 MB of program for
// functions/provisioning instead of 12.
package trace

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-xray-sdk-go/v2/header"

	"github.com/millrace/millrace/shared/fault"
)

// span is a piece of work with a beginning and an end: a subsegment, as X-Ray calls it.
type span struct {
	document document
}

type spanKey struct{}

func spanOf(ctx context.Context) *span {
	s, _ := ctx.Value(spanKey{}).(*span)
	return s
}

// In runs work as a span, inside that of the context. It only runs it where tracing is off, and where the invocation was not
// chosen to be traced.
func In(ctx context.Context, name string, work func(context.Context) error) error {
	ctx, s := begin(ctx, name)
	if s == nil {
		return work(ctx)
	}
	err := work(ctx)
	switch fault.CodeOf(err) {
	case "":
	case fault.Internal, fault.Unavailable:
		s.failed(err, &s.document.Fault)
	default:
		s.failed(err, &s.document.Error)
	}
	s.end()
	return err
}

// Annotate says something of the span of a context, by which it can be found. An empty value says nothing. It is for the one
// goroutine that the span's work runs in.
func Annotate(ctx context.Context, key, value string) {
	s := spanOf(ctx)
	if s == nil || value == "" {
		return
	}
	if s.document.Annotations == nil {
		s.document.Annotations = map[string]string{}
	}
	s.document.Annotations[key] = value
}

// Header is what a service that is called in this context has to be told, so that its work becomes part of the trace: the
// value of X-Amzn-Trace-Id, and of StartExecution's traceHeader. An invocation that is not traced hands on that decision.
// It is empty when there is no trace.
func Header(ctx context.Context) string {
	if daemon == nil {
		return ""
	}
	if s := spanOf(ctx); s != nil {
		return header.Header{TraceID: s.document.TraceID, ParentID: s.document.ID, SamplingDecision: header.Sampled}.String()
	}
	return LambdaHeader(ctx)
}

// LambdaHeader is the trace header of the invocation that a context belongs to; empty outside Lambda. Lambda's runtime keeps
// it under this plain string, which is its interface.
func LambdaHeader(ctx context.Context) string {
	value, _ := ctx.Value("x-amzn-trace-id").(string)
	return value
}

// ID is the id of the trace that a context belongs to, traced or not; empty when there is none.
func ID(ctx context.Context) string {
	if value := LambdaHeader(ctx); strings.Contains(value, "Root=") {
		return header.FromString(value).TraceID
	}
	return ""
}

// begin begins a span; nil when it would not be sent. Lambda itself writes the segment that an invocation's spans hang on.
func begin(ctx context.Context, name string) (context.Context, *span) {
	if daemon == nil {
		return ctx, nil
	}
	var trace, parent string
	if outer := spanOf(ctx); outer != nil {
		trace, parent = outer.document.TraceID, outer.document.ID
	} else {
		incoming := header.FromString(LambdaHeader(ctx))
		if incoming.SamplingDecision != header.Sampled {
			return ctx, nil
		}
		trace, parent = incoming.TraceID, incoming.ParentID
	}
	s := &span{document{
		Type: "subsegment", Name: name, ID: newID(), TraceID: trace, ParentID: parent, Start: seconds(time.Now()),
	}}
	return context.WithValue(ctx, spanKey{}, s), s
}

// failed notes an error, as one of ours or one of whoever asked.
func (s *span) failed(err error, whose *bool) {
	*whose = true
	s.document.Cause = &cause{Exceptions: []exception{{ID: newID(), Type: string(fault.CodeOf(err)), Message: err.Error()}}}
}

func (s *span) end() {
	s.document.End = seconds(time.Now())
	daemon.send(s.document)
}
