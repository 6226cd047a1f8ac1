package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Route is a way to a control plane, and how requests that go it are signed.
type Route struct {
	Endpoint    string // as AWS's clients are given it, such as http://127.0.0.1:4600
	Region      string
	Credentials aws.CredentialsProvider
	// IAM says that the credentials are those of an IAM identity, which API Gateway checks itself, and not an access key
	// that the control plane knows.
	IAM bool
}

// Do sends a signed request. The path is percent-encoded and arrives as it is, with its query, if any.
func (r Route) Do(ctx context.Context, method, path string, header http.Header, body []byte) (*http.Response, error) {
	url, service := r.Endpoint+path, "kafka"
	if r.IAM {
		url, service = r.Endpoint+"/iam"+path, "execute-api"
	}
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if header != nil {
		request.Header = header.Clone()
	}
	credentials, err := r.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("find AWS credentials: %w", err)
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, credentials, request, hex.EncodeToString(sum[:]), service, r.Region, time.Now()); err != nil {
		return nil, fmt.Errorf("sign the request: %w", err)
	}
	return direct.Do(request)
}

// direct follows no redirects: a request is signed for the place it goes to. As always in Go, no proxy is asked for this
// machine's own addresses.
var direct = &http.Client{
	Transport:     http.DefaultTransport,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}
