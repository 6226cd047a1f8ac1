// Command bench measures what Millrace promises, on this machine and with real Kafka:
//
//	make bench
//	go run ./integration/bench -rounds 3 -only create-tls,delete
//
// What a cluster costs is compared, within the same run and in turns, with the same brokers started by hand, so that the
// mood of the machine meets both. The brokers started by hand come twice: tuned, which is the recipe that Millrace itself
// uses, and stock, which is how Kafka's own scripts start them.
//
// Everything it starts lies in one temporary directory and is ended with it, also by Ctrl-C and after a failure.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/millrace/millrace/shared/kafkadist"
	"github.com/millrace/millrace/shared/kafkaversion"
)

// Names of what can be measured, in the order in which it is done.
const (
	createTLS       = "create-tls"       // create call → first record that three brokers have, with the request's defaults
	createPlaintext = "create-plaintext" // the same without any TLS
	rest            = "rest"             // memory of a broker that has nothing to do
	remove          = "delete"           // delete call → the cluster is gone, with its processes
	transitions     = "transitions"      // of the state machine, per create
	down            = "down"             // stop everything while a cluster runs
	ready           = "ready"            // start of the control plane → its first answer
	describe        = "describe"         // describe and list under load
	killed          = "killed"           // brokers are killed under load
	lost            = "lost"             // brokers lose their hosts under load
	topics          = "topics"           // listed, made, described and declared
	storage         = "storage"          // volumes grow
	functions       = "functions"        // size and start of the Lambda functions
)

// What is measured of brokers that are killed or lose their hosts.
const (
	gapOf   = "-gap"     // the longest time in which some partition could not be written to
	gapP95  = "-gap-p95" // the same, 95 of 100 times
	wholeOf = "-whole"   // from then until all replicas are in sync
)

var all = []string{createTLS, createPlaintext, rest, remove, transitions, down, ready, describe, killed, lost, topics, storage, functions}

// options are the flags.
type options struct {
	rounds int
	only   []string
	output string
	bin    string
	keep   bool
}

func (o options) wants(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(o.only, name) })
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures one thing after the other and prints the figures.
//
//  1. Kafka's software is made ready, as `make demo` does, so that no figure pays for it.
//  2. Clusters come and go on one control plane, in turns with brokers started by hand.
//  3. That control plane is stopped, with a cluster running; then its journal tells the transitions.
//  4. A second one, with a hundred clusters in its store, is started often, and asked often.
//  5. Brokers are killed and lose their hosts under the load of a producer and a consumer, in turns with brokers started by hand.
//  6. Topics are listed, made, described and declared, through the API.
//  7. Volumes grow, and the model says what that takes on AWS.
//  8. The Lambda functions are built, and started under Lambda's runtime API.
func run(ctx context.Context, args []string) (err error) {
	o, err := parse(args)
	if err != nil {
		return err
	}
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()

	for _, part := range []struct {
		of  []string
		run func(context.Context) error
	}{
		{[]string{createTLS, createPlaintext, rest, remove, transitions, down}, b.measureClusters},
		{[]string{ready, describe}, b.measureRequests},
		{[]string{killed, lost}, b.measureKilled},
		{[]string{topics}, b.measureTopics},
		{[]string{storage}, b.measureStorage},
		{[]string{functions}, b.measureFunctions},
	} {
		if !o.wants(part.of...) {
			continue
		}
		if err := part.run(ctx); err != nil {
			if len(b.samples) > 0 { // what was measured before is worth having
				err = errors.Join(err, b.print(os.Stdout))
			}
			return err
		}
	}
	return b.print(os.Stdout)
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&o.rounds, "rounds", 5, "how often each figure is measured")
	only := flags.String("only", strings.Join(all, ","), "what to measure, separated by commas")
	flags.StringVar(&o.output, "output", "table", "table or json")
	flags.StringVar(&o.bin, "bin", "bin", "directory of the programs millrace and broker-agent")
	flags.BoolVar(&o.keep, "keep", false, "leave the directory with all logs")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.only = strings.Split(*only, ",")
	for _, name := range o.only {
		if !slices.Contains(all, name) {
			return o, fmt.Errorf("-only %s: there is %s", name, strings.Join(all, ", "))
		}
	}
	switch {
	case o.rounds < 1:
		return o, errors.New("-rounds has to be at least 1")
	case o.output != "table" && o.output != "json":
		return o, fmt.Errorf("-output %s: there is table and json", o.output)
	}
	return o, nil
}

// bench is one run: where it lives, what it starts brokers with and what it has measured.
type bench struct {
	options
	dir     string
	program string // path of millrace; broker-agent lies beside it
	store   kafkadist.Store
	kafka   kafkadist.Installation
	version kafkaversion.Version
	machine machine
	samples samples

	running []func() error // ends what was started, last first
}

func newBench(ctx context.Context, o options) (*bench, error) {
	program, err := filepath.Abs(filepath.Join(o.bin, "millrace"))
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(program); err != nil {
		return nil, fmt.Errorf("%w; build it first: make build", err)
	}
	store, err := kafkadist.UserStore()
	if err != nil {
		return nil, err
	}
	version := kafkaversion.Default()
	kafka, err := store.Ensure(ctx, version.Release, progress)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "millrace-bench-")
	if err != nil {
		return nil, err
	}
	return &bench{
		options: o, dir: dir, program: program, store: store, kafka: kafka, version: version,
		machine: lookAtMachine(), samples: samples{},
	}, nil
}

// onClose has something ended with the run, unless that has been done before.
func (b *bench) onClose(end func() error) { b.running = append(b.running, end) }

// close ends everything that still runs and removes the directory.
func (b *bench) close() error {
	var errs []error
	for _, end := range slices.Backward(b.running) {
		errs = append(errs, end())
	}
	if b.keep {
		progress("kept %s", b.dir)
		return errors.Join(errs...)
	}
	return errors.Join(append(errs, os.RemoveAll(b.dir))...)
}

// progress is for whoever watches; figures go to standard output.
func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
