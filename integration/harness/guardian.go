package harness

import (
	"io"
	"os/exec"
	"path/filepath"
	"syscall"
)

// guardian ends what a test has started when the test itself can't: `go test` ends a run that takes too long without any
// clean-up, and so does Ctrl-C. It waits for a word; when the test's process ends without one, the pipe ends too.
type guardian struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

// guard starts a guardian for a control plane. The paths are in its environment, because whoever names the data directory
// in its command line counts as a process of the control plane.
func (m *Millrace) guard() guardian {
	m.t.Helper()
	cmd := exec.Command("/bin/sh", "-c", `read -r word || exec "$MILLRACE" down --data "$DATA"`)
	cmd.Env = append(m.environment[:len(m.environment):len(m.environment)],
		"MILLRACE="+filepath.Join(m.bin, "millrace"), "DATA="+m.Data)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // Ctrl-C is not meant for it
	pipe, err := cmd.StdinPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	return guardian{cmd, pipe}
}

// dismiss ends the guardian; the test has cleaned up.
func (g guardian) dismiss() error {
	if _, err := io.WriteString(g.pipe, "done\n"); err != nil {
		return err
	}
	return g.cmd.Wait()
}
