package logvolume

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// lvm runs LVM's commands on disks of this host, and on no others.
type lvm struct{ disks []string }

func lvmOn(disks []Device) lvm {
	var tools lvm
	for _, d := range disks {
		if d.isEBS() && !d.isRoot() {
			tools.disks = append(tools.disks, d.Path)
		}
	}
	return tools
}

func (l lvm) command(ctx context.Context, args []string) *exec.Cmd {
	all := append([]string{args[0], "--config", settings, "--devices", strings.Join(l.disks, ",")}, args[1:]...)
	// One that is killed halfway may leave the volume suspended, so we wait for its end, or let it live on without us.
	command := exec.CommandContext(context.WithoutCancel(ctx), "lvm", all...)
	command.Env = append(os.Environ(), "LC_ALL=C", "LVM_SUPPRESS_FD_WARNINGS=1")
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return command
}

// report asks for one of LVM's reports, in bytes.
func (l lvm) report(ctx context.Context, args ...string) ([]byte, error) {
	return output(l.command(ctx, append(args, "--reportformat", "json", "--units", "b", "--nosuffix")))
}

// do runs a command to its end. What it prints goes into memory that is its own as well: with us as the reader of a pipe, it would
// end when we do.
func (l lvm) do(ctx context.Context, args ...string) error {
	said, command, err := l.start(ctx, args)
	if err != nil {
		return err
	}
	defer said.Close()
	return wait(command, said)
}

// doUnlessTold is do for what takes long: once ctx ends, the command goes on without us.
func (l lvm) doUnlessTold(ctx context.Context, args ...string) error {
	said, command, err := l.start(ctx, args)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() {
		defer said.Close()
		ended <- wait(command, said)
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l lvm) start(ctx context.Context, args []string) (said *os.File, command *exec.Cmd, err error) {
	fd, err := unix.MemfdCreate("said", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, nil, err
	}
	said = os.NewFile(uintptr(fd), "said")
	command = l.command(ctx, args)
	command.Stdout, command.Stderr = said, said
	if err := command.Start(); err != nil {
		said.Close()
		return nil, nil, fmt.Errorf("lvm %s: %w", args[0], err)
	}
	return said, command, nil
}

func wait(command *exec.Cmd, said *os.File) error {
	err := command.Wait()
	if err == nil {
		return nil
	}
	words := make([]byte, 4096)
	n, _ := said.ReadAt(words, 0) // up to its end
	return fmt.Errorf("lvm %s: %w: %s", command.Args[1], err, bytes.TrimSpace(words[:n]))
}
