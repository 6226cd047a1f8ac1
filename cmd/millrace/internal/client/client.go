// Package client calls the part of the API that MSK lacks, /millrace/v1, signed as every other call. What MSK has is left
// to AWS's own clients.
package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/millrace/millrace/shared/accesskey"
)

// Client calls one control plane. Its methods return an *Error when the control plane says no, and any other error when
// it did not answer.
type Client struct{ Route }

// Error is an answer that says no.
type Error struct {
	Type    string // MSK's name of the exception, such as NotFoundException
	Message string // for people
	// Passes says that nothing is wrong with the request: the same one may succeed later.
	Passes bool
}

func (e *Error) Error() string { return e.Message }

// How long a call may take. For most of them the control plane only reads and writes records; for some it asks Kafka as well, and
// what stands in front of it on AWS gives it 29 seconds.
const (
	answersWithin         = 10 * time.Second
	answersOfKafkasWithin = 30 * time.Second
)

// Clusters lists all clusters by name.
func (c Client) Clusters(ctx context.Context) ([]Cluster, error) {
	var answer struct{ Clusters []Cluster }
	err := c.call(ctx, http.MethodGet, "clusters", nil, &answer)
	return answer.Clusters, err
}

// Cluster describes one cluster.
func (c Client) Cluster(ctx context.Context, arn string) (Cluster, error) {
	var answer Cluster
	err := c.call(ctx, http.MethodGet, "clusters/"+escape(arn), nil, &answer)
	return answer, err
}

// Authority gives the certificate (PEM) that clients of a cluster have to trust.
func (c Client) Authority(ctx context.Context, arn string) (string, error) {
	var answer struct{ Certificate string }
	err := c.call(ctx, http.MethodGet, "clusters/"+escape(arn)+"/ca", nil, &answer)
	return answer.Certificate, err
}

// Resume starts the create of a FAILED cluster again.
func (c Client) Resume(ctx context.Context, arn string) (Cluster, error) {
	var answer Cluster
	err := c.call(ctx, http.MethodPost, "clusters/"+escape(arn)+"/resume", nil, &answer)
	return answer, err
}

// Health gives the verdict over each node of a cluster, and what keeps it from being healed.
func (c Client) Health(ctx context.Context, arn string) (Health, error) {
	return c.healing(ctx, http.MethodGet, arn, "health", nil)
}

// Heals lists what was healed of a cluster, the newest first.
func (c Client) Heals(ctx context.Context, arn string) ([]Heal, error) {
	var answer struct{ Heals []Heal }
	err := c.call(ctx, http.MethodGet, "clusters/"+escape(arn)+"/heals", nil, &answer)
	return answer.Heals, err
}

// AllowHealing lets a cluster be healed for a while although the circuit breaker is open; no time at all takes that back.
func (c Client) AllowHealing(ctx context.Context, arn string, lasts time.Duration) (Health, error) {
	return c.healing(ctx, http.MethodPost, arn, "heal-allowance", struct {
		ForSeconds int64 `json:"forSeconds"`
	}{seconds(lasts)})
}

// LimitHealing says up to which size full log volumes of a cluster are grown; 0 means not at all.
func (c Client) LimitHealing(ctx context.Context, arn string, maxVolumeGiB int) (Health, error) {
	return c.healing(ctx, http.MethodPut, arn, "healing", struct {
		MaxVolumeGiB int `json:"maxVolumeGiB"`
	}{maxVolumeGiB})
}

// BeginMaintenance keeps healing away from a node for a while, or from the whole cluster where node is 0.
func (c Client) BeginMaintenance(ctx context.Context, arn string, node int32, lasts time.Duration, reason string) (Health, error) {
	return c.healing(ctx, http.MethodPost, arn, "maintenance", struct {
		NodeID     int32  `json:"nodeId,omitempty"`
		ForSeconds int64  `json:"forSeconds"`
		Reason     string `json:"reason,omitempty"`
	}{node, seconds(lasts), reason})
}

