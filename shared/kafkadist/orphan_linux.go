package kafkadist

import (
	"os/exec"
	"runtime"
	"syscall"
)

// startAttached starts a process that the kernel ends when this one ends, however that happens. It is bound to the
// thread that starts it, so the caller's goroutine keeps its thread and has to be the one that waits.
func startAttached(cmd *exec.Cmd) error {
	runtime.LockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd.Start()
}
