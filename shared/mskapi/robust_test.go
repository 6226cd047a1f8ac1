package mskapi_test

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/millrace/millrace/shared/mskapi"
)

// FuzzRequest checks that no request panics and that every refusal is typed. Plain `go test` runs its seeds.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/v1/clusters", "maxResults=1", `AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=host;x-amz-date, Signature=0`, []byte(nil))
	f.Add("POST", "/v1/clusters", "", "AWS4-HMAC-SHA256 Credential=////,,,=", []byte(goodCreate))
	f.Add("PUT", "/v1/clusters/"+url.PathEscape(clusterARN)+"/nodes/count", "%zz", "", []byte(`{"a":[{},1e999,"\ud800"]}`))
	f.Add("DELETE", "/v1/tags/%ff%00", "tagKeys=%ff&tagKeys", "x", []byte{0xff, 0})
	f.Fuzz(func(t *testing.T, method, path, query, authorization string, body []byte) {
		neverPanics(t, method, path, query, authorization, body)
	})
}

// neverPanics sends one request through each part, also past a check that refused it.
func neverPanics(t *testing.T, method, path, query, authorization string, body []byte) {
	t.Helper()
	values, _ := url.ParseQuery(query)
	r := mskapi.Request{
		Method: method, Path: path, SignedPath: path, Query: values, Body: body, RequestID: "req-1",
		Header: http.Header{"Authorization": {authorization}, "X-Amz-Date": {signedAt.Format("20060102T150405Z")}},
	}
	if _, err := verifierAt(signedAt).Verify(t.Context(), r); err == nil {
		t.Errorf("%s %s was taken for signed", method, path)
	} else {
		typed(t, mskapi.Operation{}, err)
	}
	op, params, err := mskapi.Match(method, path)
	if err != nil {
		typed(t, op, err)
		return
	}
	if _, err := mskapi.Decode(op, params, r); err != nil {
		typed(t, op, err)
	}
}

// typed checks that an error becomes an answer every client can read.
func typed(t *testing.T, op mskapi.Operation, err error) {
	t.Helper()
	e := mskapi.FromError(op, "req-1", err)
	if e.HTTPStatus < 400 || e.HTTPStatus > 403 {
		t.Errorf("%v became %d %s", err, e.HTTPStatus, e.Code)
	}
	response := mskapi.EncodeError("req-1", e)
	if response.Header.Get("x-amzn-ErrorType") == "" || !json.Valid(response.Body) {
		t.Errorf("%v became %+v", err, response)
	}
}

func TestRobust_RandomRequestsAreAnsweredWithTypedErrors(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	operations := mskapi.Operations()
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	for range 20_000 {
		op := operations[random.IntN(len(operations))]
		path := strings.NewReplacer(
			"{ClusterArn}", pick(clusterARN, url.PathEscape(clusterARN), "%", "", randomText(random)),
			"{Arn}", pick(configurationARN, randomText(random)),
			"{Revision}", pick("1", "-1", "99999999999999999999", "x"),
		).Replace(op.URI)
		method := pick(op.Method, op.Method, "HEAD", "", "\x00")
		neverPanics(t, method, mangle(random, path), mangle(random, "maxResults=1&currentVersion=K1"),
			mangle(random, "AWS4-HMAC-SHA256 Credential=MRKEYEXAMPLE/20260920/eu-west-1/kafka/aws4_request, SignedHeaders=host;x-amz-date, Signature=00"),
			[]byte(mangle(random, randomBody(random, op))))
	}
}

// mangle leaves half of all text alone and changes, drops or doubles a piece of the rest.
func mangle(r *rand.Rand, text string) string {
	if len(text) == 0 || r.IntN(2) == 0 {
		return text
	}
	at := r.IntN(len(text))
	switch r.IntN(4) {
	case 0:
		return text[:at] + string(rune(r.IntN(300))) + text[at:]
	case 1:
		return text[:at]
	case 2:
		return text[:at] + text[at/2:]
	default:
		return text[:at] + string([]byte{byte(r.Uint32())}) + text[at+1:]
	}
}

// randomBody is a good body of the operation, with members of other types mixed in.
func randomBody(r *rand.Rand, op mskapi.Operation) string {
	input := op.NewInput()
	fill(r, reflect.ValueOf(input).Elem())
	body, err := mskapi.Marshal(input)
	if err != nil {
		panic(err)
	}
	with := []string{`null`, `1e400`, `-1`, `[]`, `{}`, `"x"`, `[[1]]`, `true`}[r.IntN(8)]
	before, after, _ := strings.Cut(string(body), `"`)
	name, rest, found := strings.Cut(after, `":`)
	if !found || r.IntN(3) > 0 {
		return string(body)
	}
	return before + `"` + name + `":` + with + `,"x":` + rest
}
