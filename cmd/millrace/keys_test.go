package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/shared/mskapi/mskapitest"
)

// awsCLI is the aws command line with nothing of the user's own AWS set-up, but these variables.
func awsCLI(t *testing.T, environment ...string) func(args ...string) (out string, err error) {
	t.Helper()
	program := mskapitest.CommandLine(t)
	return func(args ...string) (string, error) {
		t.Helper()
		c := exec.CommandContext(t.Context(), program, append([]string{"--output", "json"}, args...)...)
		c.Env = append(withoutAWS(os.Environ()), "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull,
			"AWS_MAX_ATTEMPTS=1", "NO_PROXY=127.0.0.1")
		c.Env = append(c.Env, environment...)
		out, err := c.CombinedOutput()
		return string(out), err
	}
}

// withoutAWS drops what the user set for AWS clients, such as a profile or a session.
func withoutAWS(environ []string) []string {
	return slices.DeleteFunc(environ, func(e string) bool { return strings.HasPrefix(e, "AWS_") })
}

func (e awsEnvironment) environ() []string {
	var environ []string
	for _, v := range e.variables() {
		environ = append(environ, v[0]+"="+v[1])
	}
	return environ
}

// issue issues a key and gives the environment in which it is used.
func (m *machine) issue(role string, more ...string) (client.IssuedKey, awsEnvironment) {
	m.t.Helper()
	var key client.IssuedKey
	m.decode(m.succeeds(append([]string{"keys", "issue", "--role", role, "--output", "json"}, more...)...), &key)
	plane := m.controlPlane()
	return key, environment(plane.endpoint(), plane.Region, key.ID, key.Secret)
}

func (m *machine) keys() []client.AccessKey {
	m.t.Helper()
	var keys []client.AccessKey
	m.decode(m.succeeds("keys", "list", "--output", "json"), &keys)
	return keys
}

// createArgs ask for a cluster that would start no broker if it were granted.
func createArgs(name string) []string {
	return []string{
		"kafka", "create-cluster", "--cluster-name", name, "--kafka-version", "4.3.x.kraft", "--number-of-broker-nodes", "3",
		"--broker-node-group-info", "InstanceType=kafka.m7g.large,ClientSubnets=subnet-a,subnet-b,subnet-c",
	}
}

func TestKeys_AReadOnlyOneListsAndDoesNotCreate(t *testing.T) {
	m := newMachine(t)
	m.up()
	_, env := m.issue("read-only", "--description", "for the dashboard")
	aws := awsCLI(t, env.environ()...)
	if out, err := aws("kafka", "list-clusters-v2"); err != nil || !strings.Contains(out, "ClusterInfoList") {
		t.Errorf("list: %v\n%s", err, out)
	}
	out, err := aws(createArgs("demo")...)
	if err == nil || !strings.Contains(out, "ForbiddenException") || !strings.Contains(out, "takes the role operator") {
		t.Errorf("create: %v\n%s", err, out)
	}
	if s := m.status(); len(s.Clusters) > 0 {
		t.Errorf("there are clusters: %+v", s.Clusters)
	}
}

func TestKeys_AreKnownAfterARestartAndGoneWhenRevoked(t *testing.T) {
	m := newMachine(t)
	m.up()
	key, _ := m.issue("operator")
	m.succeeds("down")
	m.up()
	plane := m.controlPlane()
	aws := awsCLI(t, environment(plane.endpoint(), plane.Region, key.ID, key.Secret).environ()...)
	if out, err := aws("kafka", "list-clusters"); err != nil {
		t.Errorf("after a restart: %v\n%s", err, out)
	}
	for _, answer := range []string{"", "no\n", "y\n"} {
		if r := m.millraceWith(answer, "keys", "revoke", key.ID); r.code != exitFailure || !strings.Contains(r.stderr, "nothing was revoked") {
			t.Errorf("to %q: %s", answer, r)
		}
	}
	if r := m.millraceWith("yes\n", "keys", "revoke", key.ID); r.code != 0 || !strings.Contains(r.stdout, key.ID) || !strings.Contains(r.stderr, "operator") {
		t.Errorf("revoked: %s", r)
	}
	if out, err := aws("kafka", "list-clusters"); err == nil || !strings.Contains(out, "UnauthorizedException") {
		t.Errorf("once it is revoked: %v\n%s", err, out)
	}
	for _, args := range [][]string{{"revoke", key.ID}, {"revoke", key.ID, "--yes"}, {"rotate", key.ID}} {
		if said := m.fails(exitFailure, append([]string{"keys"}, args...)...); !strings.Contains(said, key.ID) {
			t.Errorf("keys %v says %q", args, said)
		}
	}
}

