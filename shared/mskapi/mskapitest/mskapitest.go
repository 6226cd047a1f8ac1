// Package mskapitest lends tests the clients that others have written for MSK's API.
package mskapitest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// CommandLine finds the aws command line. Without it the main promise of Millrace would go untested, so its absence is a failure.
func CommandLine(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("MILLRACE_AWS_CLI"); path != "" {
		return path
	}
	path, err := exec.LookPath("aws")
	if err != nil {
		t.Fatal("the aws command line is missing: run `make setup`, or set MILLRACE_AWS_CLI")
	}
	return path
}

// Python finds the Python that the aws command line itself runs on, which always has botocore.
func Python(t testing.TB) string {
	t.Helper()
	beside := filepath.Join(filepath.Dir(CommandLine(t)), "python3")
	if _, err := os.Stat(beside); err == nil {
		return beside
	}
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal("python3 is missing: run `make setup`")
	}
	return path
}
