package mskapi

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/uuid"
)

// MaxBodyBytes is the largest request body that is read: 1 MiB, far above any request of the model.
const MaxBodyBytes = 1 << 20

// Request is one call as it arrived, whichever front door it came through.
type Request struct {
	Method     string
	Path       string      // as received, still percent-encoded, without an API Gateway stage
	SignedPath string      // the path the caller signed: with the stage on execute-api hosts, otherwise Path
	Query      url.Values  // decoded
	Header     http.Header // canonical names; Host is apart, as in net/http
	Body       []byte
	Host       string // the Host header, with its port if the caller sent one
	RequestID  string // given back in x-amzn-RequestId and named in logs
}

// FromHTTP reads a request from a local listener and gives it a request id. A body over MaxBodyBytes, or a query that
// cannot be parsed, is a BadRequest; the Request is then still good enough to answer with.
func FromHTTP(h *http.Request) (Request, error) {
	r := Request{
		Method:     h.Method,
		Path:       h.URL.EscapedPath(),
		SignedPath: h.URL.EscapedPath(),
		Header:     h.Header,
		Host:       h.Host,
		RequestID:  uuid.NewString(),
	}
	// Not URL.Query(): it drops the pairs it cannot parse, and nothing requested may be dropped.
	query, err := url.ParseQuery(h.URL.RawQuery)
	if err != nil {
		return r, BadRequest("", "The query string cannot be parsed.")
	}
	r.Query = query
	if h.Body == nil {
		return r, nil
	}
	r.Body, err = io.ReadAll(io.LimitReader(h.Body, MaxBodyBytes+1))
	if err != nil {
		return r, BadRequest("", "The request body ended early.")
	}
	if len(r.Body) > MaxBodyBytes {
		return r, errBodyTooLarge()
	}
	return r, nil
}

// FromGateway reads a REST API proxy event. A body that claims to be base64 and is not is a BadRequest; the Request is
// then still good enough to answer with.
func FromGateway(e events.APIGatewayProxyRequest) (Request, error) {
	r := Request{
		Method:    e.HTTPMethod,
		Path:      e.Path,
		Query:     url.Values{},
		Header:    http.Header{},
		Body:      []byte(e.Body),
		RequestID: e.RequestContext.RequestID,
	}
	for name, values := range e.MultiValueHeaders {
		for _, value := range values {
			r.Header.Add(name, value)
		}
	}
	for name, value := range e.Headers {
		if r.Header.Values(name) == nil {
			r.Header.Set(name, value)
		}
	}
	for name, values := range e.MultiValueQueryStringParameters {
		r.Query[name] = values
	}
	for name, value := range e.QueryStringParameters {
		if _, known := r.Query[name]; !known {
			r.Query.Set(name, value)
		}
	}
	r.Host = r.Header.Get("Host")
	if r.Host == "" {
		r.Host = e.RequestContext.DomainName
	}
	r.Header.Del("Host")
	r.SignedPath = signedPath(r.Host, e.RequestContext.Stage, e.Path)
	if !e.IsBase64Encoded {
		return r, nil
	}
	body, err := base64.StdEncoding.DecodeString(e.Body)
	if err != nil {
		return r, BadRequest("", "The request body is not valid base64.")
	}
	r.Body = body
	return r, nil
}

// signedPath undoes what API Gateway does to a path: on its own hosts it strips the stage, which the caller has signed;
// on custom domains the caller never wrote a stage.
func signedPath(host, stage, path string) string {
	if strings.Contains(host, ".execute-api.") && stage != "" {
		return "/" + stage + path
	}
	return path
}

func errBodyTooLarge() *Error {
	return BadRequest("", "The request body is larger than %d bytes.", MaxBodyBytes)
}
