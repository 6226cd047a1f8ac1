package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/shared/platform/local"
)

// readyWithin is how long a control plane in the background may take to answer; it needs less than a second on a machine that
// has nothing else to do.
const readyWithin = time.Minute

// detach starts this program once more, in a session of its own, and returns when its control plane answers.
func (a *app) detach(ctx context.Context, config controlPlaneConfig) error {
	layout := local.Layout{Dir: config.Data}
	log, err := local.OpenLog(layout.LogFile())
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	defer log.Close()
	logged, err := log.Stat()
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	background, err := a.background(config, log)
	if err != nil {
		return err
	}
	if err := background.Start(); err != nil {
		return fmt.Errorf("start the control plane: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = background.Wait() // its log tells more than its exit code
	}()

	address, err := waitUntilReady(ctx, layout, background.Process.Pid, ended)
	switch {
	case errors.Is(err, errEndedEarly):
		return whyItEnded(log, logged.Size())
	case err != nil:
		_ = background.Process.Signal(unix.SIGTERM) // it may have ended just now
		return fmt.Errorf("%w; its log is %s", err, layout.LogFile())
	}
	ready := serving(config, address, background.Process.Pid)
	ready.Log = layout.LogFile()
	a.greet(ready)
	return nil
}

// background is the command of the control plane itself.
func (a *app) background(config controlPlaneConfig, log *os.File) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{
		"up",
		"--listen", config.Listen, "--region", config.Region, "--controllers", strconv.Itoa(config.Controllers),
		"--max-brokers", strconv.Itoa(config.MaxBrokers),
		"--agent", config.Agent, "--software", config.Software,
	}
	if a.data != "" {
		args = append(args, "--data", config.Data) // only then: its messages name the flag where the user gave it
	}
	c := exec.Command(self, args...) //nolint:noctx // it outlives this command
	c.Dir = config.Data              // and keeps no other directory in use
	c.Env = append(os.Environ(), "MILLRACE_DATA="+config.Data)
	c.Stderr = log
	c.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	return c, nil
}

var errEndedEarly = errors.New("the control plane ended before it was ready")

// waitUntilReady waits until the control plane of a process answers, or the process has ended.
func waitUntilReady(ctx context.Context, layout local.Layout, pid int, ended <-chan struct{}) (address string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, readyWithin, fmt.Errorf("the control plane was not ready within %s", readyWithin))
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ended:
			return "", errEndedEarly
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-ticker.C:
		}
		c, err := find(layout)
		if err != nil || c.PID != pid {
			continue // it has not announced itself yet
		}
		if _, err := c.client().Clusters(ctx); err == nil {
			return c.Address, nil
		}
	}
}

// whyItEnded finds what the control plane said last. Its log from offset on is what this start has added.
func whyItEnded(log *os.File, offset int64) error {
	info, err := log.Stat()
	if err != nil {
		return err
	}
	added := make([]byte, max(0, info.Size()-offset))
	if _, err := log.ReadAt(added, offset); err != nil && len(added) > 0 {
		return fmt.Errorf("read the log: %w", err)
	}
	const prefix = "millrace: "
	lines := strings.Split(strings.TrimSpace(string(added)), "\n")
	last := lines[len(lines)-1]
	if reason, ok := strings.CutPrefix(last, prefix); ok {
		return errors.New(reason)
	}
	return fmt.Errorf("%w; its log is %s", errEndedEarly, log.Name())
}
