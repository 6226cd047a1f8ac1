package mskapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/millrace/millrace/shared/mskapi"
)

func TestFromHTTP_KeepsThePathAsItWasSent(t *testing.T) {
	h := httptest.NewRequestWithContext(t.Context(), "GET", "http://127.0.0.1:4600/v1/clusters/arn%3aaws%2Fx?nextToken=a%2B%2F", nil)
	r, err := mskapi.FromHTTP(h)
	if err != nil {
		t.Fatal(err)
	}
	if r.Path != "/v1/clusters/arn%3aaws%2Fx" || r.SignedPath != r.Path || r.Query.Get("nextToken") != "a+/" ||
		r.Host != "127.0.0.1:4600" || r.RequestID == "" {
		t.Errorf("got %+v", r)
	}
}

func TestFromHTTP_RefusesWhatItCannotReadWhole(t *testing.T) {
	for _, tt := range []struct {
		name, query string
		size        int
	}{
		{"a query with half an escape", "nextToken=%4", 0},
		{"a query with a semicolon", "a=1;b=2", 0},
		{"a body over the limit", "", mskapi.MaxBodyBytes + 1},
	} {
		h := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/clusters", strings.NewReader(strings.Repeat(" ", tt.size)))
		h.URL.RawQuery = tt.query
		r, err := mskapi.FromHTTP(h)
		wantCode(t, tt.name, err, mskapi.CodeBadRequest, "")
		if r.RequestID == "" {
			t.Errorf("%s: the refusal has no request id", tt.name)
		}
	}
	h := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/clusters", strings.NewReader(strings.Repeat(" ", mskapi.MaxBodyBytes)))
	if _, err := mskapi.FromHTTP(h); err != nil {
		t.Errorf("a body at the limit: %v", err)
	}
}