// EndMaintenance ends the window of a node, or that of the whole cluster where node is 0.
func (c Client) EndMaintenance(ctx context.Context, arn string, node int32) (Health, error) {
	return c.healing(ctx, http.MethodDelete, arn, "maintenance", struct {
		NodeID int32 `json:"nodeId,omitempty"`
	}{node})
}

func (c Client) healing(ctx context.Context, method, arn, what string, ask any) (Health, error) {
	var answer Health
	err := c.call(ctx, method, "clusters/"+escape(arn)+"/"+what, ask, &answer)
	return answer, err
}

// seconds rounds up, so that the least there is does not become none.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// Keys lists the access keys that were issued and hold, oldest first.
func (c Client) Keys(ctx context.Context) ([]AccessKey, error) {
	var answer struct{ Keys []AccessKey }
	err := c.call(ctx, http.MethodGet, "keys", nil, &answer)
	return answer.Keys, err
}

// IssueKey makes an access key. Its secret is in the answer and nowhere else.
func (c Client) IssueKey(ctx context.Context, role accesskey.Role, description string) (IssuedKey, error) {
	var answer IssuedKey
	ask := struct {
		Role        accesskey.Role `json:"role"`
		Description string         `json:"description,omitempty"`
	}{role, description}
	err := c.call(ctx, http.MethodPost, "keys", ask, &answer)
	return answer, err
}

// RotateKey makes an access key in the place of another, which goes on for a while.
func (c Client) RotateKey(ctx context.Context, id string, goesOn time.Duration) (IssuedKey, error) {
	var answer IssuedKey
	ask := struct {
		EndAfterSeconds int64 `json:"endAfterSeconds"`
	}{int64(goesOn / time.Second)}
	err := c.call(ctx, http.MethodPost, "keys/"+escape(id)+"/rotate", ask, &answer)
	return answer, err
}

// RevokeKey ends an access key at once, and gives what it was.
func (c Client) RevokeKey(ctx context.Context, id string) (AccessKey, error) {
	var answer AccessKey
	err := c.call(ctx, http.MethodDelete, "keys/"+escape(id), nil, &answer)
	return answer, err
}

// escape writes a part of a path as AWS's SDKs do: whatever could mean something in a URL is encoded, the colons of an ARN
// as well as its slashes.
func escape(part string) string { return strings.ReplaceAll(url.QueryEscape(part), "+", "%20") }

// call sends one request, with a JSON body unless that is nil, and reads its answer.
func (c Client) call(ctx context.Context, method, path string, ask, answer any) error {
	return c.callWithin(ctx, answersWithin, method, path, ask, answer)
}

// callKafka is call for a request that the control plane can't answer without asking brokers.
func (c Client) callKafka(ctx context.Context, method, path string, ask, answer any) error {
	return c.callWithin(ctx, answersOfKafkasWithin, method, path, ask, answer)
}

func (c Client) callWithin(ctx context.Context, bound time.Duration, method, path string, ask, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	var body []byte
	header := http.Header{}
	if ask != nil {
		var err error
		if body, err = json.Marshal(ask); err != nil {
			return err
		}
		header.Set("Content-Type", "application/json")
	}
	response, err := c.Do(ctx, method, "/millrace/v1/"+path, header, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return readError(response, text)
	}
	return json.Unmarshal(text, answer)
}

func readError(response *http.Response, body []byte) error {
	var answer struct{ Message string }
	if err := json.Unmarshal(body, &answer); err != nil || answer.Message == "" {
		return fmt.Errorf("%s answered %s, which is not how a control plane answers", response.Request.URL.Host, response.Status)
	}
	return &Error{
		Type: response.Header.Get("X-Amzn-Errortype"), Message: answer.Message,
		Passes: response.StatusCode >= http.StatusInternalServerError || response.StatusCode == http.StatusTooManyRequests,
	}
}
