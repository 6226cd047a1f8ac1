package mskapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kafka"

	"github.com/millrace/millrace/shared/mskapi"
)

const (
	testRegion = "eu-west-1"
	testKey    = "MRKEYEXAMPLE"
	testSecret = "wJalr/XUtnFEMI+K7MDENG=bPxRfiCYEXAMPLEKEY"
	clusterARN = "arn:aws:kafka:eu-west-1:123456789012:cluster/demo/11111111-2222-3333-4444-555555555555-2"
)

// keys is a small store of access keys.
type keys map[string]string

func (k keys) Secret(_ context.Context, id string) (string, bool, error) {
	secret, found := k[id]
	return secret, found, nil
}

func verifier() mskapi.Verifier {
	return mskapi.Verifier{
		Secrets:  keys{testKey: testSecret},
		Region:   testRegion,
		Services: []string{"kafka"},
		Now:      time.Now,
	}
}

// operationHandler answers a decoded request with the SDK's output or an error.
type operationHandler func(op mskapi.Operation, input any) (any, error)

// answer is the whole way of a request through the package, as the API function goes it.
func answer(ctx context.Context, r mskapi.Request, readErr error, handle operationHandler) mskapi.Response {
	op, params, err := mskapi.Match(r.Method, r.Path)
	fail := func(err error) mskapi.Response {
		return mskapi.EncodeError(r.RequestID, mskapi.FromError(op, r.RequestID, err))
	}
	if readErr != nil {
		return fail(readErr)
	}
	if _, err := verifier().Verify(ctx, r); err != nil {
		return fail(err)
	}
	if err != nil {
		return fail(err)
	}
	input, err := mskapi.Decode(op, params, r)
	if err != nil {
		return fail(err)
	}
	output, err := handle(op, input)
	if err != nil {
		return fail(err)
	}
	response, err := mskapi.Encode(op, r.RequestID, output)
	if err != nil {
		return fail(err)
	}
	return response
}

// serve starts a listener that answers with handle until the test ends.
func serve(t *testing.T, handle operationHandler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, h *http.Request) {
		r, err := mskapi.FromHTTP(h)
		if err := answer(h.Context(), r, err, handle).WriteTo(w); err != nil {
			t.Errorf("answer %s %s: %v", h.Method, h.URL, err)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

// client is the real SDK, pointed at an endpoint and allowed one attempt, so that an error is seen at once.
func client(endpoint string, options ...func(*kafka.Options)) *kafka.Client {
	return kafka.New(kafka.Options{
		Region:           testRegion,
		BaseEndpoint:     &endpoint,
		Credentials:      credentials.NewStaticCredentialsProvider(testKey, testSecret, ""),
		RetryMaxAttempts: 1,
	}, options...)
}
