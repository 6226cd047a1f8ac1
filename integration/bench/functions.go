package main

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/millrace/millrace/integration/account"
	"github.com/millrace/millrace/integration/lambdaruntime"
)

// Figures of the Lambda functions, each followed by the function's name.
const (
	zipped      = "zipped "       // size of what is deployed
	firstAnswer = "first-answer " // start of the process → its first answer
)

// measuredFunctions are the functions, each with something that it answers: most read the table once for it.
var measuredFunctions = []struct {
	name  string
	event string // a file of events/samples
	step  string // or a payload
}{
	{"api", "api_request_iam", ""},
	{"brokerreplacement", "stay_connected", ""},
	{"healthsweep", "", `{"step":"SweepHealth"}`},
	{"hostevents", "heartbeat_last", ""},
	{"operations", "execution_ended", ""},
	{"provisioning", "", `{"step":"SealVolumes","clusterId":"c-1","operationId":"op-1"}`},
	{"storageautoscaling", "", `{"step":"ScaleStorage"}`},
	{"topicadmin", "", `{"step":"ListTopics","clusterId":"c-1"}`},
}

func functionPromises() []promise {
	var promises []promise
	for _, f := range measuredFunctions {
		promises = append(promises, promise{zipped + f.name, "functions/" + f.name + ", zipped", "MB", 9, 0})
	}
	for _, f := range measuredFunctions {
		promises = append(promises, promise{
			firstAnswer + f.name, "functions/" + f.name + ", process start → first answer", "ms", 50, 0,
		})
	}
	return promises
}

// measureFunctions measures every function as it is built for Lambda: its size as it is deployed, and its start on this
// machine, under Lambda's runtime API and with moto for AWS.
func (b *bench) measureFunctions(ctx context.Context) error {
	on, err := account.Open(ctx)
	if err != nil {
		return fmt.Errorf("stand in for AWS: %w", err)
	}
	for _, f := range measuredFunctions {
		deployed, err := lambdaruntime.Build(ctx, ".", filepath.Join(b.dir, "deployed"), f.name, "arm64")
		if err != nil {
			return err
		}
		size, err := zippedSize(deployed)
		if err != nil {
			return err
		}
		b.samples.add(zipped+f.name, ours, float64(size)/1e6)

		payload := []byte(f.step)
		if f.event != "" {
			if payload, err = os.ReadFile(filepath.Join("events", "samples", f.event+".json")); err != nil {
				return fmt.Errorf("run this from the top of the checkout: %w", err)
			}
		}
		program, err := lambdaruntime.Build(ctx, ".", filepath.Join(b.dir, "here"), f.name, lambdaruntime.Host)
		if err != nil {
			return err
		}
		for round := range b.rounds + 1 {
			took, err := timeToFirstAnswer(ctx, program, on.Environment(), payload)
			if err != nil {
				return fmt.Errorf("functions/%s: %w", f.name, err)
			}
			if round > 0 { // the first one reads the program from the disk, and has moto load the service
				b.samples.add(firstAnswer+f.name, ours, took)
			}
		}
		progress("functions/%s: %.1f MB zipped, first answer after %.0f ms", f.name,
			median(b.samples[zipped+f.name][ours]), median(b.samples[firstAnswer+f.name][ours]))
	}
	return nil
}

// timeToFirstAnswer gives the milliseconds from the start of a process to its answer.
func timeToFirstAnswer(ctx context.Context, program string, environment []string, payload []byte) (float64, error) {
	f := lambdaruntime.New(lambdaruntime.Config{Binary: program, Environment: environment})
	defer f.Stop()
	began := time.Now()
	_, err := f.Invoke(ctx, payload)
	took := time.Since(began)
	if err != nil {
		return 0, fmt.Errorf("%w\n%s", err, f.Logs())
	}
	return float64(took) / float64(time.Millisecond), nil
}

// zippedSize gives the size of a file as the one file of a ZIP archive.
func zippedSize(path string) (int64, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	var size counter
	archive := zip.NewWriter(&size)
	entry, err := archive.Create(filepath.Base(path))
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(entry, file)
	return int64(size), errors.Join(err, archive.Close())
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}
