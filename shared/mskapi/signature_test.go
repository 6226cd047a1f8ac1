package mskapi_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/millrace/millrace/shared/mskapi"
)

var signedAt = time.Date(2026, 9, 20, 12, 0, 0, 0, time.UTC)

// signing is one way to sign a request; the zero value of each field stands for the right one.
type signing struct {
	key, secret, token, service, region, body string
	at                                        time.Time
	presign                                   bool
}

// signed makes a request as a client would sign it, with the path kept as it is written.
func signed(t *testing.T, method, path, query string, s signing) mskapi.Request {
	t.Helper()
	or := func(value, otherwise string) string {
		if value == "" {
			return otherwise
		}
		return value
	}
	h, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:4600", strings.NewReader(s.body))
	if err != nil {
		t.Fatal(err)
	}
	h.URL.Opaque = "//127.0.0.1:4600" + path
	h.URL.RawQuery = query
	at := s.at
	if at.IsZero() {
		at = signedAt
	}
	sum := sha256.Sum256([]byte(s.body))
	hash := hex.EncodeToString(sum[:])
	creds := aws.Credentials{AccessKeyID: or(s.key, testKey), SecretAccessKey: or(s.secret, testSecret), SessionToken: s.token}
	service, region := or(s.service, "kafka"), or(s.region, testRegion)
	if s.presign {
		uri, _, err := v4.NewSigner().PresignHTTP(t.Context(), creds, h, hash, service, region, at)
		if err != nil {
			t.Fatal(err)
		}
		_, query, _ = strings.Cut(uri, "?")
	} else if err := v4.NewSigner().SignHTTP(t.Context(), creds, h, hash, service, region, at); err != nil {
		t.Fatal(err)
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return mskapi.Request{
		Method: method, Path: path, SignedPath: path, Query: values, Header: h.Header, Body: []byte(s.body), Host: h.Host,
	}
}

func verifierAt(now time.Time) mskapi.Verifier {
	v := verifier()
	v.Now = func() time.Time { return now }
	return v
}

func TestVerify_AcceptsWhatWasSigned(t *testing.T) {
	encoded := "/v1/clusters/" + url.PathEscape(clusterARN)
	for _, tt := range []struct {
		name, method, path, query string
		signing                   signing
	}{
		{"a plain list", "GET", "/v1/clusters", "", signing{}},
		{"an encoded ARN", "GET", encoded, "", signing{}},
		{"a decoded ARN", "GET", "/v1/clusters/" + clusterARN, "", signing{}},
		{"colons as well", "GET", strings.ReplaceAll(encoded, ":", "%3A") + "/nodes", "", signing{}},
		{"a topic with a dot and a tilde", "GET", encoded + "/topics/a.b_c-1~", "", signing{}},
		{"a token with +/=", "GET", "/v1/clusters", "nextToken=a%2B%2F%3Db", signing{}},
		{"spaces as %20", "GET", "/v1/clusters", "clusterNameFilter=de%20mo", signing{}},
		{"spaces as +", "GET", "/v1/clusters", "clusterNameFilter=de+mo", signing{}},
		{"repeated keys in any order", "DELETE", "/v1/tags/x", "tagKeys=b&tagKeys=a&tagKeys=a%2Fb&tagKeys=a-b", signing{}},
		{"a key without a value", "GET", "/v1/clusters", "clusterNameFilter", signing{}},
		{"a body", "PUT", encoded + "/nodes/count", "", signing{body: `{"currentVersion":"K1"}`}},
		{"a clock five minutes behind", "GET", "/v1/clusters", "", signing{at: signedAt.Add(-5 * time.Minute)}},
		{"a clock five minutes ahead", "GET", "/v1/clusters", "", signing{at: signedAt.Add(5 * time.Minute)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := signed(t, tt.method, tt.path, tt.query, tt.signing)
			key, err := verifierAt(signedAt).Verify(t.Context(), r)
			if err != nil || key != testKey {
				t.Errorf("got %q, %v", key, err)
			}
		})
	}
}

func TestVerify_RefusesEverythingElse(t *testing.T) {
	drop := func(header string) func(*mskapi.Request) {
		return func(r *mskapi.Request) { r.Header.Del(header) }
	}
	replace := func(old, with string) func(*mskapi.Request) {
		return func(r *mskapi.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, with, 1))
		}
	}
	for _, tt := range []struct {
		name    string
		signing signing
		tamper  func(*mskapi.Request)
		want    mskapi.Code
	}{
		{"no signature", signing{}, drop("Authorization"), mskapi.CodeUnauthorized},
		{"another kind of credentials", signing{}, func(r *mskapi.Request) { r.Header.Set("Authorization", "Bearer x") }, mskapi.CodeUnauthorized},
		{"an empty signature", signing{}, func(r *mskapi.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 ") }, mskapi.CodeUnauthorized},
		{"two signatures", signing{}, func(r *mskapi.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }, mskapi.CodeUnauthorized},
		{"a presigned request", signing{presign: true}, nil, mskapi.CodeUnauthorized},
		{"an unknown key", signing{key: "AKIDOTHER"}, nil, mskapi.CodeUnauthorized},
		{"a wrong secret", signing{secret: "guess"}, nil, mskapi.CodeForbidden},
		{"another region", signing{region: "us-east-1"}, nil, mskapi.CodeForbidden},
		{"another service", signing{service: "execute-api"}, nil, mskapi.CodeForbidden},
		{"a session we never gave out", signing{token: "session"}, nil, mskapi.CodeForbidden},
		{"more than five minutes late", signing{at: signedAt.Add(-5*time.Minute - time.Second)}, nil, mskapi.CodeForbidden},
		{"more than five minutes early", signing{at: signedAt.Add(5*time.Minute + time.Second)}, nil, mskapi.CodeForbidden},
		{"no date", signing{}, drop("X-Amz-Date"), mskapi.CodeForbidden},
		{"a later date than signed", signing{}, func(r *mskapi.Request) { r.Header.Set("X-Amz-Date", "20260920T120001Z") }, mskapi.CodeForbidden},
		{"a date of another day than the scope", signing{}, replace("/20260920/", "/20260919/"), mskapi.CodeForbidden},
		{"another method", signing{}, func(r *mskapi.Request) { r.Method = "DELETE" }, mskapi.CodeForbidden},
		{"another path", signing{}, func(r *mskapi.Request) { r.SignedPath += "x" }, mskapi.CodeForbidden},
		{"another query", signing{}, func(r *mskapi.Request) { r.Query.Set("maxResults", "1") }, mskapi.CodeForbidden},
		{"another host", signing{}, func(r *mskapi.Request) { r.Host = "127.0.0.1:4601" }, mskapi.CodeForbidden},
		{"another body", signing{body: `{"a":1}`}, func(r *mskapi.Request) { r.Body = []byte(`{"a":2}`) }, mskapi.CodeForbidden},
		{"a body where there was none", signing{}, func(r *mskapi.Request) { r.Body = []byte(`{}`) }, mskapi.CodeForbidden},
		{"a hash of another body", signing{body: "x"}, func(r *mskapi.Request) { r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") }, mskapi.CodeForbidden},
		{"a host left unsigned", signing{}, replace("SignedHeaders=host;", "SignedHeaders="), mskapi.CodeForbidden},
		{"a date left unsigned", signing{}, replace(";x-amz-date", ""), mskapi.CodeForbidden},
		{"a header more than was signed", signing{}, replace(";x-amz-date", ";x-amz-date;x-extra"), mskapi.CodeForbidden},
		{"a signature over itself", signing{}, replace("SignedHeaders=", "SignedHeaders=authorization;"), mskapi.CodeForbidden},
		{"a cut signature", signing{}, func(r *mskapi.Request) {
			a := r.Header.Get("Authorization")
			r.Header.Set("Authorization", a[:len(a)-1])
		}, mskapi.CodeForbidden},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := signed(t, "GET", "/v1/clusters", "", tt.signing)
			if tt.tamper != nil {
				tt.tamper(&r)
			}
			key, err := verifierAt(signedAt).Verify(t.Context(), r)
			wantCode(t, tt.name, err, tt.want, "")
			if key != "" {
				t.Errorf("a refused request was given the identity %s", key)
			}
			if err != nil && strings.Contains(err.Error(), testSecret) {
				t.Error("the error shows the secret")
			}
		})
	}
}

func TestVerify_TakesOtherServicesWhereTold(t *testing.T) {
	v := verifierAt(signedAt)
	v.Services = []string{"kafka", "execute-api"}
	for _, service := range v.Services {
		if _, err := v.Verify(t.Context(), signed(t, "GET", "/v1/clusters", "", signing{service: service})); err != nil {
			t.Errorf("%s: %v", service, err)
		}
	}
}

// brokenStore cannot look up any key.
type brokenStore struct{ err error }

func (b brokenStore) Secret(context.Context, string) (string, bool, error) { return "", false, b.err }

func TestVerify_AStoreThatDoesNotAnswerIsNotAnUnknownKey(t *testing.T) {
	v := verifierAt(signedAt)
	down := errors.New("the table is throttled")
	v.Secrets = brokenStore{down}
	if _, err := v.Verify(t.Context(), signed(t, "GET", "/v1/clusters", "", signing{})); !errors.Is(err, down) {
		t.Errorf("got %v", err)
	}
}

func TestVerify_LeavesTheRequestAsItWas(t *testing.T) {
	r := signed(t, "PUT", "/v1/clusters", "a=b", signing{body: "{}"})
	before := r.Header.Clone()
	if _, err := verifierAt(signedAt).Verify(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for name, values := range before {
		if strings.Join(r.Header.Values(name), ",") != strings.Join(values, ",") {
			t.Errorf("%s became %v", name, r.Header.Values(name))
		}
	}
}
