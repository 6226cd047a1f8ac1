package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestHelp_HasExamplesThatAreUnderstood(t *testing.T) {
	root := (&app{}).root()
	for _, c := range allCommands(root) {
		if c.Example == "" {
			t.Errorf("%s has no example", c.CommandPath())
		}
		for line := range strings.Lines(c.Example) {
			checkExample(t, strings.TrimSpace(line))
		}
	}
}

func allCommands(c *cobra.Command) []*cobra.Command {
	found := []*cobra.Command{c}
	for _, child := range c.Commands() {
		found = append(found, allCommands(child)...)
	}
	return found
}

// checkExample looks up the first call of millrace in an example, with its flags and arguments.
func checkExample(t *testing.T, example string) {
	t.Helper()
	_, call, ok := strings.Cut(example, "millrace ")
	if !ok {
		return // it shows what comes between two of our commands
	}
	var words []string
	for _, word := range strings.Fields(call) {
		end := strings.ContainsAny(word, `>&|)"`)
		if word = strings.Trim(word, `)"`); word != "" && !strings.ContainsAny(word, ">&|") {
			words = append(words, word)
		}
		if end {
			break
		}
	}
	command, args, err := (&app{}).root().Find(words)
	if err == nil {
		err = command.ParseFlags(args)
	}
	if err == nil {
		err = command.ValidateArgs(command.Flags().Args())
	}
	if err != nil || !command.Runnable() {
		t.Errorf("the example %q is not understood: %v", example, err)
	}
}

func TestUsage_MistakesAreToldApartFromFailures(t *testing.T) {
	m := newMachine(t)
	for _, args := range [][]string{
		{"fly"},
		{"clusters", "fly"},
		{"status", "--fly"},
		{"status", "extra"},
		{"ca"},
		{"--output", "yaml", "status"},
		{"up", "--controllers", "2"},
		{"up", "--region", "home"},
		{"kafka", "install", "2.8.1"},
		{"kafka", "install", "--all", "4.1.x.kraft"},
		{"keys", "issue"},
		{"keys", "issue", "--role", "king"},
		{"keys", "revoke"},
		{"keys", "rotate", "MILLRACEABCDEFGHIJKL", "--now", "--end-after", "1h"},
		{"keys", "rotate", "MILLRACEABCDEFGHIJKL", "--end-after", "500ms"},
		{"keys", "rotate", "MILLRACEABCDEFGHIJKL", "--end-after", "-1h"},
		{"health", "demo", "1"},
		{"heal", "history"},
		{"heal", "allow", "demo", "--for", "soon"},
		{"heal", "allow", "demo", "--for", "0s"},
		{"heal", "allow", "demo", "--for", "1h", "--end"},
		{"heal", "limit", "demo"},
		{"heal", "limit", "demo", "--max-volume", "much"},
		{"maintenance", "on"},
		{"maintenance", "on", "demo", "b-1"},
		{"maintenance", "on", "demo", "0"},
		{"maintenance", "on", "demo", "1", "--for", "2"},
		{"maintenance", "on", "demo", "1", "--for", "0m"},
		{"maintenance", "off", "demo", "1", "2"},
		{"topics", "fly"},
		{"topics", "list"},
		{"topics", "plan", "demo"},
		{"topics", "plan", "-f", "topics.yaml"},
		{"topics", "apply"},
		{"topics", "apply", "demo", "--yes"},
		{"topics", "apply", "demo", "--delete", "orders"},
		{"topics", "apply", "demo", "-f", "-"},
		{"topics", "describe", "demo"},
		{"topics", "describe", "demo", ""},
		{"topics", "create", "demo", "orders"},
		{"topics", "create", "demo", "orders", "--partitions", "many"},
		{"topics", "create", "demo", "orders", "--partitions", "1", "--config", "retention.ms"},
		{"topics", "delete", "demo"},
		{"topics", "delete", "demo", "orders", "--confirm", "payments"},
		{"topics", "delete", "demo", "orders", "--confirm", ""},
		{"topics", "export"},
		{"groups", "fly"},
		{"groups", "list"},
		{"groups", "describe", "demo"},
		{"groups", "describe", "demo", ""},
		{"groups", "reset", "demo", "billing", "--to-latest"},
		{"groups", "reset", "demo", "billing", "--all-topics"},
		{"groups", "reset", "demo", "billing", "--all-topics", "--to-latest=false"},
		{"groups", "reset", "demo", "billing", "--all-topics", "--to-latest", "--by", "1"},
		{"groups", "reset", "demo", "billing", "--all-topics", "--topic", "orders", "--to-latest"},
		{"groups", "reset", "demo", "billing", "--partition", "1", "--to-latest"},
		{"groups", "reset", "demo", "billing", "--topic", "orders", "--to-offset", "-1"},
		{"groups", "reset", "demo", "billing", "--topic", "orders", "--to-time", "noon"},
		{"groups", "reset", "demo", "billing", "--topic", "orders", "--back", "2"},
		{"groups", "delete-offsets", "demo", "billing"},
		{"groups", "delete", "demo", ""},
		{"storage", "fly"},
		{"storage", "show"},
		{"storage", "autoscale", "demo"},
		{"storage", "autoscale", "demo", "--target", "60"},
		{"storage", "autoscale", "demo", "--off", "--max", "500"},
		{"storage", "autoscale", "demo", "--target", "81", "--max", "500"},
		{"storage", "autoscale", "demo", "--target", "60", "--max", "16385"},
		{"storage", "grow", "demo"},
		{"storage", "grow", "demo", "--to", "0"},
		{"storage", "grow", "demo", "--to", "4294967496"}, // which 32 bits take for 200
		{"storage", "grow", "demo", "--to", "200GiB"},
		{"storage", "grow", "demo", "--to", "200", "--broker", "0"},
		{"storage", "grow", "demo", "--to", "200", "--broker", "b-1"},
		{"storage", "grow", "demo", "2", "--to", "200"},
		{"cost", "--brokers", "0"},
		{"cost", "--type", "kafka.t3.small"},
		{"cost", "--traffic-mb-s", "-1"},
		{"cost", "--from", "demo", "--volume", "100"},
		{"proxy"},
		{"proxy", "--endpoint", "https://kafka.example.com", "--listen", "0.0.0.0:4601"},
		{"status", "--endpoint", ""},
		{"status", "--endpoint", "http://kafka.example.com"},
		{"status", "--endpoint", "kafka.example.com"},
		{"status", "--endpoint", "https://kafka.example.com", "--data", "/srv/second"},
		{"up", "--endpoint", "https://kafka.example.com"},
		{"down", "--endpoint", "https://kafka.example.com"},
		{"reset", "--endpoint", "https://kafka.example.com", "--yes"},
		{"kafka", "versions", "--endpoint", "https://kafka.example.com"},
	} {
		if said := m.fails(exitUsage, args...); !strings.Contains(said, "--help") {
			t.Errorf("millrace %v says %q, want it to name the help", args, said)
		}
	}
}

