// Command broker-agent runs on the host of a broker or controller and keeps its Kafka process as the control plane says.
//
// SIGTERM and SIGINT stop Kafka in an orderly way, then the agent. SIGKILL ends the agent alone: Kafka runs on, and the
// next agent of the same host takes it up.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/millrace/millrace/shared/brokeragent"
	"github.com/millrace/millrace/shared/kafkadist"
	"github.com/millrace/millrace/shared/nodespec/httpmailbox"
)

const usage = `broker-agent keeps the Kafka process of one host as the control plane says.

Usage:
  broker-agent run --host-dir DIR

DIR holds host.json, which says who the host is and where its volume, its mailbox and Kafka's software are.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "broker-agent:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, output io.Writer) error {
	flags := flag.NewFlagSet("broker-agent run", flag.ContinueOnError)
	flags.SetOutput(output)
	flags.Usage = func() { fmt.Fprint(output, usage) }
	dir := flags.String("host-dir", "", "directory of the host")
	if len(args) == 0 || args[0] != "run" {
		flags.Usage()
		return errors.New("the one thing to do is: run")
	}
	if err := flags.Parse(args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if *dir == "" {
		return errors.New("--host-dir is missing")
	}

	host, err := brokeragent.ReadHost(*dir)
	if err != nil {
		return err
	}
	agent := brokeragent.Agent{
		HostID:   host.HostID,
		Dir:      *dir,
		Mailbox:  httpmailbox.NewClient(host.HostID, host.EndpointFile, host.TokenFile),
		Volume:   brokeragent.VolumeAt(host.Volume),
		Software: software{kafkadist.Store{Dir: host.Kafka}},
		// A heartbeat costs a write to this machine's own disk.
		HeartbeatInterval: 15 * time.Second,
		Log:               slog.New(slog.NewJSONHandler(output, nil)).With("host", host.HostID),
	}
	return agent.Run(ctx)
}

// software is Kafka as kafkadist puts it on a machine.
type software struct{ store kafkadist.Store }

func (s software) Command(ctx context.Context, release string, p brokeragent.ProcessSettings, say func(string, ...any)) (*exec.Cmd, error) {
	kafka, err := s.store.Ensure(ctx, release, say)
	if err != nil {
		return nil, err
	}
	return kafka.Command(kafkadist.ProcessSettings{Properties: p.Properties, LogFile: p.LogFile, JVM: p.JVM}), nil
}
