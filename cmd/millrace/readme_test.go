package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/mskapi/mskapitest"
)

// The first cluster of a deployment is made by copying this command; the aws command line checks it without calling anybody.
func TestReadme_CreatesAClusterByACommandThatTheAwsCommandLineTakes(t *testing.T) {
	text, err := os.ReadFile("../../infra/README.md")
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`(?m)^aws kafka create-cluster (?:.*\\\n)*.*$`).FindString(string(text))
	if command == "" {
		t.Fatal("infra/README.md creates no cluster")
	}
	command = strings.NewReplacer("\\\n", " ", "<SubnetIds>", "subnet-a,subnet-b,subnet-c").Replace(command)
	args := append(strings.Fields(command)[1:], "--generate-cli-skeleton", "output")
	if out, err := awsCLI(t, "AWS_DEFAULT_REGION=us-east-1")(args...); err != nil {
		t.Errorf("%s: %v\n%s", command, err, out)
	}
}

// readme is a section of the README: its commands in their order, and what else it shows, by language.
type readme struct {
	commands []string
	shown    map[string]string
}

func readmeSection(t *testing.T, title string) readme {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## "+title+"\n")
	if !found {
		t.Fatalf("the README has no section %s", title)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	r := readme{shown: map[string]string{}}
	for _, block := range regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$").FindAllStringSubmatch(section, -1) {
		if block[1] != "" {
			r.shown[block[1]] = block[2]
			continue
		}
		for line := range strings.Lines(strings.ReplaceAll(block[2], "\\\n", " ")) {
			command, _, _ := strings.Cut(line, " #")
			r.commands = append(r.commands, strings.TrimSpace(command))
		}
	}
	return r
}

// follow runs the commands of a section of the README, in a directory as a clone has it, on the cluster that runs, and gives what each
// has printed. answers are what is typed where a command asks, by how it begins.
func (m *machine) follow(r readme, answers map[string]string) (printed map[string]string) {
	m.t.Helper()
	clone := m.t.TempDir()
	for name, target := range map[string]string{"bin/millrace": filepath.Join(programs, "millrace"), ".venv/bin/aws": mskapitest.CommandLine(m.t)} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(clone, name)), 0o700); err != nil {
			m.t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(clone, name)); err != nil {
			m.t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(clone, "topics.yaml"), []byte(r.shown["yaml"]), 0o600); err != nil {
		m.t.Fatal(err)
	}
	before := `eval "$(bin/millrace env)"; `
	printed = map[string]string{}
	for _, command := range r.commands {
		if strings.HasPrefix(command, "ARN=") {
			before += command + "; "
			continue
		}
		shell := exec.CommandContext(m.t.Context(), "sh", "-euc", before+command)
		shell.Dir = clone
		shell.Env = append(withoutAWS(os.Environ()), "MILLRACE_DATA="+m.data, "MILLRACE_ENDPOINT=",
			"AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull)
		for prefix, answer := range answers {
			if strings.HasPrefix(command, prefix) {
				shell.Stdin = strings.NewReader(answer)
			}
		}
		var stdout, stderr bytes.Buffer
		shell.Stdout, shell.Stderr = &stdout, &stderr
		if err := shell.Run(); err != nil {
			m.t.Fatalf("%s: %v\n%s%s", command, err, stdout.String(), stderr.String())
		}
		m.t.Logf("$ %s\n%s%s", command, stdout.String(), stderr.String())
		printed[command] = stdout.String()
	}
	return printed
}

// followTopics does what the README says of topics.
func (m *machine) followTopics() {
	m.t.Helper()
	r := readmeSection(m.t, "Topics")
	printed := m.follow(r, map[string]string{"bin/millrace topics apply": "yes\n", "bin/millrace topics delete": "scratch\n"})
	if plan := printed["bin/millrace topics plan -f topics.yaml demo"]; plan != r.shown["text"] {
		m.t.Errorf("the plan printed is:\n%s\nand the README has:\n%s", plan, r.shown["text"])
	}
}

// followStorage does what the README says of storage: all brokers have what it asks for, under hosts and Kafkas that stay, and
// Application Auto Scaling says the rule that the README sets last.
func (m *machine) followStorage() {
	m.t.Helper()
	before := m.status().Clusters[0].Nodes
	m.follow(readmeSection(m.t, "Storage"), nil)
	var shown client.Storage
	if err := json.Unmarshal([]byte(m.succeeds("storage", "show", "demo", "--output", "json")), &shown); err != nil {
		m.t.Fatal(err)
	}
	if want := (cluster.StorageAutoscaling{TargetPercent: 60, MaxGiB: 500}); shown.Autoscaling == nil || *shown.Autoscaling != want {
		m.t.Errorf("volumes grow by %v, want %s", shown.Autoscaling, want)
	}
	for _, b := range shown.Brokers {
		if b.VolumeGiB != 200 {
			m.t.Errorf("broker %d has %d GiB, want 200", b.ID, b.VolumeGiB)
		}
	}
	for i, n := range m.status().Clusters[0].Nodes {
		if was := before[i]; n.Host != was.Host {
			m.t.Errorf("node %d was on host %s, and is on %s", n.ID, was.Host, n.Host)
		}
	}
}

// Whoever reads a document, or a playbook at night, types what stands there.
func TestDocuments_NameCommandsAndFlagsThatThereAre(t *testing.T) {
	playbooks, err := filepath.Glob("../../infra/playbooks/*.md")
	if err != nil || len(playbooks) == 0 {
		t.Fatalf("there are no playbooks: %v", err)
	}
	seen := 0
	for _, file := range append(playbooks, "../../README.md", "../../infra/README.md", "../../shared/bill/COST.md", "../../shared/health/DESIGN.md", "../../shared/topicplan/DESIGN.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// In code, at the start of a line or between backquotes, and no further than the command goes.
		for _, found := range regexp.MustCompile("(?m)(?:^ *|`)(?:bin/)?millrace((?: [^`\\n#|>]+)?)").FindAllStringSubmatch(string(text), -1) {
			seen++
			args := strings.Fields(found[1])
			command, rest, err := (&app{}).root().Find(args)
			if err == nil && len(rest) > 0 && command.HasSubCommands() {
				err = command.ParseFlags(rest)
				if err == nil && command.Flags().NArg() > 0 {
					err = fmt.Errorf("there is no command %s", command.Flags().Arg(0))
				}
			}
			if err != nil {
				t.Errorf("%s: millrace%s: %v", file, found[1], err)
				continue
			}
			for _, word := range rest {
				name, isFlag := strings.CutPrefix(word, "--")
				name, _, _ = strings.Cut(strings.Trim(name, "…,.)"), "=")
				if isFlag && name != "help" && command.Flag(name) == nil && command.InheritedFlags().Lookup(name) == nil {
					t.Errorf("%s: millrace%s: there is no --%s", file, found[1], name)
				}
			}
		}
	}
	t.Logf("%d commands are named", seen)
}
