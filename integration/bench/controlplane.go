package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kafka"

	"github.com/millrace/millrace/shared/platform/local"
)

const region = "us-east-1"

// controlPlane is a data directory with, most of the time, a `millrace up` on it.
type controlPlane struct {
	bench   *bench
	layout  local.Layout
	process *exec.Cmd // nil while none runs
	log     string
	client  *kafka.Client
}

// newControlPlane makes a data directory. Nothing runs yet.
func (b *bench) newControlPlane(name string) (*controlPlane, error) {
	dir := filepath.Join(b.dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	real, err := filepath.EvalSymlinks(dir) // the processes of hosts are known by this path
	if err != nil {
		return nil, err
	}
	c := &controlPlane{bench: b, layout: local.Layout{Dir: real}, log: filepath.Join(b.dir, name+".log")}
	b.onClose(c.end)
	return c, nil
}

// withCluster starts a control plane, and has it make a cluster.
func (b *bench) withCluster(ctx context.Context, name string) (c *controlPlane, arn string, err error) {
	if c, err = b.newControlPlane(name); err != nil {
		return nil, "", err
	}
	if _, err := c.up(ctx); err != nil {
		return nil, "", err
	}
	if arn, _, err = c.create(ctx, b.version.Name, withTLS); err != nil {
		return nil, "", err
	}
	return c, arn, nil
}

// up starts `millrace up` and gives the time until it has answered a first request, with what a client knows before:
// where it will listen, and the access key that the data directory holds.
func (c *controlPlane) up(ctx context.Context) (time.Duration, error) {
	address, err := freeAddress()
	if err != nil {
		return 0, err
	}
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	c.process = exec.Command(c.bench.program, "up", "--data", c.layout.Dir, "--listen", address, "--region", region,
		"--software", c.bench.store.Dir)
	c.process.Stdout, c.process.Stderr = log, log
	c.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for this program, which ends it

	began := time.Now()
	if err := c.process.Start(); err != nil {
		c.process = nil
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	err = until(ctx, 2*time.Millisecond, "millrace up to answer", func() (bool, error) {
		key, err := c.layout.Credentials()
		if err != nil {
			return false, nil // it makes one in its first moments
		}
		c.client = newClient(address, key)
		_, err = c.client.ListClustersV2(ctx, &kafka.ListClustersV2Input{})
		return err == nil, nil
	})
	if err != nil {
		text, _ := os.ReadFile(c.log)
		return 0, fmt.Errorf("%w; its log:\n%s", err, text)
	}
	return time.Since(began), nil
}

// newClient is the Go SDK's own, without retries: a request that fails is no figure.
func newClient(address string, key local.Credentials) *kafka.Client {
	return kafka.New(kafka.Options{
		BaseEndpoint: aws.String("http://" + address),
		Region:       region,
		Credentials:  credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, ""),
		Retryer:      aws.NopRetryer{},
	})
}

// freeAddress is one that nobody listens on at the moment.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// command is a command of millrace's on this data directory.
func (c *controlPlane) command(ctx context.Context, words ...string) *exec.Cmd {
	return exec.CommandContext(ctx, c.bench.program, append(words, "--data", c.layout.Dir)...)
}

// down runs `millrace down` and gives the time it took. It is an error when a process is left behind.
func (c *controlPlane) down(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	output, err := c.command(ctx, "down").CombinedOutput()
	took := time.Since(began)
	if err != nil {
		return took, fmt.Errorf("millrace down: %w\n%s", err, output)
	}
	_ = c.process.Wait() // it was stopped
	c.process = nil
	return took, c.checkNothingLeft()
}

// checkNothingLeft returns an error when a process of any host still runs.
func (c *controlPlane) checkNothingLeft() error {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	for _, e := range entries {
		commandLine, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err == nil && strings.Contains(string(commandLine), filepath.Join(c.layout.Dir, "hosts")) {
			return fmt.Errorf("process %s is left behind: %s", e.Name(), strings.ReplaceAll(string(commandLine), "\x00", " "))
		}
	}
	return nil
}

// end ends what still runs, the hard way: a figure that failed may have left anything. It may be called again.
func (c *controlPlane) end() error {
	if c.process != nil {
		_ = c.process.Process.Kill() // it may have ended
		_ = c.process.Wait()         // by our signal
		c.process = nil
	}
	hosts, err := c.layout.Exists()
	if err != nil || !hosts {
		return err
	}
	return errors.Join((&local.Hosts{Layout: c.layout}).PowerOff(), c.checkNothingLeft())
}
