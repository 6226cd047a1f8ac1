package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/shared/aasapi"
	"github.com/millrace/millrace/shared/accesskey"
	"github.com/millrace/millrace/shared/mskapi"
)

func (a *app) proxyCommand() *cobra.Command {
	var listenOn string
	c := &cobra.Command{
		Use:   "proxy",
		Short: "Let AWS's own clients call a control plane elsewhere with your IAM identity",
		Long: `AWS's clients sign for MSK, which API Gateway can't check; so with the credentials of an IAM
identity they can't call a control plane in AWS by themselves. This listens on this machine
and passes on what it gets, signed anew with your own AWS credentials, to where IAM decides
what you may do (execute-api:Invoke on .../<METHOD>/iam/<path>).

It prints the environment for those clients, with an access key that is made for this run and
is good for this proxy only: other users of this machine can't go by it. It stays in the
foreground until Ctrl-C.

Whoever has an access key that Millrace issued needs no proxy; see: millrace keys --help`,
		Example: `  millrace proxy --endpoint https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/v1
  AWS_PROFILE=platform millrace proxy --endpoint https://kafka.example.com --listen 127.0.0.1:0`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkLoopback(listenOn); err != nil {
				return usagef("--listen %s: %w", listenOn, err)
			}
			if a.endpoint == "" {
				return usagef("a proxy has to know where to: give --endpoint, or set MILLRACE_ENDPOINT")
			}
			return a.proxy(c.Context(), listenOn)
		},
	}
	c.Flags().StringVar(&listenOn, "listen", "127.0.0.1:4601", "loopback address and port; port 0 takes a free one")
	return c
}

func (a *app) proxy(ctx context.Context, listenOn string) error {
	plane, err := a.connect(ctx)
	if err != nil {
		return err
	}
	if !plane.IAM {
		return fmt.Errorf("the AWS credentials here are an access key that Millrace issued; clients can use it without a proxy: %s", a.hint("env"))
	}
	p, err := newProxy(plane.Route, rand.Reader)
	if err != nil {
		return err
	}
	listener, err := listen(ctx, listenOn)
	if errors.Is(err, unix.EADDRINUSE) {
		return fmt.Errorf("%s is taken by another program; choose another port with --listen, such as --listen 127.0.0.1:0 for a free one", listenOn)
	}
	if err != nil {
		return err
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(a.err, nil)))
	server := &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	e := environment("http://"+listener.Addr().String(), plane.Region, p.id, p.secret)
	if err := a.print(e, e.write); err != nil {
		return errors.Join(err, server.Close())
	}
	fmt.Fprintf(a.err, "Requests to http://%s go to %s; Ctrl-C ends it.\n", listener.Addr(), plane.Endpoint)
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
		return closeDoor(server)
	}
}

// proxy takes requests that are signed with a key of its own, and passes them on by the route of an IAM identity.
type proxy struct {
	to         client.Route
	id, secret string // of the one key that it takes
	verifier   mskapi.Verifier
}

// newProxy makes a proxy with a new key.
func newProxy(to client.Route, random io.Reader) (*proxy, error) {
	p := &proxy{to: to}
	var err error
	if p.id, err = accesskey.NewID(random); err != nil {
		return nil, err
	}
	if p.secret, err = accesskey.NewSecret(random); err != nil {
		return nil, err
	}
	p.verifier = mskapi.Verifier{Secrets: p, Region: to.Region, Services: []string{"kafka"}, Now: time.Now}
	return p, nil
}

// Secret gives the secret of the proxy's own key.
func (p *proxy) Secret(_ context.Context, accessKeyID string) (secret string, found bool, err error) {
	return p.secret, accessKeyID == p.id, nil
}

// passedOn are the headers that reach the control plane, one of them the one by which Application Auto Scaling tells its operations
// apart; all others are about the connection or its signature.
var passedOn = []string{"Accept", "Content-Type", "User-Agent", "X-Amz-Target"}

// ServeHTTP answers what the control plane answers or, when it can't be asked, why.
func (p *proxy) ServeHTTP(w http.ResponseWriter, h *http.Request) {
	ctx, cancel := context.WithTimeout(h.Context(), time.Minute)
	defer cancel()
	r, err := mskapi.FromHTTP(h)
	v := p.verifier
	if aasapi.Is(r) {
		v.Services = []string{aasapi.SigningName}
	}
	if err == nil {
		_, err = v.Verify(ctx, r)
	}
	if err == nil {
		err = p.passOn(ctx, w, h, r)
	}
	if err == nil {
		return
	}
	slog.InfoContext(ctx, "refused", "request", r.RequestID, "error", err)
	refusal := mskapi.EncodeError(r.RequestID, mskapi.FromError(mskapi.Operation{}, r.RequestID, err))
	if aasapi.Is(r) {
		refusal = aasapi.EncodeError(r.RequestID, aasapi.FromError(r.RequestID, err))
	}
	_ = refusal.WriteTo(w) // an error means that the caller has gone
}

func (p *proxy) passOn(ctx context.Context, w http.ResponseWriter, h *http.Request, r mskapi.Request) error {
	header := http.Header{}
	for name, values := range h.Header {
		if slices.Contains(passedOn, name) {
			header[name] = values
		}
	}
	path := r.Path // as it was sent: an ARN's %2F is not a slash
	if aasapi.Is(r) {
		path = aasapi.Path // under /iam there is no root
	}
	if h.URL.RawQuery != "" {
		path += "?" + h.URL.RawQuery
	}
	response, err := p.to.Do(ctx, r.Method, path, header, r.Body)
	if err != nil {
		return mskapi.ServiceUnavailable("The control plane at %s can't be asked: %v", p.to.Endpoint, err)
	}
	defer response.Body.Close()
	for name, values := range response.Header {
		if name != "Connection" && name != "Content-Length" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(response.StatusCode)
	if _, err := io.Copy(w, response.Body); err != nil {
		slog.DebugContext(ctx, "the answer did not get through", "request", r.RequestID, "error", err)
	}
	slog.InfoContext(ctx, "passed on", "method", r.Method, "path", r.Path, "status", response.StatusCode)
	return nil
}
