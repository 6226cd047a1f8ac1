package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/millrace/millrace/shared/brokeragent"
	"github.com/millrace/millrace/shared/brokeragent/logvolume"
)

// mount brings the log volume to its place, and ends once it is there or when it is told to.
func mount(ctx context.Context, args []string, output io.Writer) error {
	flags := newFlags("mount", output)
	volume := flags.String("volume", filepath.Join(defaultHostDir, volumeName), "")
	owner := flags.String("owner", "", "")
	first := flags.String("first", filepath.Join(defaultHostDir, brokeragent.FirstVolumeFile), "")
	record := flags.String("record", logvolume.RunDir, "")
	if stop, err := parse(flags, args); stop {
		return err
	}
	target, err := filepath.Abs(*volume)
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("mount has to be run by root")
	}
	log := slog.New(slog.NewJSONHandler(output, nil))
	err = logvolume.Bringer{Target: target, Owner: *owner, First: *first, Record: logvolume.Record(*record), Log: log}.Run(ctx)
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
