package mskapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// MaxClockSkew is how far a caller's clock may be off, as at AWS.
const MaxClockSkew = 5 * time.Minute

const (
	signingAlgorithm = "AWS4-HMAC-SHA256"
	amzTimeFormat    = "20060102T150405Z"
)

// Verifier checks who signed a request.
//
// It signs the request again, with the SDK's own signer and only the headers the caller signed, and compares. The types
// of its errors say what the caller can do: UnauthorizedException means we do not know you (no signature, one of another
// kind, an unknown key), so use other credentials; ForbiddenException means we know the key but this request was not
// signed well with it (signature, scope, clock), so look at the request. Both are modelled, which AWS's own texts for
// these cases (MissingAuthenticationToken, SignatureDoesNotMatch) are not, so every SDK gives its user a typed error.
type Verifier struct {
	// Secrets finds the secret of an access key. An error means it could not be looked up, not that there is none.
	Secrets interface {
		Secret(ctx context.Context, accessKeyID string) (secret string, found bool, err error)
	}
	Region   string
	Services []string // that a caller may sign for: "kafka" for MSK, others where those are meant
	Now      func() time.Time
}

// Verify gives the access key id that signed the request. It answers with an *Error, or with the error of Secrets.
func (v Verifier) Verify(ctx context.Context, r Request) (accessKeyID string, err error) {
	if r.Query.Has("X-Amz-Signature") || r.Query.Has("X-Amz-Algorithm") {
		return "", Unauthorized("Presigned requests are not accepted. Sign the Authorization header instead.")
	}
	sig, err := parseAuthorization(r.Header.Values("Authorization"))
	if err != nil {
		return "", err
	}
	if err := v.checkScope(sig); err != nil {
		return "", err
	}
	signedAt, err := v.signingTime(r, sig)
	if err != nil {
		return "", err
	}
	if err := checkHeaders(r, sig); err != nil {
		return "", err
	}
	secret, found, err := v.Secrets.Secret(ctx, sig.accessKeyID)
	if err != nil {
		return "", fmt.Errorf("look up access key %s: %w", sig.accessKeyID, err)
	}
	if !found {
		return "", Unauthorized("The access key %s is not known here.", sig.accessKeyID)
	}
	for _, path := range signedPaths(r) {
		expected, err := signAgain(ctx, r, path, sig, secret, signedAt)
		if err != nil {
			return "", err
		}
		if subtle.ConstantTimeCompare([]byte(expected), []byte(sig.signature)) == 1 {
			return sig.accessKeyID, nil
		}
	}
	return "", Forbidden("The signature does not match the request. Check the secret key of %s.", sig.accessKeyID)
}

// signedPaths are the paths that the caller may have signed. The root below a stage has two: some clients end an endpoint such as
// https://…/v1 with a slash, others don't, and API Gateway gives a function "/" for both.
func signedPaths(r Request) []string {
	if r.Path == "/" && r.SignedPath != "/" {
		return []string{r.SignedPath, strings.TrimSuffix(r.SignedPath, "/")}
	}
	return []string{r.SignedPath}
}

// signature is an Authorization header, taken apart.
type signature struct {
	accessKeyID   string
	date          string // of the scope, as in 20260920
	region        string
	service       string
	signedHeaders []string // lower case
	signature     string   // hex
}

func parseAuthorization(headers []string) (signature, error) {
	if len(headers) == 0 {
		return signature{}, Unauthorized("The request is not signed: it has no Authorization header.")
	}
	algorithm, rest, _ := strings.Cut(headers[0], " ")
	if len(headers) > 1 || algorithm != signingAlgorithm {
		return signature{}, Unauthorized("The request has to be signed with " + signingAlgorithm + ".")
	}
	fields := map[string]string{}
	for field := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		fields[name] = value
	}
	scope := strings.Split(fields["Credential"], "/")
	if len(scope) != 5 || scope[4] != "aws4_request" || fields["SignedHeaders"] == "" || fields["Signature"] == "" {
		return signature{}, Unauthorized("The Authorization header is incomplete.")
	}
	return signature{
		accessKeyID:   scope[0],
		date:          scope[1],
		region:        scope[2],
		service:       scope[3],
		signedHeaders: strings.Split(fields["SignedHeaders"], ";"),
		signature:     fields["Signature"],
	}, nil
}

