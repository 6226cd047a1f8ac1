// Package awsrules stands between the AWS platform and moto, and is as strict as AWS where moto is not: client tokens are
// used once, instances take time to start and to end, an interface and a volume have one living instance and become free
// only when it is terminated, and what was just made is not seen at once. It tells who called what, and can make any call
// of any service fail in the ways that AWS's calls fail.
//
// It knows one account, and of EC2 what Millrace uses.
package awsrules

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"

	platform "github.com/millrace/millrace/shared/platform/aws"
	"github.com/millrace/millrace/shared/platform/aws/awstest"
)

// Config says how slow AWS is.
type Config struct {
	// PendingFor and ShuttingDownFor are how long instances take to start and to end.
	PendingFor, ShuttingDownFor time.Duration
	// GracefulFor is how much longer one takes to end whose operating system is asked to shut down first.
	GracefulFor time.Duration
	// ModifyingFor and OptimizingFor are how long volumes take to grow, and how much longer to be done with it. Within
	// ChangesAgainAfter a volume takes no more than MostChanges, each once the last is done: one, unless it is set.
	ModifyingFor, OptimizingFor, ChangesAgainAfter time.Duration
	MostChanges                                    int
	// DetachingFor is how long a volume takes to be detached.
	DetachingFor time.Duration
	// LetsGoAfter is how much longer what was attached to an instance is held when that has ended.
	LetsGoAfter time.Duration
	// UnseenFor is by how many descriptions a new instance, volume or interface is overlooked, and by how many looks the first
	// name is not in sync.
	UnseenFor int
}

// Rules are a running rule layer.
type Rules struct {
	// Config reaches AWS through the rules.
	Config aws.Config
	// Endpoint is where the rules listen, for programs that are told by AWS_ENDPOINT_URL.
	Endpoint string

	upstream string
	client   *http.Client

	mu        sync.Mutex
	calls     []Call
	observers []func(Call)
	faults    map[string][]*injected // by name of the call
	troubled  map[string]int
	looks     int // at changes of names

	ec2 laws
}

// Call is one call that somebody made.
type Call struct {
	// Service is named as in a policy, Action as in the API: ec2, RunInstances.
	Service, Action string
	AccessKeyID     string
	// Parameters are those of the call: EC2's flat ones, or the members of a JSON body.
	Parameters map[string]any
	// Method and Path are those of the request; services of REST have their parameters there.
	Method, Path string
	At           time.Time
}

// Name is the call as policies name it: ec2:RunInstances.
func (c Call) Name() string { return c.Service + ":" + c.Action }

// Start puts rules before an account of moto's, until the test ends.
func Start(t testing.TB, account awstest.AWS, c Config) *Rules {
	t.Helper()
	r := &Rules{
		upstream: account.Endpoint,
		client:   &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 32}},
		faults:   map[string][]*injected{}, troubled: map[string]int{},
	}
	r.ec2 = newLaws(c, r.forward)
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	t.Cleanup(r.client.CloseIdleConnections)
	r.Endpoint = server.URL
	var err error
	r.Config, err = platform.Load(t.Context(),
		config.WithRegion(account.Config.Region),
		config.WithBaseEndpoint(r.Endpoint),
		config.WithCredentialsProvider(credentials.StaticCredentialsProvider{Value: account.Credentials}),
	)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Observe tells of every call from now on, before it is carried out. It is called by many goroutines.
func (r *Rules) Observe(observer func(Call)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.observers = append(r.observers, observer)
}

// Calls are all calls so far.
func (r *Rules) Calls() []Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// Names are the distinct calls so far, sorted.
func (r *Rules) Names() []string {
	names := map[string]bool{}
	for _, c := range r.Calls() {
		names[c.Name()] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// Count is how often a call was made.
func (r *Rules) Count(name string) int {
	n := 0
	for _, c := range r.Calls() {
		if c.Name() == name {
			n++
		}
	}
	return n
}

// request is a call with what it takes to pass it on.
type request struct {
	Call
	form   url.Values // of EC2's calls
	header http.Header
	body   []byte
	target string // path and query
	cbor   bool   // the body is CBOR: parameters are not known
}

// answer is what a service said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ServeHTTP carries a call out as AWS would.
func (r *Rules) ServeHTTP(w http.ResponseWriter, in *http.Request) {
	body, err := io.ReadAll(in.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	q := read(in, body)
	r.remember(q.Call)
	kind, struck := r.strike(q.Name())
	if struck && kind != LostAnswer {
		send(w, refusal(kind, q))
		return
	}
	a, err := r.answer(in.Context(), q)
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
		return
	}
	if struck { // it happened, and nobody is told
		panic(http.ErrAbortHandler)
	}
	send(w, a)
}

func (r *Rules) answer(ctx context.Context, q request) (answer, error) {
	switch q.Service {
	case "ec2":
		return r.ec2.answer(ctx, q)
	case "route53":
		return r.route53(ctx, q)
	}
	return r.forward(ctx, q)
}

func (r *Rules) remember(c Call) {
	r.mu.Lock()
	r.calls = append(r.calls, c)
	observers := slices.Clone(r.observers)
	r.mu.Unlock()
	for _, observe := range observers {
		observe(c)
	}
}

// forward passes a call on to moto.
func (r *Rules) forward(ctx context.Context, q request) (answer, error) {
	// What has begun is finished, also when the caller has gone: AWS would.
	out, err := http.NewRequestWithContext(context.WithoutCancel(ctx), q.Method, r.upstream+q.target, bytes.NewReader(q.body))
	if err != nil {
		return answer{}, err
	}
	out.Header = q.header.Clone()
	out.Header.Del("Accept-Encoding") // bodies are read here
	in, err := r.client.Do(out)
	if err != nil {
		return answer{}, err
	}
	defer in.Body.Close()
	body, err := io.ReadAll(in.Body)
	return answer{in.StatusCode, in.Header, body}, err
}

func send(w http.ResponseWriter, a answer) {
	for name, values := range a.header {
		if name != "Content-Length" && name != "Connection" && name != "Transfer-Encoding" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // whoever has gone does not hear it
}
