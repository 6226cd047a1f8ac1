package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/millrace/millrace/integration/load"
	"github.com/millrace/millrace/shared/kafkadist"
	"github.com/millrace/millrace/shared/nodespec"
)

// measureKilled kills brokers under the load of a producer and a consumer, each broker once in every round: ours, which their
// agents start again, and those of somebody who stands by and starts them again at once. Then ours lose their hosts.
func (b *bench) measureKilled(ctx context.Context) error {
	if b.wants(killed) {
		if err := b.killTuned(ctx); err != nil {
			return fmt.Errorf("%s, tuned by hand: %w", killed, err)
		}
	}
	c, arn, err := b.withCluster(ctx, "killed")
	if err != nil {
		return err
	}
	k, err := c.brokersOf(ctx, arn, withTLS)
	if err != nil {
		return err
	}
	if b.wants(killed) {
		if err := b.underLoad(ctx, ours, killed, k, c.killBroker); err != nil {
			return err
		}
	}
	if b.wants(lost) {
		if err := b.underLoad(ctx, ours, lost, k, c.loseHost); err != nil {
			return err
		}
	}
	return b.stopQuietly(ctx, c)
}

// underLoad breaks one broker after the other, and measures for how long nothing could be written to some partition, and when
// all replicas were in sync again. breakOne breaks a broker, and gives a look at whether it was mended in the right way. A record
// that was acknowledged and is not there is an error.
func (b *bench) underLoad(
	ctx context.Context, whose, figure string, k brokers, breakOne func(id int32) (mended func() error, err error),
) error {
	target, err := k.target()
	if err != nil {
		return err
	}
	l, err := load.Start(ctx, target, load.Options{Topic: figure, Partitions: brokerCount, Pause: 20 * time.Millisecond, Size: 200})
	if err != nil {
		return err
	}
	defer l.Close()
	if err := awaitSync(ctx, l); err != nil {
		return err
	}
	for round := 1; round <= b.rounds; round++ {
		for id := range int32(brokerCount) {
			gap, whole, err := breakUnder(ctx, l, func() (func() error, error) { return breakOne(id + 1) })
			if err != nil {
				return fmt.Errorf("round %d, broker %d: %w", round, id+1, err)
			}
			b.samples.add(figure+gapOf, whose, gap.Seconds())
			b.samples.add(figure+wholeOf, whose, whole.Seconds())
		}
		progress("%s, %s, round %d of %d", figure, whose, round, b.rounds)
	}
	b.samples.add(figure+gapP95, whose, percentile(b.samples[figure+gapOf][whose], 95))
	ending, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	report, err := l.Stop(ending)
	return errors.Join(err, report.Err())
}

// breakUnder breaks a broker once, and gives the write gap and the time until all replicas were in sync again.
func breakUnder(ctx context.Context, l *load.Load, breakIt func() (mended func() error, err error)) (gap, whole time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := time.Now()
	mended, err := breakIt()
	if err != nil {
		return 0, 0, err
	}
	if err := until(ctx, look, "Kafka to notice that a replica is missing", func() (bool, error) { return l.OutOfSync(ctx), nil }); err != nil {
		return 0, 0, err
	}
	if err := awaitSync(ctx, l); err != nil {
		return 0, 0, err
	}
	whole = time.Since(began)
	err = until(ctx, look, "every partition to acknowledge records again", func() (bool, error) {
		ok, _ := l.FlowsSince(began)
		return ok, nil
	})
	return l.LongestGap(began, time.Now()), whole, errors.Join(err, mended())
}

func awaitSync(ctx context.Context, l *load.Load) error {
	return until(ctx, look, "all replicas to be in sync", func() (bool, error) {
		ok, _ := l.InSync(ctx)
		return ok, nil
	})
}

// killTuned does the same to brokers that somebody has started by hand, and starts again as soon as they have ended.
func (b *bench) killTuned(ctx context.Context) error {
	t, err := b.prepareTuned(withTLS)
	if err != nil {
		return err
	}
	if _, err := t.run(ctx); err != nil {
		return err
	}
	if err := b.underLoad(ctx, tuned, killed, t.brokers, t.killAndStart); err != nil {
		return errors.Join(err, errors.New(t.lastWords()))
	}
	return t.end()
}

func (t *tunedCluster) killAndStart(id int32) (mended func() error, err error) {
	i := slices.IndexFunc(t.nodes, func(n tunedNode) bool { return n.NodeID == id })
	if err := t.processes[i].Process.Kill(); err != nil {
		return nil, err
	}
	_ = t.processes[i].Wait() // it ended by our signal
	return func() error { return nil }, t.startAgain(i, t.kafka.Command(kafkadist.ProcessSettings{
		Properties: t.nodes[i].properties, LogFile: t.nodes[i].log, JVM: nodespec.JVM{HeapMiB: 256, Lean: true},
	}))
}

// killBroker ends a broker's Kafka, which has to come back on the same host.
func (c *controlPlane) killBroker(id int32) (mended func() error, err error) {
	n, err := c.broker(id)
	if err != nil {
		return nil, err
	}
	return func() error {
		now, err := c.broker(id)
		if err == nil && now.host != n.host {
			err = fmt.Errorf("broker %d has left its host", id)
		}
		return err
	}, kill(n.pid)
}

// loseHost ends a broker's host as a power cut does, its agent and its Kafka at the same moment. The broker has to come back on
// another one.
func (c *controlPlane) loseHost(id int32) (mended func() error, err error) {
	n, err := c.broker(id)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		commandLine, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err == nil && strings.Contains(string(commandLine), n.host) {
			errs = append(errs, kill(pid))
		}
	}
	return func() error {
		now, err := c.broker(id)
		if err == nil && now.host == n.host {
			err = fmt.Errorf("broker %d has not got another host", id)
		}
		return err
	}, errors.Join(errs...)
}

func kill(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill process %d: %w", pid, err)
	}
	return nil
}

// target is how the clients of a load reach the brokers.
func (k brokers) target() (load.Target, error) {
	t := load.Target{Bootstrap: k.addresses}
	if k.authority != "" {
		trusted := x509.NewCertPool()
		if !trusted.AppendCertsFromPEM([]byte(k.authority)) {
			return t, errors.New("the cluster's authority is no PEM")
		}
		t.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: trusted}
	}
	return t, nil
}
