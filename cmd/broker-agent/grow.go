package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/millrace/millrace/shared/brokeragent/logvolume"
)

// grow makes the log volume as large as what it is made of has become.
func grow(ctx context.Context, args []string, output io.Writer) error {
	flags := newFlags("grow", output)
	volume := flags.String("volume", filepath.Join(defaultHostDir, volumeName), "")
	record := flags.String("record", logvolume.RunDir, "")
	if stop, err := parse(flags, args); stop {
		return err
	}
	target, err := filepath.Abs(*volume)
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("grow has to be run by root")
	}
	log := slog.New(slog.NewJSONHandler(output, nil))
	err = logvolume.Grower{Target: target, Record: logvolume.Record(*record), Log: log}.Run(ctx)
	if errors.Is(err, context.Canceled) { // the next one goes on
		return nil
	}
	return err
}
