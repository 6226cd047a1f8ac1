package integration

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/integration/harness"
)

func TestBrokenBroker_ATakenPortFailsTheClusterUntilItIsFreeAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("runs whole control planes")
	}
	held, release := harness.HoldAgents(t)
	m := harness.StartMillrace(t, held)
	arn := m.CreateCluster(t, "orders", harness.Small)

	var squatted string
	harness.Until(t, "broker 1 has an address", 3*time.Minute, func() (bool, string) {
		squatted = brokerAddresses(t, m, arn)[1]
		return squatted != "", ""
	})
	squatter, err := net.Listen("tcp", net.JoinHostPort(squatted, "9094"))
	if err != nil {
		t.Fatal(err)
	}
	defer squatter.Close()
	release()

	reason := m.WaitUntilFailed(t, arn)
	names(t, reason, "broker 1", "Address already in use")
	hasNoBootstrapBrokers(t, m, arn)

	if err := squatter.Close(); err != nil {
		t.Fatal(err)
	}
	m.Command("clusters", "resume", "orders")
	m.WaitUntilActive(t, arn)
	writeAndRead(m.TLSClient(t, arn), t)
	m.DeleteCluster(t, arn)
	m.WaitUntilGone(t, arn)
	nothingIsLeft(t, m, []string{squatted})
}

func TestBrokenBroker_AJavaThatDoesNotWorkFailsTheClusterInItsOwnWords(t *testing.T) {
	for _, tt := range []struct{ name, script, says string }{
		{
			"it does not even tell its version",
			"echo 'libjvm.so is not what it used to be' >&2\nexit 1\n",
			"exit status 1: libjvm.so is not what it used to be",
		},
		{
			"it is too old",
			"echo 'openjdk version \"11.0.20\" 2023-07-18' >&2\n",
			"is version 11",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := harness.StartMillrace(t, harness.Env("JAVA_HOME", javaHome(t, tt.script)))
			arn := m.CreateCluster(t, "orders", harness.Small)
			names(t, m.WaitUntilFailed(t, arn), "does not start", tt.says)
			hasNoBootstrapBrokers(t, m, arn)
			m.DeleteCluster(t, arn)
			m.WaitUntilGone(t, arn)
			nothingIsLeft(t, m, nil)
		})
	}
}

// javaHome makes a Java runtime of a shell script.
func javaHome(t *testing.T, script string) string {
	t.Helper()
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "bin", "java"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return home
}

func TestBrokenBroker_AFullDiskFailsTheClusterAndCanBeCleanedUp(t *testing.T) {
	if testing.Short() {
		t.Skip("runs whole control planes")
	}
	for name, room := range map[string]string{
		"no room even for what a volume begins with": "12k", // the sizes of three volumes
		"no room for what Kafka adds":                "32k",
	} {
		t.Run(name, func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "data")
			mountSmallDisk(t, filepath.Join(data, "volumes"), room)
			m := harness.StartMillrace(t, harness.Data(data))
			arn := m.CreateCluster(t, "orders", harness.Small)
			names(t, m.WaitUntilFailed(t, arn), "does not start", "the volume's disk is full (0 of")
			hasNoBootstrapBrokers(t, m, arn)
			m.DeleteCluster(t, arn)
			m.WaitUntilGone(t, arn)
			nothingIsLeft(t, m, nil)
		})
	}
}

// mountSmallDisk puts a disk that is too small for any broker at a directory. That takes root.
func mountSmallDisk(t *testing.T, dir, room string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	err := unix.Mount("millrace-test", dir, "tmpfs", 0, "size="+room)
	if errors.Is(err, unix.EPERM) {
		t.Skip("only root can make a small disk; run this test with: sudo -E go test ./integration -run FullDisk")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
}

// hasNoBootstrapBrokers sees that the question is answered all the same: Terraform could not destroy the cluster if it
// were refused.
func hasNoBootstrapBrokers(t *testing.T, m *harness.Millrace, arn string) {
	t.Helper()
	answer := harness.Decode[map[string]string](t, m.AWS(t, "kafka", "get-bootstrap-brokers", "--cluster-arn", arn))
	if len(answer) != 0 {
		t.Errorf("a FAILED cluster has bootstrap brokers: %v", answer)
	}
}

// names sees that a reason says all it should.
func names(t *testing.T, reason string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(reason, part) {
			t.Errorf("the reason is %q and does not say %q", reason, part)
		}
	}
}
