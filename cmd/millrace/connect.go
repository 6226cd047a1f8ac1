package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/local"
)

// controlPlane is one that runs on this machine, with what is needed to call it.
type controlPlane struct {
	local.Running
	local.Credentials
}

func (c controlPlane) endpoint() string { return "http://" + c.Address }

func (c controlPlane) client() client.Client {
	return client.Client{Route: client.Route{
		Endpoint: c.endpoint(), Region: c.Region,
		Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, ""),
	}}
}

// connection is a way to a control plane, wherever that runs.
type connection struct {
	client.Client
	// running is the process that serves, on this machine; nil when the control plane is elsewhere.
	running *local.Running
}

// find gives the control plane that serves a data directory, or a NotFound error when none does.
func find(layout local.Layout) (controlPlane, error) {
	running, err := layout.Running()
	if err != nil {
		return controlPlane{}, err
	}
	credentials, err := layout.Credentials()
	return controlPlane{running, credentials}, err
}

// connect gives the control plane that a command is about: the one at --endpoint, or the one of the data directory.
func (a *app) connect(ctx context.Context) (connection, error) {
	if a.endpoint != "" {
		return connectRemotely(ctx, a.endpoint)
	}
	layout, err := a.layout()
	if err != nil {
		return connection{}, err
	}
	c, err := find(layout)
	if fault.Is(err, fault.NotFound) {
		return connection{}, fmt.Errorf("no control plane runs on %s; start one with: %s", layout.Dir, a.hint("up"))
	}
	return connection{c.client(), &c.Running}, err
}

// explain adds to the error of a call what the user can do about it. An answer that says no speaks for itself.
func (a *app) explain(c connection, err error) error {
	var refused *client.Error
	if err == nil || errors.As(err, &refused) || errors.Is(err, context.Canceled) {
		return err
	}
	if c.running == nil {
		return fmt.Errorf("the control plane at %s does not answer: %w", c.Endpoint, err)
	}
	return fmt.Errorf("the control plane (pid %d) does not answer: %w; start it again with: %s; %s",
		c.running.PID, err, a.hint("down"), a.hint("up"))
}

// cluster gives a cluster by its name or ARN.
func (a *app) cluster(ctx context.Context, c connection, nameOrARN string) (client.Cluster, error) {
	if strings.HasPrefix(nameOrARN, "arn:") {
		cluster, err := c.Cluster(ctx, nameOrARN)
		return cluster, a.explain(c, err)
	}
	clusters, err := c.Clusters(ctx)
	if err != nil {
		return client.Cluster{}, a.explain(c, err)
	}
	for _, cluster := range clusters {
		if cluster.Name == nameOrARN {
			return cluster, nil
		}
	}
	return client.Cluster{}, fmt.Errorf("there is no cluster %s; list them with: %s", nameOrARN, a.hint("clusters list"))
}