func TestCommands_WithoutAControlPlaneSayHowToStartOne(t *testing.T) {
	m := newMachine(t)
	for _, args := range [][]string{
		{"env"},
		{"ca", "demo"},
		{"clusters", "list"},
		{"clusters", "describe", "demo"},
		{"clusters", "resume", "demo"},
		{"health"},
		{"health", "demo"},
		{"heal", "history", "demo"},
		{"maintenance", "on", "demo"},
		{"topics", "list", "demo"},
		{"topics", "apply", "demo"},
		{"topics", "describe", "demo", "orders"},
		{"topics", "create", "demo", "orders", "--partitions", "1"},
		{"topics", "delete", "demo", "orders", "--confirm", "orders"},
		{"topics", "export", "demo"},
		{"groups", "list", "demo"},
		{"groups", "reset", "demo", "billing", "--all-topics", "--to-latest"},
		{"storage", "show", "demo"},
		{"storage", "autoscale", "demo", "--target", "60", "--max", "500"},
		{"storage", "grow", "demo", "--to", "200"},
		{"keys", "list"},
		{"keys", "issue", "--role", "admin"},
		{"cost", "--from", "demo"},
	} {
		if said := m.fails(exitFailure, args...); !strings.Contains(said, "millrace up") || !strings.Contains(said, m.data) {
			t.Errorf("millrace %v says %q", args, said)
		}
	}
	other := filepath.Join(t.TempDir(), "it's there")
	if said := m.fails(exitFailure, "env", "--data", other); !strings.Contains(said, `millrace up --data '`) {
		t.Errorf("with --data it says %q, want a command on the same directory", said)
	}
}

func TestCommands_PrintJSON(t *testing.T) {
	m := newMachine(t)
	isJSON := func(args ...string) {
		t.Helper()
		if out := m.succeeds(append(args, "--output", "json")...); !json.Valid([]byte(out)) {
			t.Errorf("millrace %v printed %s", args, out)
		}
	}
	isJSON("status")
	isJSON("version")
	isJSON("cost")
	isJSON("kafka", "versions")
	isJSON("up", "--detach", "--listen", "127.0.0.1:0")
	isJSON("status")
	isJSON("env")
	isJSON("clusters", "list")
	isJSON("health")
	isJSON("keys", "issue", "--role", "read-only")
	isJSON("keys", "list")
	isJSON("down")
	isJSON("reset", "--yes")
	isJSON("reset", "--yes")
}

