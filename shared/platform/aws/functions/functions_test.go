package functions_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/fault"
	platform "github.com/millrace/millrace/shared/platform/aws"
	"github.com/millrace/millrace/shared/platform/aws/functions"
)

// deployed gives the functions of the deployment blue, in a Lambda that answers by a handler.
func deployed(t *testing.T, answer http.HandlerFunc) functions.Functions {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	loaded, err := platform.Load(t.Context(), config.WithRegion("eu-west-1"), config.WithBaseEndpoint(server.URL),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("test", "test", "")))
	if err != nil {
		t.Fatal(err)
	}
	return functions.New(loaded, functions.Config{Prefix: "blue-"})
}

func TestCall_GivesTheFunctionWhatItIsAskedAndTheCallerItsAnswer(t *testing.T) {
	var asked string
	f := deployed(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = r.Method + " " + r.URL.Path + " " + r.Header.Get("X-Amz-Invocation-Type") + " " + string(body)
		_, _ = io.WriteString(w, `{"answer":{"topics":[],"more":true}}`)
	})
	got, err := errand.Run[errand.Topics](t.Context(), f, "ListTopics", errand.ListTopics{ClusterID: "c"})
	if err != nil || !got.More {
		t.Errorf("got %+v, %v", got, err)
	}
	want := `POST /2015-03-31/functions/blue-topicadmin/invocations RequestResponse {"clusterId":"c","step":"ListTopics"}`
	if asked != want {
		t.Errorf("asked %s\nwant %s", asked, want)
	}
}

func TestCall_AsksOnceAndSaysWhatItMeans(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		header string // and its value
		body   string
		code   fault.Code
		words  string
	}{
		{"a code of the function's", 200, "X-Amz-Function-Error Unhandled", `{"errorType":"NotFound","errorMessage":"no cluster c"}`, fault.NotFound, "no cluster c"},
		{"a bug of the function's", 200, "X-Amz-Function-Error Unhandled", `{"errorType":"Internal","errorMessage":"nil map"}`, fault.Internal, "nil map"},
		{"a function that ran out of time", 200, "X-Amz-Function-Error Unhandled", `{"errorType":"Sandbox.Timedout","errorMessage":"after 60 s"}`, fault.Unavailable, "after 60 s"},
		{"the same without a type", 200, "X-Amz-Function-Error Unhandled", `{"errorMessage":"Task timed out after 60.00 seconds"}`, fault.Unavailable, "Task timed out"},
		{"a function that was killed", 200, "X-Amz-Function-Error Unhandled", `{"errorType":"Runtime.ExitError","errorMessage":"signal: killed"}`, fault.Unavailable, "signal: killed"},
		{"a function that does not start", 200, "X-Amz-Function-Error Unhandled", `{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"no bootstrap"}`, fault.Internal, "no bootstrap"},
		{"an error that is none", 200, "X-Amz-Function-Error Unhandled", `oops`, fault.Internal, "oops"},
		{"too many at once", 429, "X-Amzn-Errortype TooManyRequestsException", `{"Reason":"ConcurrentInvocationLimitExceeded","message":"Rate Exceeded."}`, fault.Unavailable, "Rate Exceeded"},
		{"no network interface yet", 502, "X-Amzn-Errortype ENINotReadyException", `{"Message":"elastic network interface"}`, fault.Unavailable, "ENINotReady"},
		{"idle for long", 502, "X-Amzn-Errortype ResourceNotReadyException", `{"Message":"inactive"}`, fault.Unavailable, "ResourceNotReady"},
		{"a deployment under way", 409, "X-Amzn-Errortype ResourceConflictException", `{"Message":"update in progress"}`, fault.Unavailable, "in progress"},
		{"a fault of Lambda's", 500, "X-Amzn-Errortype ServiceException", `{"Message":"internal"}`, fault.Unavailable, "internal"},
		{"no such function", 404, "X-Amzn-Errortype ResourceNotFoundException", `{"Message":"Function not found"}`, fault.Internal, "Function not found"},
		{"not allowed", 403, "X-Amzn-Errortype AccessDeniedException", `{"Message":"no"}`, fault.Internal, "lambda:Invoke"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var calls atomic.Int32
			f := deployed(t, func(w http.ResponseWriter, _ *http.Request) {
				calls.Add(1)
				name, value, _ := strings.Cut(tt.header, " ")
				w.Header().Set(name, value)
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			})
			_, err := f.Call(t.Context(), "topicadmin", []byte(`{}`))
			if !fault.Is(err, tt.code) || !strings.Contains(err.Error(), tt.words) || !strings.Contains(err.Error(), "call topicadmin") {
				t.Errorf("got %s: %v, want %s with %q", fault.CodeOf(err), err, tt.code, tt.words)
			}
			if calls.Load() != 1 {
				t.Errorf("asked %d times", calls.Load())
			}
		})
	}
}

func TestCall_ALostAnswerIsNotAskedForAgain(t *testing.T) {
	var calls atomic.Int32
	f := deployed(t, func(http.ResponseWriter, *http.Request) {
		calls.Add(1)
		panic(http.ErrAbortHandler)
	})
	if _, err := f.Call(t.Context(), "topicadmin", []byte(`{}`)); !fault.Is(err, fault.Unavailable) || calls.Load() != 1 {
		t.Errorf("got %v after %d calls", err, calls.Load())
	}
}

func TestCall_EndsWithItsCaller(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := deployed(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body) // only then does the server see that the caller has gone
		cancel()
		<-r.Context().Done()
	})
	if _, err := f.Call(ctx, "topicadmin", []byte(`{}`)); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
}
