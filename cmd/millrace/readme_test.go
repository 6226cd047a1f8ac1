package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
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

// followTopics does what the README says of topics, in a directory as a clone has it, on the cluster that runs.
func (m *machine) followTopics() {
	m.t.Helper()
	r := readmeSection(m.t, "Topics")
	clone := m.t.TempDir()
	for name, target := range map[string]string{"bin/millrace": filepath.Join(programs, "millrace"), ".venv/bin/aws": awsProgram(m.t)} {
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
	answers := map[string]string{"bin/millrace topics apply": "yes\n", "bin/millrace topics delete": "scratch\n"}
	before := `eval "$(bin/millrace env)"; `
	planned := false
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
		if strings.HasPrefix(command, "bin/millrace topics plan") {
			if planned = true; stdout.String() != r.shown["text"] {
				m.t.Errorf("%s printed:\n%s\nand the README has:\n%s", command, stdout.String(), r.shown["text"])
			}
		}
	}
	if !planned {
		m.t.Error("the README plans no topics")
	}
}
