// Command demo is the main job, done as a newcomer would: a control plane on this machine, a cluster by the stock aws
// command line, records by a real Kafka client over TLS. It leaves the cluster running and says what to try next.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"
)

const (
	clusterName  = "demo"
	kafkaVersion = "4.3.x.kraft"
	createWithin = 5 * time.Minute
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run follows the main path:
//
//  1. Start the control plane, unless one runs.
//  2. Create a cluster through the MSK API, unless it is there.
//  3. Wait until it is ACTIVE, saying what is waited for.
//  4. Ask for the bootstrap string; produce and consume over TLS.
//  5. Say what to try next.
func run(ctx context.Context) error {
	m := millrace{binary: "bin/millrace"}
	say("Starting the control plane: %s up --detach", m.binary)
	if err := m.start(ctx); err != nil {
		return err
	}
	environment, err := m.environment(ctx)
	if err != nil {
		return err
	}
	aws := commandLine{binary: awsBinary(), environment: environment}

	began := time.Now()
	arn, err := ensureCluster(ctx, m, aws)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, createWithin)
	defer cancel()
	if err := follow(ctx, m); err != nil {
		return err
	}
	say("The cluster is ACTIVE after %s.", time.Since(began).Round(100*time.Millisecond))

	bootstrap, err := aws.bootstrap(ctx, arn)
	if err != nil {
		return err
	}
	say("Bootstrap string (TLS): %s", bootstrap)
	authority, err := m.authority(ctx)
	if err != nil {
		return err
	}
	if err := produceAndConsume(ctx, bootstrap, authority); err != nil {
		return err
	}
	m.sayWhatNext(environment, arn)
	return nil
}

func ensureCluster(ctx context.Context, m millrace, aws commandLine) (arn string, err error) {
	clusters, err := m.clusters(ctx)
	if err != nil {
		return "", err
	}
	for _, c := range clusters {
		switch {
		case c.Name == clusterName && c.State == "FAILED":
			return "", fmt.Errorf("the cluster %s is here from an earlier run and FAILED (%s); remove it with: aws kafka delete-cluster --cluster-arn %s",
				clusterName, c.why(), c.ARN)
		case c.Name == clusterName:
			say("The cluster %s is here from an earlier run.", clusterName)
			return c.ARN, nil
		}
	}
	return aws.createCluster(ctx)
}

// follow says how the creation goes, a line for each piece of news, until the cluster is ACTIVE.
func follow(ctx context.Context, m millrace) error {
	ticker := time.NewTicker(250 * time.Millisecond)
	defer ticker.Stop()
	last := ""
	for {
		clusters, err := m.clusters(ctx)
		if err != nil {
			return err
		}
		for _, c := range clusters {
			if c.Name != clusterName {
				continue
			}
			switch c.State {
			case "ACTIVE":
				return nil
			case "CREATING":
				if news := c.progress(); news != last {
					say("  %s", news)
					last = news
				}
			default:
				return fmt.Errorf("the cluster is %s: %s", c.State, c.why())
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("the cluster is not ACTIVE yet; last seen: %s", last), ctx.Err())
		}
	}
}

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }
