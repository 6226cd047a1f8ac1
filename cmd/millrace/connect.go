package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/local"
)

// controlPlane is one that runs, with what is needed to call it.
type controlPlane struct {
	local.Running
	local.Credentials
}

func (c controlPlane) endpoint() string { return "http://" + c.Address }

func (c controlPlane) client() client.Client {
	return client.Client{
		Endpoint: c.endpoint(), Region: c.Region,
		AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey,
	}
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

// connect is find for the commands that can do nothing without a control plane.
func (a *app) connect() (controlPlane, error) {
	layout, err := a.layout()
	if err != nil {
		return controlPlane{}, err
	}
	c, err := find(layout)
	if fault.Is(err, fault.NotFound) {
		return c, fmt.Errorf("no control plane runs on %s; start one with: %s", layout.Dir, a.hint("up"))
	}
	return c, err
}

// explain adds to the error of a call what the user can do about it. An answer that says no speaks for itself.
func (a *app) explain(c controlPlane, err error) error {
	var refused *client.Error
	if err == nil || errors.As(err, &refused) || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("the control plane (pid %d) does not answer: %w; start it again with: %s; %s",
		c.PID, err, a.hint("down"), a.hint("up"))
}

// cluster gives a cluster by its name or ARN.
func (a *app) cluster(ctx context.Context, c controlPlane, nameOrARN string) (client.Cluster, error) {
	if strings.HasPrefix(nameOrARN, "arn:") {
		cluster, err := c.client().Cluster(ctx, nameOrARN)
		return cluster, a.explain(c, err)
	}
	clusters, err := c.client().Clusters(ctx)
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
