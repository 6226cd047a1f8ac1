package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// millrace is the command line of this project, used as anybody would.
type millrace struct{ binary string }

func (m millrace) start(ctx context.Context) error {
	if _, err := output(ctx, os.Environ(), m.binary, "env"); err == nil {
		say("  one runs already")
		return nil
	}
	_, err := output(ctx, os.Environ(), m.binary, "up", "--detach")
	return err
}

// environment gives the variables of a shell that has run `eval "$(millrace env)"`.
func (m millrace) environment(ctx context.Context) ([]string, error) {
	if _, err := output(ctx, os.Environ(), m.binary, "env"); err != nil {
		return nil, err // the shell would not tell why
	}
	text, err := output(ctx, os.Environ(), "sh", "-c", `eval "$("$0" env)" && env -0`, m.binary)
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00"), nil
}

// clusterStatus is what `millrace clusters list --output json` tells, as far as the demo needs it.
type clusterStatus struct {
	Name    string `json:"name"`
	ARN     string `json:"arn"`
	State   string `json:"state"`
	Failure *struct {
		Message string `json:"message"`
	} `json:"failure"`
	Operation *struct {
		Percent int `json:"percent"`
		Steps   []struct {
			Name   string `json:"name"`
			Status string `json:"status"`
			Detail string `json:"detail"`
		} `json:"steps"`
	} `json:"operation"`
}

func (c clusterStatus) why() string {
	if c.Failure == nil {
		return "no reason is recorded"
	}
	return c.Failure.Message
}

// progress says in a line how far the operation is and what it waits for.
func (c clusterStatus) progress() string {
	if c.Operation == nil {
		return "0 %"
	}
	for _, s := range c.Operation.Steps {
		if s.Status == "IN_PROGRESS" {
			return fmt.Sprintf("%3d %%  %s  %s", c.Operation.Percent, s.Name, s.Detail)
		}
	}
	return fmt.Sprintf("%3d %%", c.Operation.Percent)
}

func (m millrace) clusters(ctx context.Context) ([]clusterStatus, error) {
	text, err := output(ctx, os.Environ(), m.binary, "clusters", "list", "--output", "json")
	if err != nil {
		return nil, err
	}
	var clusters []clusterStatus
	if err := json.Unmarshal(text, &clusters); err != nil {
		return nil, fmt.Errorf("read the list of clusters: %w", err)
	}
	return clusters, nil
}

func (m millrace) authority(ctx context.Context) ([]byte, error) {
	return output(ctx, os.Environ(), m.binary, "ca", clusterName)
}

func (m millrace) sayWhatNext(environment []string, arn string) {
	say("\nThe cluster goes on running. What to try next:\n")
	say("The aws CLI:\n\n  eval \"$(%s env)\"\n  %s kafka describe-cluster-v2 --cluster-arn %s\n", m.binary, awsBinary(), arn)
	say("Terraform, in the same shell:\n\n%s", indent(providerBlock(valueOf(environment, "AWS_REGION"), valueOf(environment, "AWS_ENDPOINT_URL_KAFKA"))))
	say("Stop it with %q; %q brings everything back, %q removes it.", m.binary+" down", m.binary+" up", m.binary+" reset")
}

// providerBlock points Terraform's provider of AWS at a control plane on this machine.
func providerBlock(region, endpoint string) string {
	return fmt.Sprintf(`provider "aws" {
  region                      = %q
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
  endpoints {
    appautoscaling = %q
    kafka          = %q
  }
}
`, region, endpoint, endpoint)
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n"
}

func valueOf(environment []string, name string) string {
	for _, v := range environment {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// output runs a command and gives what it printed; an error carries what it complained of.
func output(ctx context.Context, environment []string, name string, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, name, args...)
	command.Env = environment
	var complaint bytes.Buffer
	command.Stderr = &complaint
	text, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, complaint.String())
	}
	return text, nil
}
