package main

import (
	"os"
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
