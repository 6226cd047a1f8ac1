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
	"github.com/millrace/millrace/shared/brokeragent/logvolume"
	"github.com/millrace/millrace/shared/kafkadist"
	"github.com/millrace/millrace/shared/nodespec/httpmailbox"
)

const usage = `broker-agent keeps the Kafka process of one host as the control plane says.

Usage:
  broker-agent run --host-dir DIR            on one machine with the control plane
  broker-agent run --ec2 [flags]             on an EC2 instance
  broker-agent mount [flags]                 on an EC2 instance, as root
  broker-agent grow [flags]                  on an EC2 instance, as root

run --host-dir DIR
  DIR holds host.json, which says who the host is and where its volume, its mailbox and Kafka's software are.

run --ec2
  The instance's own metadata service says who the host is, and with what credentials it reaches its mailbox: the control
  plane's table, named by the instance's user data.
  --host-dir DIR   where the agent keeps its keys, files and logs (default /var/lib/millrace)
  --volume DIR     where the log volume appears; only another file system than that around it counts as one
                   (default: volume in the host's directory)
  --record DIR     where mount and grow say what the log volume is made of (default /run/millrace)
  --kafka DIR      where Kafka's releases are; nothing is ever fetched (default /opt/millrace/kafka)

mount
  Waits for the node's EBS volume, makes an xfs on it (by LVM, so that it can be joined by others) if and only if it is blank and
  the agent has named it, and mounts it. Where it was made of several volumes, it waits for all. What is not blank and not ours, and
  what can't be told from another volume, is left alone; the agent reports why.
  --volume DIR     where to mount it (default /var/lib/millrace/volume)
  --owner USER     whom it belongs to (default root)
  --first FILE     where the agent names the volume (default /var/lib/millrace/first-volume)
  --record DIR     where to say what the log volume is made of (default /run/millrace)

grow
  Joins further EBS volumes to the log volume, and makes its file system as large as all of them have become, while Kafka uses it.
  Moves everything back onto the first one once that is large enough. Does nothing when there is nothing to do, or when no volume
  is mounted.
  --volume DIR     where it is mounted (default /var/lib/millrace/volume)
  --record DIR     as of mount

Examples:
  broker-agent run --host-dir ~/.local/share/millrace/hosts/h-1f6c
  broker-agent mount --owner millrace
  broker-agent grow
  broker-agent run --ec2
  broker-agent run --ec2 --host-dir /mnt/agent --kafka ~/.cache/millrace/kafka
`

// What an EC2 host has where, if nothing else is said.
const (
	defaultHostDir = "/var/lib/millrace"
	defaultKafka   = "/opt/millrace/kafka"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "broker-agent:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, output io.Writer) error {
	command := ""
	if len(args) > 0 {
		command = args[0]
	}
	switch command {
	case "run":
		return runAgent(ctx, args[1:], output)
	case "mount":
		return mount(ctx, args[1:], output)
	case "grow":
		return grow(ctx, args[1:], output)
	case "help", "-h", "-help", "--help":
		fmt.Fprint(output, usage)
		return nil
	default:
		fmt.Fprint(output, usage)
		return errors.New("what to do is one of: run, mount, grow")
	}
}

func runAgent(ctx context.Context, args []string, output io.Writer) error {
	flags := newFlags("run", output)
	dir := flags.String("host-dir", "", "")
	onEC2 := flags.Bool("ec2", false, "")
	volume := flags.String("volume", "", "")
	kafka := flags.String("kafka", defaultKafka, "")
	record := flags.String("record", logvolume.RunDir, "")
	if stop, err := parse(flags, args); stop {
		return err
	}
	log := slog.New(slog.NewJSONHandler(output, nil))
	switch {
	case *onEC2:
		return runOnEC2(ctx, ec2Host{dir: *dir, volume: *volume, kafka: *kafka, record: *record}, log)
	case *dir == "":
		return errors.New("--host-dir is missing")
	case flags.NFlag() > 1:
		return errors.New("--volume, --kafka and --record go with --ec2; elsewhere host.json says them")
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
		Limit:    brokeragent.VolumeAt(host.Volume),
		Parts:    brokeragent.VolumeAt(host.Volume),
		Software: software{kafkadist.Store{Dir: host.Kafka}},
		// A heartbeat costs a write to this machine's own disk.
		HeartbeatInterval: 15 * time.Second,
		Log:               log.With("host", host.HostID),
	}
	return agent.Run(ctx)
}

func newFlags(command string, output io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet("broker-agent "+command, flag.ContinueOnError)
	flags.SetOutput(output)
	flags.Usage = func() { fmt.Fprint(output, usage) }
	return flags
}

// parse reads the flags of a command that takes nothing else; stop says that there is nothing more to do.
func parse(flags *flag.FlagSet, args []string) (stop bool, err error) {
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return true, nil
	case err != nil:
		return true, err
	case flags.NArg() > 0:
		return true, fmt.Errorf("%q is not understood; try: broker-agent --help", flags.Arg(0))
	default:
		return false, nil
	}
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
