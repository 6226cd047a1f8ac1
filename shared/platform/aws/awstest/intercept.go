package awstest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Next sends a request on to AWS.
type Next func() (*http.Response, error)

// Intercept gives a configuration whose calls go through a function, attempt by attempt: it may send one on, lose its
// answer or answer itself. The operation is named as in the API; services that don't name it in a header have none.
func Intercept(config aws.Config, handle func(operation string, r *http.Request, next Next) (*http.Response, error)) aws.Config {
	config = config.Copy()
	config.HTTPClient = interceptor{config.HTTPClient, handle}
	return config
}

type interceptor struct {
	client aws.HTTPClient
	handle func(string, *http.Request, Next) (*http.Response, error)
}

func (i interceptor) Do(r *http.Request) (*http.Response, error) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	return i.handle(operation, r, func() (*http.Response, error) { return i.client.Do(r) })
}

// Lose sends a request on and loses the answer, as a connection does that breaks off.
func Lose(next Next) (*http.Response, error) {
	answer, err := next()
	if err != nil {
		return nil, err
	}
	answer.Body.Close()
	return nil, syscall.ECONNRESET
}

// Refuse answers a request with an error, as services with a JSON protocol do. members are what the error has beside its
// code and message.
func Refuse(status int, code, message string, members map[string]any) (*http.Response, error) {
	said := map[string]any{"__type": code, "message": message}
	for name, value := range members {
		said[name] = value
	}
	body, err := json.Marshal(said)
	if err != nil {
		return nil, err
	}
	return Answer(status, body)
}

// Answer answers a request.
func Answer(status int, body []byte) (*http.Response, error) {
	return &http.Response{
		StatusCode: status,
		Header:     http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
		Body:       io.NopCloser(bytes.NewReader(body)),
	}, nil
}
