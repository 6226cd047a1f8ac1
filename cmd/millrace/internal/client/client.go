// Package client calls the part of the API that MSK lacks, /millrace/v1, signed as every other call. What MSK has is left
// to AWS's own clients.
package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Client calls one control plane. Its methods return an *Error when the control plane says no, and any other error when
// it did not answer.
type Client struct {
	Endpoint        string // such as http://127.0.0.1:4600
	Region          string
	AccessKeyID     string
	SecretAccessKey string
}

// Error is an answer that says no.
type Error struct {
	Type    string // MSK's name of the exception, such as NotFoundException
	Message string // for people
}

func (e *Error) Error() string { return e.Message }

// answersWithin is how long a call may take: the control plane only reads and writes records while it answers.
const answersWithin = 10 * time.Second

// Clusters lists all clusters by name.
func (c Client) Clusters(ctx context.Context) ([]Cluster, error) {
	var answer struct{ Clusters []Cluster }
	err := c.call(ctx, http.MethodGet, "clusters", &answer)
	return answer.Clusters, err
}

// Cluster describes one cluster.
func (c Client) Cluster(ctx context.Context, arn string) (Cluster, error) {
	var answer Cluster
	err := c.call(ctx, http.MethodGet, "clusters/"+url.PathEscape(arn), &answer)
	return answer, err
}

// Authority gives the certificate (PEM) that clients of a cluster have to trust.
func (c Client) Authority(ctx context.Context, arn string) (string, error) {
	var answer struct{ Certificate string }
	err := c.call(ctx, http.MethodGet, "clusters/"+url.PathEscape(arn)+"/ca", &answer)
	return answer.Certificate, err
}

// Resume starts the create of a FAILED cluster again.
func (c Client) Resume(ctx context.Context, arn string) (Cluster, error) {
	var answer Cluster
	err := c.call(ctx, http.MethodPost, "clusters/"+url.PathEscape(arn)+"/resume", &answer)
	return answer, err
}

// call sends one request without a body and reads its answer.
func (c Client) call(ctx context.Context, method, path string, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, c.Endpoint+"/millrace/v1/"+path, nil)
	if err != nil {
		return err
	}
	if err := c.sign(ctx, request); err != nil {
		return fmt.Errorf("sign the request: %w", err)
	}
	response, err := direct.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return readError(response, body)
	}
	return json.Unmarshal(body, answer)
}

// direct never goes through a proxy: the control plane is on this machine, and a proxy would look for it on its own.
var direct = &http.Client{Transport: &http.Transport{}}

func (c Client) sign(ctx context.Context, r *http.Request) error {
	key := aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey}
	noBody := sha256.Sum256(nil)
	return v4.NewSigner().SignHTTP(ctx, key, r, hex.EncodeToString(noBody[:]), "kafka", c.Region, time.Now())
}

func readError(response *http.Response, body []byte) error {
	var answer struct{ Message string }
	if err := json.Unmarshal(body, &answer); err != nil || answer.Message == "" {
		return fmt.Errorf("%s answered %s, which is not how a control plane answers", response.Request.URL.Host, response.Status)
	}
	return &Error{Type: response.Header.Get("X-Amzn-Errortype"), Message: answer.Message}
}
