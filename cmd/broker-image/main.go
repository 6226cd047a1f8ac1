// Command broker-image makes Kafka's part of the image of broker hosts, in two places.
//
//	broker-image fetch DIR     where the deployment is built: the jars of every release that Millrace runs
//	broker-image finish DIR    on the machine that becomes the image: what is made for its kind of machine and its Java
//
// DIR is a store of package kafkadist. On a host made from the image nothing of Kafka is fetched or prepared any more.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/millrace/millrace/shared/kafkadist"
	"github.com/millrace/millrace/shared/kafkaversion"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "broker-image:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: broker-image fetch|finish DIR")
	}
	dir, err := filepath.Abs(args[1])
	if err != nil {
		return err
	}
	store := kafkadist.Store{Dir: dir}
	var act func(release string) error
	switch args[0] {
	case "fetch":
		act = func(release string) error { return store.Fetch(ctx, release, say) }
	case "finish":
		act = func(release string) error {
			_, err := store.Ensure(ctx, release, say)
			return err
		}
	default:
		return fmt.Errorf("usage: broker-image fetch|finish DIR; %q is neither", args[0])
	}
	for _, release := range kafkaversion.Releases() {
		if err := act(release); err != nil {
			return fmt.Errorf("%s Kafka %s in %s: %w", args[0], release, store.Dir, err)
		}
	}
	return nil
}

func say(format string, args ...any) { fmt.Printf("broker-image: "+format+"\n", args...) }
