package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/millrace/millrace/events"
	"github.com/millrace/millrace/shared/aasapi"
	"github.com/millrace/millrace/shared/mskapi"
	"github.com/millrace/millrace/shared/trace"
)

// Serve answers one request.
//
//  1. Verify who is calling.
//  2. Match the path with an operation, and see that the caller's role is enough for it.
//  3. Decode its input and let its handler answer.
//  4. Encode the answer, or the error, and say in one line how it went.
//
// A panic is answered as an internal error: one bad request must not end the process that serves all others.
func (a *API) Serve(ctx context.Context, r mskapi.Request) mskapi.Response {
	return a.serve(ctx, a.signedDoor, r, nil)
}

// serve answers a request that came by a door, or says why it could not be read whole.
func (a *API) serve(ctx context.Context, by door, r mskapi.Request, unreadable error) (response mskapi.Response) {
	c := &call{requestID: r.RequestID}
	ctx = context.WithValue(ctx, callKey{}, c)
	started := a.Now()
	err := unreadable
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
		if err != nil {
			response = refuse(r, c, err)
		}
		a.log(ctx, r, c, response.Status, a.Now().Sub(started).Milliseconds(), err)
	}()
	if err == nil {
		response, err = a.answer(ctx, c, by, r)
	}
	return response
}

func (a *API) answer(ctx context.Context, c *call, by door, r mskapi.Request) (mskapi.Response, error) {
	var err error
	if c.caller, r, err = by(ctx, r); err != nil {
		return mskapi.Response{}, err
	}
	switch {
	case aasapi.Is(r):
		return a.serveScaling(ctx, c, r)
	case strings.HasPrefix(r.Path, millracePrefix):
		return a.serveMillrace(ctx, c, r)
	}
	op, params, err := mskapi.Match(r.Method, r.Path)
	if err != nil {
		return mskapi.Response{}, err
	}
	c.operation = op
	trace.Annotate(ctx, "operation", op.Name)
	h, built := a.handlers[op.Name]
	if !built {
		return mskapi.Response{}, mskapi.BadRequest("", "Millrace does not support the operation %s yet.", op.Name)
	}
	if err := c.caller.may(op.Name, h.role); err != nil {
		return mskapi.Response{}, err
	}
	input, err := mskapi.Decode(op, params, r)
	if err != nil {
		return mskapi.Response{}, err
	}
	output, err := h.answer(ctx, input)
	if err != nil {
		return mskapi.Response{}, err
	}
	response, err := mskapi.Encode(op, r.RequestID, output)
	return c.tell(response), err
}

// refuse answers with an error, in the terms of the API that was asked.
func refuse(r mskapi.Request, c *call, err error) mskapi.Response {
	if aasapi.Is(r) {
		return aasapi.EncodeError(r.RequestID, aasapi.FromError(r.RequestID, err))
	}
	return mskapi.EncodeError(r.RequestID, mskapi.FromError(c.operation, r.RequestID, err))
}

// warningHeader tells of what was done and may not be expected, one warning each: MSK's answers have no member for it.
const warningHeader = "X-Millrace-Warning"

// log says how a request went: never its body nor its headers, which hold secrets.
func (a *API) log(ctx context.Context, r mskapi.Request, c *call, status int, ms int64, err error) {
	attrs := []any{"request", r.RequestID, "operation", c.operation.Name, "status", status, "ms", ms, "caller", c.caller.name}
	if len(c.warnings) > 0 {
		attrs = append(attrs, "warnings", c.warnings)
	}
	switch {
	case status >= http.StatusInternalServerError:
		slog.ErrorContext(ctx, "answered", append(attrs, "error", err)...)
	case err != nil:
		slog.InfoContext(ctx, "answered", append(attrs, "refused", err)...)
	case r.Method == http.MethodGet || c.looks:
		slog.DebugContext(ctx, "answered", attrs...) // somebody polls, as all clients of MSK do
	default:
		slog.InfoContext(ctx, "answered", attrs...)
	}
}

// call is what is known of the request being served. It travels in the context, because only few handlers ask for it.
type call struct {
	requestID string
	caller    caller           // the zero value until it is known
	operation mskapi.Operation // the zero value until it is known
	warnings  []string         // for the answer's headers
	looks     bool             // it changes nothing, whatever its method
}

// warn has the answer tell what its caller may not expect.
func (c *call) warn(warnings []string) { c.warnings = append(c.warnings, warnings...) }

// tell adds the warnings to an answer.
func (c *call) tell(response mskapi.Response) mskapi.Response {
	for _, warning := range c.warnings {
		response.Header.Add(warningHeader, warning)
	}
	return response
}

type callKey struct{}

// callOf gives the call that a handler serves.
func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return &call{}
}

// paginate gives the page of a list that a request asks for; see mskapi.Paginate.
func paginate[T any](
	ctx context.Context, items []T, key func(T) string, maxResults *int32, nextToken *string,
) ([]T, *string, error) {
	return mskapi.Paginate(callOf(ctx).operation, items, key, maxResults, nextToken)
}

// ServeHTTP is the front door of a local listener.
func (a *API) ServeHTTP(w http.ResponseWriter, h *http.Request) {
	r, err := mskapi.FromHTTP(h)
	if err := a.serve(h.Context(), a.signedDoor, r, err).WriteTo(w); err != nil {
		slog.DebugContext(h.Context(), "the caller has gone", "request", r.RequestID, "error", err)
	}
}

// ServeGateway is the front door behind API Gateway. It never fails: what goes wrong is an answer.
func (a *API) ServeGateway(ctx context.Context, e events.APIRequest) (events.APIResponse, error) {
	by := door(a.signedDoor)
	if e.Resource == IAMResource {
		by = iamDoor(e)
	}
	r, err := mskapi.FromGateway(e)
	return a.serve(ctx, by, r, err).ToGateway(), nil
}
