//go:build !linux

package kafkadist

import "os/exec"

// startAttached starts a process. Without Linux there is no way to end it together with this one.
func startAttached(cmd *exec.Cmd) error { return cmd.Start() }
