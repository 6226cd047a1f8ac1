package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/trace"
)

// Function is what Lambda invokes: the [Steps] of a function, or what [Handle] makes of a handler.
type Function interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

// timeToReport is kept back of an invocation's time, so that a call that hangs ends as an error with a code and with its
// words. What Lambda cuts off itself is Sandbox.Timedout, which nobody can read anything from.
const timeToReport = 500 * time.Millisecond

// Lambda serves a function until Lambda ends the process. start makes the function: it reads the environment and makes the
// clients. Its error stops the start, and reaches whoever invoked the function in words.
func Lambda(start func(context.Context) (Function, error)) {
	slog.SetDefault(slog.New(traced{lambdacontext.NewLogHandler()}))
	// aws-lambda-go prints every error that it reports, with this logger. Errors are logged already, once; what else it has
	// to say is that it can't go on.
	log.SetFlags(0)
	log.SetOutput(runtimeLog{})
	ctx := context.Background()
	function, err := start(ctx)
	if err != nil {
		slog.ErrorContext(ctx, "did not start", "error", err)
		reportStart(ctx, err)
		os.Exit(1)
	}
	lambda.StartWithOptions(atLambda{function})
}

// atLambda hands a function what Lambda gives, and Lambda what the function gives.
type atLambda struct{ function Function }

// Invoke names an error by its code. Lambda names it after its outermost Go type otherwise, and a state machine would see
// wrapError.
func (f atLambda) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-timeToReport))
		defer cancel()
	}
	answer, err := f.function.Invoke(ctx, payload)
	if err == nil {
		return answer, nil
	}
	return nil, messages.InvokeResponse_Error{Type: string(codeOf(err)), Message: err.Error()}
}

func codeOf(err error) fault.Code {
	var coded *Error
	if errors.As(err, &coded) {
		return coded.Code
	}
	return fault.CodeOf(err)
}

// Handle makes a function of one that takes and gives an event. Every error is an *Error, and is logged here, once.
func Handle[I, O any](name string, handle func(context.Context, I) (O, error)) Function {
	return handler{name, New(handle)}
}

type handler struct {
	name string
	step Step
}

func (h handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	answer, err := h.answer(ctx, payload)
	if err == nil {
		return answer, nil
	}
	slog.ErrorContext(ctx, "event not handled", "handler", h.name, "code", fault.CodeOf(err), "error", err)
	return nil, &Error{fault.CodeOf(err), err.Error()}
}

func (h handler) answer(ctx context.Context, payload []byte) (answer []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s panicked: %v\n%s", h.name, p, debug.Stack())
		}
	}()
	err = trace.In(ctx, h.name, func(ctx context.Context) error {
		result, err := h.step.run(ctx, payload)
		if err != nil {
			return err
		}
		answer, err = json.Marshal(result)
		return err
	})
	return answer, err
}

// reportStart tells Lambda why the function can't start. aws-lambda-go has no call for it, and would have the reason be
// "exit status 1".
func reportStart(ctx context.Context, reason error) {
	body, _ := json.Marshal(messages.InvokeResponse_Error{Type: string(fault.CodeOf(reason)), Message: reason.Error()}) // strings always encode
	url := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/init/error"
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return // it is in the log
	}
	request.Header.Set("Lambda-Runtime-Function-Error-Type", string(fault.CodeOf(reason)))
	if response, err := http.DefaultClient.Do(request); err == nil {
		response.Body.Close()
	}
}

// traced adds the id of the trace to every line of a log.
type traced struct{ slog.Handler }

func (h traced) Handle(ctx context.Context, r slog.Record) error {
	if id := trace.ID(ctx); id != "" {
		r.AddAttrs(slog.String("traceId", id))
	}
	return h.Handler.Handle(ctx, r)
}

func (h traced) WithAttrs(attrs []slog.Attr) slog.Handler { return traced{h.Handler.WithAttrs(attrs)} }

func (h traced) WithGroup(name string) slog.Handler { return traced{h.Handler.WithGroup(name)} }

// runtimeLog takes what aws-lambda-go prints, and leaves out the errors of functions.
type runtimeLog struct{}

func (runtimeLog) Write(line []byte) (int, error) {
	if !bytes.HasPrefix(line, []byte(`{"errorMessage"`)) {
		slog.Error("the runtime stopped", "error", string(bytes.TrimSpace(line)))
	}
	return len(line), nil
}
