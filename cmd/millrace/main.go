// Command millrace runs managed Apache Kafka on this machine, behind the API of Amazon MSK, and tells how it fares.
//
// Each command has a file of its own. controlplane.go wires the control plane; everything else talks to one that runs, by
// its API, or to its data directory.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	os.Exit(a.run(ctx, os.Args[1:]))
}
