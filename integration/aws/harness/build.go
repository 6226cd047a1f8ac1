// Package harness runs whole deployments to AWS on one machine, in verbs: start one, call its API, create a cluster, kill a
// function, look at what is left.
//
// What is deployed is read from the synthesised template, and nothing else: the functions with their environments and
// permissions, the state machines, the table, the launch template, the triggers. The functions are the built programs
// under Lambda's runtime API, the hosts are real agents with real Kafka, one for each instance that runs. What AWS itself
// does is done by moto behind a layer of rules, by the state-machine engine, and by small stand-ins of this package:
// API Gateway, the table's stream, the schedule and the rules, the instances' metadata.
//
// Every call to AWS, of functions and of hosts, is checked against the policies of the caller's role in the template. One
// that they do not allow is refused as AWS does it, and fails the test.
package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/millrace/millrace/integration/aws/template"
	"github.com/millrace/millrace/integration/lambdaruntime"
	"github.com/millrace/millrace/shared/platform/aws/awstest"
)

// deploymentName is the name of every deployment here, the one that `make deploy` gives without being told another.
const deploymentName = "millrace"

// image is the one that hosts start from. It is given, so that the template does not describe how to make one.
const image = "ami-0123456789abcdef0"

// Run runs the tests of a package and removes what was built for them. TestMain calls it.
func Run(m *testing.M) (code int) {
	defer func() {
		if dir := artefacts.dir; dir != "" {
			os.RemoveAll(dir)
		}
	}()
	return m.Run()
}

// artefacts are the programs and the template, made at most once for each run of a package's tests.
var artefacts struct {
	once     sync.Once
	dir      string
	template template.Template
	err      error
}

// build gives the directory of what is built, and the template.
func build(t testing.TB) (dir string, deployed template.Template) {
	t.Helper()
	artefacts.once.Do(func() {
		if artefacts.dir, artefacts.err = os.MkdirTemp("", "millrace-aws-"); artefacts.err == nil { //nolint:usetesting // all tests of the process share it
			artefacts.template, artefacts.err = buildInto(artefacts.dir)
		}
	})
	if artefacts.err != nil {
		t.Fatal(artefacts.err)
	}
	return artefacts.dir, artefacts.template
}

// buildInto builds everything for this machine's architecture: the functions into functions/, the other programs into bin/,
// the deployment's description into cdk.out/.
func buildInto(dir string) (template.Template, error) {
	ctx := context.Background()
	root, err := lambdaruntime.ModuleRoot()
	if err != nil {
		return template.Template{}, err
	}
	functions, err := lambdaruntime.Functions(root)
	if err != nil {
		return template.Template{}, err
	}
	for _, f := range functions {
		if _, err := lambdaruntime.Build(ctx, root, filepath.Join(dir, "functions"), f, lambdaruntime.Host); err != nil {
			return template.Template{}, err
		}
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(dir, "bin")+string(filepath.Separator),
		"./cmd/millrace", "./cmd/broker-agent", "./infra")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		return template.Template{}, fmt.Errorf("build millrace, broker-agent and infra: %w\n%s", err, output)
	}
	return synthesise(ctx, root, dir)
}

// synthesise does what `cdk synth` does: it runs the program that describes the deployment, with the context of cdk.json.
func synthesise(ctx context.Context, root, dir string) (template.Template, error) {
	content, err := os.ReadFile(filepath.Join(root, "cdk.json"))
	if err != nil {
		return template.Template{}, err
	}
	var project struct{ Context map[string]any }
	if err := json.Unmarshal(content, &project); err != nil {
		return template.Template{}, fmt.Errorf("cdk.json: %w", err)
	}
	for name, value := range map[string]string{
		"deployment": deploymentName, "region": awstest.Region, "brokerImageId": image, "build": filepath.Join(dir, "functions"),
	} {
		project.Context[name] = value
	}
	settings, err := json.Marshal(project.Context)
	if err != nil {
		return template.Template{}, err
	}
	out := filepath.Join(dir, "cdk.out")
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "bin", "infra"))
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CDK_OUTDIR="+out, "CDK_CONTEXT_JSON="+string(settings), "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=20")
	if output, err := cmd.CombinedOutput(); err != nil {
		return template.Template{}, fmt.Errorf("synthesise the deployment: %w\n%s", err, output)
	}
	return template.Read(filepath.Join(out, deploymentName+".template.json"))
}
