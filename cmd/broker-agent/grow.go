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

// grow makes the log volume's file system as large as the volume has become.
func grow(ctx context.Context, args []string, output io.Writer) error {
	flags := newFlags("grow", output)
	volume := flags.String("volume", filepath.Join(defaultHostDir, volumeName), "")
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
	return logvolume.Grower{Target: target, Log: slog.New(slog.NewJSONHandler(output, nil))}.Run(ctx)
}
