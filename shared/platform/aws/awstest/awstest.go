// Package awstest lends tests an AWS of their own: moto, one server for all tests of a process, and in it an account for
// each test. Of what AWS does and moto does not, it adds the isolation and the tokens of DynamoDB's transactions, without
// which no test of many writers would tell anything.
package awstest

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"

	platform "github.com/millrace/millrace/shared/platform/aws"
)

// Region is where tests are.
const Region = "eu-west-1"

// AWS is an account of moto's that belongs to one test.
type AWS struct {
	Endpoint    string
	Account     string
	Credentials aws.Credentials
	// Config reaches the account as Load does AWS.
	Config aws.Config
}

var server = sync.OnceValues(startMoto)

// Start gives a test an account without anything in it (moto's default VPC aside, which each account has). The test is
// skipped in short mode. The server ends with the process, however that ends.
func Start(t testing.TB) AWS {
	t.Helper()
	if testing.Short() {
		t.Skip("moto takes seconds to start")
	}
	a, err := Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Open makes an account as Start does, for a program that is no test.
func Open(ctx context.Context) (AWS, error) {
	started, err := server()
	if err != nil {
		return AWS{}, fmt.Errorf("start moto: %w", err)
	}
	a := AWS{Endpoint: started.endpoint, Account: fmt.Sprintf("%012d", 1+rand.N(int64(999_999_999_998)))}
	if a.Credentials, err = newAccessKey(ctx, a.Endpoint, a.Account); err != nil {
		return AWS{}, fmt.Errorf("make an access key of account %s: %w", a.Account, err)
	}
	a.Config, err = platform.Load(ctx,
		config.WithRegion(Region),
		config.WithBaseEndpoint(a.Endpoint),
		config.WithCredentialsProvider(credentials.StaticCredentialsProvider{Value: a.Credentials}),
	)
	return a, err
}

// Environment is how other programs reach the account: the functions' binaries, agents, the aws command line.
func (a AWS) Environment() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + a.Endpoint,
		"AWS_REGION=" + Region,
		"AWS_ACCESS_KEY_ID=" + a.Credentials.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + a.Credentials.SecretAccessKey,
		"AWS_EC2_METADATA_DISABLED=true",
	}
}

// newAccessKey makes an access key of an account. moto tells accounts apart by it, so that every program that has it is in
// the account; a header that names the account works too, but is only for callers that can be made to send it.
func newAccessKey(ctx context.Context, endpoint, account string) (aws.Credentials, error) {
	if _, err := iam(ctx, endpoint, account, url.Values{"Action": {"CreateUser"}, "UserName": {"test"}}); err != nil {
		return aws.Credentials{}, err
	}
	body, err := iam(ctx, endpoint, account, url.Values{"Action": {"CreateAccessKey"}, "UserName": {"test"}})
	if err != nil {
		return aws.Credentials{}, err
	}
	var made struct {
		Key struct {
			AccessKeyID     string `xml:"AccessKeyId"`
			SecretAccessKey string
		} `xml:"CreateAccessKeyResult>AccessKey"`
	}
	if err := xml.Unmarshal(body, &made); err != nil {
		return aws.Credentials{}, err
	}
	return aws.Credentials{AccessKeyID: made.Key.AccessKeyID, SecretAccessKey: made.Key.SecretAccessKey}, nil
}

// iam calls IAM, in the few words that moto needs.
func iam(ctx context.Context, endpoint, account string, call url.Values) ([]byte, error) {
	call.Set("Version", "2010-05-08")
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(call.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0")
	r.Header.Set("X-Moto-Account-Id", account)
	client := http.Client{Timeout: time.Minute}
	answer, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s: %s", call.Get("Action"), answer.Status, bytes.TrimSpace(body))
	}
	return body, nil
}
