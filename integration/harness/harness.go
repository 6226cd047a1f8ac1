// Package harness runs whole control planes for tests, in verbs: start one, kill it, create a cluster, produce, consume.
//
// Everything is real: the programs as they are shipped, Kafka, the aws command line, the Go SDK, sarama. Every process
// that a test started is gone when the test is over, however it ended, and the harness looks into /proc to be sure. A
// test that failed tells the logs of everything that ran.
package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// Run runs the tests of a package and removes the programs that were built for them. TestMain calls it.
func Run(m *testing.M) (code int) {
	defer func() {
		if dir := built.dir; dir != "" {
			os.RemoveAll(dir)
		}
	}()
	return m.Run()
}

// built are the programs, made at most once for each run of a package's tests.
var built struct {
	once sync.Once
	dir  string // of what was built here; empty when MILLRACE_BIN is used
	err  error
}

// programs gives the directory that holds millrace and broker-agent: MILLRACE_BIN where it is set, or else one in which
// they are built for this run, as they are shipped.
func programs(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("MILLRACE_BIN"); dir != "" {
		return dir
	}
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "millrace-bin-"); built.err == nil { //nolint:usetesting // all tests of the process share it
			built.err = build(built.dir)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.dir
}

func build(dir string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", dir+string(filepath.Separator),
		"github.com/millrace/millrace/cmd/millrace", "github.com/millrace/millrace/cmd/broker-agent")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build millrace and broker-agent: %w\n%s", err, output)
	}
	return nil
}