func (v Verifier) checkScope(sig signature) error {
	if sig.region != v.Region {
		return Forbidden("The request is signed for region %q; this is %s.", sig.region, v.Region)
	}
	if !slices.Contains(v.Services, sig.service) {
		return Forbidden("The request is signed for service %q, not for %s.", sig.service, strings.Join(v.Services, " or "))
	}
	return nil
}

func (v Verifier) signingTime(r Request, sig signature) (time.Time, error) {
	t, err := time.Parse(amzTimeFormat, r.Header.Get("X-Amz-Date"))
	if err != nil {
		return time.Time{}, Forbidden("The X-Amz-Date header is missing or not of the form %s.", amzTimeFormat)
	}
	if t.Format("20060102") != sig.date {
		return time.Time{}, Forbidden("X-Amz-Date and the date of the signature's scope differ.")
	}
	if skew := v.Now().Sub(t).Abs(); skew > MaxClockSkew {
		return time.Time{}, Forbidden("The request was signed %s away from our time. Check the clock.", skew.Round(time.Second))
	}
	return t, nil
}

// checkHeaders refuses signatures that leave open where or when they were meant for, and headers that say something else
// than the body.
func checkHeaders(r Request, sig signature) error {
	musts := []string{"host", "x-amz-date"}
	if r.Header.Get("X-Amz-Target") != "" { // it says what is asked for, where the path does not
		musts = append(musts, "x-amz-target")
	}
	for _, must := range musts {
		if !slices.Contains(sig.signedHeaders, must) {
			return Forbidden("The signature has to cover the header %s.", must)
		}
	}
	if r.Header.Get("X-Amz-Security-Token") != "" {
		return Forbidden("The access key %s has no session. Remove the session token (AWS_SESSION_TOKEN).", sig.accessKeyID)
	}
	if sum := r.Header.Get("X-Amz-Content-Sha256"); sum != "" && sum != payloadHash(r.Body) {
		return Forbidden("X-Amz-Content-Sha256 is not the hash of the body.")
	}
	return nil
}

// signAgain gives the signature the caller should have sent, for a path.
func signAgain(ctx context.Context, r Request, path string, sig signature, secret string, at time.Time) (string, error) {
	again := &http.Request{
		Method: r.Method,
		Host:   r.Host,
		Header: http.Header{},
		// Opaque keeps the path as it was sent; the signer would unescape and escape it otherwise.
		URL: &url.URL{Scheme: "https", Host: r.Host, Opaque: "//" + r.Host + path, RawQuery: r.Query.Encode()},
	}
	for _, name := range sig.signedHeaders {
		switch name {
		case "host": // the signer always signs it
		case "content-length": // the Go SDK signs it; front doors do not pass it on, but the body says it
			again.ContentLength = int64(len(r.Body))
		default:
			again.Header[http.CanonicalHeaderKey(name)] = slices.Clone(r.Header.Values(name))
		}
	}
	key := aws.Credentials{AccessKeyID: sig.accessKeyID, SecretAccessKey: secret}
	err := v4.NewSigner().SignHTTP(ctx, key, again, payloadHash(r.Body), sig.service, sig.region, at)
	if err != nil {
		return "", fmt.Errorf("sign the request again: %w", err)
	}
	resigned, err := parseAuthorization(again.Header.Values("Authorization"))
	if err != nil {
		return "", fmt.Errorf("read our own signature: %w", err)
	}
	if !slices.Equal(resigned.signedHeaders, sig.signedHeaders) {
		// A header that changes on the way (User-Agent, Authorization itself) is one the signer leaves out.
		return "", Forbidden("The signature covers %s; it should cover %s.",
			strings.Join(sig.signedHeaders, ";"), strings.Join(resigned.signedHeaders, ";"))
	}
	return resigned.signature, nil
}

func payloadHash(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
