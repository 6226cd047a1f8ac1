package httpmailbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
)

// Client is a host's side of its mailbox.
//
// Both files are read for every request, so a control plane that came back on another port, or with new tokens, is found
// by the next one.
type Client struct {
	HostID string
	// EndpointFile holds the mailbox's base URL, such as http://127.0.0.1:40123/mailbox.
	EndpointFile string
	// TokenFile holds the host's token.
	TokenFile string

	http *http.Client
}

var _ nodespec.Mailbox = (*Client)(nil)

// NewClient makes the mailbox of one host. Nothing is read or sent yet.
func NewClient(hostID, endpointFile, tokenFile string) *Client {
	return &Client{HostID: hostID, EndpointFile: endpointFile, TokenFile: tokenFile, http: &http.Client{
		Transport: &http.Transport{
			Proxy:       nil, // loopback; a proxy named in the environment must never see a token
			DialContext: (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
			// Above the 20 s that a mailbox waits for a spec, so that only a dead one runs into it.
			ResponseHeaderTimeout: 40 * time.Second,
			IdleConnTimeout:       time.Minute,
		},
	}}
}

// Spec implements [nodespec.Mailbox].
func (c *Client) Spec(ctx context.Context, above int64) (spec nodespec.Spec, ok bool, err error) {
	body, err := c.do(ctx, http.MethodGet, "/spec?above="+strconv.FormatInt(above, 10), nil)
	if err != nil {
		return nodespec.Spec{}, false, fmt.Errorf("read spec of host %s: %w", c.HostID, err)
	}
	if len(body) == 0 {
		return nodespec.Spec{}, false, nil
	}
	if err := json.Unmarshal(body, &spec); err != nil {
		return nodespec.Spec{}, false, fault.New(fault.Invalid, "read spec of host %s: %w", c.HostID, err)
	}
	return spec, true, nil
}

// Beat implements [nodespec.Mailbox].
func (c *Client) Beat(ctx context.Context, beat nodespec.Heartbeat) error {
	body, err := json.Marshal(beat)
	if err != nil {
		return fmt.Errorf("write heartbeat of host %s: %w", c.HostID, err)
	}
	if _, err := c.do(ctx, http.MethodPut, "/beat", body); err != nil {
		return fmt.Errorf("write heartbeat of host %s: %w", c.HostID, err)
	}
	return nil
}

// do sends one request and gives the body of a success; every other answer is an error with the code it carries.
func (c *Client) do(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	endpoint, err := readLine(c.EndpointFile)
	if err != nil {
		return nil, err
	}
	token, err := readLine(c.TokenFile)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(endpoint, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, fault.New(fault.Invalid, "endpoint of the mailbox: %w", err)
	}
	request.Header.Set(hostHeader, c.HostID)
	request.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}

	response, err := c.http.Do(request)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "%w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxSpec))
	if err != nil {
		return nil, fault.New(fault.Unavailable, "read answer: %w", err)
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return nil, refusal(response, answer)
	}
	return answer, nil
}

// refusal is the error an answer carries. Whatever answers without a problem in its body is not a mailbox (another
// program may have got the port), so it says nothing about this host.
func refusal(response *http.Response, body []byte) error {
	var p problem
	if json.Unmarshal(body, &p) != nil || p.Code == "" {
		return fault.New(fault.Unavailable, "something else than a mailbox answered %s", response.Status)
	}
	return fault.New(p.Code, "%s", p.Message)
}

// readLine reads a small file of one line. A missing one may appear in a moment.
func readLine(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fault.New(fault.Unavailable, "%w", err)
	}
	return strings.TrimSpace(string(content)), nil
}