func TestCommands_NameWhatDoesNotExist(t *testing.T) {
	m := newMachine(t)
	m.up()
	arn := "arn:aws:kafka:us-east-1:000000000000:cluster/demo/11111111-2222-3333-4444-555555555555-2"
	for _, args := range [][]string{
		{"ca", "demo"},
		{"clusters", "describe", "demo"},
		{"clusters", "resume", "demo"},
		{"clusters", "describe", arn},
		{"health", arn},
		{"heal", "history", arn},
		{"maintenance", "on", arn},
		{"topics", "list", arn},
		{"topics", "apply", arn},
		{"topics", "export", arn},
	} {
		if said := m.fails(exitFailure, args...); !strings.Contains(said, args[len(args)-1]) {
			t.Errorf("millrace %v says %q", args, said)
		}
	}
}

func TestEnv_LeavesNothingThatTheControlPlaneRefuses(t *testing.T) {
	m := newMachine(t)
	m.up()
	plane := m.controlPlane()
	shell := exec.CommandContext(t.Context(), "sh", "-euc", `eval "$("$1" env)"; env`, "sh", filepath.Join(programs, "millrace"))
	shell.Env = append(os.Environ(), "MILLRACE_DATA="+m.data,
		"AWS_SESSION_TOKEN=left-over", "AWS_SECURITY_TOKEN=left-over", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true", "AWS_REGION=elsewhere",
		"AWS_PROFILE=left-over", "NO_PROXY=intranet", "no_proxy=")
	out, err := shell.Output()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			got[name] = value
		}
	}
	for name, want := range map[string]string{
		"AWS_ENDPOINT_URL_KAFKA":                    plane.endpoint(),
		"AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING": plane.endpoint(),
		"AWS_REGION":            plane.Region,
		"AWS_DEFAULT_REGION":    plane.Region,
		"AWS_ACCESS_KEY_ID":     plane.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY": plane.SecretAccessKey,
		"NO_PROXY":              "127.0.0.1,localhost,intranet",
		"no_proxy":              "127.0.0.1,localhost",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	for _, name := range []string{"AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_PROFILE"} {
		if value, set := got[name]; set {
			t.Errorf("%s is still set to %q", name, value)
		}
	}
}

// A script's unset variable must never mean the user's own directory.
func TestData_GivenButEmptyIsRefused(t *testing.T) {
	for _, command := range [][]string{{"status"}, {"reset", "--yes"}, {"down"}} {
		refused := exec.CommandContext(t.Context(), filepath.Join(programs, "millrace"), append(command, "--data", "")...)
		said, err := refused.CombinedOutput()
		if err == nil || !strings.Contains(string(said), "--data is empty") {
			t.Errorf("%v: %v, %s", command, err, said)
		}
	}
}

func TestDown_TwiceIsFine(t *testing.T) {
	m := newMachine(t)
	m.up()
	if said := m.succeeds("down"); !strings.Contains(said, "Stopped the control plane") {
		t.Errorf("the first says %q", said)
	}
	if said := m.succeeds("down"); !strings.Contains(said, "Nothing runs") {
		t.Errorf("the second says %q", said)
	}
}

func TestDown_LeavesADirectoryAloneThatIsNotThereOrNotOurs(t *testing.T) {
	m := newMachine(t)
	m.succeeds("down")
	if _, err := os.Stat(m.data); err == nil {
		t.Error("down has made a data directory")
	}
	foreign := t.TempDir()
	m.succeeds("down", "--data", foreign)
	if entries, _ := os.ReadDir(foreign); len(entries) > 0 {
		t.Errorf("down left %v behind", entries)
	}
}

func TestReset_RefusesAForeignDirectory(t *testing.T) {
	m := newMachine(t)
	foreign := t.TempDir()
	kept := filepath.Join(foreign, "hosts") // a name that we use as well
	if err := os.WriteFile(kept, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(foreign, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if said := m.fails(exitFailure, "reset", "--yes", "--data", foreign); !strings.Contains(said, "nothing was removed") {
		t.Errorf("reset says %q", said)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
}

func TestReset_AsksAndTakesNothingButYes(t *testing.T) {
	m := newMachine(t)
	m.up()
	for _, answer := range []string{"", "\n", "y\n", "no\n"} {
		if r := m.millraceWith(answer, "reset"); r.code != exitFailure || !strings.Contains(r.stderr, "nothing was removed") {
			t.Errorf("to %q: %s", answer, r)
		}
	}
	m.succeeds("env") // the control plane has not been stopped either
	if r := m.millraceWith("yes\n", "reset"); r.code != 0 {
		t.Error(r)
	}
	if _, err := os.Stat(m.data); err == nil {
		t.Error("the data directory is still there")
	}
}

func TestReset_KeepsWhatSomebodyElsePutThere(t *testing.T) {
	m := newMachine(t)
	m.up()
	notes := filepath.Join(m.data, "notes.txt")
	if err := os.WriteFile(notes, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if said := m.succeeds("reset", "--yes"); !strings.Contains(said, "notes.txt") {
		t.Errorf("reset says %q", said)
	}
	entries, err := os.ReadDir(m.data)
	if err != nil || len(entries) != 1 {
		t.Errorf("%v is left, %v; want notes.txt alone", entries, err)
	}
}