func TestKeys_AreRotatedWithTimeToChangeOver(t *testing.T) {
	m := newMachine(t)
	m.up()
	old, oldEnv := m.issue("operator", "--description", "for CI")
	var next client.IssuedKey
	m.decode(m.succeeds("keys", "rotate", old.ID, "--end-after", "1h", "-o", "json"), &next)
	if next.Role != old.Role || next.Description != "for CI" || next.Replaces == nil || next.Replaces.ID != old.ID {
		t.Errorf("rotated to %+v", next)
	}
	list := awsCLI(t, oldEnv.environ()...)
	if out, err := list("kafka", "list-clusters"); err != nil {
		t.Errorf("the old one meanwhile: %v\n%s", err, out)
	}
	if keys := m.keys(); len(keys) != 2 {
		t.Errorf("listed %+v", keys)
	}
	if said := m.fails(exitFailure, "keys", "rotate", old.ID); !strings.Contains(said, next.ID) {
		t.Errorf("rotated twice it says %q", said)
	}
	said := m.succeeds("keys", "rotate", next.ID, "--now")
	if !strings.Contains(said, "takes the place of "+next.ID) {
		t.Errorf("it says %q", said)
	}
	for _, k := range m.keys() {
		if k.ID == next.ID {
			t.Errorf("%+v was to end at once", k)
		}
	}
}

func TestKeys_ThatAreEmptyAreNamedSo(t *testing.T) {
	m := newMachine(t)
	for _, args := range [][]string{{"keys", "rotate", ""}, {"keys", "revoke", "--yes", ""}} {
		if said := m.fails(exitUsage, args...); !strings.Contains(said, "the access key to "+args[1]+" is empty") {
			t.Errorf("%v: it says %q", args, said)
		}
	}
}

// What issue prints is meant to be pasted, so it is.
func TestKeys_AreIssuedAsLinesThatClientsRead(t *testing.T) {
	m := newMachine(t)
	m.up()
	said := m.succeeds("keys", "issue", "--role", "admin", "--description", "for me")
	_, exports, _ := strings.Cut(said, "For a shell:\n\n")
	exports, files, _ := strings.Cut(exports, "\nFor ~/.aws/credentials, to be used with AWS_PROFILE=millrace:\n\n")
	credentials, config, _ := strings.Cut(files, "\nand for ~/.aws/config:\n\n")
	if credentials == "" || config == "" {
		t.Fatalf("it says:\n%s", said)
	}

	shell := exec.CommandContext(t.Context(), "sh", "-euc", exports+"exec \"$1\" kafka list-clusters", "sh", mskapitest.CommandLine(t))
	shell.Env = append(withoutAWS(os.Environ()), "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull,
		"AWS_SESSION_TOKEN=of whoever issued it", "AWS_PROFILE=whose credentials issued it", "HTTP_PROXY=http://127.0.0.1:1")
	if out, err := shell.CombinedOutput(); err != nil {
		t.Errorf("with the exports: %v\n%s", err, out)
	}

	home := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(home, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	aws := awsCLI(t, "AWS_PROFILE=millrace", "AWS_SHARED_CREDENTIALS_FILE="+write("credentials", credentials), "AWS_CONFIG_FILE="+write("config", config))
	if out, err := aws("kafka", "list-clusters"); err != nil {
		t.Errorf("with the files: %v\n%s", err, out)
	}
	if list := m.succeeds("keys", "list"); !strings.Contains(list, "admin") || !strings.Contains(list, "for me") {
		t.Errorf("the list is:\n%s", list)
	}
}

func TestKeys_LeaveNoSecretInTheDataDirectory(t *testing.T) {
	m := newMachine(t)
	m.up()
	key, _ := m.issue("admin")
	m.succeeds("down")
	err := filepath.WalkDir(m.data, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(key.Secret)) {
			t.Errorf("%s holds the secret as it is", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
