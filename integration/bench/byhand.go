package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// byHand are nodes that somebody starts without Millrace: processes, with a directory to remove afterwards.
type byHand struct {
	dir       string
	processes []*exec.Cmd
}

// loopbackBlock is a block of loopback addresses for one start by hand, away from those that Millrace takes.
func loopbackBlock() string { return fmt.Sprintf("127.15.%d.", rand.N(256)) }

// start starts commands all at once, each with its output in a file of the directory.
func (h *byHand) start(commands []*exec.Cmd) error {
	for i, command := range commands {
		if err := h.startOne(i, command); err != nil {
			return err
		}
		h.processes = append(h.processes, command)
	}
	return nil
}

// startAgain starts a command in the place of one that has ended.
func (h *byHand) startAgain(i int, command *exec.Cmd) error {
	err := h.startOne(i, command)
	if err == nil {
		h.processes[i] = command
	}
	return err
}

func (h *byHand) startOne(i int, command *exec.Cmd) error {
	output, err := os.OpenFile(filepath.Join(h.dir, fmt.Sprintf("output-%d", i)), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer output.Close()
	command.Stdout, command.Stderr = output, output
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for this program, which ends them
	return command.Start()
}

// end kills everything, waits for it and removes the directory. It may be called again.
func (h *byHand) end() error {
	for _, p := range h.processes {
		_ = p.Process.Kill() // it may have ended
	}
	for _, p := range h.processes {
		_ = p.Wait() // it ended by our signal
	}
	h.processes = nil
	return os.RemoveAll(h.dir)
}

// lastWords is what the nodes said, for an error.
func (h *byHand) lastWords() string {
	var words []string
	for i := range h.processes {
		for _, name := range []string{"output", "log"} {
			text, err := os.ReadFile(filepath.Join(h.dir, fmt.Sprintf("%s-%d", name, i)))
			if err == nil && len(text) > 0 {
				words = append(words, string(text[max(0, len(text)-1000):]))
			}
		}
	}
	return strings.Join(words, "\n")
}

// firstRecord is a cluster's first record, or what its nodes said when it does not come.
func (h *byHand) firstRecord(ctx context.Context, k brokers) error {
	if err := k.firstRecord(ctx); err != nil {
		return errors.Join(err, errors.New(h.lastWords()))
	}
	return nil
}
