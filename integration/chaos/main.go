// Command chaos lets things go wrong on a cluster, once a minute, and says at the end whether any of its clients had reason to
// complain:
//
//	make chaos MINUTES=60 SEED=7
//	go run ./integration/chaos -minutes 60 -seed 7
//
// A control plane, three brokers and three controllers run, with real Kafka, under the load of an idempotent producer that
// asks for acks=all and of a consumer. Kafkas are killed and held, hosts are lost, the control plane is killed, disks fill.
// After each of these the cluster has to come to order by itself; only then something else goes wrong. The same seed lets
// the same things go wrong, in the same order.
//
// The exit code is 0 when nothing was lost, reordered or duplicated, no five seconds passed without a successful write, no
// host was replaced without need, and everything has ended in order; 1 when not; 2 when there was no verdict.
//
// Everything it starts lies in one temporary directory and is ended with it, also by Ctrl-C.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Exit codes.
const (
	exitComplaints = 1
	exitNoVerdict  = 2
)

// options are the flags.
type options struct {
	minutes float64
	every   time.Duration
	seed    uint64
	bin     string
	keep    bool
}

func main() {
	noDisks := viewOfItsOwn() // does not return where it starts the program over
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once, and a guardian what it has started
	o, err := parse(os.Args[1:])
	if err != nil {
		os.Exit(exitNoVerdict) // the flags have said why
	}
	v, err := run(ctx, o, noDisks)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "chaos: interrupted; nothing is left behind")
		os.Exit(exitNoVerdict)
	case err != nil:
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(exitNoVerdict)
	case !v.fine():
		os.Exit(exitComplaints)
	}
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.Float64Var(&o.minutes, "minutes", 3, "how long things go wrong")
	flags.DurationVar(&o.every, "every", time.Minute, "how much time lies between two things at least")
	flags.Uint64Var(&o.seed, "seed", uint64(time.Now().Unix()), "which things go wrong, and when") //nolint:gosec // it is after 1970
	flags.StringVar(&o.bin, "bin", "bin", "directory of the programs millrace and broker-agent")
	flags.BoolVar(&o.keep, "keep", false, "leave the directory with all logs")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 || o.minutes <= 0 || o.every <= 0 {
		err := errors.New("there are no arguments, and times are longer than none")
		fmt.Fprintln(flags.Output(), "chaos:", err)
		return o, err
	}
	return o, nil
}

// run makes what a soak needs, and leaves nothing of it unless something is to be looked at.
func run(ctx context.Context, o options, noDisks error) (v verdict, err error) {
	bin, err := filepath.Abs(o.bin)
	if err != nil {
		return v, err
	}
	for _, program := range []string{"millrace", "broker-agent"} {
		if _, err := os.Stat(filepath.Join(bin, program)); err != nil {
			return v, fmt.Errorf("%w; build the programs with: make programs", err)
		}
	}
	if err := errors.Join(os.Setenv("MILLRACE_BIN", bin), prepareTesting()); err != nil { // for the harness
		return v, err
	}
	dir, err := os.MkdirTemp("", "millrace-chaos-")
	if err != nil {
		return v, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil { // processes of hosts are known by this path
		return v, err
	}
	log, err := os.Create(filepath.Join(dir, "soak.log"))
	if err != nil {
		return v, err
	}
	defer log.Close()
	s := &soak{options: o, t: &subject{ctx: ctx, dir: dir, log: log}, out: os.Stdout, noDisks: noDisks}
	judged := false
	s.t.run(func() {
		v = s.run(ctx)
		judged = true
	})
	v.Failures = append(v.Failures, s.t.failed()...)
	switch {
	case ctx.Err() != nil:
	case !judged:
		err = fmt.Errorf("no verdict: %s", strings.Join(v.Failures, "; "))
	default:
		err = v.write(os.Stdout)
	}
	if o.keep || ctx.Err() == nil && (err != nil || !v.fine()) {
		fmt.Printf("\nThe logs are in %s\n", dir)
		return v, err
	}
	return v, errors.Join(err, os.RemoveAll(dir))
}

// prepareTesting lets the harness ask whether tests are to be short, which they are not.
func prepareTesting() error {
	testing.Init()
	return flag.CommandLine.Parse(nil)
}
