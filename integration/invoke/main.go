// Command invoke calls one function with one event, as it would run on AWS: built for Lambda, under Lambda's runtime API, with
// moto for AWS:
//
//	make invoke FUNCTION=operations EVENT=execution_ended
//	go run ./integration/invoke api events/samples/api_request_iam.json
//
// It starts moto for it, with a table, a key and the state machines, all empty, and ends it again. A sample that is signed with
// an access key is refused: its signature has a date, and the key does not exist here.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/millrace/millrace/integration/account"
	"github.com/millrace/millrace/integration/lambdaruntime"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "invoke:", err)
		os.Exit(1)
	}
}

// run prints the answer to out, and what the function logs to logs.
func run(ctx context.Context, args []string, out, logs io.Writer) (err error) {
	root, err := lambdaruntime.ModuleRoot()
	if err != nil {
		return err
	}
	if len(args) != 2 || args[0] == "" || args[1] == "" {
		return usage(root, errors.New("a function and an event are needed"))
	}
	payload, err := event(root, args[1])
	if err != nil {
		return usage(root, err)
	}
	dir, err := os.MkdirTemp("", "millrace-invoke-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	program, err := lambdaruntime.Build(ctx, root, dir, args[0], lambdaruntime.Host)
	if err != nil {
		return usage(root, err)
	}
	a, err := account.Open(ctx)
	if err != nil {
		return fmt.Errorf("stand in for AWS: %w", err)
	}
	f := lambdaruntime.New(lambdaruntime.Config{
		Binary: program, Environment: a.Environment(), Name: account.Deployment + "-" + args[0], Output: logs,
	})
	defer f.Stop()
	answer, err := f.Invoke(ctx, payload)
	if err != nil {
		return fmt.Errorf("the function failed: %w\n  functions/%s takes %s", err, args[0], takes[args[0]])
	}
	var text bytes.Buffer
	if err := json.Indent(&text, answer, "", "  "); err != nil {
		text = *bytes.NewBuffer(answer) // whatever it is
	}
	_, err = fmt.Fprintln(out, text.String())
	return err
}

const aStep = `the payload of a step, such as {"step":"SealVolumes","clusterId":"…","operationId":"…"}`

// takes says which events each function takes. The schedule starts a machine, and host events are for whoever listens to them.
var takes = map[string]string{
	"api":                "api_request, api_request_iam",
	"brokerreplacement":  "stay_connected, or " + aStep,
	"healthsweep":        `{"step":"SweepHealth"}, or with the name of a cluster`,
	"hostevents":         "heartbeat_news, heartbeat_last",
	"operations":         "execution_ended, or " + aStep,
	"provisioning":       aStep,
	"storageautoscaling": `{"step":"ScaleStorage"}, or with the name of a cluster`,
	"topicadmin":         "stay_connected, or " + aStep,
}

// event reads a sample by its name, or a file by its path.
func event(root, named string) ([]byte, error) {
	for _, path := range []string{named, filepath.Join(root, "events", "samples", strings.TrimSuffix(named, ".json")+".json")} {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && !json.Valid(text) {
			err = fmt.Errorf("%s is not JSON", path)
		}
		return text, err
	}
	return nil, fmt.Errorf("there is no event %q", named)
}

// usage says what went wrong, and what there is.
func usage(root string, wrong error) error {
	functions, err := lambdaruntime.Functions(root)
	if err != nil {
		return errors.Join(wrong, err)
	}
	samples, err := filepath.Glob(filepath.Join(root, "events", "samples", "*.json"))
	if err != nil {
		return errors.Join(wrong, err)
	}
	for i, sample := range samples {
		samples[i] = strings.TrimSuffix(filepath.Base(sample), ".json")
	}
	return fmt.Errorf("%w\n  make invoke FUNCTION=%s EVENT=…\n  EVENT is %s, or the path of a file",
		wrong, strings.Join(functions, "|"), strings.Join(samples, ", "))
}
