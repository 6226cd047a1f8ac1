package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"github.com/millrace/millrace/shared/mskapi"
)

// Serve answers one request.
//
//  1. Verify who is calling.
//  2. Match the path with an operation, and decode its input.
//  3. Let its handler answer.
//  4. Encode the answer, or the error, and say in one line how it went.
//
// A panic is answered as an internal error: one bad request must not end the process that serves all others.
func (a *API) Serve(ctx context.Context, r mskapi.Request) (response mskapi.Response) {
	c := &call{requestID: r.RequestID}
	ctx = context.WithValue(ctx, callKey{}, c)
	started := a.Now()
	var err error
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
		if err != nil {
			response = mskapi.EncodeError(r.RequestID, mskapi.FromError(c.operation, r.RequestID, err))
		}
		a.log(ctx, r, c, response.Status, a.Now().Sub(started).Milliseconds(), err)
	}()
	response, err = a.serve(ctx, c, r)
	return response
}

func (a *API) serve(ctx context.Context, c *call, r mskapi.Request) (mskapi.Response, error) {
	var err error
	if c.caller, err = a.verifier.Verify(ctx, r); err != nil {
		return mskapi.Response{}, err
	}
	if strings.HasPrefix(r.Path, millracePrefix) {
		return a.serveMillrace(ctx, c, r)
	}
	op, params, err := mskapi.Match(r.Method, r.Path)
	if err != nil {
		return mskapi.Response{}, err
	}
	c.operation = op
	handler, built := a.handlers[op.Name]
	if !built {
		return mskapi.Response{}, mskapi.BadRequest("", "Millrace does not support the operation %s yet.", op.Name)
	}
	input, err := mskapi.Decode(op, params, r)
	if err != nil {
		return mskapi.Response{}, err
	}
	output, err := handler.answer(ctx, input)
	if err != nil {
		return mskapi.Response{}, err
	}
	return mskapi.Encode(op, r.RequestID, output)
}

// log says how a request went: never its body nor its headers, which hold secrets.
func (a *API) log(ctx context.Context, r mskapi.Request, c *call, status int, ms int64, err error) {
	attrs := []any{"request", r.RequestID, "operation", c.operation.Name, "status", status, "ms", ms, "caller", c.caller}
	switch {
	case status >= http.StatusInternalServerError:
		slog.ErrorContext(ctx, "answered", append(attrs, "error", err)...)
	case err != nil:
		slog.InfoContext(ctx, "answered", append(attrs, "refused", err)...)
	default:
		slog.InfoContext(ctx, "answered", attrs...)
	}
}

// call is what is known of the request being served. It travels in the context, because only few handlers ask for it.
type call struct {
	requestID string
	caller    string           // access key id
	operation mskapi.Operation // the zero value until it is known
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
	response := a.serveRead(h.Context(), r, err)
	if err := response.WriteTo(w); err != nil && !errors.Is(err, http.ErrBodyNotAllowed) {
		slog.DebugContext(h.Context(), "caller has gone", "request", r.RequestID, "error", err)
	}
}

// ServeGateway is the front door behind an API Gateway REST API.
func (a *API) ServeGateway(
	ctx context.Context, e events.APIGatewayProxyRequest,
) (events.APIGatewayProxyResponse, error) {
	r, err := mskapi.FromGateway(e)
	return a.serveRead(ctx, r, err).ToGateway(), nil
}

// serveRead answers a request that may not have been readable.
func (a *API) serveRead(ctx context.Context, r mskapi.Request, err error) mskapi.Response {
	if err != nil {
		return mskapi.EncodeError(r.RequestID, mskapi.FromError(mskapi.Operation{}, r.RequestID, err))
	}
	return a.Serve(ctx, r)
}
